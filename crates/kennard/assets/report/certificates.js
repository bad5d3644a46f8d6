// Certificates: what is proved, what is broken, and what lies between.

/** The samples of an audit with certificates by what is known of them: `[name, samples, meaning]`. */
function verdicts({ total, clean, robust, certified, undecided }) {
  // A sample that waits for bounds or attacks is nothing yet, unless it is certified already.
  const pending = robust?.pending ?? certified.pending;
  const wrong = total - clean.pending - clean.correct;
  const broken = total - pending - wrong - certified.certified - undecided;
  return [
    ["certified", certified.certified, "proved: no point that the threat model allows is misclassified"],
    ["undecided", undecided, robust ? "neither proved nor broken" : "not proved"],
    ["broken", broken, "an attack found a misclassified point"],
    ["misclassified", wrong, "wrong from the start"],
    ["pending", pending, "not known yet"],
  ];
}

/** What the truth lies between, in words. */
function between(run) {
  const { certified, robust, clean } = run.summary;
  const low = percent(certified.certified_accuracy);
  const high = percent(robust ? robust.robust_accuracy : clean.accuracy);
  const above = robust ? "what attacks leave" : "accuracy without attacks; kennard audit --certify attacks what is undecided";
  return el("p", { id: "bracket" }, el("strong", {}, `${low} ≤ robust accuracy ≤ ${high}`), ` on these samples: below is what is proved, above ${above}.`);
}

/** What is proved, and of what. */
const provenance = (certified) => el("p", {}, el("strong", {}, "What is proved. "),
  "A certified sample's class is the largest output at every point that the threat model allows, for the network in real arithmetic as its file and the preprocessing say, its constants folded, before any rewriting. The rounding of the bounds themselves is taken off. ",
  certified?.in_floats === undefined
    ? "How the network rounds in a runtime is not part of the proof."
    : `For ${grouped(certified.in_floats)} of the ${grouped(certified.certified)} certified samples the same is proved of the network in float32 arithmetic, every operation rounded to nearest, sums taken in any order.`);

function certificates(run) {
  const { summary } = run;
  if (!summary?.certified || summary.clean.pending > 0) return [];
  const { certified } = summary;
  const draft = unfinished(run);
  const rows = verdicts(summary).filter(([, samples]) => samples > 0);
  const build = () => {
    const { series, soft, rule } = palette();
    const colours = { certified: series[2], undecided: soft, broken: series[1], misclassified: series[3], pending: rule };
    const decals = { undecided: "rect", broken: "triangle", misclassified: "circle" };
    return {
      grid: { left: 20, right: 24, top: 44, bottom: 54 },
      xAxis: shareAxis("samples [%]", {}, 32), yAxis: axis("", { type: "category", data: [""] }),
      series: rows.map(([name, samples]) => ({ name, type: "bar", stack: "all", barMaxWidth: 46, data: [samples / summary.total],
        itemStyle: { color: colours[name], decal: decals[name] ? { symbol: decals[name], symbolSize: 0.5, color: "rgba(255,255,255,0.35)" } : { symbol: "none" } } })),
      tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}: ${percent(value)}` },
    };
  };
  return [
    chart("verdicts", "Proved, broken, and between", "Every sample is one of these.",
      { header: ["verdict", "samples", "share"], rows: rows.map(([name, samples]) => [name, samples, samples / summary.total]) }, build, { height: 190, draft }),
    table("verdicts", [
      { title: "verdict", value: ([name]) => name, text: true },
      { title: "samples", value: ([, samples]) => samples, format: grouped },
      shareColumn("share", ([, samples]) => samples / summary.total, (v) => (100 * v).toFixed(2)),
      { title: "which says", value: ([, , meaning]) => meaning, text: true },
    ], rows, { draft }),
    table("bounds", [
      { title: "bounds by", value: (by) => by.name, text: true },
      { title: "certified", value: (by) => by.certified, format: grouped },
      { title: "time [s]", value: (by) => by.seconds, format: tenths },
    ], certified.methods, { draft, caption: "Each method is tried on what those before it did not certify." }),
  ];
}
