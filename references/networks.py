"""The table of book/src/networks.md: fourteen published networks, their robustness and their packets.

    python references/networks.py --kennard target/release/kennard > table.md

For each network of $KENNARD_SHARED/models (default ../shared) and four scales s: clean accuracy, robust accuracy at linf
epsilon = s under APGD-CE and APGD-T (300 images), and of Gaussian packets of width s around the first 8 images σ_x,
σ_p, product, drift, dispersion and the leading mode's part of it; the mean cosine of the single-backward probe; and
the plain gradient norm of the log-loss, from packets of width 1e-4 (drift / 2s). Packets that are not to be trusted are
marked. Then the rank correlations across networks between robust accuracy and each figure, with 95 % bootstrap
intervals (2 000 resamples of the networks, seed 0). Ten minutes on two cores with ONNX Runtime.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import numpy as np

MNIST = "wong_mnist_eps0.1 oval_mnist_wide_kw sdp_mnist_cnn_a_adv colt_mnist_0.1 autoattack_tf_mnist eran_mnist_6_100 cntk_mnist"
CIFAR = "akamaster_resnet20 mlcommons_resnet8 eran_cifar_conv_small_pgd oval_cifar_wide_kw oval_cifar_sgd_8px sdp_cifar_cnn_a_adv"
FIGURES = ["sigma_p", "drift", "dispersion", "mode", "cosine", "gradient"]


def run(words: list[str]) -> dict:
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout)


def measure(kennard: str, model: Path, data: str, scales: list[str]) -> list[dict]:
    own = ["--input-scale", "255"] if model.stem == "cntk_mnist" else []
    begin = [kennard, "uncertainty", str(model), "--data", data, "--json", "--accept-few", "--centres", "8", *own]
    packets = run([*begin, "--max-samples", "4000", "--scale", ",".join(["0.0001", *scales])])["curve"]
    probe = run([kennard, "probe", str(model), "--data", data, "--samples", "1000", "--json", *own])
    gradient = packets[0]["drift"]["value"] / (2 * packets[0]["scale"])
    rows = []
    for scale, packet in zip(scales, packets[1:]):
        audit = run([kennard, "audit", str(model), "--data", data, "--eps", scale, "--attack", "apgd-ce,apgd-t",
                     "--samples", "300", "--packet-samples", "0", "--json", *own])
        rows.append({
            "name": model.stem, "scale": scale, "clean": audit["clean"]["accuracy"],
            "robust": audit["robust"]["robust_accuracy"], "sigma_x": packet["sigma_x"]["value"],
            "sigma_p": packet["sigma_p"]["value"], "product": packet["product"]["value"],
            "drift": packet["drift"]["value"], "dispersion": packet["dispersion"]["value"],
            "mode": packet["modes"]["leading"][0]["dispersion"]["value"], "cosine": abs(probe["cosine"]["mean"]),
            "gradient": gradient, "valid": packet["valid"],
        })
    return rows


def ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks."""
    order = np.argsort(values, kind="stable")
    place = np.empty(len(values))
    place[order] = np.arange(len(values))
    return np.array([place[values == v].mean() for v in values])


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    a, b = ranks(a), ranks(b)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kennard", default="target/release/kennard")
    kennard = parser.parse_args().kennard
    shared = Path(os.environ.get("KENNARD_SHARED", Path(__file__).parents[1] / "../shared")).resolve()
    mnist, cifar = f"mnist:{shared}/data/mnist", f"cifar10:{shared}/data/cifar-10-batches-bin"
    wide, narrow = ["0.02", "0.05", "0.1", "0.2"], ["1/255", "2/255", "4/255", "8/255"]
    work = [(name, mnist, wide) for name in MNIST.split()]
    work += [("wong_fashion_eps0.1", "fashion-mnist:/usr/share/datasets/fashion-mnist", wide)]
    work += [(name, cifar, narrow) for name in CIFAR.split()]
    rows = [row for name, data, scales in work
            for row in measure(kennard, shared / f"models/{name}.onnx", data, scales)]
    print("| network | s = ε | clean | robust | σ_x | σ_p | product | drift | dispersion | leading mode | cosine | gradient |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for r in rows:
        mark = "" if r["valid"] else " ✗"
        print(f"| {r['name']}{mark} | {r['scale']} | {100 * r['clean']:.1f} % | {100 * r['robust']:.1f} % | {r['sigma_x']:.5f} | "
              f"{r['sigma_p']:.2f} | {r['product']:.4f} | {r['drift']:.3f} | {r['dispersion']:.3f} | {r['mode']:.4f} | "
              f"{r['cosine']:.4f} | {r['gradient']:.2f} |", flush=True)
    print("\n| data, s = ε | networks | " + " | ".join(FIGURES) + " |\n|---|---|" + "---|" * len(FIGURES))
    random = np.random.default_rng(0)
    for group, scales in (("MNIST, Fashion-MNIST", wide), ("CIFAR-10", narrow)):
        for scale in scales:
            chosen = [r for r in rows if r["scale"] == scale and r["valid"]]
            robust = np.array([r["robust"] for r in chosen])
            cells = []
            for figure in FIGURES:
                values = np.array([r[figure] for r in chosen])
                draws = random.integers(0, len(chosen), (2000, len(chosen)))
                resampled = [spearman(robust[d], values[d]) for d in draws]
                low, high = np.nanquantile(resampled, [0.025, 0.975])
                cells.append(f"{spearman(robust, values):.2f} [{low:.2f}, {high:.2f}]")
            print(f"| {group}, {scale} | {len(chosen)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
