// Curves as data have them: `{ name, figures: [{ x, value, low, high }] }`, in one chart or in panels over one abscissa.

const figuresOf = (curve) => curve.figures.map((p) => [p.x, p.value, p.low, p.high]);

const curveData = (curves) => ({ header: ["curve", "x", "value", "low", "high"], rows: curves.flatMap((c) => figuresOf(c).map((p) => [c.name, ...p])) });

/** Whether two curves differ by more than their intervals somewhere. */
const apart = (one, other) => one.some(([x, , low, high]) => other.some((p) => p[0] === x && (low > p[3] || p[2] > high)));

/** Why a reader would see only noise in curves of this ordinate; null where one shows more, or two differ. */
function onlyNoise(y, curves) {
  const sure = curves.map((c) => ({ name: c.name, points: figuresOf(c).filter((p) => hasEnds(p[2], p[3])) })).filter((c) => c.points.length > 0);
  const judged = (sure.length > 0 ? sure : curves.map((c) => ({ name: c.name, points: figuresOf(c) }))).map(({ name, points }) => {
    const values = points.map((p) => p[1]);
    return { name, points, low: Math.min(...values), high: Math.max(...values), widest: Math.max(...points.map((p) => p[3] - p[2])) };
  });
  const span = ([low, high]) => (low === high ? low : `${low} to ${high}`);
  const found = judged.map(({ name, low, high }) => `${judged.length > 1 ? `${name} is ` : ""}${span([short(low), short(high)])}`).join(", ");
  if (sure.length === 0) return `${y}: ${found}, without intervals, so they are not drawn.`;
  const trend = judged.some(({ points }) => !alike(points));
  if (trend || judged.some((one, i) => judged.slice(i + 1).some((other) => apart(one.points, other.points)))) return null;
  const widest = Math.max(...judged.map((c) => c.widest));
  return `${y}: ${found}, which differ by less than their intervals (up to ${short(widest)} wide), so they are not drawn.`;
}

/** A chart of curves, with a line that none may cross. */
function curveChart(id, { title, x, y, curves, linear, bound }) {
  const drawn = curves.filter((c) => c.figures.length > 0);
  if (drawn.length === 0) return el("p", { class: "note" }, `${title}: there is nothing to draw.`);
  const points = drawn.flatMap(figuresOf);
  const log = !linear && points.every((p) => p[0] > 0);
  const values = [...points.flatMap((p) => p.slice(1)), ...(bound ? [bound[1]] : [])];
  // Accuracies are in per cent, as in tables.
  const shares = y.endsWith("accuracy [1]");
  const build = () => ({
    xAxis: log ? axis(x, { type: "log", axisLabel: { formatter: (v) => short(v) }, minorTick: { show: true } }) : axis(x, { scale: true }),
    yAxis: shares ? shareAxis(y.replace("[1]", "[%]")) : tightAxis(y, values, { gap: 48 }),
    series: drawn.flatMap((c, i) => curve(c.name, figuresOf(c), i, { nested: c.nested,
      ...(i === 0 && bound ? { markLine: across(bound[0], bound[1]) } : {}), ...(c.figures.length > 40 ? { showSymbol: false } : {}) })),
    tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\n${x} ${short(value[0])}: ${shares ? percent(value[1]) : short(value[1])}` },
  });
  return chart(id, title, looseness(drawn.map(figuresOf), drawn.map((c) => c.nested)).trim(), curveData(drawn), build);
}

/** Room of a panel, and of what stands above, between and below panels, in pixels. */
const PANEL = { height: 132, gap: 16, legend: 52, foot: 46 };

/** Panels below one another over one abscissa. One whose curves differ by less than their intervals, or have none, is a sentence. */
function panelsChart(id, { title, x, panels }, heading = title) {
  const known = panels.map((p) => ({ ...p, curves: p.curves.filter((c) => c.figures.length > 0) })).filter((p) => p.curves.length > 0);
  const noise = known.map((p) => onlyNoise(p.y, p.curves));
  const drawn = known.filter((_, i) => noise[i] === null);
  const notes = noise.filter(Boolean).map((why) => el("p", { class: "note" }, why));
  if (drawn.length === 0) return notes.length > 0 ? el("div", { class: "wide" }, el("h3", {}, heading), notes) : null;
  const xs = known.flatMap((p) => p.curves.flatMap((c) => c.figures.map((f) => f.x)));
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const room = 0.03 * (high - low) || 0.5;
  const build = () => {
    let colour = 0;
    const top = (i) => PANEL.legend + i * (PANEL.height + PANEL.gap);
    const series = drawn.flatMap((p, i) => p.curves.flatMap((c) => curve(c.name, figuresOf(c), colour++).map((s) => ({ ...s, xAxisIndex: i, yAxisIndex: i }))));
    const last = drawn.length - 1;
    return {
      // Labels of different widths would move one left edge and not the other.
      grid: drawn.map((_, i) => ({ left: 68, right: 18, top: top(i), height: PANEL.height, outerBoundsMode: "none" })),
      xAxis: drawn.map((_, i) => ({ ...axis(x, { minInterval: 1, min: low - room, max: high + room, show: i === last, axisLabel: { showMinLabel: false, showMaxLabel: false } }), gridIndex: i })),
      yAxis: drawn.map((p, i) => ({ ...tightAxis(p.y, p.curves.flatMap((c) => figuresOf(c).flatMap((f) => f.slice(1))), { gap: 50 }), gridIndex: i })),
      series,
      tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\n${x} ${short(value[0])}: ${short(value[1])}` },
    };
  };
  const curves = drawn.flatMap((p) => p.curves);
  const height = PANEL.legend + drawn.length * (PANEL.height + PANEL.gap) + PANEL.foot;
  return [chart(id, heading, `With 95 % intervals.${looseness(curves.map(figuresOf))}`, curveData(curves), build, { height, wide: true }), notes];
}
