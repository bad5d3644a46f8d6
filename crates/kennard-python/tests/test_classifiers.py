"""Classifiers of arrays: their own classes, and runs that go on with the same one alone."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard

ARGUMENTS: dict[str, Any] = {"eps": 0.01, "attack": "none", "packet_samples": 0, "progress": False}


class Nearest:
    """The class of the nearest of a few rows, as scikit-learn has classifiers."""

    def __init__(self, centres: Any, classes: Any) -> None:
        self.centres = np.asarray(centres, dtype=np.float32)
        self.classes_ = np.asarray(classes)

    def predict_proba(self, rows: Any) -> Any:
        far = np.square(rows[:, None] - self.centres).sum(2)
        odds = np.exp(-20 * (far - far.min(1, keepdims=True)))
        return odds / odds.sum(1, keepdims=True)


CENTRES = [[0.1, 0.1], [0.5, 0.9], [0.9, 0.2]]


def rows() -> tuple[Any, Any]:
    """Points in the plane, and which centre is the nearest."""
    x = np.random.default_rng(0).random((40, 2), dtype=np.float32)
    return x, np.square(x[:, None] - np.array(CENTRES)).sum(2).argmin(1)


@pytest.mark.parametrize("classes", [[0, 2, 3], ["cat", "dog", "eel"], [2, 1, 0], [0.5, 1.5, 2.5], [10, 11, 12]])
def test_labels_are_those_that_the_model_was_fitted_with(classes: Any, tmp_path: Path) -> None:
    x, nearest = rows()
    y = np.asarray(classes)[nearest]
    model = Nearest(CENTRES, classes)
    found = kennard.audit(model, x, y, out=tmp_path / "run", **ARGUMENTS)
    assert found.clean_accuracy == 1.0
    assert found.column("label").tolist() == nearest.tolist()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [str(name) for name in classes] in _lists(manifest)
    wrong = y.copy()
    wrong[:10] = classes[0]
    expected = (wrong == y).mean()
    assert kennard.audit(model, x, wrong, **ARGUMENTS).clean_accuracy == expected
    # Pair by pair, at once or one after the other.
    pairs = [*zip(x, wrong.tolist())]
    assert kennard.audit(model, pairs, **ARGUMENTS).clean_accuracy == expected
    assert kennard.audit(model, iter(pairs), **ARGUMENTS).clean_accuracy == expected
    attacked = kennard.attack(model, x, wrong, eps=0.01, attack="square", queries=5, progress=False)
    assert attacked.correct.mean() == expected


def test_the_method_is_taken_for_its_classifier() -> None:
    x, nearest = rows()
    model, y = Nearest(CENTRES, ["cat", "dog", "eel"]), np.array(["cat", "dog", "eel"])[nearest]
    own, method = (kennard.audit(given, x, y, **ARGUMENTS).summary for given in (model, model.predict_proba))
    for summary in (own, method):
        summary.pop("seconds")
    assert own == method
    assert own["clean"]["accuracy"] == 1.0


def _lists(value: Any) -> list[Any]:
    """All lists in a tree."""
    if isinstance(value, dict):
        return [entry for part in value.values() for entry in _lists(part)]
    return [value, *(entry for part in value for entry in _lists(part))] if isinstance(value, list) else []


def test_labels_that_the_model_does_not_know_are_named() -> None:
    x, nearest = rows()
    model, y = Nearest(CENTRES, [0, 2, 3]), np.array([0, 2, 3])[nearest]
    y[7] = 1
    says = "y: label 1 of sample 7 is not one of the model's classes_, 0, 2, 3; give labels"
    for given in ((x, y), ([*zip(x, y)],)):
        with pytest.raises(ValueError, match=says):
            kennard.audit(model, *given, **ARGUMENTS)
    with pytest.raises(ValueError, match="label 'cow' of sample 0 is not one of .*'cat', 'dog', 'eel'"):
        kennard.audit(Nearest(CENTRES, ["cat", "dog", "eel"]), x, ["cow"] * 40, **ARGUMENTS)
    with pytest.raises(ValueError, match="label 0 of sample 0 is not one of .*'cat'"):
        kennard.audit(Nearest(CENTRES, ["cat", "dog", "eel"]), x, [0] * 40, **ARGUMENTS)
    several = Nearest(CENTRES, [0, 1, 2])
    several.classes_ = [np.arange(2), np.arange(3)]  # type: ignore[assignment]
    with pytest.raises(ValueError, match="classes_ of several outputs"):
        kennard.audit(several, x, nearest, **ARGUMENTS)


def test_parts_of_a_run_get_labels_as_they_were_given() -> None:
    """As `kennard.ray` hands them on."""
    from kennard._data import collected
    from kennard._models import classes

    x, nearest = rows()
    for names in ([0, 2, 3], ["cat", "dog", "eel"]):
        known, y = classes(Nearest(CENTRES, names)), np.array(names)[nearest]
        assert known is not None
        for given in ((x, y), ([*zip(x, y)],)):
            taken, places = collected(*given, classes=known)
            np.testing.assert_array_equal(taken, x)
            np.testing.assert_array_equal(places, nearest)
            np.testing.assert_array_equal(known[places], y)


def test_classes_that_are_places_change_nothing() -> None:
    x, nearest = rows()
    plain = Nearest(CENTRES, [0, 1, 2])
    found = kennard.audit(plain, x, nearest, **ARGUMENTS)
    del plain.classes_
    assert found.clean_accuracy == kennard.audit(plain, x, nearest, **ARGUMENTS).clean_accuracy == 1.0
    with pytest.raises(ValueError, match="one integer per sample"):
        kennard.audit(Nearest(CENTRES, [0, 1, 2]), x, ["a"] * 40, **ARGUMENTS)


SCRIPT = """
    import sys
    import numpy as np
    import kennard

    kind, seed, resume, out = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "resume", sys.argv[4]
    weights = np.random.default_rng(seed).normal(size=(4, 3))
    calls, limit = 0, 10**9 if resume else 60

    def logits(rows):
        global calls
        calls += 1
        if calls > limit:
            raise ArithmeticError("the fan has stopped")
        return rows @ weights

    class Linear:
        def predict_proba(self, rows):
            odds = np.exp(logits(rows))
            return odds / odds.sum(1, keepdims=True)

    x = np.random.default_rng(9).random((40, 4), dtype=np.float32)
    model, y = logits, (x @ np.random.default_rng(0).normal(size=(4, 3))).argmax(1)
    if kind == "estimator":
        model = Linear()
    if kind == "tensors":
        import torch
        x, model = torch.from_numpy(x), lambda batch: torch.from_numpy(logits(batch.detach().double().numpy()))
    try:
        found = kennard.audit(model, x, y, eps=0.2, attack="square", queries=50, batch_size=4, out=out,
                              packet_samples=0, progress=False, resume=resume)
        print("robust", found.robust_accuracy)
    except (ArithmeticError, kennard.KennardError) as error:
        print("said:", error)
"""


@pytest.mark.parametrize("kind", ["function", "estimator", "tensors"])
def test_another_function_of_the_same_name_does_not_go_on(kind: str, tmp_path: Path) -> None:
    """In processes of their own: what is the same there is the same model."""
    if kind == "tensors":
        pytest.importorskip("torch")

    def said(seed: int, how: str, out: str) -> str:
        words = [sys.executable, "-c", textwrap.dedent(SCRIPT), kind, str(seed), how, str(tmp_path / out)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "the fan has stopped" in said(0, "begin", "run")
    assert "run of other settings: model is" in said(1, "resume", "run")
    resumed = said(0, "resume", "run")
    assert resumed.startswith("robust 0.") and resumed == said(0, "resume", "whole")


def test_fingerprints_tell_close_models_apart_and_bear_rounding() -> None:
    from kennard._random import fingerprint

    x = rows()[0]

    def of(noise: float = 0.0, shift: float = 0.0, name: str = "f", seed: int = 0) -> str:
        def answer(batch: Any) -> Any:
            z = np.stack([batch[:, 0] + shift, batch[:, 1]], axis=1)
            return (z * (1 + noise * np.random.default_rng(seed).normal(size=z.shape))).astype(np.float32)

        return fingerprint(name, x, answer)

    assert of() == of(noise=1e-7) == of(noise=1e-7, seed=1)
    assert len({of(), of(shift=0.01), of(name="g")}) == 3

    # Models that are certain of all samples differ between them.
    def steps(at: float) -> str:
        return fingerprint("f", x, lambda batch: (batch[:, :1] > at).astype(np.float32))

    column = np.sort(x[:, 0])[10:30]
    gap = int(np.diff(column).argmax())
    low, high = column[gap] + 0.01 * (column[gap + 1] - column[gap]), column[gap + 1] - 1e-6
    assert np.array_equal(x[:, 0] > low, x[:, 0] > high) and steps(float(low)) != steps(float(high))

    # What takes no points between samples is told apart by the samples.
    def exact(scale: float) -> str:
        def answer(batch: Any) -> Any:
            if not all(any(np.array_equal(row, own) for own in x) for row in batch):
                raise ValueError("no sample of mine")
            return batch * scale

        return fingerprint("f", x, answer)

    assert exact(1.0) == exact(1.0) != exact(1.1)
