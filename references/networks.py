"""The table of book/src/networks.md: fourteen published networks, their robustness and their packets.

    python references/networks.py --kennard target/release/kennard --kept networks.jsonl > table.md

For each network of $KENNARD_SHARED/models (default ../shared) and four scales s = ε: clean accuracy and robust accuracy
at linf epsilon under APGD-CE and APGD-T (50 steps, 4 targets, 500 images of MNIST and Fashion-MNIST, 300 of CIFAR-10);
of Gaussian packets of width s around the first 8 images (2 000 points each; where those are worth too little, up to
16 000 of MNIST and Fashion-MNIST and 4 000 of CIFAR-10, but no more of ResNet-20, enough or not) σ_x, σ_p, product, drift,
dispersion and the leading mode's part of the dispersion; the mean cosine of the single-backward probe (1 000 images); and
the plain gradient norm of the log-loss at the same 8 images, as that of packets of width 1e-4 (drift / 2s). Packets that
are not to be trusted are marked.

Then the rank correlations across networks between robust accuracy and each figure, with 95 % bootstrap intervals
(2 000 resamples of the networks, seed 0): per data set and ε, over the networks whose packets are to be trusted and over
all; and over both data sets at the one ε that they share.

Every figure is kept in a file as it is measured, so that a run that was stopped goes on. About an hour on two cores with
ONNX Runtime, most of it Markov chains around plainly trained networks.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.stats

MNIST = "wong_mnist_eps0.1 oval_mnist_wide_kw sdp_mnist_cnn_a_adv colt_mnist_0.1 autoattack_tf_mnist eran_mnist_6_100 cntk_mnist"
CIFAR = "eran_cifar_conv_small_pgd oval_cifar_wide_kw oval_cifar_sgd_8px sdp_cifar_cnn_a_adv mlcommons_resnet8 akamaster_resnet20"
SHARED_SCALE = "4/255"
WIDE, NARROW = [SHARED_SCALE, "0.05", "0.1", "0.2"], ["1/255", "2/255", SHARED_SCALE, "8/255"]
FIGURES = ["σ_p", "drift", "dispersion", "leading mode", "cosine", "gradient"]


class Kennard:
    """Runs the command, and keeps the figures that are wanted of each run in a file of JSON lines."""

    def __init__(self, command: str, kept: Path):
        self.command, self.kept = command, kept
        lines = kept.read_text().splitlines() if kept.exists() else []
        self.known = {entry["words"]: entry["figures"] for entry in map(json.loads, lines)}

    def run(self, model: Path, data: str, words: str, wanted) -> dict:
        key = f"{model.name} {words}"
        if key not in self.known:
            own = ["--input-scale", "255"] if model.stem == "cntk_mnist" else []
            verb, *options = words.split()
            command = [self.command, verb, str(model), "--data", data, "--json", *own, *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            self.known[key] = wanted(json.loads(done.stdout))
            with self.kept.open("a") as file:
                file.write(json.dumps({"words": key, "figures": self.known[key]}) + "\n")
            print(key, file=sys.stderr, flush=True)
        return self.known[key]


def packet(summary: dict) -> dict:
    packet = summary["curve"][0]
    values = {name: packet[name]["value"] for name in ("sigma_x", "sigma_p", "product", "drift", "dispersion")}
    mode = packet["modes"]["leading"][0]["dispersion"]["value"]
    return {**values, "mode": mode, "valid": packet["valid"], "scale": packet["scale"]}


def measure(kennard: Kennard, model: Path, data: str, small: bool, scales: list[str]):
    """One row per scale, as they come."""
    points = 2000 if model.stem == "akamaster_resnet20" else 16000 if small else 4000
    steep = kennard.run(model, data, "uncertainty --centres 8 --draws 1100 --max-draws 1100 --scale 0.0001", packet)
    probe = kennard.run(model, data, "probe --first 1000", lambda summary: summary["cosine"])
    for scale in scales:
        attack = f"audit --eps {scale} --attack apgd-ce,apgd-t --steps 50 --targets 4 --first {500 if small else 300} --packet-samples 0"
        audit = kennard.run(model, data, attack, lambda summary: {
            "clean": summary["clean"]["accuracy"], "robust": summary["robust"]["robust_accuracy"],
            "interval": summary["robust"]["interval"]})
        found = kennard.run(model, data, f"uncertainty --accept-few --centres 8 --max-draws {points} --scale {scale}", packet)
        yield {
            "name": model.stem, "small": small, "s": scale, "clean": audit["clean"], "robust": audit["robust"],
            "σ_x": found["sigma_x"], "σ_p": found["sigma_p"], "product": found["product"], "drift": found["drift"],
            "dispersion": found["dispersion"], "leading mode": found["mode"], "cosine": abs(probe["mean"]),
            "gradient": steep["drift"] / (2 * steep["scale"]), "valid": found["valid"],
        }


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """The rank correlation; NaN where a or b is constant."""
    varied = np.ptp(a) > 0 and np.ptp(b) > 0
    return float(scipy.stats.spearmanr(a, b).statistic) if varied else float("nan")


def correlations(title: str, rows: list[dict]) -> str:
    """A row of the second table."""
    random = np.random.default_rng(0)
    robust = np.array([row["robust"] for row in rows])
    draws = random.integers(0, max(len(rows), 1), (2000, len(rows)))
    cells = []
    for figure in FIGURES:
        values = np.array([row[figure] for row in rows])
        if len(rows) < 4:
            cells.append("too few")
            continue
        resampled = [r for r in (spearman(robust[d], values[d]) for d in draws) if not np.isnan(r)]
        low, high = np.quantile(resampled, [0.025, 0.975])
        cells.append(f"{spearman(robust, values):.2f} [{low:.2f}, {high:.2f}]")
    return f"| {title} | {len(rows)} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kennard", default="target/release/kennard")
    parser.add_argument("--kept", type=Path, default=Path("networks.jsonl"), help="where figures are kept as they come")
    arguments = parser.parse_args()
    kennard = Kennard(arguments.kennard, arguments.kept)
    shared = Path(os.environ.get("KENNARD_SHARED", Path(__file__).parents[1] / "../shared")).resolve()
    mnist, cifar = f"mnist:{shared}/data/mnist", f"cifar10:{shared}/data/cifar-10-batches-bin"
    work = [(name, mnist, True, WIDE) for name in MNIST.split()]
    work += [("wong_fashion_eps0.1", "fashion-mnist:/usr/share/datasets/fashion-mnist", True, WIDE)]
    work += [(name, cifar, False, NARROW) for name in CIFAR.split()]
    print("| network | s = ε | clean | robust | σ_x | σ_p | product | drift | dispersion | leading mode | cosine | gradient |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    rows = []
    for name, data, small, scales in work:
        for r in measure(kennard, shared / f"models/{name}.onnx", data, small, scales):
            rows.append(r)
            mark = "" if r["valid"] else " ✗"
            figures = " | ".join(f"{r[figure]:.4g}" for figure in ["σ_x", "σ_p", "product", *FIGURES[1:]])
            print(f"| {r['name']}{mark} | {r['s']} | {100 * r['clean']:.1f} % | {100 * r['robust']:.1f} % | {figures} |", flush=True)
    print("\n| data, s = ε | networks | " + " | ".join(FIGURES) + " |\n|---|---|" + "---|" * len(FIGURES))
    for title, small, scales in (("MNIST, Fashion-MNIST", True, WIDE), ("CIFAR-10", False, NARROW)):
        for scale in scales:
            chosen = [r for r in rows if r["small"] == small and r["s"] == scale]
            print(correlations(f"{title}, {scale}", chosen), flush=True)
            trusted = [r for r in chosen if r["valid"]]
            if len(trusted) < len(chosen):
                print(correlations(f"{title}, {scale}, trusted packets", trusted), flush=True)
    print(correlations(f"all, {SHARED_SCALE}", [r for r in rows if r["s"] == SHARED_SCALE]), flush=True)


if __name__ == "__main__":
    main()
