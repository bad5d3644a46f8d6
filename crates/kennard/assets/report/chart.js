// Charts, drawn by ECharts as SVG. Colours are those of Okabe and Ito, and no chart tells by colour alone.

const charts = new Map();

const PALETTES = {
  light: { ink: "#1b1f24", soft: "#57606a", rule: "#d8dee4", paper: "#ffffff",
    series: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87c00", "#56b4e9"] },
  dark: { ink: "#e8eaed", soft: "#a5adb7", rule: "#3a424c", paper: "#171b20",
    series: ["#56b4e9", "#e69f00", "#2fc39a", "#dd94bd", "#f0e442", "#d5774a"] },
};
const VIRIDIS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect", "pin"];
const DASHES = ["solid", "dashed", "dotted", [8, 3, 2, 3], [2, 2], [12, 4]];

/** Labels of a category axis: slanted where they are words. */
const slanted = (names) => (names.some((name) => name.length > 3) ? { rotate: 40, width: 92, overflow: "truncate" } : {});

const isDark = () => document.documentElement.dataset.shade === "dark";
const palette = () => PALETTES[isDark() ? "dark" : "light"];

/** An axis with its name and unit. */
function axis(name, extra = {}, gap = 32) {
  const { ink, soft, rule } = palette();
  return {
    type: "value", name, nameLocation: "middle", nameGap: gap, nameTextStyle: { color: ink, fontSize: 13 },
    axisLine: { show: true, onZero: false, lineStyle: { color: soft } }, axisTick: { show: true },
    axisLabel: { color: soft, fontSize: 12, hideOverlap: true }, splitLine: { lineStyle: { color: rule } },
    ...extra,
    axisLabel: { color: soft, fontSize: 12, hideOverlap: true, ...extra.axisLabel },
  };
}
const shareAxis = (name, extra = {}, gap = 42) =>
  axis(name, { min: 0, max: 1, ...extra, axisLabel: { formatter: (v) => String(Math.round(1000 * v) / 10), ...extra.axisLabel } }, gap);

/**
 * An axis over the values given, never narrower than a hundredth of the largest, on which no two labels read alike.
 * `factor` is what labels are multiplied with: 100 for shares in per cent.
 */
function tightAxis(name, values, { factor = 1, gap = 32, extra = {} } = {}) {
  const known = values.filter((v) => Number.isFinite(v));
  const largest = Math.max(...known.map(Math.abs), 0);
  let [low, high] = known.length > 0 ? [Math.min(...known), Math.max(...known)] : [0, 1];
  const least = 0.01 * largest || 1;
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const room = 0.05 * (high - low);
  [low, high] = [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= 0.999 * rough);
  const digits = Math.max(0, -Math.floor(Math.log10(factor * step) + 1e-9));
  const wide = factor * largest >= 1e6 || digits > 6;
  const label = (v) => {
    if (!wide) return (Math.round((factor * v) / (factor * step)) * factor * step).toFixed(digits);
    const places = Math.ceil(Math.log10(Math.max(Math.abs(v), step) / step));
    return v === 0 ? "0" : (factor * v).toExponential(Math.max(0, places));
  };
  // Without the rounding of binary fractions, for which the end would be a tick of its own.
  const exact = (v) => Number(v.toPrecision(12));
  const [min, max] = [exact(step * Math.floor(low / step + 1e-9)), exact(step * Math.ceil(high / step - 1e-9))];
  return axis(name, { min, max, interval: exact(step), ...extra, axisLabel: { formatter: label, ...extra.axisLabel } }, gap);
}

/** Whether an interval is known: the ends of others are null, as of a median of fewer than six values. */
const hasEnds = (low, high) => typeof low === "number" && typeof high === "number";

/** Whether rows `[…, value, low, high]` differ by no more than the widest interval, and all intervals have a value in common. */
function alike(rows) {
  const values = rows.map((row) => row.at(-3));
  const widest = Math.max(...rows.map((row) => row.at(-1) - row.at(-2)));
  const common = Math.max(...rows.map((row) => row.at(-2))) <= Math.min(...rows.map((row) => row.at(-1)));
  return widest > 0 && Math.max(...values) - Math.min(...values) <= widest && common;
}

/**
 * Why points `[x, value, low, high]` are not joined by a line; null where they are. Points `[x, value]` are of all that
 * there is, and need no interval; of `nested` ones each counts a part of what the one before it counts.
 */
function loose(all, nested = false) {
  const points = all.filter((p) => typeof p[1] === "number");
  if (points.length < 3) return "Fewer than three points are no curve, and are not joined.";
  if (nested) return null;
  if (points.some((p) => p.length > 2 && !hasEnds(p[2], p[3]))) return "Points without intervals show no trend, and are not joined.";
  const noise = alike(points.map(([, value, low, high]) => (hasEnds(low, high) ? [value, low, high] : [value, value, value])));
  return noise ? "Points that differ by less than their intervals show no trend, and are not joined." : null;
}

/**
 * Why an axis fitted to rows `[…, value, low, high]` would show noise: none has an interval, or those that have one differ
 * by less than the widest. Null where it would not.
 */
function indistinct(rows) {
  const bounded = rows.filter((row) => hasEnds(row.at(-2), row.at(-1)));
  if (bounded.length === 0) return "the values have no intervals";
  return rows.length > 1 && alike(bounded) ? "the values differ by less than their intervals are wide" : null;
}

/** What to say beneath a figure of such curves. */
const looseness = (curves, nested = []) => [...new Set(curves.map((points, i) => loose(points, nested[i])).filter(Boolean))].map((why) => ` ${why}`).join("");

/** A named curve of points `[x, value, low, high]`, the `i`th of its chart: a line in its band, or points alone. */
function curve(name, points, i, { nested = false, ...more } = {}) {
  const color = palette().series[i % 6];
  const bounded = points.filter((p) => hasEnds(p[2], p[3])).map(([x, , low, high]) => [x, low, high]);
  const marks = { name, symbol: SYMBOLS[i % 6], symbolSize: 8, itemStyle: { color }, data: points.map(([x, value]) => [x, value]), z: 6, ...more };
  if (loose(points, nested)) return [{ ...marks, type: "scatter" }, ...(bounded.length > 0 ? [whiskers(bounded, { colour: color })] : [])];
  const line = { ...marks, type: "line", lineStyle: { color, width: 2, type: DASHES[i % 6] } };
  return bounded.length > 0 ? [band(bounded, color), line] : [line];
}

/** What all charts have. */
function frame(option) {
  const { ink, soft, paper, rule } = palette();
  return {
    animation: false, backgroundColor: "transparent", color: palette().series,
    textStyle: { fontFamily: "system-ui, sans-serif", color: ink }, aria: { enabled: true },
    grid: { left: 62, right: 18, top: 40, bottom: 54 },
    legend: { top: 2, left: "center", textStyle: { color: ink, fontSize: 12 }, itemWidth: 22, itemGap: 10 },
    // As text in the drawing, so that no name becomes markup.
    tooltip: { renderMode: "richText", confine: true, backgroundColor: paper, borderColor: rule, textStyle: { color: ink, fontSize: 12 } },
    ...option,
  };
}

/** Intervals as bars with caps: data are `[x, low, high]`, or `[low, high, y]` lying down. `shift` moves them in pixels. */
function whiskers(data, { colour = palette().ink, lying = false, shift = 0, z = 5 } = {}) {
  const renderItem = (_, api) => {
    const [a, b] = lying
      ? [api.coord([api.value(0), api.value(2)]), api.coord([api.value(1), api.value(2)])]
      : [api.coord([api.value(0), api.value(1)]), api.coord([api.value(0), api.value(2)])];
    const [p, q] = lying ? [[a[0], a[1] + shift], [b[0], b[1] + shift]] : [[a[0] + shift, a[1]], [b[0] + shift, b[1]]];
    const cap = ([x, y]) => (lying ? { x1: x, x2: x, y1: y - 4, y2: y + 4 } : { x1: x - 4, x2: x + 4, y1: y, y2: y });
    const style = { stroke: colour, lineWidth: 1.3, fill: "none" };
    const line = (shape) => ({ type: "line", shape, style });
    return { type: "group", children: [line({ x1: p[0], y1: p[1], x2: q[0], y2: q[1] }), line(cap(p)), line(cap(q))] };
  };
  return { type: "custom", renderItem, data, silent: true, z, tooltip: { show: false },
    encode: lying ? { x: [0, 1], y: 2 } : { x: 0, y: [1, 2] } };
}

/** The area between low and high: data are `[x, low, high]`. */
function band(data, colour) {
  const renderItem = (params, api) => {
    if (params.dataIndexInside > 0) return null;
    const edge = (end) => data.map((point) => api.coord([point[0], point[end]]));
    return { type: "polygon", shape: { points: [...edge(2), ...edge(1).reverse()] }, style: { fill: colour, opacity: 0.18 } };
  };
  return { type: "custom", renderItem, data, silent: true, z: 1, clip: true, tooltip: { show: false }, encode: { x: 0, y: [1, 2] } };
}

/** Counts over `[low, high]` bins: data are `[low, high, count]`. */
function bins(data, name, colour) {
  const renderItem = (_, api) => {
    const [left, top] = api.coord([api.value(0), api.value(2)]);
    const [right, bottom] = api.coord([api.value(1), 0]);
    return { type: "rect", shape: { x: left, y: top, width: Math.max(right - left - 1, 0.5), height: bottom - top }, style: { fill: colour } };
  };
  return { type: "custom", name, renderItem, data, encode: { x: [0, 1], y: 2 } };
}

/** Bins of equal width between two ends. */
const binned = ({ ends: [low, high], counts }) =>
  counts.map((count, i) => [low + ((high - low) * i) / counts.length, low + ((high - low) * (i + 1)) / counts.length, count]);

/** A line across, dashed, with a name: at its end, on a ground of its own above what is drawn. */
function across(name, at, vertical = false) {
  const { ink, paper } = palette();
  return {
    silent: true, symbol: "none", z: 10, lineStyle: { color: ink, type: [5, 4], width: 1.3 },
    label: { color: ink, fontSize: 12, formatter: () => name, position: vertical ? "end" : "insideEndTop", textBorderColor: paper, textBorderWidth: 4 },
    data: [vertical ? { xAxis: at } : { yAxis: at }],
  };
}

/**
 * A figure: a chart, its caption, and its data for download. `build(width)` gives ECharts its option in the colours
 * of the moment; `data` is `{ header, rows }`. One whose axis is `fitted` to the last three columns, value, low and high,
 * is not drawn where these show nothing but noise: a line says so. `draft` are figures of an unfinished run.
 */
function chart(id, title, caption, data, build, { height = 320, wide = false, fitted = false, draft = false } = {}) {
  const noise = fitted ? indistinct(data.rows) : null;
  if (noise) {
    return el("figure", { id: `chart-${id}`, class: "undrawn" }, el("h3", {}, title),
      el("p", { class: "note" }, `Not drawn: ${noise}, and an axis fitted to them would show noise.`));
  }
  const plot = el("div", { class: "plot", style: `height:${height}px` });
  const name = figureFile(id, draft);
  const objects = () => data.rows.map((row) => Object.fromEntries(data.header.map((key, i) => [key, row[i]])));
  const button = (text, what, act) => el("button", { type: "button", title: `${what} of this figure`, onclick: act }, text);
  charts.set(id, { plot, build, height, instance: null, width: 0 });
  return el("figure", { id: `chart-${id}`, class: wide ? "wide" : null },
    el("h3", {}, title), plot,
    el("figcaption", {}, el("span", {}, caption), el("span", { class: "tools" },
      button("CSV", "The data", () => download(`${name}.csv`, "text/csv", csv(data.header, data.rows))),
      button("JSON", "The data", () => download(`${name}.json`, "application/json", JSON.stringify(objects(), null, 1))),
      button("SVG", "A drawing", () => download(`${name}.svg`, "image/svg+xml", drawing(id))))));
}

/** How wide a saved drawing is, in pixels. */
const SAVED = 720;

/** A chart as SVG for white paper, whatever the page's colours and width are. */
function drawing(id) {
  const { build, height } = charts.get(id);
  const shade = root.dataset.shade;
  root.dataset.shade = "light";
  const instance = echarts.init(null, null, { renderer: "svg", ssr: true, width: SAVED, height });
  try {
    instance.setOption(withLegend(frame(build(SAVED)), SAVED));
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
    root.dataset.shade = shade;
  }
}

function drawCharts() {
  for (const entry of charts.values()) {
    if (!entry.plot.isConnected) continue;
    entry.instance ??= echarts.init(entry.plot, null, { renderer: "svg" });
    entry.width = entry.plot.clientWidth;
    entry.instance.setOption(withLegend(frame(entry.build(entry.width)), entry.width), true);
    watchSize.observe(entry.plot);
  }
}

/** Room above for as many lines as the legend takes. */
function withLegend(option, width) {
  if (option.legend.show === false) return option;
  const names = option.legend.data ?? option.series.map((series) => series.name).filter(Boolean);
  let [lines, left] = [1, width - 10];
  for (const name of names) {
    const needed = 22 + 5 + 10 + 7.2 * name.length;
    if (needed > left && left < width - 10) [lines, left] = [lines + 1, width - 10];
    left -= needed;
  }
  // Panels leave room for two lines.
  if (Array.isArray(option.grid)) return { ...option, grid: option.grid.map((grid) => ({ ...grid, top: grid.top + 22 * Math.max(0, lines - 2) })) };
  return { ...option, grid: { ...option.grid, top: Math.max(option.grid.top, 18 + 22 * lines) } };
}

/** Widths of a figure over the page and over half of it, within the margins of A4 and Letter, in CSS pixels. */
const PAPER = { wide: 672, half: 322 };

/** Draws anew, in the widths given or those of the page. */
function sizeCharts(widths) {
  for (const entry of charts.values()) {
    const wide = entry.plot.closest(".wide, #compare > figure") !== null;
    size(entry, widths ? (wide ? widths.wide : widths.half) : entry.plot.clientWidth);
  }
}

function size(entry, width) {
  if (!entry.instance) return;
  entry.width = width;
  entry.instance.resize({ width });
  entry.instance.setOption(withLegend(frame(entry.build(width)), width), true);
}

const watchSize = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const entry = [...charts.values()].find((chart) => chart.plot === target);
    if (entry && entry.width !== target.clientWidth) size(entry, target.clientWidth);
  }
});

function forgetCharts() {
  for (const { instance, plot } of charts.values()) {
    watchSize.unobserve(plot);
    instance?.dispose();
  }
  charts.clear();
}
