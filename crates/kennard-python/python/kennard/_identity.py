"""What tells a module from another one with the same weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._random import rounded

# How many points a module is asked about: no more than in its trial.
_ASKED = 8

# Answers are rounded to this share of their size; those in half precision to the other.
_STEP, _COARSE = 2.0**-2, 1.0

# Longer lists of numbers are data.
_LONGEST = 64

# A module whose attributes are those that every module has.
PLAIN = torch.nn.Module()


def attributes(parts: Iterable[tuple[str, torch.nn.Module]], *, fully: bool) -> dict[str, str]:
    """The kinds of modules and the fractions among their attributes, by name; `fully` also flags, whole numbers, texts and names of
    functions.

    A fraction may be a temperature, which hardly shows in answers that are rounded. Whole numbers may be the size of the last
    batch, flags say what has been done already, and texts are names of devices or of files.
    """
    found = {}
    for name, part in parts:
        found[name] = type(part).__qualname__
        for key, value in vars(part).items():
            if key in vars(PLAIN) and not (fully and key == "training"):
                continue
            if fully and callable(value) and not isinstance(value, torch.nn.Module):
                value = getattr(value, "__qualname__", None)
            if (told := _told(value, fully)) is not None:
                found[f"{name}.{key}"] = told
    return found


def _told(value: Any, fully: bool) -> str | None:
    """A fraction, or a short list of numbers with one, as a text that is the same in every process; `fully` also other numbers,
    texts, and dictionaries of them."""
    if fully and isinstance(value, dict):
        return _told([entry for item in sorted(value.items(), key=repr) for entry in item], fully)
    entries = [entry.item() if isinstance(entry, np.generic) else entry for entry in value] if isinstance(
        value, (list, tuple)
    ) else [value.item() if isinstance(value, np.generic) else value]
    kinds = (int, float, complex, *([str] if fully else []))
    if len(entries) > _LONGEST or not all(isinstance(entry, kinds) for entry in entries):
        return None
    # Larger ones are points in time.
    fraction = any(isinstance(entry, (float, complex)) and abs(entry) < 1e9 for entry in entries)
    return repr(entries) if fully or fraction else None


def answers(
    answer: Callable[[NDArray[np.float32]], NDArray[np.float32]], shape: tuple[int, ...], dtype: torch.dtype
) -> bytes:
    """What a module answers to points that are the same for all data, rounded so that other devices have the same.

    Parameters
    ----------
    answer : callable
        From points (n, ...) to logits (n, K).
    shape : tuple of int
        The shape of a point.
    dtype : torch.dtype
        What the module computes in.
    """
    noise = hashlib.shake_256(b"points").digest(_ASKED * int(np.prod(shape)))
    points = np.frombuffer(noise, np.uint8).reshape(_ASKED, *shape).astype(np.float32) / np.float32(255)
    try:
        found = answer(points)
    except Exception:  # noise may be no valid sample
        return b"none"
    return rounded(found, _COARSE if dtype.itemsize < 4 else _STEP)
