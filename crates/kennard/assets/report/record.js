// What it cost, and how to repeat it.

function cost(run) {
  const { summary } = run;
  if (!summary) return [];
  const rows = [...summary.attacks, ...summary.minimal].filter((a) => a.forwards + a.backwards > 0);
  if (rows.length === 0) return [];
  const build = () => {
    const { ink, series } = palette();
    const bar = (name, key, color, decal) => ({ name, type: "bar", stack: "passes", barMaxWidth: 26, itemStyle: { color, decal }, data: rows.map((r) => r[key]) });
    return {
      grid: { left: 96, right: 30, top: 40, bottom: 54 },
      xAxis: axis("points evaluated", { min: 0, axisLabel: { formatter: (v) => (v >= 1e6 ? `${v / 1e6} M` : v >= 1e3 ? `${v / 1e3} k` : String(v)) } }),
      yAxis: { ...axis("", { type: "category", data: rows.map((r) => r.name), inverse: true }), axisLabel: { color: ink, width: 84, overflow: "truncate" } },
      series: [bar("forward alone", "forwards", series[5], { symbol: "none" }), bar("forward and gradient", "backwards", series[1], { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 4, color: "rgba(255,255,255,0.35)" })],
      tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, name, value }) => `${name}\n${seriesName}: ${grouped(value)}` },
    };
  };
  const draft = unfinished(run);
  const attacks = rows.reduce((sum, r) => sum + r.seconds, 0);
  const time = summary.seconds > 0 ? `The run took ${seconds(summary.seconds)} on ${summary.runtime}, ${seconds(attacks)} of it in attacks.` : "Times are known when the run is done.";
  return [chart("cost", "What the attacks cost", time,
    { header: ["attack", "forwards", "backwards", "seconds", ...(draft ? ["pending"] : [])],
      rows: rows.map((r) => [r.name, r.forwards, r.backwards, r.seconds, ...(draft ? [r.pending] : [])]) }, build,
    { height: Math.max(240, 34 * rows.length + 100), wide: true, draft })];
}

/** A command line as a shell takes it. */
const shellWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A command to copy. */
function commandLine(command) {
  const text = ["kennard", ...command.slice(1)].map(shellWord).join(" ");
  const copy = el("button", { type: "button", onclick: () => navigator.clipboard?.writeText(text) }, "Copy");
  return el("div", { class: "command" }, el("pre", { class: "command-line" }, text), copy);
}

function repeat(run) {
  const manifest = run.manifest ?? run.surveys[0]?.manifest ?? run.training?.manifest;
  const manifests = [run.manifest, run.training?.manifest, ...run.surveys.map((view) => view.manifest)].filter((m) => m?.command.length > 0);
  const summary = run.summary ?? run.surveys[0]?.summary ?? probed(run);
  if (!summary && !manifest) return [];
  const parts = [];
  if (manifests.length > 0) parts.push(el("h3", {}, manifests.length > 1 ? "The commands" : "The command"));
  parts.push(...manifests.map(({ command }) => commandLine(command)));
  const settings = manifest?.settings ?? manifest?.training ?? {};
  parts.push(el("h3", {}, "Everything it depends on"), facts([["directory", run.directory], ["Kennard", manifest?.kennard]]));
  if (summary) parts.push(facts([
    ["model", summary.model.file],
    ["SHA-256 of the model", el("code", {}, summary.model.sha256)],
    ["weights", grouped(summary.model.parameters)],
    ["input, classes", `${summary.model.input.join(" × ")}, ${summary.model.classes}`],
    ["data", dataName(summary.data)],
    ...summary.data.files.map((f) => [`SHA-256 of ${f.file}`, el("code", {}, f.sha256)]),
    ...summary.data.notes.map((note) => ["done to the data", note]),
    ["runtime", settings.runtime ?? summary.runtime],
    ["precision of searches", settings.search_precision],
    ["micro-batch", manifest?.plan.micro_batch],
    ["seed", summary.seed],
    ["samples", summary.samples === undefined ? null : grouped(summary.samples)],
    ["time", summary.seconds > 0 ? seconds(summary.seconds) : null],
  ]));
  const trained = summary ? null : run.training?.manifest.training.data;
  if (trained) parts.push(facts([
    ["data", dataName(trained)],
    ...trained.sha256.map((digest) => ["SHA-256 of a file of the data", el("code", {}, digest)]),
    ["runtime", settings.runtime],
    ["seed", settings.recipe?.seed],
  ]));
  if (manifest) {
    parts.push(el("details", {}, el("summary", {}, "All settings"), el("pre", {}, JSON.stringify(settings, null, 2))));
  }
  if (run.summary) {
    const save = (name, value) => el("button", { type: "button", onclick: () => download(name, "application/json", JSON.stringify(value, null, 2)) }, name);
    parts.push(el("p", { class: "tools" }, save("summary.json", run.summary), save("manifest.json", manifest)));
  }
  return parts;
}
