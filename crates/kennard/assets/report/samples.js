// Single samples: distances, examples, the table.

function distances(run) {
  const { summary, distances: histogram } = run;
  if (!histogram || unfinished(run)) return [];
  const { threat_model: threat, closest } = summary;
  const data = binned(histogram);
  const quartiles = closest.quartiles.map((q, i) => [["25 %", "median", "75 %"][i], q]).filter(([, q]) => q !== null && q > 0);
  const build = () => ({
    legend: { show: false }, grid: { left: 66, right: 18, top: 26, bottom: 54 },
    xAxis: axis(`distance, ${threat.norm} [input units]`, { min: 0 }),
    yAxis: axis("samples per bin", { min: 0, minInterval: 1 }, 46),
    series: [
      { ...bins(data, "samples", palette().series[0]) },
      ...(threat.eps !== null && threat.eps <= histogram.ends[1] ? [{ name: "ε", type: "line", data: [], markLine: across(`ε = ${summary.eps_text}`, threat.eps, true) }] : []),
    ],
    tooltip: { ...frame({}).tooltip, formatter: ({ value }) => `${short(value[0])} – ${short(value[1])}\n${plural(value[2], "sample")}` },
  });
  const left = [`${grouped(histogram.zero)} more are misclassified from the start (distance 0)`];
  if (histogram.none > 0) left.push(`for ${grouped(histogram.none)} no adversarial point was found`);
  return [
    chart("distances", "How far the closest adversarial points are", `Of correctly classified samples; ${left.join(", ")}.`,
      { header: ["low", "high", "samples"], rows: data }, build),
    table("minimal", [
      { title: "attack", value: (r) => r.name, text: true },
      { title: "found", value: (r) => r.distances.found, format: grouped },
      ...["25 %", "median", "75 %"].map((title, i) => ({ title: `${title} [${threat.norm}]`, value: (r) => r.distances.quartiles[i], format: short })),
      ...provedColumn(summary.minimal, "proved closest"),
      { title: "forward passes", value: (r) => r.forwards, format: grouped },
      { title: "with gradient", value: (r) => r.backwards, format: grouped },
      { title: "time [s]", value: (r) => r.seconds, format: tenths },
    ], summary.minimal, { note: quartiles.length > 0 ? `Over all samples the quartiles are ${quartiles.map(([name, q]) => `${name} ${short(q)}`).join(", ")}; misclassified ones count as 0.` : null }),
  ];
}

/** What a boundary search is of. */
const SEARCHED = "The boundary search, like the predictions, is of all inputs, beyond the bounds too: it bounds no distance that a threat model allows.";

/** Predicted against found distances to the decision boundary, one point per sample. */
function predictedDistances(run) {
  const { pairs, summary } = run;
  const distances = summary?.distances;
  if (!pairs || !distances) return [];
  const rows = pairs.index.map((index, i) => [index, pairs.found[i], pairs.predicted[i]]);
  const largest = Math.max(...rows.flatMap((row) => row.slice(1)));
  const norm = summary.threat_model.norm;
  const build = () => {
    const { series: [blue], soft } = palette();
    return {
      xAxis: axis(`found by ${distances.found_by}, ${norm} [input units]`, { min: 0 }),
      yAxis: axis(`predicted, ${distances.predicted_by} [input units]`, { min: Math.min(0, ...pairs.predicted) < 0 ? undefined : 0 }, 48),
      series: [
        { name: "equal", type: "line", showSymbol: false, data: [[0, 0], [largest, largest]], lineStyle: { color: soft, type: [5, 4], width: 1.3 }, itemStyle: { color: soft } },
        { name: "samples", type: "scatter", symbol: SYMBOLS[0], symbolSize: 7, itemStyle: { color: blue }, data: rows.map(([index, found, predicted]) => [found, predicted, index]) },
      ],
      tooltip: { ...frame({}).tooltip, formatter: ({ value }) => (value.length < 3 ? "" : `sample ${value[2]}\nfound ${short(value[0])}\npredicted ${short(value[1])}`) },
    };
  };
  const search = distances.found_by === "boundary search" ? ` ${SEARCHED}` : "";
  const rho = distances.correlation ? ` Their rank correlation is ${within(distances.correlation)}.` : "";
  return [chart("predicted", "Predicted and found distances", `Distances to the decision boundary at ${plural(distances.samples, "sample")}: median predicted ${distanceText(distances.predicted)}, found by ${distances.found_by} ${distanceText(distances.found)}.${rho}${search} No factor on the logits moves them.`,
    { header: ["sample", "found", "predicted"], rows }, build)];
}

const KINDS = [
  ["easiest", "Easiest to break"],
  ["hardest", "Hardest that were broken"],
  ["first", "First that were broken"],
];

function gallery(run) {
  const { examples, summary, classes } = run;
  if (examples.length === 0) return [];
  const minimal = summary.minimal.length > 0;
  const card = (example) => {
    const taken = (label) => { const name = className(classes, label); return el("b", { title: name }, cut(name, LONGEST)); };
    const [before, after] = example.confidence;
    const facts = `${summary.threat_model.norm} ${short(example.norm)}${minimal ? "" : `, ${plural(example.hardness, "pass", "passes")}`}`;
    return el("figure", { class: "example" },
      example.picture ? el("img", { src: example.picture, alt: `Sample ${example.index}, its adversarial example, and their difference` }) : el("p", { class: "note" }, "no image"),
      el("div", { class: "three" },
        el("span", {}, taken(example.label), percent(before, 0)),
        el("span", {}, taken(example.prediction), percent(after, 0)),
        el("span", {}, example.amplified ? ["difference", el("br"), `× ${short(Number(example.amplified.toPrecision(2)))}`] : "")),
      el("figcaption", {}, `sample ${grouped(example.index)}, ${facts}`));
  };
  const list = (kind, title, shown) => [el("h3", {}, title), el("div", { class: "gallery", id: `gallery-${kind}` }, shown.map(card))];
  // Where few were broken, all three are of the same samples.
  if (examples.every((e) => KINDS.every(([kind]) => e.roles.includes(kind)))) {
    return list("broken", "Broken samples, easiest first", [...examples].sort((a, b) => a.hardness - b.hardness || a.index - b.index));
  }
  return KINDS.map(([kind, title]) => {
    const order = { easiest: (a, b) => a.hardness - b.hardness, hardest: (a, b) => b.hardness - a.hardness, first: (a, b) => a.index - b.index }[kind];
    const shown = examples.filter((e) => e.roles.includes(kind)).sort((a, b) => order(a, b) || a.index - b.index);
    return shown.length > 0 ? list(kind, title, shown) : null;
  });
}

function sampleTable(run) {
  const { samples, summary, classes } = run;
  if (!samples || samples.index.length === 0) return [];
  const attacks = [...summary.attacks, ...summary.minimal];
  const rows = samples.index.map((index, i) => ({
    index, label: samples.label[i], prediction: samples.prediction[i], attacked: samples.attacked[i], margin: samples.margin[i],
    passes: samples.passes[i], distance: samples.distance?.[i],
    verdict: samples.prediction[i] === null ? "not evaluated"
      : samples.prediction[i] !== samples.label[i] ? "misclassified"
      : samples.pending[i] ? "pending"
      : samples.broken_by[i] !== null ? `broken by ${attacks[samples.broken_by[i]].name}`
      : summary.robust ? "robust" : "correct",
  }));
  const label = (key) => (r) => r[key] === null ? null : className(classes, r[key]);
  const named = (title, key) => classes.names.length > 0 ? { title, value: label(key), text: true } : { title, value: (r) => r[key] };
  const columns = [
    { title: "sample", value: (r) => r.index },
    named("label", "label"),
    named("prediction", "prediction"),
    { title: "margin [logits]", value: (r) => r.margin, format: short },
    { title: "verdict", value: (r) => r.verdict, text: true },
  ];
  if (summary.robust) {
    columns.push(named("under attack", "attacked"), { title: "passes", value: (r) => r.passes, format: grouped });
  }
  if (samples.distance) columns.push({ title: `distance [${summary.threat_model.norm}]`, value: (r) => r.distance, format: short });
  const note = rows.length < summary.samples
    ? `The first ${grouped(rows.length)} of ${grouped(summary.samples)} samples; all are in samples.parquet.`
    : null;
  return [table("samples", columns, rows, { filter: true, note, draft: unfinished(run) })];
}
