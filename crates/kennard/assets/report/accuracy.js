// Accuracy: the verdict, against epsilon, by attack, by class.

/** The figures that lead. */
function verdict(run) {
  const { summary } = run;
  if (!summary) return null;
  const tile = (name, figure, range, note) =>
    el("div", { class: "tile" }, el("span", { class: "name" }, name), el("span", { class: "figure" }, figure),
      range ? el("span", { class: "range" }, range) : null, note ? el("span", { class: "note" }, note) : null);
  const { clean, robust, closest, packets, threat_model: threat } = summary;
  const packet = packets[0];
  const known = (figure, key, accuracy) => { const { text, range } = shareText(run, figure, key, accuracy); return [text, range]; };
  const tiles = [tile("clean accuracy", ...known(clean, "correct", clean.accuracy), `${grouped(clean.correct)} of ${grouped(summary.total)}`)];
  if (robust) {
    tiles.push(tile(`robust accuracy, ${budget(summary)}`, ...known(robust, "robust", robust.robust_accuracy),
      `${grouped(robust.robust)} of ${grouped(summary.total)}`));
  }
  const { certified, radii } = summary;
  if (certified) {
    tiles.push(tile(`certified accuracy, ${budget(summary)}`, ...known(certified, "certified", certified.certified_accuracy),
      `${grouped(certified.certified)} of ${grouped(summary.total)}`));
  }
  if (closest && !unfinished(run)) {
    tiles.push(tile(`median distance, ${threat.norm}`, short(closest.quartiles[1]), `${short(closest.quartiles[0])} – ${short(closest.quartiles[2])}`,
      "quartiles of the closest adversarial points"));
  }
  if (radii && !unfinished(run)) {
    const [low, middle, high] = radii.quartiles.map((q) => (q === null ? "all" : short(q)));
    tiles.push(tile(`median certified radius, ${threat.norm}`, middle, `${low} – ${high}`, "quartiles of what is proved"));
  }
  if (packet) {
    // The product over all coordinates shows the window; along the drift it shows the network.
    const along = packet.modes?.drift?.product ?? { value: packet.product, interval: packet.product_interval };
    tiles.push(tile(packet.modes?.drift ? "σ_x σ_p along the drift" : "product σ_x σ_p", short(along.value), span(along.interval), packet.valid ? `at least ${packet.bound}, scale ${short(packet.scale)}` : "not to be trusted, see the warning"));
  }
  const attacks = attackNames(summary);
  const words = robust
    ? `Of ${plural(summary.samples, "sample")}, the model classifies ${grouped(clean.correct)} correctly, and ${grouped(robust.robust)} of these also under every attack tried (${attacks}). Stronger attacks can only lower the second figure${certified ? ", and never below what is certified" : ""}.`
    : `Of ${plural(summary.samples, "sample")}, the model classifies ${grouped(clean.correct)} correctly.`;
  return el("section", { id: "verdict", "aria-label": "Verdict" }, el("div", { class: "tiles" }, tiles),
    unfinished(run) ? el("p", {}, "Unfinished. The samples that finish first are not like the others: of a share it is only known what it lies between, whatever the pending samples turn out to be.")
      : el("p", {}, words, " Ranges are 95 % intervals."),
    certified && !unfinished(run) ? between(run) : null, certified || radii ? provenance(certified) : null,
    el("p", {}, el("strong", {}, "Threat model. "), `${allowance(summary)}.`));
}

function warnings(run, list) {
  const { notes } = run;
  const open = unfinished(run) || (run.summary !== null && !run.summary.complete);
  if (list.length + notes.length === 0) {
    if (open) return el("p", { class: "calm", id: "warnings" }, "Warnings are known when the run is done.");
    return el("p", { class: "calm", id: "warnings" }, "No warnings: nothing was found that makes these figures doubtful.");
  }
  const doubts = list.filter((w) => !w.note).length + notes.length;
  return el("section", { id: "warnings", "aria-label": "Warnings" }, el("h2", {}, doubts > 0 ? plural(doubts, "warning") : "Notes"),
    el("ul", {}, list.map((w) => el("li", {}, el("strong", {}, w.code.replaceAll("-", " ")), w.note ? " (a note)" : "", `: ${w.message}`)),
      notes.map((note) => el("li", {}, note))),
    open ? el("p", { class: "calm" }, "Others are known when the run is done.") : null);
}

function againstEpsilon(run) {
  const { summary } = run;
  if (unfinished(run)) return null;
  const threat = summary.threat_model;
  const closest = summary.closest?.curve ?? [];
  const proved = summary.radii?.curve ?? [];
  const points = [["clean", 0, summary.clean.accuracy, summary.clean.interval]];
  // Where sizes differ, what attacks leave is at no place on the axis.
  if (threat.eps !== null && !hasOwnSizes(summary)) summary.attacks.forEach((a) => points.push([a.name, threat.eps, a.robust_accuracy, a.interval]));
  if (closest.length === 0 && proved.length === 0 && points.length < 2) return null;
  const rows = [
    ...proved.map((p) => ["certified", p.eps, p.certified_accuracy, ...p.certified_interval]),
    ...closest.map((p) => ["closest", p.eps, p.robust_accuracy, ...p.interval]),
    ...points.map(([name, eps, share, interval]) => [name, eps, share, ...interval]),
  ];
  const build = () => {
    const { series } = palette();
    const lines = [];
    if (closest.length > 0) {
      lines.push(band(closest.map((p) => [p.eps, ...p.interval]), series[0]));
      lines.push({ name: "closest adversarial points", type: "line", showSymbol: false, data: closest.map((p) => [p.eps, p.robust_accuracy]), lineStyle: { width: 2, color: series[0] }, itemStyle: { color: series[0] } });
    }
    if (proved.length > 0) {
      lines.push(band(proved.map((p) => [p.eps, ...p.certified_interval]), series[2]));
      lines.push({ name: "certified", type: "line", showSymbol: false, data: proved.map((p) => [p.eps, p.certified_accuracy]), lineStyle: { width: 2, type: "dashed", color: series[2] }, itemStyle: { color: series[2] } });
    }
    points.forEach(([name, eps, share, interval], i) => {
      const colour = series[(i + 1) % series.length];
      lines.push({ name, type: "scatter", symbol: SYMBOLS[i % SYMBOLS.length], symbolSize: 10, itemStyle: { color: colour }, data: [[eps, share]], z: 6 });
      lines.push(whiskers([[eps, ...interval]], { colour }));
    });
    return {
      xAxis: axis(`ε, ${threat.norm} [input units]`, { min: 0 }), yAxis: shareAxis(proved.length > 0 ? "accuracy [%]" : "robust accuracy [%]"), series: lines,
      tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\nε ${short(value[0])}: ${percent(value[1])}` },
    };
  };
  const caption = closest.length > 0
    ? `The share of samples that no perturbation of size ε was found to break, with its 95 % band, and the attacks at their ε.${proved.length > 0 ? " Dashed, the share that is proved: the truth lies between the two." : ""}`
    : `Accuracy on the samples and under attack, with 95 % intervals.${summary.confined?.length > 0 ? "" : " Run with --minimal fab for every ε between."}`;
  return chart("curve", "Robust accuracy against ε", caption, { header: ["series", "eps", "robust_accuracy", "low", "high"], rows }, build);
}

function byAttack(run) {
  const { summary } = run;
  if (summary.attacks.length === 0 || summary.clean.pending > 0) return [];
  const whole = isWhole(summary);
  // What is pending has no share and no interval: it lies between the ends of its bracket.
  const known = ({ robust_accuracy: share, ...a }) => ({ ...a, share, between: share === null ? a.bracket : null });
  const rows = [
    { name: "clean", share: summary.clean.accuracy, interval: summary.clean.interval, between: null, pending: 0 },
    ...summary.attacks.map(known),
    { ...known(summary.robust), name: "robust" },
  ];
  const drawn = rows.map((r) => ({ share: r.share ?? r.between[0], ends: r.interval ?? r.between }));
  const draft = whole ? [] : [...ends((r) => r.between, "at_least", "at_most"), ["pending", (r) => r.pending], ["run", () => "unfinished"]];
  const tip = ({ name, share, interval, between, pending }) =>
    between ? `${name}: between ${shares(between)}\n${plural(pending, "sample")} pending` : `${name}: ${percent(share)}\n${shares(interval)}`;
  const saved = [["attack", (r) => r.name], ["accuracy", (r) => r.share], ...ends((r) => r.interval, "low", "high"), ...draft];
  const build = () => ({
    grid: { left: 96, right: 24, top: 12, bottom: 54 }, legend: { show: false },
    xAxis: shareAxis("accuracy [%]", {}, 32),
    yAxis: { ...axis("", { type: "category", data: rows.map((r) => r.name), inverse: true }), axisLabel: { color: palette().ink, width: 84, overflow: "truncate" } },
    series: [
      { name: "accuracy", type: "bar", barMaxWidth: 26, data: drawn.map((r, i) => ({ value: r.share, itemStyle: { color: palette().series[i === 0 ? 0 : 1], opacity: i === 0 || i === rows.length - 1 ? 1 : 0.55 } })) },
      whiskers(drawn.map((r, i) => [...r.ends, i]), { lying: true }),
    ],
    tooltip: { ...frame({}).tooltip, formatter: ({ dataIndex }) => tip(rows[dataIndex]) },
  });
  return [
    chart("attacks", "Accuracy by attack", whole ? `With 95 % intervals. ${triedBy(run)}` : "Not finished: under attack, bars end at what is certain and whiskers at what is possible.",
      { header: saved.map(([title]) => title), rows: rows.map((r) => saved.map(([, value]) => value(r))) }, build,
      { height: Math.max(320, 30 * rows.length + 70), draft: !whole }),
    table("attacks", [
      { title: "attack", value: (r) => r.name, text: true },
      shareColumn("accuracy", (r) => r.share, (v) => (v === null ? "–" : (100 * v).toFixed(2))),
      shareInterval("95 % interval", (r) => r.interval, "95 % low", "95 % high"),
      ...(whole ? [] : [
        shareInterval("unfinished, between", (r) => r.between, "at least", "at most"),
        { title: "pending", value: (r) => r.pending, format: grouped, file: [["pending", (r) => r.pending], ["run", () => "unfinished"]] },
      ]),
      ...provedColumn(summary.attacks, "robust, proved"),
      { title: "forward passes", value: (r) => r.forwards, format: (v) => (v === undefined ? "–" : grouped(v)) },
      { title: "with gradient", value: (r) => r.backwards, format: (v) => (v === undefined ? "–" : grouped(v)) },
      { title: "time [s]", value: (r) => r.seconds, format: tenths },
    ], rows, { draft: !whole }),
  ];
}

/** Which samples each attack tries. */
function triedBy({ summary, manifest }) {
  const { cascade, certified } = summary;
  if (manifest?.settings?.full || !(cascade || certified)) return "Each attack tries every sample.";
  const proved = certified ? "Certified samples are not attacked. " : "";
  return `${proved}Each attack tries ${cascade ? "what those before it left standing" : "every sample that is left"}.`;
}

/** A class's number and its name, once where the name is the number. */
const className = (classes, label) => {
  const name = classes.names[label];
  return name && name !== String(label) ? `${label} ${name}` : String(label);
};

function byClass(run) {
  const { classes } = run;
  if (!classes || classes.label.length === 0 || unfinished(run)) return [];
  const rows = classes.label.map((label, i) => ({
    label, name: className(classes, label), samples: classes.samples[i], correct: classes.correct[i],
    clean: classes.correct[i] / classes.samples[i], cleanInterval: classes.clean_interval[i],
    robust: classes.robust && classes.robust[i] / classes.samples[i], robustInterval: classes.robust_interval?.[i],
  }));
  const build = () => {
    const { series: [blue, red] } = palette();
    const parts = [["clean", "clean", "cleanInterval", blue, classes.robust ? -1 : 0]];
    if (classes.robust) parts.push(["under attack", "robust", "robustInterval", red, 1]);
    const many = rows.length > 24;
    const slant = "rotate" in slanted(rows.map((r) => r.name));
    return {
      grid: { left: 62, right: 18, top: 40, bottom: (slant ? 96 : 54) + (many ? 34 : 0) },
      xAxis: { ...axis("class", { type: "category", data: rows.map((r) => r.name) }, slant ? 76 : 36), axisLabel: { color: palette().soft, hideOverlap: true, interval: many ? "auto" : 0, ...slanted(rows.map((r) => r.name)) } },
      yAxis: shareAxis("accuracy [%]"),
      dataZoom: many ? [{ type: "slider", bottom: 4, height: 16, textStyle: { color: palette().soft } }] : [],
      series: parts.flatMap(([name, share, interval, color, side]) => [
        { name, type: "bar", barWidth: classes.robust ? "36%" : "60%", barGap: "8%", itemStyle: { color, decal: side === 1 ? { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 4, color: "rgba(255,255,255,0.35)" } : { symbol: "none" } }, data: rows.map((r) => r[share]) },
        classWhiskers(rows.map((r, i) => [i, ...r[interval]]), classes.robust ? 0.195 * side : 0),
      ]),
      tooltip: { ...frame({}).tooltip, formatter: ({ dataIndex, seriesName, value }) => `class ${cut(rows[dataIndex].name, 60)}\n${seriesName}: ${percent(value)}` },
    };
  };
  const columns = [
    { title: "class", value: (r) => r.name, text: true },
    { title: "samples", value: (r) => r.samples, format: grouped },
    shareColumn("clean", (r) => r.clean, (v) => (100 * v).toFixed(1)),
    shareInterval("interval of clean", (r) => r.cleanInterval, "clean, low", "clean, high"),
  ];
  if (classes.robust) {
    columns.push(shareColumn("under attack", (r) => r.robust, (v) => (100 * v).toFixed(1)),
      shareInterval("interval under attack", (r) => r.robustInterval, "under attack, low", "under attack, high"));
  }
  const confusions = [["confusion", "Confusion matrix", classes.confusion]];
  if (classes.confusion_under_attack) confusions.push(["confusion-attack", "Confusion matrix under attack", classes.confusion_under_attack]);
  return [
    chart("classes", "Accuracy by class", "With 95 % intervals.",
      { header: ["class", "samples", "clean", "clean_low", "clean_high", "under_attack", "under_attack_low", "under_attack_high"],
        rows: rows.map((r) => [r.name, r.samples, r.clean, ...r.cleanInterval, r.robust, ...(r.robustInterval ?? [null, null])]) }, build, { wide: true, height: 360 }),
    confusions.map(([id, title, cells]) => confusion(id, title, cells, classes)),
    table("classes", columns, rows),
  ];
}

/** Whiskers beside each other within a category; `shift` is a share of its width. */
function classWhiskers(data, shift) {
  const plain = whiskers(data);
  const renderItem = (params, api) => {
    const shifted = { ...api, value: api.value, coord: ([x, y]) => { const at = api.coord([x, y]); return [at[0] + shift * api.size([1, 0])[0], at[1]]; } };
    return plain.renderItem(params, shifted);
  };
  return { ...plain, renderItem };
}

function confusion(id, title, cells, classes) {
  const seen = [...new Set(cells.flatMap(([label, taken]) => [label, taken]))].sort((a, b) => a - b);
  const total = new Map(classes.label.map((label, i) => [label, classes.samples[i]]));
  const wrong = cells.filter(([label, taken]) => label !== taken);
  if (seen.length > 30) {
    return table(id, [
      { title: "class", value: (c) => className(classes, c[0]), text: true },
      { title: "predicted", value: (c) => className(classes, c[1]), text: true },
      { title: "samples", value: (c) => c[2] },
      shareColumn("of the class", (c) => c[2] / total.get(c[0]), (v) => (100 * v).toFixed(1)),
    ], wrong.sort((a, b) => b[2] - a[2]), { caption: title, filter: true });
  }
  const names = seen.map((label) => className(classes, label));
  const place = new Map(seen.map((label, i) => [label, i]));
  const build = () => {
    const { ink, soft } = palette();
    const shown = seen.length <= 12;
    // Viridis is dark at one end, which is all of the class on white paper and none of it on black.
    const letters = (share) => ((isDark() ? 1 - share : share) > 0.55 ? "#ffffff" : "#000000");
    const slant = "rotate" in slanted(names);
    return {
      legend: { show: false }, grid: { left: 118, right: 16, top: 10, bottom: slant ? 150 : 104 },
      xAxis: { ...axis("predicted class", { type: "category", data: names }, slant ? 80 : 34), axisLabel: { color: soft, interval: 0, ...slanted(names) } },
      yAxis: { ...axis("class", { type: "category", data: names, inverse: true }, slant ? 98 : 40), axisLabel: { color: soft, interval: 0, width: 84, overflow: "truncate" } },
      visualMap: { min: 0, max: 1, dimension: 2, calculable: false, orient: "horizontal", left: "center", bottom: 4, itemWidth: 12, itemHeight: 150,
        text: ["100 % of the class", "0 %"], textStyle: { color: ink }, inRange: { color: isDark() ? VIRIDIS : [...VIRIDIS].reverse() } },
      series: [{ name: title, type: "heatmap",
        data: cells.map(([label, taken, n]) => ({ value: [place.get(taken), place.get(label), n / total.get(label), n], label: { color: letters(n / total.get(label)) } })),
        label: { show: shown, formatter: ({ value }) => String(value[3]), fontSize: 11, textBorderWidth: 0 },
        itemStyle: { borderColor: palette().paper, borderWidth: 1 } }],
      tooltip: { ...frame({}).tooltip, formatter: ({ value }) => `${cut(names[value[1]], 60)} predicted as ${cut(names[value[0]], 60)}\n${grouped(value[3])}, ${percent(value[2], 1)} of the class` },
    };
  };
  return chart(id, title, "Numbers are samples, colours their share of the class; the diagonal counts correct predictions.",
    { header: ["class", "predicted", "samples"], rows: cells.map(([label, taken, n]) => [className(classes, label), className(classes, taken), n]) }, build, { height: 500 });
}
