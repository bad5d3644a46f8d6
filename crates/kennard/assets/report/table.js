// Tables that sort and filter. What a reader chose stays when the page draws itself anew.

const chosen = new Map();
const ROWS = 25;

// Cells show no more characters than this; all are in the title, the filter and the file.
const LONGEST = 300;

/** The columns that a column has in a file: `[title, value(row)]` each. */
const inFile = ({ title, value, file }) => file ?? [[title, value]];

/** The low and the high end of an interval as columns of a file; without one they are empty. */
const ends = (of, low, high, unit = (v) => v) =>
  [[low, 0], [high, 1]].map(([title, end]) => [title, (row) => unit(of(row)?.[end] ?? null)]);

/** A column of shares, which are per cent in a file too. */
const shareColumn = (title, value, format) => ({ title: `${title} [%]`, value, format, file: [[`${title} [%]`, (row) => hundredfold(value(row))]] });

/** A column of intervals of shares, two columns in a file. */
const shareInterval = (title, of, low, high) =>
  ({ title, value: (row) => of(row)?.[0], format: (_, row) => shares(of(row)), file: ends(of, `${low} [%]`, `${high} [%]`, hundredfold) });

/** A column of figures `{ value, interval }`, three columns in a file. */
const figureColumn = (title, of, format = (_, row) => within(of(row))) => ({ title, value: (row) => of(row)?.value, format,
  file: [[title, (row) => of(row)?.value], ...ends((row) => of(row)?.interval, `${title}, low`, `${title}, high`)] });

/** Says of a table's window whether it goes on to the right of what is seen. */
const markEdge = (region) => region.parentElement?.classList.toggle("goes-on", region.scrollWidth - region.clientWidth - region.scrollLeft > 1);
const watchEdges = new ResizeObserver((entries) => entries.forEach(({ target }) => markEdge(target.closest(".scroll"))));

/**
 * A table. `columns` are `{ title, value(row), order?(row), format?(value), text?, file? }`; numbers stand right. `file` is what
 * a file has in place of a column of which `title` and `value` say less, or something else, than what is shown. With `filter`, a
 * field above it keeps the rows that have every word in it: `broken label:7`. `draft` are figures of an unfinished run.
 */
function table(id, columns, rows, { filter = false, caption = null, note = null, draft = false } = {}) {
  const state = chosen.get(id) ?? { column: null, down: false, page: 0, words: "" };
  chosen.set(id, state);
  const show = (column, row) => {
    const value = column.value(row);
    return column.format ? column.format(value, row) : value === null || value === undefined ? "–" : String(value);
  };
  const head = el("tr", {}, columns.map((column, i) => {
    const turn = () => {
      state.down = state.column === i ? !state.down : false;
      state.column = i;
      state.page = 0;
      draw();
    };
    return el("th", { scope: "col", class: column.text ? "text" : null },
      el("button", { type: "button", onclick: turn }, column.title));
  }));
  const body = el("tbody");
  const count = el("span", { class: "count", "aria-live": "polite" });
  const go = (step) => () => { state.page += step; draw(); };
  const back = el("button", { type: "button", onclick: go(-1) }, "Previous");
  const next = el("button", { type: "button", onclick: go(1) }, "Next");

  function kept() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return rows.slice();
    return rows.filter((row) => words.every((word) => {
      const [, name, rest] = /^([^:]+):(.+)$/.exec(word) ?? [];
      const column = name && columns.find((c) => c.title.toLowerCase().startsWith(name));
      if (column) {
        // A class has a number and a name: `label:2`, `label:pullover`.
        const [first, ...others] = show(column, row).toLowerCase().split(/\s+/);
        return first === rest || (!isNumber(rest) && others.includes(rest));
      }
      return columns.some((c) => show(c, row).toLowerCase().includes(word));
    }));
  }

  function draw() {
    const found = kept();
    if (state.column !== null) {
      const { value, order = value } = columns[state.column];
      const rank = (v) => (v === null || v === undefined || Number.isNaN(v) ? [1, 0] : [0, v]);
      found.sort((a, b) => {
        const [[noneA, x], [noneB, y]] = [rank(order(a)), rank(order(b))];
        if (noneA || noneB) return noneA - noneB;
        const before = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
        return state.down ? -before : before;
      });
    }
    const pages = Math.max(1, Math.ceil(found.length / ROWS));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const from = state.page * ROWS;
    body.replaceChildren(...found.slice(from, from + ROWS).map((row) =>
      el("tr", {}, columns.map((column) => {
        const text = show(column, row);
        return el("td", { class: column.text ? "text" : null, title: text.length > LONGEST ? text : null }, cut(text, LONGEST));
      }))));
    [...head.children].forEach((th, i) => {
      const order = state.column === i ? (state.down ? "descending" : "ascending") : null;
      if (order) th.setAttribute("aria-sort", order);
      else th.removeAttribute("aria-sort");
    });
    const shown = Math.min(from + ROWS, found.length);
    count.textContent = found.length === 0 ? "no row" : `${grouped(from + 1)} to ${grouped(shown)} of ${grouped(found.length)}`;
    back.disabled = state.page === 0;
    next.disabled = state.page === pages - 1;
  }

  const first = columns[0].title.toLowerCase().split(/\s+/)[0];
  const example = columns.some((c) => c.title === "label") ? "broken label:7" : `a word, or ${first}:word`;
  const field = filter && el("input", {
    type: "search", value: state.words, placeholder: `filter: ${example}`, "aria-label": "Filter the rows", id: `${id}-filter`,
    oninput: (event) => { state.words = event.target.value; state.page = 0; draw(); },
  });
  const saved = columns.flatMap(inFile);
  const save = el("button", {
    type: "button",
    onclick: () => download(`${figureFile(id, draft)}.csv`, "text/csv",
      csv(saved.map(([title]) => title), rows.map((row) => saved.map(([, value]) => value(row))))),
  }, "CSV");
  draw();
  const whole = el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, head), body);
  const region = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption ?? id, onscroll: () => markEdge(region) }, whole);
  [region, whole].forEach((part) => watchEdges.observe(part));
  return el("div", { class: "table", id: `table-${id}` },
    el("div", { class: "tools" }, field, count, rows.length > ROWS ? [back, next] : null, el("span", { class: "hint" }, "The table goes on to the right: it scrolls."), save),
    region,
    note ? el("p", { class: "note" }, note) : null);
}

/** Of how many samples attacks proved their answer, where there are attacks that do. */
const provedColumn = (attacks, title) =>
  attacks.some((a) => a.proved !== undefined) ? [{ title, value: (a) => a.proved, format: (v) => (v === undefined ? "–" : grouped(v)) }] : [];
