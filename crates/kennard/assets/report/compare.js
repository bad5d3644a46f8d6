// Several runs side by side.

function comparison(page) {
  const { comparison: found, runs } = page;
  if (!found) return null;
  const names = shortNames(runs);
  const name = (i) => names[i];
  return el("div", { id: "comparison" },
    section("compare", "Comparison", `${plural(found.plane.length, "audit")} on one page.`,
      found.notes.length > 0 ? el("ul", { class: "notes" }, found.notes.map((note) => el("li", {}, note))) : null,
      epochs(found), tradeOff(found, page, name), curves(page), differences(found, name), overview(found, page, name)));
}

/** The names of runs without the directories that all end in: `pgd` and `trades` of `pgd/audit` and `trades/audit`. */
function shortNames(runs) {
  const parts = runs.map((run) => run.name.split("/"));
  while (parts.every((names) => names.length > 1 && names.at(-1) === parts[0].at(-1))) parts.forEach((names) => names.pop());
  return parts.map((names) => names.join("/"));
}

/** Names of at most this many characters: cut in the middle, or, where that makes some alike, before they differ. */
function cutApart(names, most) {
  const start = Math.ceil((most - 1) / 2);
  const middles = names.map((name) => (name.length > most ? `${name.slice(0, start)}…${name.slice(start + 1 - most)}` : name));
  if (new Set(middles).size === new Set(names).size) return middles;
  const shared = (a, b) => { let n = 0; while (n < a.length && a[n] === b[n]) n++; return n; };
  return names.map((name) => {
    const differs = Math.max(0, ...names.filter((other) => other !== name).map((other) => shared(name, other)));
    return cut(name.length > most && differs + 1 >= most ? `…${name.slice(differs - 2)}` : name, most);
  });
}

function tradeOff(found, { runs }, name) {
  const points = found.plane.filter((p) => p.robust !== null && !unfinished(runs[p.run]));
  if (points.length < 2) return null;
  const front = points.filter((p) => p.pareto).sort((a, b) => a.clean - b.clean);
  const known = points.filter((p) => p.sigma_p !== null).map((p) => p.sigma_p);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  // Colours that tell apart what differs by less than its interval, or by nothing to be seen, would tell of noise.
  const noise = Math.max(...points.map((p) => (p.sigma_p_interval ? p.sigma_p_interval[1] - p.sigma_p_interval[0] : 0)));
  const complete = known.length === points.length;
  const coloured = complete && high - low > Math.max(noise, 0.01 * high);
  const per = (of) => points.flatMap((p) => of(p));
  const same = (p) => points.filter((other) => other.clean === p.clean && other.robust === p.robust);
  const hidden = points.map((p) => [p, same(p)]).filter(([p, all]) => all.length > 1 && all[0] === p)
    .map(([, all]) => ` ${all.slice(0, -1).map((p) => name(p.run)).join(", ")} and ${name(all.at(-1).run)} coincide.`).join("");
  const build = () => {
    const { ink, soft, series } = palette();
    const few = points.length <= 12;
    return {
      grid: { left: 66, right: coloured ? 104 : 24, top: 40, bottom: 54 },
      title: coloured ? { text: "σ_p\n[1/input units]", right: 2, top: 24, textStyle: { color: ink, fontSize: 12, fontWeight: "normal", lineHeight: 16 }, textAlign: "auto" } : undefined,
      legend: { ...frame({}).legend, data: front.length > 2 ? ["runs", "Pareto front"] : ["runs"] },
      xAxis: tightAxis("clean accuracy [%]", per((p) => [p.clean, ...p.clean_interval]), { factor: 100 }),
      yAxis: tightAxis("robust accuracy [%]", per((p) => [p.robust, ...p.robust_interval]), { factor: 100, gap: 46 }),
      visualMap: coloured ? { type: "continuous", seriesIndex: 0, dimension: 2, min: low, max: high, right: 28, top: 66, itemHeight: 150, itemWidth: 12, precision: 3, calculable: false,
        text: [short(high), short(low)], textGap: 6, textStyle: { color: ink }, formatter: short, inRange: { color: isDark() ? VIRIDIS.slice(1) : VIRIDIS.slice(0, 5) } } : undefined,
      series: [
        { name: "runs", type: "scatter", symbolSize: 15, itemStyle: coloured ? { borderColor: ink, borderWidth: 1 } : { color: series[0] }, data: points.map((p) => ({ name: name(p.run), value: [p.clean, p.robust, p.sigma_p ?? NaN] })), z: 6,
          label: { show: few, padding: [0, 5], position: "top", distance: 8, formatter: (item) => item.name, color: ink, fontSize: 12, width: 130, overflow: "truncate" }, labelLayout: { moveOverlap: "shiftY", hideOverlap: true } },
        ...(front.length > 2 ? [{ name: "Pareto front", type: "line", step: "start", symbol: "none", lineStyle: { type: "dashed", color: soft, width: 1.5 }, itemStyle: { color: soft }, data: front.map((p) => [p.clean, p.robust]) }] : []),
        whiskers(points.map((p) => [p.clean, ...p.robust_interval]), { colour: soft, z: 4 }),
        whiskers(points.map((p) => [...p.clean_interval, p.robust]), { colour: soft, z: 4, lying: true }),
      ],
      tooltip: { ...frame({}).tooltip, formatter: ({ name: run, value }) => (Array.isArray(value) && value.length > 2 ? `${run}\nclean ${percent(value[0])}, robust ${percent(value[1])}\nσ_p ${short(value[2])}` : "") },
    };
  };
  return chart("plane", "The trade-off", `Clean against robust accuracy with 95 % intervals.${front.length > 2 ? " Dashed: the runs that no other beats in both." : ""}${complete && !coloured ? " σ_p hardly differs, and is not shown in colour." : ""}${hidden}`,
    { header: ["run", "clean", "clean_low", "clean_high", "robust", "robust_low", "robust_high", "sigma_p", "sigma_p_low", "sigma_p_high", "pareto"],
      rows: points.map((p) => [name(p.run), p.clean, ...p.clean_interval, p.robust, ...p.robust_interval, p.sigma_p, ...(p.sigma_p_interval ?? [null, null]), p.pareto]) }, build, { height: 440, wide: true });
}

/** The figures of checkpoints over the epochs of each training. */
const epochs = (found) => found.series.map(({ name, panels }, i) =>
  panelsChart(i === 0 ? "epochs" : `epochs-${i + 1}`, panels, found.series.length > 1 ? `Over the epochs of ${name}` : "Over the epochs"));

/** Robust accuracy against epsilon, of the runs that have it. */
function curves({ runs }) {
  const drawn = runs.filter((run) => run.summary?.closest?.curve.length > 0 && !unfinished(run));
  const norms = new Set(drawn.map((run) => run.summary.threat_model.norm));
  if (drawn.length < 2 || norms.size > 1) return null;
  const build = () => ({
    xAxis: axis(`ε, ${[...norms][0]} [input units]`, { min: 0 }), yAxis: shareAxis("robust accuracy [%]"),
    series: drawn.map((run, i) => ({ name: run.name, type: "line", showSymbol: false, lineStyle: { width: 2, type: DASHES[i % 6], color: palette().series[i % 6] }, itemStyle: { color: palette().series[i % 6] }, data: run.summary.closest.curve.map((p) => [p.eps, p.robust_accuracy]) })),
    tooltip: { ...frame({}).tooltip, trigger: "axis", formatter: (items) => items.map(({ seriesName, value }) => `${seriesName}, ε ${short(value[0])}: ${percent(value[1])}`).join("\n") },
  });
  return chart("curves", "Robust accuracy against ε", "From the closest adversarial points found.",
    { header: ["run", "eps", "robust_accuracy", "low", "high"], rows: drawn.flatMap((run) => run.summary.closest.curve.map((p) => [run.name, p.eps, p.robust_accuracy, ...p.interval])) }, build, { wide: true });
}

function differences(found, name) {
  const rows = found.pairs.flatMap((pair) => [["clean", pair.clean], ["robust", pair.robust]].filter(([, d]) => d).map(([what, d]) => ({ ...d, what, run: name(pair.run), first: name(pair.first), samples: pair.samples })));
  if (rows.length === 0) return null;
  const points = (v) => `${v > 0 ? "+" : v < 0 ? "−" : ""}${Math.abs(100 * v).toFixed(2)}`;
  const labels = rows.map((r) => `${r.what}, ${r.run}`);
  const kinds = [["clean", "circle"], ["robust", "rect"]].filter(([what]) => rows.some((r) => r.what === what));
  const build = (width) => {
    const left = Math.min(190, 0.36 * width);
    const most = Math.floor((left - 14) / 6.6);
    const runs = cutApart(rows.map((r) => r.run), most);
    const label = (r, i) => (labels[i].length <= most ? labels[i] : `${r.what}\n${runs[i]}`);
    return {
      grid: { left, right: 24, top: 40, bottom: 54 },
      xAxis: tightAxis("difference [percentage points]", [0, ...rows.flatMap((r) => [r.difference, ...r.interval])], { factor: 100 }),
      yAxis: { ...axis("", { type: "category", data: rows.map(label), inverse: true }), axisLabel: { color: palette().ink, width: left - 14, overflow: "truncate", lineHeight: 15, interval: 0 } },
      series: [
        ...kinds.map(([what, symbol], k) => ({ name: what, type: "scatter", symbol, symbolSize: 10, itemStyle: { color: palette().series[k] },
          data: rows.flatMap((r, i) => (r.what === what ? [[r.difference, i]] : [])), ...(k === 0 ? { markLine: across("", 0, true) } : {}), z: 6 })),
        whiskers(rows.map((r, i) => [...r.interval, i]), { lying: true }),
      ],
      tooltip: { ...frame({}).tooltip, formatter: ({ value: [, i] }) => `${labels[i]}: ${points(rows[i].difference)} points\n${points(rows[i].interval[0])} to ${points(rows[i].interval[1])}, p = ${short(rows[i].p)}` },
    };
  };
  return [
    chart("differences", "Differences on the same samples", `Each run less ${rows[0].first}, with Newcombe's 95 % intervals for paired shares.`,
      { header: ["run", "figure", "samples", "only_first", "only_other", "difference", "low", "high", "p"], rows: rows.map((r) => [r.run, r.what, r.samples, r.only_first, r.only_other, r.difference, ...r.interval, r.p]) }, build,
      { height: Math.max(220, 34 * rows.length + 106), wide: true }),
    table("pairs", [
      { title: "run", value: (r) => r.run, text: true },
      { title: "accuracy", value: (r) => r.what, text: true },
      { title: "samples", value: (r) => r.samples, format: grouped },
      { title: "difference [points]", value: (r) => r.difference, format: points, file: [["difference [points]", (r) => hundredfold(r.difference)]] },
      { title: "95 % interval", value: (r) => r.interval[0], format: (_, r) => `${points(r.interval[0])} to ${points(r.interval[1])}`,
        file: ends((r) => r.interval, "95 % low [points]", "95 % high [points]", hundredfold) },
      { title: "correct only in this run", value: (r) => r.only_other, format: grouped },
      { title: `correct only in ${rows[0].first}`, value: (r) => r.only_first, format: grouped },
      { title: "McNemar p", value: (r) => r.p, format: (v) => (v < 1e-4 ? "< 0.0001" : short(v)) },
    ], rows, { note: "McNemar's exact test asks whether one of the two is correct more often where they differ; with many comparisons, some p below 0.05 are chance." }),
  ];
}

function overview(found, { runs }, name) {
  const rows = found.plane.map((p) => ({ ...p, name: name(p.run), summary: runs[p.run].summary }));
  // Runs of the plane are finished. A file has the intervals too.
  const share = (what) => {
    const column = shareColumn(what, (r) => r[what], (v) => (typeof v === "number" ? (100 * v).toFixed(2) : "–"));
    return { ...column, file: [...column.file, ...ends((r) => r[`${what}_interval`], `${what}, low [%]`, `${what}, high [%]`, hundredfold)] };
  };
  return table("runs", [
    { title: "run", value: (r) => r.name, text: true },
    share("clean"), share("robust"),
    { title: "threat model", value: (r) => budget(r.summary), text: true },
    { title: "median distance", value: (r) => r.summary.closest?.quartiles[1], format: short },
    { title: "σ_p", value: (r) => r.sigma_p, format: short },
    { title: "σ_x σ_p", value: (r) => r.product, format: short },
    { title: "samples", value: (r) => r.summary.samples, format: grouped },
    { title: "weights", value: (r) => r.summary.model.parameters, format: grouped },
    { title: "warnings", value: (r) => r.summary.warnings.filter((w) => !w.note).length },
  ], rows, { filter: rows.length > 12 });
}
