"""The closest adversarial points of tree ensembles on tables, by looking at all that may be it.

    python references/leaves.py    # reads fixtures/tabular, writes references/leaves.json

The answer of an ensemble changes at thresholds alone, so that each coordinate of the closest point is the sample's own, or the
first number of single precision beyond a threshold. ONNX Runtime is asked about all such points. For the first samples of each
table, the smallest distances in linf, l2, l1 and l0 within the bounds of the tests; null where the model errs on the sample.
"""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

HERE = Path(__file__).parent
TABLES = HERE / "../fixtures/tabular"
SAMPLES = 12
BOUNDS = {"iris": (0, 10), "cancer": (0, 3000)}
NORMS = {
    "linf": lambda d: np.abs(d).max(1),
    "l2": lambda d: np.sqrt((d**2).sum(1)),
    "l1": lambda d: np.abs(d).sum(1),
    "l0": lambda d: (d != 0).sum(1).astype(float),
}


def thresholds(model: onnx.ModelProto) -> list[list[tuple[np.float32, bool]]]:
    """Of each feature, the thresholds and whether they are on the lower side."""
    (node,) = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    of = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    found: list[set] = [set() for _ in range(4)]
    for feature, value, mode in zip(of["nodes_featureids"], of["nodes_values"], of["nodes_modes"]):
        if mode != b"LEAF":
            found[feature].add((np.float32(value), {b"BRANCH_LEQ": True, b"BRANCH_LT": False}[mode]))
    return [sorted(each) for each in found]


def beyond(x: np.float32, threshold: np.float32, low: bool) -> np.float32:
    """The first value on the side of a threshold where `x` is not."""
    if x < threshold or (low and x == threshold):
        return np.nextafter(threshold, np.float32(np.inf)) if low else threshold
    return threshold if low else np.nextafter(threshold, np.float32(-np.inf))


def main() -> None:
    found = {}
    for path in sorted(TABLES.glob("*.onnx")):
        model = onnx.load(path)
        if not any(node.op_type == "TreeEnsembleClassifier" for node in model.graph.node):
            continue
        data = path.stem.split("_")[0]
        with open(TABLES / f"{data}.csv", newline="") as file:
            _, *rows = csv.reader(file)
        classes = (TABLES / f"{data}.txt").read_text().split()
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name, cuts = session.get_inputs()[0].name, thresholds(model)
        lo, hi = BOUNDS[data]
        found[path.stem] = []
        for row in rows[:SAMPLES]:
            x, label = np.array(row[:4], np.float32), classes.index(row[4])
            choices = [[x[i], *{beyond(x[i], *cut) for cut in cuts[i]}] for i in range(4)]
            choices = [[v for v in each if lo <= v <= hi] for each in choices]
            points = np.array(list(itertools.product(*choices)), np.float32)
            predicted = session.run(["probabilities"], {name: points})[0].argmax(1)
            if predicted[0] != label:
                found[path.stem].append(None)
                continue
            moved = points[predicted != label].astype(np.float64) - x.astype(np.float64)
            found[path.stem].append([float(size(moved).min()) for size in NORMS.values()])
        print(path.stem, len(points), found[path.stem][-1])
    text = ",\n".join(f"  {json.dumps(name)}: {json.dumps(all)}" for name, all in found.items())
    (HERE / "leaves.json").write_text(f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main()
