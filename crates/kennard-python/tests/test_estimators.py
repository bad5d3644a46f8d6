"""Classifiers whose own label is not that of the largest probability, and those without probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kennard

pytest.importorskip("sklearn")
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression, RidgeClassifier  # noqa: E402
from sklearn.svm import SVC, LinearSVC  # noqa: E402

QUICK: dict[str, Any] = {"eps": 0.05, "attack": "none", "packet_samples": 0, "bounds": (-10, 10), "progress": False}


def data(classes: int) -> tuple[Any, Any]:
    x, y = make_classification(
        120, 6, n_informative=4, n_classes=classes, n_clusters_per_class=1, class_sep=0.5, random_state=1
    )
    return x.astype(np.float32), y


@pytest.mark.parametrize("threshold", [0.9, 0.1, "auto"])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "auto"])
@pytest.mark.parametrize("positive", [None, 0])
@pytest.mark.parametrize("kind", [LogisticRegression, RandomForestClassifier])
def test_a_threshold_decides(threshold: Any, method: str, positive: Any, kind: Any) -> None:
    """Forests of ten trees have probabilities that are the threshold itself."""
    selection = pytest.importorskip("sklearn.model_selection")
    if not hasattr(selection, "FixedThresholdClassifier"):
        pytest.skip("this scikit-learn has none")
    if kind is RandomForestClassifier and method == "decision_function":
        pytest.skip("forests have no decision function")
    x, y = data(2)
    inner = kind() if kind is LogisticRegression else kind(10, max_depth=3, random_state=0)
    fixed = selection.FixedThresholdClassifier(inner, threshold=threshold, response_method=method, pos_label=positive)
    fixed.fit(x, y)
    found = kennard.audit(fixed, x, y, **QUICK)
    assert found.clean_accuracy == fixed.score(x, y)
    assert found.column("prediction").tolist() == fixed.predict(x).tolist()
    assert not any(warning.startswith("own-label") for warning in found.warnings)
    assert "threshold" in found.engine


def test_a_tuned_threshold_decides() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    if not hasattr(selection, "TunedThresholdClassifierCV"):
        pytest.skip("this scikit-learn has none")
    x, y = data(2)
    names = np.array(["ham", "spam"])[y]
    tuned = selection.TunedThresholdClassifierCV(LogisticRegression(), scoring="balanced_accuracy").fit(x, names)
    found = kennard.audit(tuned, x, names, **QUICK)
    assert found.clean_accuracy == tuned.score(x, names)


class Otherwise:
    """What says one class and has another as the likeliest for every third row."""

    classes_ = np.array(["a", "b"])

    def predict_proba(self, rows: Any) -> Any:
        likely = 1 / (1 + np.exp(-rows[:, 0]))
        return np.stack([1 - likely, likely], 1)

    def predict(self, rows: Any) -> Any:
        odd = np.round(np.abs(rows[:, 1]) * 1000).astype(int) % 3 == 0
        return self.classes_[(rows[:, 0] > 0).astype(int) ^ odd]


@pytest.mark.parametrize("how", ["arrays", "pairs", "some"])
def test_labels_of_other_classes_than_the_likeliest_are_counted(how: str) -> None:
    x, _ = data(2)
    model = Otherwise()
    y = model.classes_[(x[:, 0] > 0).astype(int)]
    other = model.predict(x) != y
    given: Any = ([*zip(x, y)],) if how == "pairs" else (x, y)
    more: dict[str, Any] = {"samples": 50} if how == "some" else {}
    found = kennard.audit(model, *given, **QUICK, **more)
    index = found.column("index").astype(int)
    said = next(warning for warning in found.warnings if warning.startswith("own-label"))
    assert other.any() and f"for {other[index].sum()} of {len(index)} samples" in said
    with pytest.warns(UserWarning, match="predict returns is not that of its largest score"):
        kennard.attack(model, x, y, eps=0.05, attack="square", queries=2, bounds=(-10, 10), progress=False)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", [LinearSVC, RidgeClassifier, SVC])
def test_decision_functions_are_logits(kind: Any, classes: int) -> None:
    x, y = data(classes)
    model = kind().fit(x, y + 1)
    for given in (model, model.decision_function):
        found = kennard.audit(given, x, y + 1, **QUICK)
        assert found.clean_accuracy == model.score(x, y + 1)
        assert found.engine == "live: the function computes, by its decision_function"
    attacked = kennard.attack(model, x, y + 1, eps=0.3, attack="square", queries=100, bounds=(-10, 10), progress=False)
    wrong = attacked.broken["square"]
    assert wrong.any() and (model.predict(attacked.points["square"][wrong]) != y[wrong] + 1).all()


def test_one_decision_for_each_pair_is_refused() -> None:
    x, y = data(4)
    model = SVC(decision_function_shape="ovo").fit(x, y)
    with pytest.raises(ValueError, match="returns 6 numbers for 4 classes.*decision_function_shape='ovr'"):
        kennard.audit(model, x, y, **QUICK)
    with pytest.raises(ValueError, match="fitted classifier"):
        kennard.audit(SVC(), x, y, **QUICK)
