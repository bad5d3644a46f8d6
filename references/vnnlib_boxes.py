"""Makes NPZ files for `kennard audit --boxes` of the property files of VNN-COMP's benchmark mnist_fc.

    pip install numpy && python references/vnnlib_boxes.py BENCHMARK OUT

BENCHMARK holds `instances.csv` (network, property, timeout and the verdict that all tools agree on), `onnx/` and
`vnnlib/`. OUT gets one file for each network, with the arrays x (the boxes' centres), y (the label), lower, upper, and the
words that tell the instances apart: property and verdict. Samples have the shape of the networks' input, (784, 1).
"""

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

BOUND = re.compile(r"\(assert \((<=|>=) X_(\d+) (-?[0-9.eE+-]+)\)\)")
LABEL = re.compile(r"Mnist property with label: (\d+)")
# The property is broken where any other class is as large as the label's.
RIVAL = re.compile(r"\(and \(>= Y_(\d+) Y_(\d+)\)\)")


def read(path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """The box and the label of a property."""
    text = path.read_text()
    ends: dict[str, dict[int, float]] = {"<=": {}, ">=": {}}
    for side, index, value in BOUND.findall(text):
        ends[side][int(index)] = float(value)
    label = int(LABEL.search(text).group(1))
    rivals = RIVAL.findall(text)
    if {int(y) for _, y in rivals} != {label} or len(rivals) != 9:
        raise ValueError(f"{path}: not the property that the largest output is that of the label")
    count = len(ends["<="])
    lower, upper = (np.array([ends[side][i] for i in range(count)]) for side in (">=", "<="))
    # Rounded inwards, so that no point of the single-precision box lies outside the property's.
    low, high = lower.astype(np.float32), upper.astype(np.float32)
    low = np.where(low < lower, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > upper, np.nextafter(high, np.float32(-np.inf)), high)
    return low, high, label


def main(benchmark: Path, out: Path) -> None:
    groups = defaultdict(list)
    with open(benchmark / "instances.csv") as file:
        for row in csv.DictReader(file):
            groups[Path(row["onnx"]).stem].append(row)
    out.mkdir(parents=True, exist_ok=True)
    for network, rows in groups.items():
        boxes = [read(benchmark / row["vnnlib"]) for row in rows]
        lower, upper = (np.stack([box[i] for box in boxes]) for i in (0, 1))
        centre = np.clip((lower.astype(np.float64) + upper) / 2, lower, upper).astype(np.float32)
        np.savez_compressed(
            out / f"{network}.npz",
            x=centre[..., None],
            y=np.array([box[2] for box in boxes]),
            lower=lower[..., None],
            upper=upper[..., None],
            property=np.array([Path(row["vnnlib"]).stem for row in rows]),
            verdict=np.array([row["verdict"] for row in rows]),
        )
        print(f"{network}: {len(rows)} instances")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
