// What any command found: key figures, then sections of tables, charts, pictures, claims and notes.

const VERDICTS = { "comes-out": "comes out", "does-not-come-out": "does not come out", undecided: "undecided", "too-small-to-judge": "too small to judge" };

/** A text in which no line ends between a number and its per cent. */
const tied = (text) => text.replace(/(\d) (?=%)/g, "$1\u00a0");

/** What a sheet is about, and its key figures. */
function sheetHead({ sheet, left_out: leftOut }) {
  const tiles = sheet.key.map(({ name, figure, range }) =>
    el("div", { class: "tile" }, el("span", { class: "name" }, name), el("span", { class: "figure" }, figure), range ? el("span", { class: "range" }, range) : null));
  const warned = sheet.warnings.map((w) => el("li", {}, el("strong", {}, w.code.replaceAll("-", " ")), w.note ? " (a note)" : "", `: ${tied(w.message)}`));
  return [
    el("header", { class: "run" }, el("h1", {}, sheet.title), el("p", {}, sheet.what)),
    sheet.finished ? null : el("div", { class: "banner", role: "status" }, `Unfinished${sheet.goes_on ? `: ${sheet.goes_on} goes on` : ""}. What is done is on this page.`),
    tiles.length > 0 ? el("section", { "aria-label": "Key figures" }, el("div", { class: "tiles" }, tiles)) : null,
    warned.length > 0 ? el("section", { "aria-label": "Warnings" }, el("ul", { class: "notes" }, warned)) : null,
    leftOut ? el("p", { class: "note" }, leftOut) : null,
  ];
}

/** The sections of the `n`th sheet, and its command. */
function sheetBody(view, n) {
  const { sheet, directory } = view;
  const id = (name) => (n === 0 ? name : `${name}-${n + 1}`);
  return [
    sheet.sections.map((part, i) => section(id(`part-${i + 1}`), part.title, null, wrapped(part.parts.map((p, k) => sheetPart(view, p, id(`part-${i + 1}-${k + 1}`)))))),
    section(id("made-by"), "The command", null,
      sheet.command.length > 0 ? commandLine(sheet.command) : null, facts([["directory", directory], ["Kennard", sheet.kennard]])),
  ];
}

/** Sheets, and the comparison of audits; the audits of a single sheet come before what it says of them. */
const sheets = (views, compared) => (views.length === 1
  ? el("article", {}, sheetHead(views[0]), compared, sheetBody(views[0], 0))
  : [views.map((view, n) => el("article", {}, sheetHead(view), sheetBody(view, n))), compared]);

function sheetPart(view, part, id) {
  if (part.part === "note") return el("p", {}, tied(part.text));
  if (part.part === "table") return sheetTable(id, part);
  if (part.part === "chart") return curveChart(id, part.chart);
  if (part.part === "panels") return panelsChart(id, part.panels);
  if (part.part === "claims") return el("ul", { class: "claims wide" }, part.claims.map(claim));
  return picture(view, part);
}

const claim = ({ claim: text, verdict, evidence }) =>
  el("li", {}, el("span", { class: `verdict ${verdict in VERDICTS ? verdict : "undecided"}` }, VERDICTS[verdict] ?? verdict),
    el("span", {}, el("span", { class: "claim" }, tied(text)), el("span", { class: "evidence" }, tied(evidence))));

function picture(view, { file, caption }) {
  const source = view.pictures[file];
  if (!source) return el("p", { class: "note" }, `${caption}: ${file} in ${view.directory} is not shown: it is not a picture, or too large for this page.`);
  // A window to scroll in where the screen is narrow: its letters would be too small.
  // Lines and letters take the colours of the theme, and room to be read in; pictures of pixels are as they are.
  const kind = source.startsWith("data:image/svg") ? "drawn vector" : "drawn";
  return el("figure", { class: kind }, el("p", { class: "note sideways" }, "The picture goes on to the right: it scrolls."), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("img", { src: source, alt: caption })), el("figcaption", {}, caption));
}

/** A text that is a number, as machines read it; any other text as it is. */
function plainNumber(text) {
  const plain = (text ?? "").replaceAll(THIN, "").replace("−", "-");
  return isNumber(plain) ? plain : text;
}

/** A table of texts; columns of numbers stand right, and are sorted as numbers. */
function sheetTable(id, { header, rows }) {
  const number = (text) => Number.parseFloat(text.replaceAll(THIN, "").replace("−", "-").replace(/^[≥≤<>]\s*/, ""));
  const columns = header.map((title, i) => {
    const filled = rows.map((row) => row[i]).filter((text) => text !== "" && text !== "–");
    // A dash stands for a number that is not known.
    const unknown = filled.length === 0 && rows.some((row) => row[i] === "–");
    const text = !unknown && (filled.length === 0 || filled.some((cell) => Number.isNaN(number(cell))));
    return { title, text, value: (row) => row[i], order: text ? undefined : (row) => number(row[i]), file: [[title, (row) => plainNumber(row[i])]] };
  });
  return table(id, columns, rows, { filter: rows.length > 25 });
}
