// A training run, epoch by epoch.

function training(run) {
  const epochs = run.training?.epochs ?? [];
  if (epochs.length === 0) return [];
  const { held_out: heldOut, attacked } = run.training.manifest.training.recipe ?? {};
  // Shares of all training images need no interval; those of an unknown number of samples have none that is known.
  const interval = (share, n) => (n === null ? [] : n > 0 ? wilson(share, n) : [null, null]);
  const lines = [["training", "train_accuracy", null], ["validation", "validation_accuracy", heldOut], ["validation under PGD-10", "robust_validation_accuracy", attacked]]
    .map(([name, key, n]) => [name, epochs.filter((e) => typeof e[key] === "number").map((e) => [e.epoch, e[key], ...interval(e[key], n)])])
    .filter(([, points]) => points.length > 0);
  const heldOutToo = lines.some(([name]) => name !== "training");
  const bounded = lines.some(([, points]) => points.some((p) => hasEnds(p[2], p[3])));
  const shown = `Of training images as the network was shown them${heldOutToo ? ", and of held-out samples" : ""}${bounded ? ", with Wilson's 95 % intervals" : ""}.`;
  const drawn = (lines, y) => () => ({
    xAxis: axis("epoch", { minInterval: 1, scale: true }), yAxis: y(),
    series: lines.flatMap(([name, points], i) => curve(name, points, i)),
    tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\nepoch ${value[0]}: ${short(value[1])}` },
  });
  const data = (lines) => ({ header: ["figure", "epoch", "value", "low", "high"], rows: lines.flatMap(([name, points]) => points.map(([epoch, value, low = null, high = null]) => [name, epoch, value, low, high])) });
  const loss = [["loss", epochs.filter((e) => typeof e.loss === "number").map((e) => [e.epoch, e.loss])]];
  const draft = run.stage !== "finished";
  const share = (v) => (typeof v === "number" ? (100 * v).toFixed(2) : "–");
  return [
    chart("training-accuracy", "Accuracy over epochs", shown + looseness(lines.map((l) => l[1])), data(lines), drawn(lines, () => shareAxis("accuracy [%]"))),
    chart("training-loss", "The objective over epochs", `Its mean over each epoch.${looseness(loss.map((l) => l[1]))}`, data(loss), drawn(loss, () => tightAxis("loss [nat]", loss[0][1].map((p) => p[1]), { gap: 46 }))),
    table("training", [
      { title: "epoch", value: (e) => e.epoch },
      { title: "loss [nat]", value: (e) => e.loss, format: short },
      shareColumn("training", (e) => e.train_accuracy, share),
      shareColumn("validation", (e) => e.validation_accuracy, share),
      shareColumn("under PGD-10", (e) => e.robust_validation_accuracy, share),
      { title: "time [s]", value: (e) => e.seconds, format: (v) => v.toFixed(1) },
      { title: "warning", value: (e) => e.warning ?? "", text: true },
    ], epochs, { draft, note: "Checkpoints are ONNX files in checkpoints/. kennard track audits them and leaves a page with curves of the audited figures." }),
  ];
}
