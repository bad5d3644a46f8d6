// Figures as people read them.

const THIN = "\u202f";

/** Thousands set apart. */
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);

/** Four significant digits. */
function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x) || x === 0) return String(x);
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-4) return x.toExponential(2);
  return String(Number(x.toPrecision(4)));
}

/** A share in per cent as a number, without the rounding of binary fractions. */
const hundredfold = (share) => (typeof share === "number" ? Number((100 * share).toPrecision(12)) : null);

/** A text of at most this many characters. */
function cut(text, most) {
  if (text.length <= most) return text;
  const letters = [...text.slice(0, 2 * most + 2)];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

/** A data set and its split; samples in memory have none. */
const dataName = ({ name, split }) => (split ? `${name} (${split})` : name);

const percent = (share, digits = 2) =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)}${THIN}%`;
/** Whether a run has samples or attacks before it, so that its shares are not known. */
const unfinished = (run) => (run.summary ? !isWhole(run.summary) : run.stage !== "finished");

/**
 * What a share of all samples lies between, whatever the pending ones turn out to be: `{ low, high, pending }`. `figure`
 * is an entry of the summary with its count under `key`.
 */
function bracket(run, figure, key) {
  const total = run.summary.total ?? run.total;
  const pending = figure.pending ?? total - run.summary.samples;
  return { low: figure[key] / total, high: (figure[key] + pending) / total, pending };
}

/** A share with its interval; of an unfinished run what it lies between. */
function shareText(run, figure, key, accuracy) {
  if (!unfinished(run) || figure.pending === 0) return { text: percent(accuracy), range: shares(figure.interval) };
  const { low, high, pending } = bracket(run, figure, key);
  return { text: `${(100 * low).toFixed(1)} – ${percent(high, 1)}`, range: `unfinished, ${plural(pending, "sample")} pending` };
}

/** Wilson's 95 % interval of a share of `n`. */
function wilson(share, n) {
  const z = 1.959964;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

const span = (interval, format = short) =>
  interval ? `${format(interval[0])} – ${format(interval[1])}` : "–";
const shares = (interval) =>
  interval ? `${(100 * interval[0]).toFixed(2)} – ${(100 * interval[1]).toFixed(2)}${THIN}%` : "–";
const seconds = (s) => (s < 120 ? `${s.toFixed(1)}${THIN}s` : `${(s / 60).toFixed(1)}${THIN}min`);
/** Seconds in a table; those of a run that was cut off may not be known. */
const tenths = (s) => (typeof s === "number" ? s.toFixed(1) : "–");
const plural = (n, one, many = `${one}s`) => `${grouped(n)} ${n === 1 ? one : many}`;

/** Whether every sample of an audit is done with. Before, its figures are brackets. */
const isWhole = ({ clean, attacks, minimal, certified, radii }) =>
  [clean, ...attacks, ...minimal, certified ?? clean, radii ?? clean].every((part) => part.pending === 0);

/** Whether something stands in the place of one epsilon for all: the summary's is then only the largest. */
const hasOwnSizes = ({ confined = [] }) => confined.some((what) => page.own_sizes.includes(what));

/** What an attack may do, in short: `linf ≤ 8/255`. */
function budget(summary) {
  const { threat_model: threat, eps_text: eps, confined = [] } = summary;
  if (hasOwnSizes(summary)) return confined.join(", ");
  return [threat.eps === null ? threat.norm : `${threat.norm} ≤ ${eps}`, ...confined].join(", ");
}

/** The attacks in words. */
const attackNames = ({ attacks, minimal, autoattack, budget: passes }) => {
  const named = ({ name, changed }) => (changed ? `${name} with ${changed.join(" and ")}` : name);
  const limit = passes === undefined ? "" : `, with at most ${grouped(passes)} ${passes === 1 ? "pass" : "passes"} a sample`;
  return `${autoattack ? `AutoAttack (${autoattack}): ` : ""}${[...attacks, ...minimal].map(named).join(", ")}${limit}`;
};

/** The same in words. */
function allowance(summary) {
  const { threat_model: threat, eps_text, model: { input } } = summary;
  const [lo, hi] = threat.bounds;
  const elements = plural(input.reduce((a, b) => a * b, 1), "input element");
  const bounds = `the values staying in [${short(lo)}, ${short(hi)}]`;
  const eps = threat.eps === null ? "any size" : eps_text;
  const size = {
    linf: `each of the ${elements} may change by at most ${eps}`,
    l2: `the change of the ${elements} has a Euclidean length of at most ${eps}`,
    l1: `the changes of the ${elements} sum to at most ${eps}`,
    l0: `at most ${eps} of the ${elements} may change`,
  }[threat.norm];
  if (hasOwnSizes(summary)) {
    const words = budget(summary);
    return `${words[0].toUpperCase()}${words.slice(1)}: no input element may change by more than ${eps}, ${bounds}`;
  }
  const own = [bounds, ...(summary.confined ?? [])].join(", ");
  return threat.eps === null
    ? `${threat.norm}, perturbations of any size, ${own}`
    : `${threat.norm} ≤ ${eps_text}: ${size}, ${own}`;
}

/** Whether a text is a number and nothing else. */
const isNumber = (text) => /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);

/** Rows as CSV (RFC 4180). */
function csv(header, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    // A text that a spreadsheet would take for a formula is told to be a text; a number is none.
    const formula = typeof value === "string" && /^[=+\-@\t\r]/.test(text) && !isNumber(text);
    const safe = formula ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
