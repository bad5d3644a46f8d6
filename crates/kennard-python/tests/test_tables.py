"""Tables: data sets of columns, and threat models that differ from column to column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import kennard
import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "tabular"
QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False, "bounds": (0, 10)}
CLASSES = ["setosa", "versicolor", "virginica"]


def iris() -> tuple[Any, Any]:
    with (FOLDER / "iris.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    x = np.array([[float(cell) for cell in row[:-1]] for row in rows], np.float32)
    return x, np.array([CLASSES.index(row[-1]) for row in rows])


def test_a_table_and_its_arrays_agree() -> None:
    model = FOLDER / "iris_mlp.onnx"
    common: dict[str, Any] = {"attack": "pgd", **QUICK}
    named = kennard.audit(
        model, f"csv:{FOLDER / 'iris.csv'}", label_column="target", eps=0.5, eps_per_feature=[1, 0.5, 2, 4],
        frozen=["petal width", "sepal length"], **common,
    )
    arrays = kennard.audit(model, *iris(), eps_per_feature=np.array([0, 0.25, 1, 0]), **common)
    right = json.loads((FOLDER / "accuracy.json").read_text())["iris_mlp"]
    assert named.clean_accuracy == arrays.clean_accuracy == pytest.approx(right / 60)
    assert named.robust_accuracy == arrays.robust_accuracy < named.clean_accuracy


def test_points_keep_to_the_epsilon_of_each_feature() -> None:
    x, y = iris()
    found = kennard.attack(
        FOLDER / "iris_svc.onnx", x, y, eps=0.5, eps_per_feature="1,1,1,0.5", frozen=[0, "1"], attack="pgd",
        progress=False, bounds=(0, 10),
    )
    moved = np.abs(np.asarray(found.best) - x).max(0)
    assert moved[0] == moved[1] == 0 and 0 < moved[2] <= 0.5 + 1e-5 and 0 < moved[3] <= 0.25 + 1e-5


def test_points_stay_valid() -> None:
    x = np.array([[3 + i % 5, 2 + i % 3, i % 2, 1 - i % 2] for i in range(36)], np.float32)
    y = np.arange(36) // 12
    found = kennard.attack(
        FOLDER / "iris_mlp.onnx", x, y, eps=3, integer=[0, "1"], one_hot=[[2, 3]], attack="pgd,square", progress=False,
        bounds=(0, 10),
    )
    points = np.asarray(found.best)
    moved = points[(points != x).any(1)]
    assert len(moved) > 3 and np.array_equal(moved, np.round(moved)) and (moved[:, 2:].sum(1) == 1).all()


def test_all_points_stay_at_levels() -> None:
    x = np.array([[(97 * i + 31 * k) % 256 for k in range(4)] for i in range(36)], np.uint8)
    y = np.arange(36) // 12
    found = kennard.attack(
        FOLDER / "iris_mlp.onnx", x, y, eps=2.5 / 255, input_scale=10, integer="all", attack="pgd", progress=False
    )
    moved = 255 * (np.asarray(found.best) - x / np.float32(255))
    assert np.abs(moved - moved.round()).max() < 1e-3 and np.abs(moved).max() < 2.1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eps_per_feature": [1, 2]}, "2 numbers, and there are 4 features"),
        ({"eps": 1, "frozen": "petal"}, "no feature `petal`"),
        ({"frozen": [0]}, "eps is missing"),
        ({"eps": 1, "integer": 0}, "sample 0 has 6.1 in element 0"),
        ({"eps": 1, "one_hot": ["kind", [0, 1]]}, "the features have no names"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, kennard.KennardError), match=says):
        kennard.audit(FOLDER / "iris_mlp.onnx", *iris(), attack="pgd", **options, **QUICK)
