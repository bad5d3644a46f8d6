// Packets: conjugate spreads against the scale, and the probe.

const UNIT = "[input units]";
const PER_UNIT = "[1/input units]";

/** A figure with its interval, if it has one: medians of fewer than six values have none. */
const within = (m) => (m ? `${short(m.value)} ${m.interval ? `[${span(m.interval)}]` : "[too few for an interval]"}` : "–");

/** The same of a distance: one that was not found, null in files, is beyond those that were. */
function distanceText(m) {
  const far = (x) => (x === null ? "beyond" : short(x));
  return m ? `${far(m.value)} ${m.interval ? `[${span(m.interval, far)}]` : "[too few for an interval]"}` : "–";
}

/** A column of temperatures, where packets have some. */
const temperatures = (packets) => (packets.some((p) => p.temperature) ? [{ title: "temperature", value: (p) => p.temperature ?? 1, format: short }] : []);

/** Columns of what the network did to packets. */
function signal(drift, dispersion) {
  return [
    figureColumn("σ_x/s − 1", (p) => p.excess_x), figureColumn("2 s σ_p − 1", (p) => p.excess_p),
    figureColumn("product along the drift", (p) => p.modes?.drift?.product),
    figureColumn("along the leading mode", (p) => p.modes?.leading[0]?.product),
    figureColumn("drift", drift), figureColumn("dispersion", dispersion), figureColumn("P(wrong)", (p) => p.misclassified),
  ];
}

/** The Stein check and what it says. */
function steinColumn(of) {
  const verdict = (p) => (of(p) ? (p.valid ? "holds" : "FAILS") : null);
  const column = figureColumn("Stein check", of, (v, p) => (of(p) ? `${short(v)}, ${verdict(p)}` : "–"));
  return { ...column, file: [...column.file, ["Stein check, verdict", verdict]] };
}

/** How many points a packet has, and how many they are worth. */
const pointsColumn = { title: "points, effective sample size", value: (p) => p.samples, format: (v, p) => `${grouped(v)}, ${grouped(Math.round(p.ess))}`,
  file: [["points", (p) => p.samples], ["effective sample size", (p) => p.ess]] };

/** How well confidence and accuracy agree, as the network is and at the fitted temperature; `found` is what a summary says of it. */
function calibrated(found, id) {
  if (!found) return [];
  const error = (m) => `${percent(m.value)} [${span(m.interval, (v) => percent(v))}]`;
  return [table(id, [
    { title: "temperature", value: (r) => r.temperature, format: short },
    figureColumn("expected calibration error", (r) => r.calibration_error, (_, r) => error(r.calibration_error)),
    figureColumn("log-loss", (r) => r.log_loss),
  ], [{ temperature: 1, ...found.before }, { temperature: found.temperature.value, ...found.after }],
  { caption: `Confidence against accuracy: a temperature fitted to ${plural(found.fitted, "sample")} of ${found.data}, measured on ${grouped(found.measured)} others` })];
}

/** A table of an audit's own packets, which have one scale. */
function auditPackets(run) {
  const packets = run.summary?.packets ?? [];
  if (packets.length === 0) return [];
  return [table("packets", [
    { title: "packet", value: (p) => p.packet, text: true },
    { title: `scale ${UNIT}`, value: (p) => p.scale, format: short },
    ...temperatures(packets),
    ...signal((p) => ({ value: p.drift, interval: p.drift_interval }), (p) => ({ value: p.dispersion, interval: p.dispersion_interval })),
    { title: "σ_x", value: (p) => p.sigma_x, format: short },
    { title: "σ_p", value: (p) => p.sigma_p, format: short },
    figureColumn("σ_x σ_p", (p) => ({ value: p.product, interval: p.product_interval })),
    { title: "bound", value: (p) => p.bound, format: (v) => `≥ ${v}` },
    steinColumn((p) => ({ value: p.stein, interval: p.stein_interval })),
    pointsColumn,
  ], packets, { caption: "Packets of the audit", note: run.surveys.length === 0 ? "For curves over the scale, maps and modes, measure with kennard uncertainty --out DIR, and name DIR to kennard report beside this run." : null })];
}

/** Curves over the scale, drawn where some of their points have intervals. */
function overScale(id, title, caption, y, curves, { bound = null, log = false, most = Infinity } = {}) {
  const drawn = curves.map(([name, points]) => [name, points.filter((p) => p && p.scale > 0 && p.value !== null)]).filter(([, points]) => points.length > 0);
  if (drawn.length === 0) return null;
  // An interval without an upper end is none that can be drawn.
  const drawable = (interval) => (interval && !interval.includes(null) ? interval : [null, null]);
  const figures = (points) => points.map((p) => [p.scale, p.value, ...drawable(p.interval)]);
  const rows = drawn.flatMap(([name, points]) => figures(points).map((p) => [name, ...p]));
  const positive = log && rows.every((row) => row[2] > 0 && (row[3] ?? row[2]) > 0);
  // The bound is a line to be seen, not the edge.
  const top = Math.max(...rows.map((row) => row[4] ?? row[2]));
  const floor = bound !== null && bound.value > 0 ? Math.min(...rows.map((row) => row[3] ?? row[2]), bound.value - 0.08 * (top - bound.value)) : undefined;
  const linear = () => {
    const fitted = tightAxis(y, [...rows.flatMap((row) => row.slice(2)), ...(floor === undefined ? [] : [floor])], { gap: 48 });
    return { ...fitted, max: Math.min(fitted.max, most) };
  };
  const build = () => ({
    xAxis: axis(`scale s of the window ${UNIT}`, { type: "log", logBase: 10, axisLabel: { formatter: (v) => short(v) }, minorTick: { show: true } }),
    yAxis: positive ? axis(y, { type: "log", axisLabel: { formatter: (v) => short(v) } }, 48) : linear(),
    series: drawn.flatMap(([name, points], i) => curve(name, figures(points), i, i === 0 && bound !== null ? { markLine: across(bound.name, bound.value) } : {})),
    tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\nscale ${short(value[0])}: ${short(value[1])}` },
  });
  return chart(id, title, caption + looseness(drawn.map(([, points]) => figures(points))), { header: ["curve", "scale", "value", "low", "high"], rows }, build, { fitted: true });
}

/** Of how many centres medians of distances are, where not of all. */
function ofCentres(figures) {
  const found = figures.map((f) => /^medians of distances are of (\d+ of \d+ centres)/.exec((f.notes ?? []).find((note) => note.startsWith("medians of distances")) ?? "")?.[1]);
  const [first] = found.filter(Boolean);
  return first ? `, ${first}` : "";
}

function survey(run, view, number) {
  const { summary: survey } = view;
  const id = (name) => (number === 0 ? name : `${name}-${number + 1}`);
  const measured = survey.curve;
  // Charts over the scale are of one temperature, the first.
  const drawn = measured.filter((f) => f.temperature === measured[0].temperature);
  const at = (of) => drawn.map((f) => { const m = of(f); return m ? { scale: f.scale, value: m.value, interval: m.interval } : null; });
  const lead = (n) => (f) => f.modes?.leading[n]?.product;
  const scaled = drawn.filter((f) => f.scale !== null).length > 1;
  const bound = measured.find((f) => f.bound !== null && f.bound !== undefined)?.bound;
  const kind = measured[0]?.packet ?? "";
  const figures = scaled ? [
    overScale(id("excess"), "What the network adds to the spreads", "Excess over those of the window alone, with 95 % intervals; zero for a flat loss.", "excess [1]",
      [["σ_x/s − 1", at((f) => f.excess_x)], ["2 s σ_p − 1", at((f) => f.excess_p)]], { bound: { name: "flat loss", value: 0 } }),
    overScale(id("wrong"), "Misclassified share of the packet", "The share of the packet at points that are misclassified, with 95 % intervals.", "P(wrong) [1]", [["P(wrong)", at((f) => f.misclassified)]], { most: 1 }),
    overScale(id("product"), "Product of the spreads", "With 95 % intervals; no network gets below the bound.", "σ_x σ_p [1]",
      [["all coordinates", at((f) => f.product)], ["leading mode", at(lead(0))], ["along the drift", at((f) => f.modes?.drift?.product)]],
      { bound: bound === undefined ? null : { name: `bound ${short(bound)}`, value: bound } }),
    overScale(id("sigma-x"), "Position spread", "Root mean square over the coordinates, with 95 % intervals.", `σ_x ${UNIT}`, [["σ_x", at((f) => f.sigma_x)]], { log: true }),
    overScale(id("sigma-p"), "Conjugate spread", "Root mean square over the coordinates, with 95 % intervals.", `σ_p ${PER_UNIT}`, [["σ_p", at((f) => f.sigma_p)]], { log: true }),
    overScale(id("drift"), "Drift and dispersion", "How far the loss displaces the packet, and how much its log-gradient varies within.", "drift, dispersion [1]", [["drift", at((f) => f.drift)], ["dispersion", at((f) => f.dispersion)]]),
    overScale(id("stein"), "Stein check", "It must be −½ whatever the network; elsewhere the gradient is wrong or the samples are too few.", "mean of Cov(x, g) [1]", [["Cov(x, g)", at((f) => f.stein)]], { bound: kind === "box" ? null : { name: "−½", value: -0.5 } }),
  ] : [];
  const rows = table(id("survey"), [
    { title: `scale ${UNIT}`, value: (f) => f.scale, format: (v) => (v === null ? "–" : short(v)) },
    ...temperatures(measured),
    { title: "packets", value: (f) => f.packets },
    ...signal((f) => f.drift, (f) => f.dispersion),
    figureColumn("σ_x", (f) => f.sigma_x, short),
    figureColumn("σ_p", (f) => f.sigma_p, short),
    figureColumn("σ_x σ_p", (f) => f.product),
    { title: "bound", value: (f) => f.bound, format: (v) => (v === null || v === undefined ? "none" : `≥ ${short(v)}`) },
    steinColumn((f) => f.stein),
    pointsColumn,
  ], measured, { caption: `The ${kind} packet${survey.tensor ? ` of the tensor ${survey.tensor}` : ""}, ${dataName(survey.data)}, seed ${survey.seed}` });
  const median = (name) => (f) => f.distances?.[name];
  const named = [["first order", "first_order"], ["packet distance", "packet"], ["smoothed radius", "radius"], ["boundary search", "searched"], ["error packet, mean along the attack", "error.mean"]];
  if (scaled) {
    figures.push(overScale(id("distance"), "Distances to the decision boundary", "Medians over the centres that are classified correctly, in l2, with 95 % intervals where they have any. No factor on the logits moves them.", `distance ${UNIT}`, named.map(([title, name]) => [title, at(median(name))])));
  }
  const held = measured.filter((f) => Object.keys(f.distances ?? {}).length > 0);
  const apart = held.length === 0 ? null : table(id("survey-distances"), [
    { title: `scale ${UNIT}`, value: (f) => f.scale, format: (v) => (v === null ? "–" : short(v)) },
    ...[...named, ["σ_x along it", "error.sigma_x"], ["σ_p along it", "error.sigma_p"], ["their product", "error.product"], ["share of its class", "error.share"], ["share in its direction", "error.attacked"]]
      .map(([title, name]) => figureColumn(title, median(name), (_, f) => distanceText(median(name)(f)))),
  ], held, { caption: `Distances to the decision boundary in l2, and the error packet along the attack: medians over the centres that are classified correctly${ofCentres(held)}` });
  const lobes = (survey.lobes ?? []).flatMap((packet) => packet.lobes.map((lobe, i) => ({ ...packet, ...lobe, place: i + 1 })));
  const parts = lobes.length === 0 ? null : table(id("survey-lobes"), [
    { title: "sample", value: (l) => l.centre },
    { title: `scale ${UNIT}`, value: (l) => l.scale, format: (v) => (v === null ? "–" : short(v)) },
    { title: "lobe", value: (l) => l.place },
    shareColumn("share of ψ²", (l) => l.share, (v) => (100 * v).toFixed(0)),
    { title: "distance of its peak [s]", value: (l) => l.distance, format: short },
    { title: "starts that led to it", value: (l) => l.starts },
    { title: "packet", value: (l) => (l.reached ? "reached" : "NOT TO BE TRUSTED"), text: true },
  ], lobes, { caption: "Packets of several lobes" });
  const maps = view.maps.map(({ name, picture }) => el("figure", { class: "map" }, el("img", { src: picture, alt: mapTitle(name) }), el("figcaption", {}, mapTitle(name))));
  return [
    calibrated(survey.calibration, id("survey-calibration")), figures, rows, apart, parts,
    run.summary ? warningsOf(survey) : null,
    maps.length > 0 ? [el("h3", {}, "Maps of the spreads, and leading modes"), el("div", { class: "maps" }, maps)] : null,
    view.left_out > 0 ? el("p", { class: "note" }, `${plural(view.left_out, "map")} more are in ${view.directory}.`) : null,
  ];
}

const warningsOf = (survey) => survey.warnings.map((w) => el("p", { class: "note" }, `Warning (${w.code}): ${w.message}`));

/** What a picture's file name says: `sigma_x_0.1` is the map of σ_x at scale 0.1. */
function mapTitle(name) {
  const [, what, n, rest] = /^(sigma_[xp]|mode_(\d+))(?:_(.*))?$/.exec(name) ?? [null, name, null, null];
  const title = what === "sigma_x" ? "σ_x by coordinate" : what === "sigma_p" ? "σ_p by coordinate" : n ? `mode ${n} of the first packet` : what;
  const [scale, label] = (rest ?? "").split("_label");
  return `${title}${scale ? `, scale ${scale}` : ""}${label ? `, label ${label}` : ""}`;
}

/** What a probe that stands by itself was of; files from before do not say. */
const probed = (run) => (run.probe?.model && run.probe.data ? run.probe : undefined);

function probe(run) {
  const own = run.cosines && { cosine_histogram: run.cosines, cosine: run.summary.cosines?.cosine };
  const report = run.probe ?? own;
  if (!report?.cosine) return [];
  const data = binned(report.cosine_histogram);
  const { mean, mean_interval: interval } = report.cosine;
  const build = () => ({
    legend: { show: false }, grid: { left: 66, right: 18, top: 26, bottom: 54 },
    xAxis: axis("cos(x, ∂l) [1]", { min: report.cosine_histogram.ends[0], max: report.cosine_histogram.ends[1] }),
    yAxis: axis("samples per bin", { min: 0, minInterval: 1 }, 46),
    series: [bins(data, "samples", palette().series[2]), { name: "mean", type: "line", data: [], markLine: across(`mean ${short(mean)}`, mean, true) }],
    tooltip: { ...frame({}).tooltip, formatter: ({ value }) => `${short(value[0])} – ${short(value[1])}\n${plural(value[2], "sample")}` },
  });
  const rows = [["cos(x, ∂l)", report.cosine], ["Σ |x_i g_i|", report.contribution]].filter(([, d]) => d);
  const unknown = report.not_finite ? `${plural(report.not_finite, "sample")} of ${grouped(report.samples)}, where the loss or its gradient is not finite, in no figure.` : null;
  return [
    chart("probe", "Cosine of a sample and its loss gradient", `One backward pass per sample; the mean is ${short(mean)}${interval ? ` [${span(interval)}]` : ""}.`,
      { header: ["low", "high", "samples"], rows: data }, build),
    table("probe", [
      { title: "figure", value: (r) => r[0], text: true },
      { title: "mean", value: (r) => r[1].mean, format: short },
      { title: "95 % interval", value: (r) => r[1].mean_interval?.[0], format: (_, r) => span(r[1].mean_interval),
        file: ends((r) => r[1].mean_interval, "95 % low", "95 % high") },
      ...[["5 %", "q05"], ["25 %", "q25"], ["median", "median"], ["75 %", "q75"], ["95 %", "q95"]].map(([title, key]) => ({ title, value: (r) => r[1][key], format: short })),
    ], rows, { note: unknown }),
  ];
}
