// A run watched while it goes on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { appendFile, fashion, fixture, json, kennardPath, launch, open, scratch, spawn } from "./support.js";

test("the page of a run follows it to its end and beyond", async (t) => {
  const [browser, folder] = [await launch(), await scratch()];
  const children = [];
  t.after(async () => { children.forEach((child) => child.kill("SIGKILL")); await browser.close(); await folder.remove(); });
  const start = (...words) => { const child = spawn(kennardPath, words, { stdio: ["ignore", "ignore", "pipe"] }); children.push(child); return child; };
  const run = folder.at("run");
  const audit = (...more) => start("audit", fixture("fashion_cnn_robust.onnx"), "--data", fashion, "--eps", "0.1", "--attack", "apgd-t",
    "--samples", "200", "--threads", "1", "--micro-batch", "4", "--packet-samples", "0", "--out", run, ...more);

  const watch = start("watch", run, "--bind", "127.0.0.1:0");
  const [line] = await once(createInterface({ input: watch.stderr }), "line");
  const [url] = /http:\/\/[\d.:]+\//.exec(line);
  const { page, said, asked } = await open(browser, url);
  await page.locator("#trouble").waitFor();

  const first = audit();
  const stage = page.locator("#stage");
  await stage.filter({ hasText: "Running" }).waitFor({ timeout: 120_000 });
  assert.equal(await page.locator("#trouble").count(), 0);
  const count = async () => Number(await stage.locator("progress").getAttribute("value"));
  const before = await count();
  await page.waitForFunction((n) => Number(document.querySelector("#stage progress")?.getAttribute("value")) > n, before, { timeout: 120_000 });

  first.kill("SIGKILL");
  await once(first, "exit");
  await appendFile(`${run}/journal.jsonl`, `{"index":79,"label":`);
  await stage.filter({ hasText: "Interrupted" }).waitFor({ timeout: 60_000 });

  const second = audit("--resume");
  // What a reader types stays while the page draws itself anew.
  await page.locator("#samples-filter").fill("robust");
  const [code] = await once(second, "exit");
  assert.equal(code, 0);
  await stage.waitFor({ state: "detached", timeout: 60_000 });
  assert.equal(await page.locator("#samples-filter").inputValue(), "robust");
  const summary = await json(`${run}/summary.json`);
  assert.ok((await page.locator("#verdict").innerText()).includes((100 * summary.robust.robust_accuracy).toFixed(2)));

  watch.kill();
  await page.locator("#trouble").waitFor({ timeout: 60_000 });
  assert.ok((await page.locator("#verdict").innerText()).includes("200"), "the page keeps what it has");
  assert.deepEqual(said.filter((line) => !line.includes("net::ERR_")), []);
  assert.ok(asked.every((address) => address.startsWith(url)));
});
