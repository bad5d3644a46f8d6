// The page: what is shown, the theme, and news of a run under way.

const root = document.documentElement;
const live = document.body.dataset.live === "true";
let page = JSON.parse(document.getElementById("data").textContent);
let current = 0;
let trouble = live && page.runs.length + page.sheets.length === 0 ? "waiting for the run to begin" : null;

function runView(run) {
  const known = run.summary ?? run.surveys[0]?.summary;
  const title = known ?? probed(run);
  const what = title ? `${title.model.file} on ${dataName(title.data)}` : run.directory;
  const packets = [calibrated(run.summary?.calibration, "calibration"), auditPackets(run), run.surveys.map((view, i) => survey(run, view, i))];
  const own = run.summary?.warnings ?? run.surveys[0]?.summary.warnings ?? [];
  const joined = [...run.surveys.map((view) => view.summary), run.probe].flatMap((found) => found?.warnings ?? []);
  const warned = [...own, ...joined.filter((w) => w.code === "interrupted" && !own.includes(w))];
  const [found, predicted] = [distances(run), predictedDistances(run)];
  return el("article", {},
    el("header", { class: "run" }, el("h1", {}, title ? title.model.file.split(/[\\/]/).pop() : run.name), el("p", {}, what), progress(run)),
    verdict(run), known || warned.length > 0 ? warnings(run, warned) : null,
    section("training", "Training", null, wrapped(training(run))),
    run.summary ? section("accuracy", "Accuracy", null, wrapped([againstEpsilon(run), byAttack(run)])) : null,
    section("certificates", "Certificates", null, wrapped(certificates(run))),
    section("by-class", "Classes", null, wrapped(byClass(run))),
    section("distance", "Distances", distancesLead(found.length > 0, predicted.length > 0), wrapped([found, predicted])),
    section("examples", "Adversarial examples", "Sample, adversarial example, and their difference, amplified and on grey; what the model takes each for, with its probability.", gallery(run)),
    section("samples", "Samples", "Click a heading to sort.", sampleTable(run)),
    section("packets", "Packets", "The network's loss around data points, read as wave functions: spreads of the input (σ_x) and of the log-gradient (σ_p), whose product has a lower bound.", wrapped(packets)),
    section("probe", "Probe", null, wrapped(probe(run))),
    section("cost", "Cost", null, wrapped(cost(run))),
    section("repeat", "How to repeat it", null, repeat(run)));
}

/** What the distances are, of those that are shown. */
function distancesLead(found, predicted) {
  const ofAttacks = "The smallest perturbations that attacks found, in the norm of the threat model, which bound the true distances from above";
  const ofPackets = "distances to the decision boundary, predicted from margins and the packets' windows";
  if (!found) return `D${ofPackets.slice(1)}, beside those that were found.`;
  return predicted ? `${ofAttacks}, and ${ofPackets}.` : `${ofAttacks}.`;
}

/** Children in the grid of figures, or nothing. */
function wrapped(children) {
  const all = children.flat(4).filter(Boolean);
  return all.length > 0 ? el("div", { class: "figures" }, all) : null;
}

function progress(run) {
  if (run.stage === "finished") return null;
  const { clean, attacks, minimal, certified, radii } = run.summary;
  const attacked = Math.max(0, ...[...attacks, ...minimal].map((a) => a.pending));
  const bounded = Math.max(certified?.pending ?? 0, radii?.pending ?? 0);
  const pending = Math.max(attacked, bounded);
  const done = run.total - Math.max(clean.pending, pending);
  const left = [[bounded, "bounded"], [attacked, "attacked"]].filter(([count]) => count > 0)
    .map(([count, what], i) => `${i === 0 ? `${plural(count, "sample")} of ${grouped(run.total)} still to be` : `${grouped(count)} to be`} ${what}`);
  const what = clean.pending > 0
    ? `clean pass ${grouped(run.summary.samples)} of ${grouped(run.total)}`
    : left.length > 0 ? left.join(", ") : "all samples are done with, packets are not";
  const text = run.stage === "running" ? `Running: ${what}.` : `Interrupted: ${what}; the same command with --resume goes on.`;
  return el("div", { class: "banner", id: "stage", role: "status" }, el("span", {}, text), el("progress", { max: run.total, value: done }));
}

function themeButton() {
  const names = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const turn = () => { setTheme({ auto: "light", light: "dark", dark: "auto" }[root.dataset.theme]); draw(); };
  return el("button", { type: "button", id: "theme", onclick: turn }, names[root.dataset.theme]);
}

const system = matchMedia("(prefers-color-scheme: dark)");
function setTheme(theme) {
  root.dataset.theme = theme;
  root.dataset.shade = theme === "auto" ? (system.matches ? "dark" : "light") : theme;
  try { localStorage.setItem("kennard-theme", theme); } catch { /* a page from disk may have no storage */ }
}

function chooser() {
  if (page.runs.length < 2) return null;
  const choose = (event) => { current = Number(event.target.value); draw(); };
  return el("label", { class: "chooser" }, "Run ", el("select", { id: "run", onchange: choose },
    page.runs.map((run, i) => el("option", { value: i, selected: i === current }, run.name))));
}

function contents(main) {
  const links = [...main.querySelectorAll("section[id] > h2[id]")].map((h2) => el("a", { href: `#${h2.parentElement.id}` }, h2.textContent));
  return links.length > 2 ? el("nav", { "aria-label": "Contents" }, links) : null;
}

function draw() {
  const top = scrollY;
  const focus = document.activeElement?.id;
  const caret = document.activeElement?.selectionStart;
  const open = [...document.querySelectorAll("details")].map((d) => d.open);
  forgetCharts();
  const run = page.runs[Math.min(current, page.runs.length - 1)];
  let main;
  try {
    main = el("main", {}, sheets(page.sheets, comparison(page)), chooser(), run ? runView(run) : null);
  } catch (error) {
    const message = `This run cannot be drawn (${error.message}): a figure that belongs to it is missing. Its files may be of another version of Kennard, or changed by hand.`;
    main = el("main", {}, chooser(), el("p", { class: "banner", role: "alert" }, message));
  }
  document.getElementById("page").replaceChildren(
    el("div", { class: "bar" }, el("span", { class: "mark" }, "Kennard"), contents(main), themeButton()),
    trouble ? el("p", { class: "banner", id: "trouble", role: "alert" }, trouble) : "",
    main,
    el("footer", {}, `Made by Kennard ${page.kennard}. Charts by Apache ECharts. This page holds all its figures and asks no other host for anything.`));
  drawCharts();
  [...document.querySelectorAll("details")].forEach((d, i) => { d.open = open[i] ?? false; });
  const field = focus && document.getElementById(focus);
  if (field) {
    field.focus({ preventScroll: true });
    if (caret !== null && caret !== undefined && field.type === "search") field.setSelectionRange(caret, caret);
  }
  scrollTo(0, top);
}

function startTheme() {
  let theme = "auto";
  try { theme = localStorage.getItem("kennard-theme") ?? "auto"; } catch { /* as above */ }
  setTheme(["auto", "light", "dark"].includes(theme) ? theme : "auto");
  system.addEventListener("change", () => { if (root.dataset.theme === "auto") { setTheme("auto"); draw(); } });
  // Paper is white.
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.shade; root.dataset.shade = "light"; sizeCharts(PAPER); });
  addEventListener("afterprint", () => { root.dataset.shade = before; sizeCharts(null); });
}

/** Asks for news, and draws when there is some. What cannot be read now may be readable soon. */
async function follow() {
  let stamp = null;
  for (;;) {
    try {
      const answer = await fetch("data", { cache: "no-store", headers: stamp ? { "If-None-Match": stamp } : {} });
      if (answer.status === 200) {
        const news = await answer.json();
        stamp = answer.headers.get("ETag");
        trouble = news.error ?? null;
        if (!news.error) page = news;
        draw();
      } else if (answer.status === 304 && trouble === LOST) {
        trouble = null;
        draw();
      }
    } catch {
      if (trouble !== LOST) { trouble = LOST; draw(); }
    }
    await new Promise((wake) => setTimeout(wake, 1500));
  }
}
const LOST = "kennard watch does not answer; the page keeps what it has and asks again";

startTheme();
draw();
if (live) follow();
