"""Kennard's AutoAttack in the place of the reference's: the same images, the same verdicts?

    python references/drop_in.py [--images N …]

For every row of $KENNARD_SHARED/reference/autoattack.csv (default ../shared), what the reference implementation found, the
network is rebuilt as a PyTorch module (benches/peers/network.py) and given to `kennard.AutoAttack`, as code written for the
reference would. On the first images of the row (--images: their number, row by row; 0 leaves a row out), the robust
accuracy must be no more than 1.0 points below the reference's and 0.5 above, or one image. Needs the Python package.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

import kennard
from live_agreement import SHARED, module_of, samples

NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}


def verdicts(row: dict, count: int) -> list[tuple[bool, bool]]:
    """Whether the reference found each of the first images correct, and robust."""
    name = f"{row['model']}_{row['norm']}_{row['eps'].replace('/', 'over')}.csv"
    with (SHARED / "reference/verdicts" / name).open() as lines:
        return [(line["correct"] == "1", line["robust"] == "1") for line in csv.DictReader(lines)][:count]


def compare(row: dict, count: int) -> tuple[int, int, int, float]:
    """Correct images, robust ones, those of the reference, and seconds."""
    path = SHARED / f"models/{row['model']}.onnx"
    x, y, _ = samples(path.stem, count)
    over, _, under = row["eps"].partition("/")
    eps = float(over) / float(under or 1)
    adversary = kennard.AutoAttack(module_of(path), norm=NORMS[row["norm"]], eps=eps, verbose=False)
    begin = time.perf_counter()
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    points = adversary.run_standard_evaluation(images, labels, bs=min(count, 128))
    seconds = time.perf_counter() - begin
    with torch.inference_mode():
        clean, robust = (int((adversary.model(given).argmax(1) == labels).sum()) for given in (images, points))
    theirs = verdicts(row, count)
    assert clean == sum(correct for correct, _ in theirs), "the clean verdicts differ"
    return clean, robust, sum(held for _, held in theirs), seconds


def within(robust: int, reference: int, count: int) -> bool:
    return reference - max(0.01 * count, 1) <= robust <= reference + max(0.005 * count, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    with (SHARED / "reference/autoattack.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    print(f"PyTorch {torch.__version__} ({torch.get_num_threads()} threads), Kennard {kennard.__version__}")
    print("\n| | images | clean | reference | Kennard, live | seconds |\n|---|---|---|---|---|---|", flush=True)
    apart = 0
    for row, count in zip(rows, arguments.images or [int(row["samples"]) for row in rows]):
        if count == 0:
            continue
        clean, robust, reference, seconds = compare(row, count)
        apart += not within(robust, reference, count)
        mark = "" if within(robust, reference, count) else " ✗"
        print(f"| {row['model']}, {row['norm']} {row['eps']}{mark} | {count} | {clean} | {reference} | {robust} | {seconds:.0f} |",
              flush=True)
    sys.exit(apart > 0)


if __name__ == "__main__":
    main()
