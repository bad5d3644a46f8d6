// Pages opened from disk.

import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { chart, fashion, fixture, json, kennard, launch, mkdir, open, readFile, scratch, series, tenThousand, writeFile } from "./support.js";

let browser, folder;
const url = (name) => `file://${folder.at(name)}`;

before(async () => {
  [browser, folder] = [await launch(), await scratch()];
  const audit = (model, out, ...words) =>
    kennard("audit", fixture(model), "--data", fashion, "--eps", "0.1", "--samples", "200", "--out", folder.at(out), ...words);
  await audit("fashion_cnn_robust.onnx", "robust", "--minimal", "fab", "--steps", "10");
  await kennard("audit", fixture("fashion_mlp.onnx"), "--data", fashion, "--samples", "30", "--certify", "--minimal", "fmn", "--steps", "20",
    "--attack", "none", "--packet-samples", "0", "--out", folder.at("radii"));
  await audit("fashion_mlp.onnx", "epochs/epoch-1", "--packet-samples", "2000");
  await audit("fashion_cnn.onnx", "epochs/epoch-2", "--packet-samples", "2000");
  await kennard("uncertainty", fixture("fashion_cnn_robust.onnx"), "--data", fashion, "--scale", "0.02,0.05,0.1", "--centres", "2", "--out", folder.at("packets"));
  await kennard("probe", fixture("fashion_cnn_robust.onnx"), "--data", fashion, "--samples", "200", "--out", folder.at("probe"));
  await kennard("train", "--data", fashion, "--split", "test", "--arch", "mlp:16", "--epochs", "3", "--method", "pgd", "--steps", "2", "--eps", "0.05", "--out", folder.at("training"));
  await kennard("track", folder.at("training"), "--data", fashion, "--samples", "100", "--steps", "2", "--packet-samples", "2000", "--out", folder.at("track"));
  await kennard("plane", fixture("plane_moons.onnx"), "--problem", "moons", "--samples", "100", "--scale", "0.05,0.1,0.2", "--out", folder.at("plane"));
  await kennard("slice", fixture("fashion_mlp.onnx"), "--data", fashion, "--scale", "0.1", "--out", folder.at("slice"));
  await kennard("resolve", fixture("fashion_mlp.onnx"), "--data", fashion, "--samples", "60", "--out", folder.at("resolve"));
  await kennard("features", fixture("fashion_mlp.onnx"), "--data", fashion, "--tensor", "relu1", "--eps-relative", "0.05,0.1,0.2", "--samples", "40", "--out", folder.at("features"));
  await kennard("reproduce", "e1", "--data", fashion, "--split", "test", "--epochs", "1", "--samples", "100", "--out", folder.at("e1"));
  await kennard("report", ...["robust", "packets", "probe"].map(folder.at), "-o", folder.at("one.html"));
  await kennard("report", folder.at("robust"), folder.at("epochs"), "-o", folder.at("three.html"));
});
after(async () => { await browser?.close(); await folder?.remove(); });

test("a page opens from disk without a complaint and asks nobody for anything", async () => {
  for (const name of ["one.html", "three.html", "robust/report.html", "packets/report.html", "probe/report.html", "training/report.html"]) {
    for (const colorScheme of ["light", "dark"]) {
      const { page, said, asked } = await open(browser, url(name), { colorScheme });
      assert.deepEqual(said, [], name);
      assert.deepEqual(asked, [url(name)], name);
      assert.ok(await page.locator("figure .plot svg").count() > 0, `${name} draws nothing`);
      await page.close();
    }
  }
});

test("what is proved is drawn over ε, below what was not broken", async () => {
  const { radii, closest } = await json(folder.at("radii/summary.json"));
  const { page, said } = await open(browser, url("radii/report.html"));
  assert.deepEqual(said, []);
  const curve = await chart(page, "curve");
  assert.deepEqual(series(curve, "certified"), radii.curve.map((p) => [p.eps, p.certified_accuracy]));
  assert.deepEqual(series(curve, "closest adversarial points"), closest.curve.map((p) => [p.eps, p.robust_accuracy]));
  assert.ok(radii.curve.every((p) => p.certified_accuracy <= p.robust_accuracy) && radii.curve[0].certified_accuracy > 0.5);
  await page.getByText("median certified radius").waitFor();
  await page.close();
});

test("charts have the figures of the summary", async () => {
  const summary = await json(folder.at("robust/summary.json"));
  const { page } = await open(browser, url("one.html"));
  const curve = await chart(page, "curve");
  assert.deepEqual(series(curve, "closest adversarial points"), summary.closest.curve.map((p) => [p.eps, p.robust_accuracy]));
  assert.deepEqual(series(curve, "clean"), [[0, summary.clean.accuracy]]);
  for (const attack of summary.attacks) assert.deepEqual(series(curve, attack.name), [[0.1, attack.robust_accuracy]]);
  const bars = series(await chart(page, "attacks"), "accuracy").map((bar) => bar.value);
  assert.deepEqual(bars, [summary.clean.accuracy, ...summary.attacks.map((a) => a.robust_accuracy), summary.robust.robust_accuracy]);
  const cost = await chart(page, "cost");
  const attacks = [...summary.attacks, ...summary.minimal];
  assert.deepEqual(series(cost, "forward and gradient"), attacks.map((a) => a.backwards));
  assert.deepEqual(series(cost, "forward alone"), attacks.map((a) => a.forwards));
  const sum = (data, at) => data.reduce((total, row) => total + row[at], 0);
  const histogram = series(await chart(page, "distances"), "samples");
  assert.equal(sum(histogram, 2), summary.clean.correct);
  const confused = (await chart(page, "confusion-attack")).series[0].data.map((cell) => cell.value);
  assert.equal(sum(confused.filter(([taken, label]) => taken === label), 3), summary.robust.robust);
  const packets = await json(folder.at("packets/summary.json"));
  const of = (figure) => packets.curve.map((f) => [f.scale, f[figure].value]);
  const undrawn = (id) => page.$eval(`#chart-${id}`, (figure) => figure.className === "undrawn");
  if (!(await undrawn("product"))) assert.deepEqual(series(await chart(page, "product"), "all coordinates"), of("product"));
  assert.deepEqual(series(await chart(page, "sigma-x"), "σ_x"), of("sigma_x"));
  assert.deepEqual(series(await chart(page, "sigma-p"), "σ_p"), of("sigma_p"));
  // It is -1/2 at every scale, so that its chart would show noise.
  assert.equal(await undrawn("stein"), true);
  const probe = await json(folder.at("probe/summary.json"));
  assert.deepEqual(series(await chart(page, "probe"), "samples").map((bin) => bin[2]), probe.cosine_histogram.counts);
  const verdict = await page.locator("#verdict").innerText();
  assert.ok(verdict.includes((100 * summary.robust.robust_accuracy).toFixed(2)) && verdict.includes((100 * summary.robust.interval[0]).toFixed(2)));
  await page.close();
});

test("training and the audit's own cosines are drawn", async () => {
  const log = (await readFile(folder.at("training/log.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const { page } = await open(browser, url("training/report.html"));
  assert.deepEqual(series(await chart(page, "training-loss"), "loss"), log.map((e) => [e.epoch, e.loss]));
  assert.deepEqual(series(await chart(page, "training-accuracy"), "validation"), log.map((e) => [e.epoch, e.validation_accuracy]));
  await page.goto(url("robust/report.html"));
  const { cosines } = await json(folder.at("robust/summary.json"));
  const counts = series(await chart(page, "probe"), "samples").map((bin) => bin[2]);
  assert.equal(counts.reduce((a, b) => a + b), cosines.samples - cosines.without);
  await page.close();
});

test("every axis is named with its unit, and letters do not overlap", async () => {
  const sizes = [[1440, "light"], [1440, "dark"], [390, "light"], [390, "dark"]];
  for (const name of ["one.html", "three.html", "training/report.html", "track/report.html", "plane/report.html", "features/report.html"]) {
    for (const [width, colorScheme] of sizes) {
      const { page } = await open(browser, url(name), { viewport: { width, height: 900 }, colorScheme });
      const faults = await page.evaluate(() => {
        const faults = [];
        if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the screen");
        for (const plot of document.querySelectorAll(".plot")) {
          const id = plot.parentElement.id;
          const { xAxis, yAxis } = echarts.getInstanceByDom(plot).getOption();
          for (const axis of [...xAxis, ...yAxis]) {
            const words = ["class", "predicted class", "samples per bin", "points evaluated", "epoch"];
            if (axis.type !== "category" && !/\[.+\]/.test(axis.name) && !words.includes(axis.name)) faults.push(`${id}: axis ${axis.name}`);
          }
          const frame = plot.getBoundingClientRect();
          const boxes = [...plot.querySelectorAll("svg text")].map((text) => ({ text: text.textContent, slanted: /matrix\((?!1,0,0,1|0,)/.test((text.getAttribute("transform") ?? "").replaceAll(" ", "")), box: text.getBoundingClientRect() }))
            .filter(({ text, box }) => text.trim() && box.width > 0 && !text.includes("\n"));
          for (const { text, box } of boxes) {
            if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1) faults.push(`${id}: "${text}" is cut`);
          }
          const straight = boxes.filter((b) => !b.slanted);
          straight.forEach((a, i) => straight.slice(i + 1).forEach((b) => {
            const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
            const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
            if (across > 2 && down > 3) faults.push(`${id}: "${a.text}" and "${b.text}"`);
          }));
        }
        return faults;
      });
      assert.deepEqual(faults, [], `${name}, ${width}, ${colorScheme}`);
      await page.close();
    }
  }
});

test("tables sort and filter, and hand over their data", async () => {
  const { page } = await open(browser, url("one.html"));
  const samples = page.locator("#table-samples");
  const column = (n) => samples.locator(`tbody tr td:nth-child(${n})`).allInnerTexts();
  const margins = async () => (await column(4)).map(Number);
  await samples.getByRole("button", { name: "margin" }).click();
  const up = await margins();
  assert.deepEqual(up, [...up].sort((a, b) => a - b));
  await samples.getByRole("button", { name: "margin" }).click();
  const down = await margins();
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  assert.ok(down[0] > up[0]);
  assert.equal(await samples.locator("th[aria-sort=descending]").count(), 1);
  await samples.getByRole("searchbox").fill("misclassified");
  const summary = await json(folder.at("robust/summary.json"));
  assert.match(await samples.locator(".count").innerText(), new RegExp(`of ${200 - summary.clean.correct}$`));
  await samples.getByRole("searchbox").fill("label:7 robust");
  assert.ok((await column(2)).every((label) => label.startsWith("7 ")));
  assert.ok((await column(5)).every((verdict) => verdict === "robust"));
  const [saved] = await Promise.all([page.waitForEvent("download"), samples.getByRole("button", { name: "CSV" }).click()]);
  const rows = (await readFile(await saved.path(), "utf8")).trim().split("\r\n");
  assert.equal(rows.length, 201);
  const [drawn] = await Promise.all([page.waitForEvent("download"), page.locator("#chart-curve").getByRole("button", { name: "SVG" }).click()]);
  assert.match(await readFile(await drawn.path(), "utf8"), /^<svg[^]*robust accuracy/);
  const [data] = await Promise.all([page.waitForEvent("download"), page.locator("#chart-curve").getByRole("button", { name: "JSON" }).click()]);
  const points = JSON.parse(await readFile(await data.path(), "utf8"));
  assert.deepEqual(points.filter((p) => p.series === "closest").map((p) => p.robust_accuracy), summary.closest.curve.map((p) => p.robust_accuracy));
  await page.close();
});

/** What a button hands over. */
async function saved(page, place, name) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator(place).getByRole("button", { name, exact: true }).click()]);
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
}

/** The rows of a file of comma-separated values, by the names of its columns. */
async function savedRows(page, place) {
  const { name, text } = await saved(page, place, "CSV");
  const cells = (line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain);
  const [header, ...lines] = text.trim().split("\r\n").map(cells);
  assert.ok(lines.every((line) => line.length === header.length), `${name}: ${header}`);
  return { name, header, rows: lines.map((line) => Object.fromEntries(line.map((cell, i) => [header[i], cell]))) };
}

/** A page whose figures are changed. */
async function changed(from, to, change) {
  const text = await readFile(folder.at(from), "utf8");
  const start = text.indexOf(`id="data">`) + 10;
  const end = text.indexOf("</script>", start);
  const data = JSON.parse(text.slice(start, end));
  change(data);
  await writeFile(folder.at(to), text.slice(0, start) + JSON.stringify(data).replaceAll("<", "\\u003c") + text.slice(end));
  return url(to);
}

test("saved tables are in the units of their headings, with both ends of intervals", async () => {
  const { page } = await open(browser, url("one.html"));
  const summary = await json(folder.at("robust/summary.json"));
  const near = (text, value, what) => assert.ok(text !== "" && Math.abs(Number(text) - value) <= 1e-9 * Math.abs(value), `${what}: ${text} for ${value}`);
  const hundred = (row, titles, values) => titles.forEach((title, i) => near(row[title], 100 * values[i], title));
  const attacks = await savedRows(page, "#table-attacks");
  assert.equal(attacks.name, "kennard-attacks.csv");
  [summary.clean, ...summary.attacks, summary.robust].forEach((figure, i) =>
    hundred(attacks.rows[i], ["accuracy [%]", "95 % low [%]", "95 % high [%]"], [figure.accuracy ?? figure.robust_accuracy, ...figure.interval]));
  const classes = await savedRows(page, "#table-classes");
  const shown = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).runs[0].classes);
  classes.rows.forEach((row, i) => {
    hundred(row, ["clean [%]", "clean, low [%]", "clean, high [%]"], [shown.correct[i] / shown.samples[i], ...shown.clean_interval[i]]);
    hundred(row, ["under attack [%]", "under attack, low [%]", "under attack, high [%]"], [shown.robust[i] / shown.samples[i], ...shown.robust_interval[i]]);
  });
  const [packet] = summary.packets;
  const { rows: [own] } = await savedRows(page, "#table-packets");
  [["σ_x σ_p", packet.product], ["σ_x σ_p, low", packet.product_interval[0]], ["σ_x σ_p, high", packet.product_interval[1]], ["drift, low", packet.drift_interval[0]],
    ["Stein check, high", packet.stein_interval[1]], ["points", packet.samples], ["effective sample size", packet.ess]].forEach(([title, value]) => near(own[title], value, title));
  assert.equal(own["Stein check, verdict"], packet.valid ? "holds" : "FAILS");
  const { curve } = await json(folder.at("packets/summary.json"));
  (await savedRows(page, "#table-survey")).rows.forEach((row, i) => {
    near(row["effective sample size"], curve[i].ess, "effective sample size");
    near(row["σ_p, high"], curve[i].sigma_p.interval[1], "σ_p");
    assert.equal(row["Stein check, verdict"], curve[i].valid ? "holds" : "FAILS");
  });
  const { cosine } = await json(folder.at("probe/summary.json"));
  const { rows: [probe] } = await savedRows(page, "#table-probe");
  near(probe["95 % high"], cosine.mean_interval[1], "cosine");
  await page.goto(url("three.html"));
  const pairs = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).comparison.pairs);
  const [first] = (await savedRows(page, "#table-pairs")).rows;
  hundred(first, ["difference [points]", "95 % low [points]", "95 % high [points]"], [pairs[0].clean.difference, ...pairs[0].clean.interval]);
  await page.goto(url("training/report.html"));
  const log = (await readFile(folder.at("training/log.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  (await savedRows(page, "#table-training")).rows.forEach((row, i) => near(row["training [%]"], 100 * log[i].train_accuracy, "training"));
  await savedRows(page, "#chart-training-accuracy");
  await page.close();
});

test("what an unfinished run hands over has no accuracy that is not known, and says so", async () => {
  const address = await changed("robust/report.html", "unfinished.html", ({ runs: [run] }) => {
    run.stage = "interrupted";
    for (const attack of [...run.summary.attacks, run.summary.robust]) Object.assign(attack, { pending: 40, robust_accuracy: null, interval: null, bracket: [0.1, 0.3] });
  });
  const { page, said } = await open(browser, address);
  assert.deepEqual(said, []);
  const { name, text } = await saved(page, "#chart-attacks", "JSON");
  assert.match(name, /unfinished/);
  for (const { attack, accuracy, low, high, at_least: least, at_most: most, pending, run } of JSON.parse(text).slice(1)) {
    assert.deepEqual([accuracy, low, high, least, most, pending, run], [null, null, null, 0.1, 0.3, 40, "unfinished"], attack);
  }
  for (const [place, accuracy, least] of [["#chart-attacks", "accuracy", "at_least"], ["#table-attacks", "accuracy [%]", "at least [%]"]]) {
    const { name, rows } = await savedRows(page, place);
    assert.match(name, /unfinished/);
    assert.notEqual(rows[0][accuracy], "");
    for (const row of rows.slice(1)) assert.deepEqual([row[accuracy], Number(row[least]), row.run], ["", place.startsWith("#chart") ? 0.1 : 10, "unfinished"]);
  }
  assert.match((await savedRows(page, "#table-samples")).name, /unfinished/);
  await page.close();
});

test("the chart of attacks says that certified samples are not attacked", async () => {
  const bounds = { certified: 3, pending: 0, certified_accuracy: 0.015, bracket: [0.015, 0.015], interval: [0.003, 0.043], methods: [], contradicted: [] };
  const words = async (address) => {
    const { page, said } = await open(browser, address);
    assert.deepEqual(said, []);
    const text = await page.locator("#chart-attacks figcaption").innerText();
    await page.close();
    return text;
  };
  assert.match(await words(url("robust/report.html")), /Each attack tries every sample\./);
  const certified = (name, more) => changed("robust/report.html", name, ({ runs: [run] }) => { Object.assign(run.summary, { certified: bounds, undecided: 0, ...more }); });
  assert.match(await words(await certified("certified.html", {})), /Certified samples are not attacked\. Each attack tries every sample that is left\./);
  assert.match(await words(await certified("cascade.html", { cascade: true })), /Certified samples are not attacked\. Each attack tries what those before it left standing\./);
});

test("what confines attacks leads in the place of epsilon", async () => {
  const confined = (name, words) => changed("robust/report.html", name, ({ runs: [run] }) => {
    Object.assign(run.summary, { confined: words, minimal: [], closest: null });
    run.distances = null;
    run.samples.broken_by = run.samples.broken_by.map((by) => (by === null ? null : 0));
  });
  const own = await open(browser, await confined("boxes.html", ["each sample in a box of its own"]));
  const verdict = await own.page.locator("#verdict").innerText();
  assert.match(verdict, /robust accuracy, each sample in a box of its own/);
  assert.match(verdict, /Threat model\. Each sample in a box of its own: no input element may change by more than 0\.1/);
  assert.ok(!verdict.includes("linf ≤"), verdict);
  assert.equal(await own.page.locator("#chart-curve .plot").count(), 0);
  const frozen = await open(browser, await confined("frozen.html", ["2 of 784 features frozen"]));
  assert.match(await frozen.page.locator("#verdict").innerText(), /robust accuracy, linf ≤ 0\.1, 2 of 784 features frozen/);
  assert.ok(!(await frozen.page.locator("#chart-curve figcaption").innerText()).includes("--minimal"));
  assert.deepEqual([own.said, frozen.said], [[], []]);
  await Promise.all([own.page.close(), frozen.page.close()]);
});

test("an audit that has not measured its packets yet does not say that there are no warnings", async () => {
  const words = async (name, warnings) => {
    const { page, said } = await open(browser, await changed("robust/report.html", name, ({ runs: [run] }) => {
      run.stage = "running";
      Object.assign(run.summary, { complete: false, warnings, packets: [] });
    }));
    assert.deepEqual(said, []);
    const text = await page.locator("#warnings").innerText();
    await page.close();
    return text;
  };
  assert.equal(await words("packets-pending.html", []), "Warnings are known when the run is done.");
  const one = await words("packets-pending-one.html", [{ code: "few-samples", message: "only a few" }]);
  assert.match(one, /^1 warning\n+few samples: only a few\n+Others are known when the run is done\.$/);
});

test("numbers in a confusion matrix are black or white, without a border", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page } = await open(browser, url("robust/report.html"), { colorScheme });
    const { data, border } = await page.evaluate(() => {
      const [series] = echarts.getInstanceByDom(document.querySelector("#chart-confusion .plot")).getOption().series;
      return { data: series.data, border: series.label.textBorderWidth };
    });
    assert.equal(border, 0);
    for (const { value: [, , share], label } of data) {
      const light = colorScheme === "light" ? share < 0.5 : share > 0.5;
      if (Math.abs(share - 0.5) > 0.1) assert.equal(label.color, light ? "#000000" : "#ffffff", `${share} in ${colorScheme}`);
    }
    await page.close();
  }
});

test("a saved drawing is for white paper, and as wide from any window", async () => {
  const drawings = [];
  for (const [width, colorScheme] of [[1440, "light"], [390, "dark"]]) {
    const { page, said } = await open(browser, url("robust/report.html"), { viewport: { width, height: 900 }, colorScheme });
    drawings.push((await saved(page, "#chart-curve", "SVG")).text.replace(/zr\d+/g, "zr"));
    assert.equal(await page.evaluate(() => document.documentElement.dataset.shade), colorScheme);
    assert.deepEqual(said, []);
    await page.close();
  }
  assert.match(drawings[0], /^<svg[^>]* width="720"/);
  assert.equal(drawings[1], drawings[0]);
});

test("of few broken samples there is one list, and a class is found by its name", async () => {
  const { page } = await open(browser, await changed("robust/report.html", "few-broken.html", ({ runs: [run] }) => {
    run.examples = run.examples.slice(0, 3);
    run.examples.forEach((e) => { e.roles = ["first", "easiest", "hardest"]; });
  }));
  assert.deepEqual(await page.locator("#examples .gallery").evaluateAll((all) => all.map((list) => [list.id, list.children.length])), [["gallery-broken", 3]]);
  const found = async (words) => {
    await page.locator("#samples-filter").fill(words);
    return page.locator("#table-samples .count").innerText();
  };
  assert.equal(await found("label:pullover"), await found("label:2"));
  assert.notEqual(await found("label:2"), "no row");
  await page.close();
});

test("what is said of distances is true of those that are shown", async () => {
  const lead = async (address) => {
    const { page } = await open(browser, address);
    const text = await page.locator("#distance .lead").innerText();
    await page.close();
    return text;
  };
  assert.match(await lead(url("robust/report.html")), /^The smallest perturbations that attacks found/);
  const alone = await changed("robust/report.html", "search.html", ({ runs: [run] }) => {
    Object.assign(run.summary, { minimal: [], closest: null, distances: { found_by: "boundary search", predicted_by: "packet distance", samples: 2,
      predicted: { value: 0.1, interval: [0.05, 0.2] }, found: { value: 0.1, interval: [0.05, 0.2] }, correlation: null } });
    run.samples.broken_by = run.samples.broken_by.map((by) => (by === null ? null : 0));
    Object.assign(run, { distances: null, pairs: { index: [0, 1], found: [0.05, 0.2], predicted: [0.05, 0.2] } });
  });
  assert.match(await lead(alone), /^Distances to the decision boundary, predicted/);
});

test("names of ten thousand characters are cut", async () => {
  const address = await changed("robust/report.html", "long.html", ({ runs: [run] }) => {
    run.classes.names = Array.from({ length: 10 }, (_, i) => (i % 2 ? "x".repeat(10_000) : "words ".repeat(1700)));
  });
  const { page, said } = await open(browser, address);
  const heights = await page.locator("figure.example").evaluateAll((all) => all.map((card) => card.getBoundingClientRect().height));
  assert.ok(heights.length > 0 && heights.every((height) => height < 400), String(heights));
  const cells = await page.locator("td").evaluateAll((all) => all.map((cell) => cell.textContent.length));
  assert.ok(Math.max(...cells) <= 300, String(Math.max(...cells)));
  // The file has all of them.
  const { rows } = await savedRows(page, "#table-samples");
  assert.ok(rows.every((row) => row.label.length > 10_000));
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  assert.deepEqual(said, []);
  await page.close();
});

test("the theme follows the system until it is chosen", async () => {
  const { page } = await open(browser, url("one.html"), { colorScheme: "dark" });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await paper(), "rgb(23, 27, 32)");
  await page.locator("#theme").click();
  assert.equal(await paper(), "rgb(255, 255, 255)");
  await page.locator("#theme").click();
  assert.equal(await paper(), "rgb(23, 27, 32)");
  await page.emulateMedia({ colorScheme: "light" });
  assert.equal(await paper(), "rgb(23, 27, 32)");
  await page.locator("#theme").click();
  assert.equal(await paper(), "rgb(255, 255, 255)");
  assert.ok((await page.pdf()).length > 10_000);
  await page.close();
});

test("runs are compared", async () => {
  const { page } = await open(browser, url("three.html"));
  const summaries = await Promise.all(["robust", "epochs/epoch-1", "epochs/epoch-2"].map((name) => json(folder.at(`${name}/summary.json`))));
  const plane = series(await chart(page, "plane"), "runs");
  assert.deepEqual(plane.map((p) => p.name), ["robust", "epoch-1", "epoch-2"]);
  assert.deepEqual(plane.map((p) => p.value), summaries.map((s) => [s.clean.accuracy, s.robust.robust_accuracy, s.packets[0].sigma_p]));
  // Two networks whose directories are called epoch-1 and epoch-2 are no training.
  assert.equal(await page.locator("#chart-epochs").count(), 0);
  const drawn = await chart(page, "differences");
  const differences = ["clean", "robust"].flatMap((what) => series(drawn, what)).sort((a, b) => a[1] - b[1]).map(([difference]) => difference);
  const less = (s, of) => of(s) - of(summaries[0]);
  const expected = summaries.slice(1).flatMap((s) => [less(s, (s) => s.clean.accuracy), less(s, (s) => s.robust.robust_accuracy)]);
  differences.forEach((d, i) => assert.ok(Math.abs(d - expected[i]) < 1e-12));
  await page.locator("#run").selectOption({ label: "epoch-2" });
  assert.equal(await page.locator("h1").innerText(), "fashion_cnn.onnx");
  assert.deepEqual(series(await chart(page, "curve"), "clean"), [[0, summaries[2].clean.accuracy]]);
  await page.close();
});

test("differences are told apart on a phone, and points that coincide are said", async () => {
  const { page, said } = await open(browser, await changed("three.html", "sweep.html", ({ runs, comparison: { plane } }) => {
    ["standard", "pgd eps 0.05 over many epochs", "pgd eps 0.1 over many epochs"].forEach((name, i) => { runs[i].name = `${name}/audit`; });
    Object.assign(plane[2], { clean: plane[1].clean, robust: plane[1].robust });
  }), { viewport: { width: 390, height: 900 } });
  const { yAxis: [{ data }], series: drawn } = await chart(page, "differences");
  assert.equal(new Set(data).size, data.length, String(data));
  assert.ok(data.every((label) => /^(clean|robust)\n/.test(label) && !label.includes("audit")), String(data));
  assert.deepEqual(drawn.filter((s) => s.type === "scatter").map((s) => s.name), ["clean", "robust"]);
  const shown = await page.locator("#chart-differences .plot text").allTextContents();
  for (const name of ["clean", "robust"]) assert.ok(shown.includes(name), `${name} is in no legend`);
  assert.match(await page.locator("#chart-plane figcaption").innerText(), /pgd eps 0\.05 over many epochs and pgd eps 0\.1 over many epochs coincide\./);
  assert.deepEqual(said, []);
  await page.close();
});

test("checkpoints of a run are drawn over its epochs", async () => {
  const { page, said } = await open(browser, url("track/report.html"));
  const summaries = await Promise.all([1, 2, 3].map((n) => json(folder.at(`track/epoch-000${n}/summary.json`))));
  const found = await chart(page, "epochs");
  assert.deepEqual(series(found, "clean"), summaries.map((s, i) => [i + 1, s.clean.accuracy]));
  assert.deepEqual(series(found, "robust"), summaries.map((s, i) => [i + 1, s.robust.robust_accuracy]));
  // The panels have one abscissa: what is above the last hides its own, and all reach as far.
  const ends = await page.evaluate(() => echarts.getInstanceByDom(document.querySelector("#chart-epochs .plot")).getOption().xAxis.map(({ min, max, show }) => [min, max, show]));
  assert.ok(ends.every(([min, max, show], i) => min === ends[0][0] && max === ends[0][1] && show === (i === ends.length - 1)), `${ends}`);
  // Nor do labels of different widths move the left edge of one.
  const lefts = await page.evaluate(() => {
    const drawn = echarts.getInstanceByDom(document.querySelector("#chart-epochs .plot"));
    return drawn.getOption().grid.map((_, gridIndex) => drawn.convertToPixel({ gridIndex }, [drawn.getOption().xAxis[0].min, 0])[0]);
  });
  assert.ok(lefts.every((left) => Math.abs(left - lefts[0]) < 0.01), `${lefts}`);
  // A line only where the points are farther apart than their intervals are wide, or two of these do not meet; a panel of noise alone is a sentence.
  const apart = (of, interval) => {
    const values = summaries.map(of);
    const [lows, highs] = [0, 1].map((end) => summaries.map((s) => interval(s)[end]));
    const widest = Math.max(...highs.map((high, i) => high - lows[i]));
    return Math.max(...values) - Math.min(...values) > widest || Math.max(...lows) > Math.min(...highs);
  };
  const clean = apart((s) => s.clean.accuracy, (s) => s.clean.interval);
  assert.equal(found.series.find((s) => s.name === "clean").type, clean ? "line" : "scatter");
  const caption = await page.locator("#chart-epochs figcaption").innerText();
  const robust = apart((s) => s.robust.robust_accuracy, (s) => s.robust.interval);
  const drift = apart((s) => s.packets[0].drift, (s) => s.packets[0].drift_interval);
  assert.equal(caption.includes("show no trend"), !(clean && robust));
  assert.equal(found.series.some((s) => s.name === "drift"), drift);
  assert.equal((await page.locator("#compare .note").allInnerTexts()).some((text) => text.startsWith("drift [1]: ")), !drift);
  // What the command says of it comes first.
  assert.match(await page.locator("h1").first().innerText(), /over its epochs$/);
  assert.equal(await page.locator(".tile .figure").first().innerText(), `${(100 * summaries[2].clean.accuracy).toFixed(2)} %`);
  assert.deepEqual(said, []);
  await page.close();
});

test("every command's page has its figures, tables and pictures, and works by keyboard", async () => {
  const sheets = ["plane", "slice", "resolve", "features", "e1"];
  for (const name of sheets) {
    for (const [width, colorScheme] of [[1440, "light"], [390, "dark"]]) {
      const { page, said, asked } = await open(browser, url(`${name}/report.html`), { viewport: { width, height: 900 }, colorScheme });
      const { title, key, sections } = (await json(folder.at(`${name}/page.json`)));
      assert.equal(await page.locator("h1").innerText(), title);
      assert.deepEqual(await page.locator(".tile .figure").allInnerTexts(), key.map((k) => k.figure));
      const parts = (kind) => sections.flatMap((s) => s.parts).filter((p) => p.part === kind);
      assert.equal(await page.locator("div.table").count(), parts("table").length, name);
      assert.equal(await page.locator(".plot svg").count(), parts("chart").length, name);
      const drawn = await page.locator("figure.drawn img").evaluateAll((all) => all.map((img) => img.complete && img.naturalWidth > 0));
      assert.deepEqual(drawn, parts("picture").map(() => true), name);
      assert.equal(await page.locator(".claims li").count(), parts("claims").flatMap((p) => p.claims).length);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${width}`);
      // A table that is wider than its place says so.
      const [cut, hinted] = await page.evaluate(() => {
        const cut = [...document.querySelectorAll(".table")].filter((e) => e.querySelector(".scroll").scrollWidth > e.querySelector(".scroll").clientWidth + 1);
        return [cut.length, cut.filter((e) => getComputedStyle(e.querySelector(".hint")).display !== "none").length];
      });
      assert.equal(hinted, cut, name);
      // Every button and every region that scrolls can be reached by the tabulator.
      const reachable = await page.evaluate(() => [...document.querySelectorAll("button, a, .scroll")].every((e) => e.tabIndex >= 0));
      assert.ok(reachable, name);
      assert.ok((await page.pdf()).length > 10_000);
      assert.deepEqual([said, asked], [[], [url(`${name}/report.html`)]]);
      await page.close();
    }
  }
  const { page } = await open(browser, url("features/report.html"));
  const { sizes } = await json(folder.at("features/summary.json"));
  const drawn = await chart(page, "part-1-1");
  assert.deepEqual(series(drawn, "features"), sizes.map((s) => [s.relative, s.features.accuracy]));
  const column = page.locator("#table-part-1-2 tbody tr td:first-child");
  await page.locator("#table-part-1-2 th button").first().focus();
  for (const turn of [1, -1]) {
    await page.keyboard.press("Enter");
    const shown = (await column.allInnerTexts()).map(Number);
    assert.deepEqual(shown, [...shown].sort((a, b) => turn * (a - b)));
  }
  await page.close();
});

test("labels of an axis are distinct, and two points are no curve", async () => {
  for (const name of ["one.html", "three.html", "track/report.html", "training/report.html"]) {
    const { page } = await open(browser, url(name));
    const faults = await page.evaluate(() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
      const id = plot.parentElement.id;
      const model = echarts.getInstanceByDom(plot).getModel();
      const twice = ["xAxis", "yAxis"].flatMap((which) => model.queryComponents({ mainType: which }).flatMap(({ axis }) => {
        const labels = axis.getViewLabels().map((label) => label.formattedLabel).filter((text) => text !== "");
        return new Set(labels).size === labels.length || axis.type === "category" ? [] : [`${id}, ${which}: ${labels}`];
      }));
      const short = echarts.getInstanceByDom(plot).getOption().series
        .filter((s) => s.type === "line" && !["Pareto front", "equal"].includes(s.name) && s.data.length > 0 && s.data.length < 3).map((s) => `${id}: ${s.name}`);
      return [...twice, ...short];
    }));
    assert.deepEqual(faults, [], name);
    await page.close();
  }
});

test("medians without intervals are no curve, and no axis is fitted to them alone", async () => {
  // At the three scales of the packets, distances as medians of fewer than six centres are, and others with intervals.
  const lone = [0.31, 0.32, 0.36].map((value) => ({ value, interval: null }));
  const sure = [0.21, 0.24, 0.29].map((value) => ({ value, interval: [value - 0.01, value + 0.01] }));
  const withDistances = async (name, distances) => {
    await cp(folder.at("packets"), folder.at(name), { recursive: true });
    const summary = await json(folder.at(`${name}/summary.json`));
    summary.curve.forEach((f, i) => { f.distances = Object.fromEntries(Object.entries(distances).map(([key, figures]) => [key, figures[i]])); });
    await writeFile(folder.at(`${name}/summary.json`), JSON.stringify(summary));
    await rm(folder.at(`${name}/SHA256SUMS`), { force: true });
    await kennard("report", folder.at(name), "-o", folder.at(`${name}.html`));
    return open(browser, url(`${name}.html`));
  };
  const { page, said } = await withDistances("few", { first_order: lone, packet: lone });
  assert.equal(await page.locator("#chart-distance .plot").count(), 0);
  assert.match(await page.locator("#chart-distance .note").innerText(), /^Not drawn: the values have no intervals/);
  assert.deepEqual(said, []);
  await page.close();
  const { page: other } = await withDistances("some", { first_order: lone, packet: sure });
  const { series: drawn } = await chart(other, "distance");
  const type = (name) => drawn.find((s) => s.name === name).type;
  assert.deepEqual([type("first order"), type("packet distance")], ["scatter", "line"]);
  // The band of the one, and no whiskers of the other.
  assert.equal(drawn.filter((s) => s.type === "custom").length, 1);
  const caption = await other.locator("#chart-distance figcaption").innerText();
  assert.ok(caption.includes("Points without intervals show no trend, and are not joined."), caption);
  await other.close();
});

test("ten thousand samples open within two seconds", async () => {
  const data = await tenThousand(folder.path);
  await kennard("audit", fixture("fashion_mlp.onnx"), "--data", data, "--eps", "0.02", "--attack", "fgsm", "--minimal", "ddn", "--norm", "l2", "--steps", "4", "--packet-samples", "0", "--out", folder.at("many"));
  const { page, said } = await open(browser, url("many/report.html"));
  assert.deepEqual(said, []);
  assert.match(await page.locator("#table-samples .count").innerText(), /of 10\u202f000$/);
  // The page draws itself before its load event. The best of three, for machines with other work.
  const times = [];
  for (let i = 0; i < 3; i++) {
    times.push(await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
    await page.reload();
  }
  console.log(`10 000 samples open in ${times.map((t) => Math.round(t)).join(", ")} ms`);
  assert.ok(Math.min(...times) < 2000, String(times));
  await page.close();
});

test("hostile names are words and nothing else", async () => {
  const hostile = `<img src=x onerror="window.pwned=1">`;
  const images = folder.at("images");
  const [, image] = /base64,([^"]+)/.exec(await readFile(folder.at("robust/report.html"), "utf8").then((t) => t.slice(t.indexOf("data:image/png"))));
  for (const name of ["__proto__", hostile, "{{7*7}}"]) {
    await mkdir(`${images}/${name}`, { recursive: true });
    for (const n of [1, 2, 3]) await writeFile(`${images}/${name}/${n}.png`, Buffer.from(image, "base64"));
  }
  const model = folder.at(`${hostile}.onnx`);
  await writeFile(model, await readFile(fixture("fashion_mlp.onnx")));
  const out = folder.at(`run ${hostile}`);
  await kennard("audit", model, "--data", `folder:${images}`, "--eps", "0.1", "--packet-samples", "0", "--out", out);
  for (const file of ["summary.json", "manifest.json"]) {
    const value = await json(`${out}/${file}`);
    if (value.warnings) value.warnings.push({ code: hostile, message: `</script><script>window.pwned=2</script>${hostile}` });
    if (value.data) value.data.notes.push(hostile, "javascript:window.pwned=3");
    await writeFile(`${out}/${file}`, JSON.stringify(value));
  }
  // Files that were edited do not have their digests any more.
  await rm(`${out}/SHA256SUMS`);
  await kennard("report", out, folder.at("robust"), "-o", folder.at("hostile.html"));
  const { page, said, asked } = await open(browser, url("hostile.html"));
  assert.ok((await page.locator("main").innerText()).includes(hostile));
  // Tooltips, filters and choosers show names too.
  for (const id of ["classes", "confusion", "plane"]) {
    const plot = page.locator(`#chart-${id} .plot`);
    if (await plot.count() === 0) continue;
    await plot.scrollIntoViewIfNeeded();
    const box = await plot.boundingBox();
    for (let i = 1; i < 8; i++) await page.mouse.move(box.x + (box.width * i) / 8, box.y + box.height / 2);
  }
  await page.locator("#table-samples").getByRole("searchbox").fill("<img");
  await page.locator("#theme").click();
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.deepEqual(said, []);
  assert.deepEqual(asked, [url("hostile.html")]);
  await page.close();
});
