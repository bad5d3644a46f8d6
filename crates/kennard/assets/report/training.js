// A training run, epoch by epoch.

function training(run) {
  const epochs = run.training?.epochs ?? [];
  if (epochs.length === 0) return [];
  const lines = [["training", "train_accuracy"], ["validation", "validation_accuracy"], ["validation under PGD-10", "robust_validation_accuracy"]]
    .map(([name, key]) => [name, epochs.filter((e) => typeof e[key] === "number").map((e) => [e.epoch, e[key]])])
    .filter(([, points]) => points.length > 0);
  const drawn = (lines, y) => () => ({
    xAxis: axis("epoch", { minInterval: 1, scale: true }), yAxis: y(),
    series: lines.map(([name, points], i) => {
      const color = palette().series[i % 6];
      return { name, type: "line", symbol: SYMBOLS[i % 6], symbolSize: 7, itemStyle: { color }, lineStyle: { color, width: 2, type: DASHES[i % 6] }, data: points };
    }),
    tooltip: { ...frame({}).tooltip, formatter: ({ seriesName, value }) => `${seriesName}\nepoch ${value[0]}: ${short(value[1])}` },
  });
  const data = (lines) => ({ header: ["figure", "epoch", "value"], rows: lines.flatMap(([name, points]) => points.map((p) => [name, ...p])) });
  const loss = [["loss", epochs.filter((e) => typeof e.loss === "number").map((e) => [e.epoch, e.loss])]];
  const share = (v) => (typeof v === "number" ? (100 * v).toFixed(2) : "–");
  return [
    chart("training-accuracy", "Accuracy over epochs", "Of training images as the network was shown them, and of held-out samples.", data(lines), drawn(lines, () => shareAxis("accuracy [%]"))),
    chart("training-loss", "The objective over epochs", "Its mean over each epoch.", data(loss), drawn(loss, () => axis("loss [nat]", { scale: true, axisLabel: { formatter: (v) => short(v) } }, 46))),
    table("training", [
      { title: "epoch", value: (e) => e.epoch },
      { title: "loss [nat]", value: (e) => e.loss, format: short },
      { title: "training [%]", value: (e) => e.train_accuracy, format: share },
      { title: "validation [%]", value: (e) => e.validation_accuracy, format: share },
      { title: "under PGD-10 [%]", value: (e) => e.robust_validation_accuracy, format: share },
      { title: "time [s]", value: (e) => e.seconds, format: (v) => v.toFixed(1) },
      { title: "warning", value: (e) => e.warning ?? "", text: true },
    ], epochs, { note: "Checkpoints are ONNX files in checkpoints/. kennard track audits them and leaves a page with curves of the audited figures." }),
  ];
}
