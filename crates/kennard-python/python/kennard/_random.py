"""Models that answer at random: how they are recognised, and how their adversarial points are verified."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _kennard

# Two answers may differ by this share of the largest logit through rounding.
_APART = 1e-4

# Functions are told apart by their answers to this many samples: by this many sums of them, rounded to this share.
_ASKED = 32
_SUMS = 4
_STEP = 2.0**-7

# How many passes verify each adversarial point.
CHECKS = 100


class AnswersAtRandom(ValueError):
    """A model answers at random, and the call has no argument that allows for it. `args`: what the model does, and what to do."""

    def __str__(self) -> str:
        return "; ".join(self.args)


def check_repeatable(answer: Callable[[], NDArray[np.float32]]) -> None:
    """Refuses a model whose two answers to the same samples differ by more than rounding."""
    # Copies: a model may write all its answers into one array.
    first, second = np.array(answer()), np.array(answer())
    finite = np.isfinite(first)
    largest = float(np.abs(first[finite]).max(initial=0.0))
    same = np.array_equal(first[~finite], second[~finite], equal_nan=True)
    if not same or not np.allclose(first[finite], second[finite], rtol=0.0, atol=_APART * largest):
        raise AnswersAtRandom(
            "model: it answers differently when asked twice (dropout left on? random transforms?)",
            "call model.eval(), or, where it is meant to, give eot=20 to kennard.audit, attack or uncertainty: they then see the "
            "mean of 20 passes, and what attacks find is verified (or attack='rand', AutoAttack for such models)",
        )


def fingerprint(
    label: str, x: NDArray[np.float32], answer: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> str:
    """A digest of what a function answers, to tell it from another of the same name.

    It is asked about the first samples, and about points between samples from all over the data, where fitted models
    that agree on the samples differ. Answers are rounded, so that other cores of another machine have the same digest.

    Parameters
    ----------
    label : text
        Its name.
    x : array (N, ...) of float32
        Samples.
    answer : callable
        From points (n, ...) to an array (n, K).
    """
    digest = hashlib.sha256(label.encode())
    places = np.unique(np.linspace(0, len(x) - 1, _ASKED).astype(int))
    some = np.array(x[places])
    for points in (np.array(x[:8]), np.float32(0.6) * some + np.float32(0.4) * some[::-1]):
        try:
            found = answer(np.ascontiguousarray(points, dtype=np.float32))
        except Exception:  # points between valid samples may not be valid
            digest.update(b"none")
            continue
        digest.update(rounded(found, _STEP))
    return digest.hexdigest()


def rounded(found: NDArray[Any], step: float) -> bytes:
    """Answers (n, K) in a few numbers, which rounding errors hardly change: sums with random signs, rounded to `step` of their
    size. However many answers there are, few numbers can lie between two steps."""
    finite = np.where(np.isfinite(found), found, 0.0).astype(np.float64).reshape(-1)
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    relative = finite / largest / math.sqrt(max(finite.size, 1))
    size = math.log2(largest) + math.log2(float(np.linalg.norm(relative)) or 1.0)
    share = step * 2.0 ** (round(size) - math.log2(largest))
    sums = [float(relative @ _signs(finite.size, number)) / share for number in range(_SUMS)]
    special = np.stack([np.isnan(found), np.isposinf(found), np.isneginf(found)])
    return repr((found.shape, round(size), [round(total) for total in sums])).encode() + special.tobytes()


def _signs(count: int, number: int) -> NDArray[np.float64]:
    """Signs (count,) that are the same on every machine."""
    bits = hashlib.shake_256(str(number).encode()).digest(-(-count // 8))
    signs: NDArray[np.float64] = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(np.float64)
    return 2 * signs - 1


def check_passes(eot: int | None) -> None:
    """Refuses an invalid number of passes."""
    if eot is not None and (isinstance(eot, bool) or not isinstance(eot, int) or eot < 1):
        raise ValueError(f"eot: {eot!r} is not a number of passes; give a whole number, 20 for example")


@dataclass(frozen=True, eq=False)
class Verified:
    """How often each adversarial point fools a model that answers at random, counted in fresh passes.

    Attributes
    ----------
    index : array (n,) of int
        The samples' places.
    attack : list of text
        Which attack found each point.
    wrong : array (n,) of float
        The share of passes in which the model misclassifies the point.
    low, high : array (n,) of float
        The 95 % interval of that share (Clopper and Pearson).
    passes : int
        How many passes were counted for each point; none of them took part in choosing it, so the shares have no bias.
    """

    index: NDArray[np.int64]
    attack: list[str]
    wrong: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    passes: int

    @property
    def confirmed(self) -> NDArray[np.bool_]:
        """Which points fool most passes: the lower end of the interval is above one half, (n,)."""
        return self.low > 0.5

    def __len__(self) -> int:
        return len(self.index)


def verified(
    model: Any,
    found: Iterable[tuple[int, str, NDArray[np.float32]]],
    labels: NDArray[np.int64],
    batch: int,
    passes: int = CHECKS,
) -> Verified:
    """Runs `passes` passes of a live `model` at each point found.

    Every pass is a call of its own, so that a model that draws once per batch answers each time anew.

    Parameters
    ----------
    model
        With a method `untouched` from points (n·d) to logits (n·K).
    found : iterable of (place, attack, point (d,))
    labels : array (N,)
    batch : int
        Points per call.
    """
    entries = list(found)
    index = np.array([place for place, _, _ in entries], dtype=np.int64)
    wrong = np.zeros(len(entries), dtype=np.int64)
    for begin in range(0, len(entries), batch):
        part = slice(begin, begin + batch)
        points = np.concatenate([point.reshape(-1) for _, _, point in entries[part]])
        own = labels[index[part]]
        for _ in range(passes):
            # A copy each time: a model may work in place.
            logits = model.untouched(points.copy()).reshape(len(own), -1)
            wrong[part] += logits.argmax(1) != own
    ends = np.array([_kennard.interval(int(count), passes) for count in wrong]).reshape(-1, 2)
    attacks = [attack for _, attack, _ in entries]
    return Verified(index, attacks, wrong / passes, ends[:, 0], ends[:, 1], passes)
