"""Classifiers like scikit-learn's: scores as logits, and whether `predict` returns the class of the largest score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Smaller probabilities have the logarithm of this one.
_LEAST = 1e-30

# A score equal to the threshold counts as reaching it: thresholds are lowered by this share.
_TIE = 1e-12

# Rows whose labels are asked for at once.
_ROWS = 1024

_THRESHOLDS = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}


def is_classifier(given: Any) -> bool:
    """Whether it has `predict_proba`, or is a fitted classifier with a `decision_function`."""
    if isinstance(given, type):
        return False
    return hasattr(given, "predict_proba") or all(hasattr(given, name) for name in ("decision_function", "predict", "classes_"))


def classifier_of(given: Any) -> Any:
    """The classifier that a bound method `predict_proba` belongs to, or a `decision_function` where there is no `predict_proba`;
    anything else as it is."""
    owner, name = getattr(given, "__self__", None), getattr(given, "__name__", "")
    if name == "predict_proba" and hasattr(owner, name):
        return owner
    return owner if name == "decision_function" and is_classifier(owner) and not hasattr(owner, "predict_proba") else given


@dataclass(frozen=True)
class Scored:
    """How the logits of a classifier are computed.

    Attributes
    ----------
    scores : callable
        A method of the classifier, from rows (n, d).
    logits : callable
        From what that returns to logits (n, K).
    said : text
        What is unusual about them, as the end of a sentence.
    """

    scores: Callable[[Any], Any]
    logits: Callable[[NDArray[Any]], NDArray[Any]]
    said: str = ""


def scored(classifier: Any) -> Scored:
    """The logits of a classifier: the logarithms of its probabilities, or else its decision function, with zeros beside it where
    it is one number per row. Where a threshold decides between two classes, the larger logit belongs to the class that `predict`
    returns."""
    found = _with_threshold(classifier)
    if found is not None:
        return found
    if hasattr(classifier, "predict_proba"):
        return Scored(classifier.predict_proba, _logarithms)
    classes = len(classifier.classes_)
    return Scored(classifier.decision_function, lambda found: _decisions(found, classes), ", by its decision_function")


def _logarithms(found: NDArray[Any]) -> NDArray[Any]:
    logs: NDArray[Any] = np.log(np.maximum(found, found.dtype.type(_LEAST)))
    return logs


def _decisions(found: NDArray[Any], classes: int) -> NDArray[Any]:
    if found.ndim == 1 and classes == 2:
        return np.stack([np.zeros_like(found), found], 1)
    if found.ndim == 2 and found.shape[1] != classes:
        raise ValueError(
            f"model: its decision_function returns {found.shape[1]} numbers for {classes} classes, one for each pair for instance; "
            "let it return one for each class, decision_function_shape='ovr'"
        )
    return found


def _with_threshold(classifier: Any) -> Scored | None:
    """The logits of a classifier of two classes with a threshold of its own, as in scikit-learn; None for other classifiers."""
    if not {base.__name__ for base in type(classifier).__mro__} & _THRESHOLDS or len(getattr(classifier, "classes_", ())) != 2:
        return None
    inner, method = classifier.estimator_, classifier.response_method
    if method == "auto":
        method = "predict_proba" if hasattr(inner, "predict_proba") else "decision_function"
    probable = method == "predict_proba"
    threshold = getattr(classifier, "best_threshold_", getattr(classifier, "threshold", "auto"))
    threshold = (0.5 if probable else 0.0) if threshold == "auto" else float(threshold)
    positive = getattr(classifier, "pos_label", None)
    if hasattr(classifier, "_curve_scorer"):
        positive = classifier._curve_scorer._get_pos_label()
    place = 1 if positive is None else int(list(classifier.classes_).index(positive))

    def of_probabilities(found: NDArray[Any]) -> NDArray[Any]:
        least = threshold * (1 - _TIE)
        ends = np.maximum([1 - least, least] if place == 1 else [least, 1 - least], _LEAST)
        return _logarithms(found.astype(np.float64)) - np.log(ends)

    def of_decisions(found: NDArray[Any]) -> NDArray[Any]:
        far = (found if place == 1 else -found).astype(np.float64) - np.nextafter(threshold, -np.inf)
        parts = [np.zeros_like(far), far]
        return np.stack(parts if place == 1 else parts[::-1], 1)

    logits = of_probabilities if probable else of_decisions
    return Scored(getattr(classifier, method), logits, f", which decides by its threshold {threshold:.4g} of {method}")


def other_labels(classifier: Any, rows: NDArray[Any], predicted: NDArray[Any], frame: Any = None) -> int:
    """For how many rows (n, d) `predict` returns another label than that of the class `predicted` (n,), places in `classes_`."""
    named = getattr(classifier, "classes_", None)
    other = 0
    for begin in range(0, len(rows), _ROWS):
        part = rows[begin : begin + _ROWS]
        own = np.asarray(classifier.predict(part if frame is None else frame(part))).reshape(-1)
        places = predicted[begin : begin + _ROWS].astype(np.int64)
        other += int(np.sum(own != (places if named is None else np.asarray(named)[places])))
    return other
