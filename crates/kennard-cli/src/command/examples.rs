//! An example of each command, for its help.

/// What people do with each command. Those about `fixtures/`, which comes with Kennard's source, work as they stand.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "audit",
        "
  kennard audit fixtures/fashion_cnn.onnx --eps 0.1 --samples 32 \\
      --data fashion-mnist:fixtures/fashion-mnist
  kennard audit fixtures/fashion_mlp.onnx --eps 8/255 --attack standard --samples 8 \\
      --data fashion-mnist:fixtures/fashion-mnist --packet-samples 0 --out run",
    ),
    (
        "certify",
        "
  kennard certify fixtures/fashion_cnn_robust.onnx --eps 0.01 --samples 16 \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "attack",
        "
  kennard attack fixtures/fashion_cnn.onnx --eps 0.1 --samples 16 \\
      --data fashion-mnist:fixtures/fashion-mnist --out examples",
    ),
    (
        "attacks",
        "
  kennard audit fixtures/fashion_cnn.onnx --norm l2 --minimal fmn,ddn \\
      --data fashion-mnist:fixtures/fashion-mnist --samples 16 --budget 1000 \\
      --packet-samples 0 -o distances
  kennard attacks compare distances",
    ),
    (
        "train",
        "
  kennard train --arch mlp:16 --epochs 2 --samples 200 --split test \\
      --data fashion-mnist:fixtures/fashion-mnist --out training",
    ),
    (
        "track",
        "
  kennard track training --split test --eps 0.1 --samples 8 --packet-samples 1000",
    ),
    (
        "tradeoff",
        "
  kennard tradeoff SWEEP.toml --data fashion-mnist:DIR --out sweep",
    ),
    (
        "reproduce",
        "
  kennard reproduce e1 --data fashion-mnist:DIR --out e1",
    ),
    (
        "merge",
        "
  kennard merge PART-1 PART-2 PART-3 --out together",
    ),
    (
        "plane",
        "
  kennard plane fixtures/plane_moons.onnx --problem moons --samples 100 --scale 0.1",
    ),
    (
        "features",
        "
  kennard features fixtures/fashion_mlp.onnx --tensor relu1 --eps-relative 0.05,0.1 \\
      --data fashion-mnist:fixtures/fashion-mnist --samples 8",
    ),
    (
        "resolve",
        "
  kennard resolve fixtures/fashion_mlp.onnx --samples 50 \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "probe",
        "
  kennard probe fixtures/fashion_mlp.onnx --samples 100 \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "slice",
        "
  kennard slice fixtures/fashion_mlp.onnx --scale 0.1,0.2 \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "smooth",
        "
  kennard smooth fixtures/fashion_cnn_robust.onnx --sigma 0.1 --radius 0.1 --draws 1000 \\
      --data fashion-mnist:fixtures/fashion-mnist --samples 32",
    ),
    (
        "uncertainty",
        "
  kennard uncertainty fixtures/fashion_mlp.onnx --scale 1/255,2/255 --centres 1 \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "calibrate",
        "
  kennard calibrate fixtures/fashion_mlp.onnx --out temperature.json \\
      --data fashion-mnist:fixtures/fashion-mnist",
    ),
    (
        "report",
        "
  kennard report run --out report.html",
    ),
    (
        "watch",
        "
  kennard watch RUN --bind 127.0.0.1:8080",
    ),
    (
        "inspect",
        "
  kennard inspect fixtures/fashion_cnn.onnx",
    ),
    (
        "grad",
        "
  kennard grad fixtures/fashion_cnn.onnx --loss margin --out gradient.onnx",
    ),
    (
        "bound",
        "
  kennard bound fixtures/fashion_cnn.onnx --method intervals --out bound.onnx",
    ),
    (
        "completions",
        "
  kennard completions bash > ~/.local/share/bash-completion/completions/kennard",
    ),
    (
        "man",
        "
  kennard man --out ~/.local/share/man/man1",
    ),
];
