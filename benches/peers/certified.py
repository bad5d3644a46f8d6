"""The table of book/src/certificates.md: what `kennard certify` proves of published networks, method by method, and how long that takes.

    python benches/peers/certified.py --kennard "target/release/kennard certify {model} --data {data} --first {samples} \\
        --eps {eps} --threads 1 --json --quiet"

The networks are those of $KENNARD_SHARED (default ../shared), auto_LiRPA's counts beside them those of its reference/certified.csv;
--rows picks some by number. Counts are of images that are certified by a method or by one before it. Milliseconds are those of all
methods together, compiling included, over the images that are classified correctly: run it on free cores. Needs no package.
"""

import csv
import json

from side import ROOT, SHARED, parser, run

# Model, data, epsilon as it is written, images, and what other programs verify (eth-sri/eran's README; Clip-and-Verify, table 4).
ROWS = [
    ("wong_mnist_eps0.1", f"mnist:{SHARED}/data/mnist", "0.1", 10000, ""),
    ("wong_mnist_eps0.1", f"mnist:{SHARED}/data/mnist", "0.1", 1000, ""),
    ("wong_fashion_eps0.1", f"fashion-mnist:{ROOT}/fixtures/fashion-mnist", "0.1", 1000, ""),
    ("eran_mnist_6_100", f"mnist:{SHARED}/data/mnist", "0.026", 1000, "510 (PRIMA)"),
    ("eran_cifar_conv_small_pgd", f"cifar10:{SHARED}/data/cifar-10-batches-bin", "2/255", 1000, "446 (PRIMA)"),
    ("sdp_mnist_cnn_a_adv", f"npz:{SHARED}/data/sdp/mnist.npz", "0.3", 200, "142 (β-CROWN), 152 (BICCOS)"),
    ("sdp_cifar_cnn_a_adv", f"npz:{SHARED}/data/sdp/cifar.npz", "2/255", 200, "91 (β-CROWN), 97 (BICCOS)"),
]

COLUMNS = ["network", "within linf", "images", "correct", "intervals", "CROWN", "α-CROWN", "in float32", "ms",
           "auto_LiRPA: intervals", "CROWN", "α-CROWN", "by others"]

# Kennard's methods up to each of auto_LiRPA's.
METHODS = {"IBP": "intervals", "CROWN": "crown", "alpha-CROWN": "alpha-crown"}


def theirs(model: str, eps: str, samples: int) -> list[str]:
    """auto_LiRPA's counts by intervals, CROWN and α-CROWN; of how many, where that is not all correct images."""
    found = dict.fromkeys(METHODS, "")
    with (SHARED / "reference/certified.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["model"], row["eps"], row["samples"]) == (model, eps, str(samples)):
                part = "" if row["of_correct"] == row["clean_correct"] else f" of {row['of_correct']}"
                found[row["method"].split(" (")[0]] = row["certified"] + part
    return [found[name] for name in METHODS]


def ours(command: str, replacements: dict[str, str]) -> list[str]:
    """Correct images, counts by each method, those that are certified in float32 too, and milliseconds per image."""
    summary = json.loads(run(command, replacements)[1])
    certified, correct = summary["certified"], summary["clean"]["correct"]
    total, by = 0, {}
    for method in certified["methods"]:
        total += method["certified"]
        by[method["name"]] = total
    seconds = sum(method["seconds"] for method in certified["methods"])
    counts = [str(by.get(name, "")) for name in METHODS.values()]
    return [str(correct), *counts, str(certified.get("in_floats", "")), f"{1000 * seconds / max(correct, 1):.1f}"]


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    options = parser(__doc__, rows=len(ROWS))
    options.add_argument("--kennard", metavar="COMMAND", required=True)
    arguments = options.parse_args()
    print(line(COLUMNS))
    print("|" + "---|" * len(COLUMNS))
    for row in arguments.rows:
        model, data, eps, samples, others = ROWS[row - 1]
        replacements = {"model": str(SHARED / f"models/{model}.onnx"), "data": data, "eps": eps, "samples": str(samples)}
        found = ours(arguments.kennard, replacements)
        images = f"{samples:,}".replace(",", " ")
        print(line([f"`{model}`", eps, images, *found, *theirs(model, eps, samples), others]), flush=True)


if __name__ == "__main__":
    main()
