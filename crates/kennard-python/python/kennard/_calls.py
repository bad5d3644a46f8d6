"""Audits and attacks."""

from __future__ import annotations

import difflib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _data, _kennard, _models
from ._result import Result

Progress = Callable[[str, int, int], None]


def audit(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    norm: str = "linf",
    eps: float | str | None = None,
    attack: str | list[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Result:
    """Measures accuracy, accuracy under attack, and conjugate spreads.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto, torch.nn.Module, classifier with `predict_proba`, or callable
        A classifier of samples (n, ...), which returns logits (n, K). A callable gets tensors where `x` is one, and is
        differentiated; else arrays, and attacks without gradients alone can be run.
    x : array (N, ...), DataLoader, data set, or text
        Samples, in the range `bounds` (0 to 1 by default); or the name of a data set, as on the command line
        (`"mnist:data/mnist"`).
    y : array (N,) of integers, optional
        Labels; left out where `x` has them.
    norm : {"linf", "l2", "l1"}
        How perturbations are measured.
    eps : float or text
        Their largest size, `8/255` or `"8/255"`.
    attack : text or list of text, optional
        `"standard"` for AutoAttack; a quick look by default.
    out : path, optional
        The directory of the run, where every sample is kept as it finishes.
    resume : bool
        Go on with the run that was interrupted there.
    device : torch.device or text, optional
        Where a module computes.
    output : callable, text or int, optional
        What takes the logits out of what a module returns.
    batch_size : int, optional
        Samples per micro-batch; 128 for live models.
    progress : bool or callable
        Whether to show how far it is; or what is called with what is done, how much of it, and of how much.
    **options
        What else `kennard audit` takes, by the same names: `samples`, `first`, `seed`, `minimal`, `steps`, `bounds`,
        `packet_samples`, `require`, ...

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together.
    KennardError
        When something else goes wrong.
    KeyboardInterrupt
        After ctrl-C; what was finished is kept in `out`.
    """
    # Before anything else, so that a slip of the finger costs no time.
    settings = _options(
        options, norm=norm, eps=eps, attack=attack, micro_batch=batch_size, resume=resume or None
    )
    data, inputs, settings = _samples(x, y, settings)
    adapted = _models.model(model, inputs, device, output, hasattr(x, "detach"))
    kept = None
    if out is None:
        kept = tempfile.TemporaryDirectory(prefix="kennard-")
        out = Path(kept.name) / "run"
    settings["out"] = os.fspath(out)
    outcome = _kennard.audit(adapted, data, json.dumps(settings), _progress(progress))
    if hasattr(adapted, "check_unchanged"):
        adapted.check_unchanged()
    return Result(outcome, Path(out), kept)


@dataclass(frozen=True)
class Attacked:
    """The adversarial points of attacks.

    Attributes
    ----------
    points : dict of text to array (N, ...) of float32
        What each attack found; a sample that it did not break is there as it is.
    broken : dict of text to array (N,) of bool
        Which samples it broke within epsilon.
    correct : array (N,) of bool
        Which samples are classified correctly to begin with.
    """

    points: dict[str, NDArray[np.float32]]
    broken: dict[str, NDArray[np.bool_]]
    correct: NDArray[np.bool_]

    @property
    def best(self) -> NDArray[np.float32]:
        """The first adversarial point of each sample that any attack broke, (N, ...); the sample itself elsewhere."""
        names = list(self.points)
        best = self.points[names[0]].copy()
        done = self.broken[names[0]].copy()
        for name in names[1:]:
            news = self.broken[name] & ~done
            best[news] = self.points[name][news]
            done |= news
        return best


def attack(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    norm: str = "linf",
    eps: float | str | None = None,
    attack: str | list[str] | None = None,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Attacked:
    """Finds adversarial points. Arguments are those of :func:`audit`.

    Returns
    -------
    Attacked
    """
    settings = _options(options, norm=norm, eps=eps, attack=attack, micro_batch=batch_size)
    data, inputs, settings = _samples(x, y, settings)
    if data is None or inputs is None:
        raise ValueError("x: give the samples themselves; the command `kennard attack` takes data sets by name")
    adapted = _models.model(model, inputs, device, output, hasattr(x, "detach"))
    found = _kennard.attack(adapted, data, json.dumps(settings), _progress(progress))
    if hasattr(adapted, "check_unchanged"):
        adapted.check_unchanged()
    records = json.loads(found.records)
    names = found.names
    entries = [[*record["attacks"], *record["minimal"]] for record in records]
    shape = inputs.shape[1:]
    return Attacked(
        points={name: points.reshape(-1, *shape) for name, points in zip(names, found.points)},
        broken={
            name: np.array([bool(row[i] and row[i]["within"]) for row in entries])
            for i, name in enumerate(names)
        },
        correct=np.array([record["prediction"] == record["label"] for record in records]),
    )


def report(runs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], path: str | os.PathLike[str]) -> Path:
    """Makes one page of the directories of runs, which compares them.

    Parameters
    ----------
    runs : path or iterable of paths
        Directories of runs (`out` of :func:`audit`).
    path : path
        The page to write.
    """
    runs = [runs] if isinstance(runs, (str, os.PathLike)) else list(runs)
    _kennard.report(runs, path)
    return Path(path)


def _options(options: dict[str, Any], **own: Any) -> dict[str, Any]:
    """Options under the command's names; unknown ones are refused."""
    known = _kennard.option_names()
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{name}: there is no such argument; {hint}Known are {', '.join(known)}")
    if own.get("eps") is None and options.get("minimal") is None:
        raise ValueError("eps is missing: the largest perturbation, for example eps=8/255")
    for name in ("attack", "minimal"):
        listed = own.get(name, options.get(name))
        if isinstance(listed, str):
            (own if name in own else options)[name] = listed.split(",")
    bounds = options.get("bounds")
    if bounds is not None:
        options["bounds"] = [float(bounds[0]), float(bounds[1])]
    merged = {**options, **own}
    return {name: value for name, value in merged.items() if value is not None}


def _samples(
    x: Any, y: Any, settings: dict[str, Any]
) -> tuple[_kennard.Arrays | None, NDArray[np.float32] | None, dict[str, Any]]:
    """What the samples are: arrays, or the name of a data set among the settings."""
    if isinstance(x, str):
        return None, None, {**settings, "data": x}
    if x is None:
        if "data" not in settings:
            raise ValueError("x is missing: samples, or the name of a data set, for example 'mnist:data/mnist'")
        return None, None, settings
    data, inputs = _data.arrays(x, y)
    return data, inputs, settings


class _Line:
    """A line on the terminal that says how far work is."""

    def __init__(self) -> None:
        self._last = 0.0
        self._bar: Any = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < 0.5 and done < total:
            return
        self._last = now
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{what}: {done} of {total}   {end}")
        sys.stderr.flush()


def _progress(progress: bool | Progress) -> Progress | None:
    if callable(progress):
        return progress
    return _Line() if progress and sys.stderr.isatty() else None
