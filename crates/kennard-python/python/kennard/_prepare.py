"""What all calls begin with: options checked, samples and model made ready, a directory, progress."""

from __future__ import annotations

import html
import importlib
import json
import math
import numbers
import os
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import _data, _kennard, _models, _norms
from ._result import Outcome

Progress = Callable[[str, int, int], None]
Of = TypeVar("Of", bound=Outcome)
Found = TypeVar("Found")

# Options for data sets in files, which have no meaning for samples that are given themselves.
_OF_FILES = ("data", "split", "classes", "label_column", "resize", "centre_crop", "interpolation")

# Micro-batches of a live model are reduced to the number of samples, but not below this size.
_FULL = 1024

# The least time between two updates of the progress that is shown, in seconds, except at the end of a phase.
_OFTEN = 0.5

# The process that started the worker threads; None before there are any.
_worker: int | None = None


def options(command: str, given: dict[str, Any], **own: Any) -> dict[str, Any]:
    """Options under the command's names; unknown ones are refused, those that are None left out.

    Parameters
    ----------
    command : text
        The command that has them.
    given : dict
        What a caller gave by name.
    **own
        What the call itself has as arguments.
    """
    known = _kennard.option_names(command)
    for name in given:
        if name not in known:
            near = _kennard.nearest(name, known)
            hint = f"did you mean {near}? " if near else ""
            raise ValueError(f"{name}: there is no such argument; {hint}Known are {', '.join(known)}")
    own = {name: value for name, value in own.items() if value is not None}
    twice = next((name for name in given if name in own), None)
    if twice is not None:
        raise ValueError(f"{twice}: another argument of this call says it already; leave it out")
    merged = {**given, **own}
    for name in ("attack", "frozen", "integer", "minimal", "one_hot", "scale", "radius", "temperatures", "wrt"):
        listed = merged.get(name)
        if isinstance(listed, str):
            merged[name] = listed.split(",") if name != "wrt" else [listed]
        elif listed is not None:
            several = isinstance(listed, (list, tuple)) or np.ndim(listed) > 0
            merged[name] = list(listed) if several else [listed]
    found = {name: _plain(name, value) for name, value in merged.items() if value is not None}
    if "norm" in found:
        found["norm"] = norm_of(found["norm"])
    if "bounds" in found:
        found["bounds"] = _bounds(found["bounds"])
    for name, value in found.items():
        _check_finite(name, value)
    if "micro_batch" in found:
        found["micro_batch"] = whole("batch_size" if "micro_batch" in own else "micro_batch", found["micro_batch"])
    return found


def norm_of(given: Any) -> str:
    """The name of a norm, which may be given as a number as in NumPy, or in capitals."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = _norms.NAMES.get(given, given)
    known = list(_norms.NAMES.values())
    if isinstance(given, str) and given.lower() in known:
        return given.lower()
    near = _kennard.nearest(given.lower(), known) if isinstance(given, str) else None
    hint = f"did you mean {near}? " if near else ""
    raise ValueError(f"norm: {given!r} is unknown; {hint}known are linf, l2 and l1, and l0 for the smallest perturbations")


def check_size(settings: dict[str, Any]) -> None:
    """Refuses options that do not say how large perturbations may be."""
    _kennard.check_size(json.dumps(settings))


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number, `least` or more."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: {value!r} is not a whole number of at least {least}; give one, or leave it out")
    return int(value)


def _plain(name: str, value: Any) -> Any:
    """The value of an option in a form that JSON can hold."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # NumPy scalars and arrays, tensors, columns of tables.
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return [_plain(name, entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(name, entry) for key, entry in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "__float__"):
        return float(value)
    raise ValueError(f"{name}: a {type(value).__name__} has no meaning here; give a number, a text, or a list of them")


def _bounds(given: Any) -> list[float]:
    """The smallest and the largest value of an input element."""
    try:
        low, high = given.split(",") if isinstance(given, str) else given
        return [float(low), float(high)]
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds: {given!r} is no pair of numbers; give the smallest and the largest value, for example bounds=(0, 1)"
        ) from None


def _check_finite(name: str, value: Any) -> None:
    """Refuses NaN and infinite numbers anywhere in an option."""
    if isinstance(value, (list, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            _check_finite(name, entry)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not finite; give a number")


def samples(
    x: Any, y: Any, settings: dict[str, Any], classes: NDArray[Any] | None = None
) -> tuple[_kennard.Arrays | None, NDArray[np.float32] | None, dict[str, Any], _data.Rows | None]:
    """The samples as arrays, or the settings with the name of a data set; for arrays also a function that reads rows again.

    Labels are mapped to their places among `classes`, where a model has some of its own.
    """
    named = isinstance(x, str) or (x is None and "data" in settings)
    if named and y is not None:
        raise ValueError("y: a data set that is named has labels of its own; leave y out, or give the samples themselves as x")
    if isinstance(x, str):
        if settings.get("data", x) != x:
            raise ValueError(f"data: x names a data set too, {x!r}; leave one of them out")
        return None, None, {**settings, "data": x}, None
    if x is None:
        if not named:
            raise ValueError("x is missing: samples, or the name of a data set, for example 'mnist:data/mnist'")
        return None, None, settings, None
    for name in _OF_FILES:
        if name in settings:
            raise ValueError(
                f"{name}: it is for data sets in files, and has no meaning for samples that are given themselves; leave it "
                "out, or name the data set in place of x, for example 'mnist:data/mnist'"
            )
    data, inputs, rows = _data.arrays(x, y, classes, settings.get("bounds"))
    return data, inputs, settings, rows


@dataclass(frozen=True)
class Ready:
    """Model, samples and settings of a call."""

    model: _models.Adapted
    data: _kennard.Arrays | None
    inputs: NDArray[np.float32] | None
    settings: dict[str, Any]
    rows: _data.Rows | None = None

    def ask(self, native: Callable[..., Found], place: Path, progress: bool | Progress, *more: Any) -> Found:
        """What a function of the native part finds; the files of the run go to `place`."""
        settings = json.dumps({**self.settings, "out": os.fspath(place)})
        return native(self.model.native, self.data, settings, hearer(progress), *more)

    def outcome(
        self,
        kind: type[Of],
        native: Callable[..., _kennard.Outcome],
        out: tuple[Path, Kept | None],
        progress: bool | Progress,
    ) -> Of:
        """What a call returns that asks the native part once; `out` is as :func:`directory` returns it."""
        place, kept = out
        return self.finished(kind(self.ask(native, place, progress), place, kept, self.model.engine))

    def finished(self, outcome: Of) -> Of:
        """The outcome of a call, with warnings about the model added; refused where the model changed meanwhile."""
        self.model.check_unchanged(outcome.out, kept=outcome._kept is not None)
        for code, message in self.model.notes:
            outcome.warn(code, message)
        if {"index", "prediction"} <= set(outcome.columns):
            said = self.own_labels(outcome.column("index"), outcome.column("prediction"))
            if said is not None:
                outcome.warn("own-label", said)
        return outcome

    def own_labels(self, index: NDArray[Any], predicted: NDArray[Any]) -> str | None:
        """Says for how many samples a classifier returns another label than that of its largest score; None where there are none.

        Parameters
        ----------
        index : array (n,)
            The samples' places.
        predicted : array (n,)
            The places of their largest scores; NaN where there is none.
        """
        if self.rows is None or not hasattr(self.model.live, "other_labels"):
            return None
        known = np.isfinite(predicted)
        other = self.model.live.other_labels(self.rows(index[known].astype(np.int64)), predicted[known]) if known.any() else 0
        if not other:
            return None
        return (
            f"the label that the classifier's predict returns is not that of its largest score for {other} of {len(index)} samples: "
            "accuracy and attacks go by the scores, and not by the label"
        )


def ready(
    model: Any,
    x: Any,
    y: Any,
    settings: dict[str, Any],
    *,
    device: Any = None,
    output: Any = None,
    engine: str = "live",
    eot: int | None = None,
    autocast: str | None = None,
) -> Ready:
    """Samples and model made ready for the native part."""
    check_process()
    random = averages(settings.get("attack"))
    precise = settings.get("search_precision") in (None, "f32", "auto")
    if autocast is not None and not precise:
        raise ValueError("search_precision, autocast: both say what attacks search in; leave one of them out")
    rough = not precise and settings.get("runtime") != "openvino"
    # The labels of a named data set are read by the native part, which has the model's file.
    named = x is None or isinstance(x, str)
    data, inputs, settings, rows = samples(x, y, settings, None if named else _models.classes(model))
    tensors = hasattr(x, "detach")
    adapted = _models.model(
        model,
        inputs,
        device,
        output,
        tensors,
        engine=engine,
        eot=eot,
        autocast=autocast,
        random=random,
        rough=rough,
        batch=_at_once(settings, data),
        frame=_data.frame_of(x),
        ball=_ball(settings),
    )
    if adapted.native is adapted.live:
        settings = _of_live(settings, engine)
    if "micro_batch" not in settings and hasattr(adapted.native, "fitting"):
        fitting = adapted.native.fitting()
        if fitting is not None:
            settings = {**settings, "micro_batch": fitting}
    return Ready(adapted, data, inputs, settings, rows)


def _ball(settings: dict[str, Any]) -> tuple[str, float, tuple[float, float]] | None:
    """The threat model as norm, epsilon and bounds; None where it is not one ball for all samples."""
    try:
        eps = float(Fraction(str(settings["eps"]).replace(" ", "")))
    except (KeyError, ValueError, ZeroDivisionError):
        return None
    low, high = settings.get("bounds", (0.0, 1.0))
    norm = settings.get("norm", "linf")
    return (norm, eps, (low, high)) if norm in _norms.ORDERS else None


class Threads(int):
    """A number of threads that no caller asked for, and that live models may ignore."""


def _of_live(settings: dict[str, Any], engine: str) -> dict[str, Any]:
    """The settings without those that only files use; these are refused where a caller gave them for a live model."""
    cures = {
        "runtime": "a live model computes itself, without a runtime; leave it out, or give engine='export' for a module",
        "threads": "it is for files, and a live model computes with threads of its own; use torch.set_num_threads for a module",
    }
    for name, cure in cures.items():
        if name in settings and engine == "live" and not isinstance(settings[name], Threads):
            raise ValueError(f"{name}: {cure}")
    return {name: value for name, value in settings.items() if name not in cures}


def averages(attacks: Any) -> bool:
    """Whether attacks average over random answers themselves: AutoAttack's version rand, or attacks with `averaged`."""
    if attacks == ["rand"]:
        return True
    each = attacks if isinstance(attacks, list) else []
    return bool(each) and all(isinstance(entry, dict) and entry.get("averaged", 1) not in (1, "1") for entry in each)


def _at_once(settings: dict[str, Any], data: _kennard.Arrays | None) -> int | None:
    """How many samples a live model gets at once, at most what the engine gives it; None where no size is asked for."""
    batch: int | None = settings.get("micro_batch")
    if batch is None or data is None:
        return batch
    chosen = [count for count in (settings.get("samples"), settings.get("first")) if isinstance(count, int)]
    return min(batch, max(min([len(data), *chosen]), _FULL))


def check_process() -> None:
    """Refuses to work in a fork of a process that has worked: the fork lacks its threads, and would wait for them forever."""
    global _worker
    if _worker is not None and _worker != os.getpid():
        raise _kennard.KennardError(
            "this process is a fork of one in which Kennard has been at work, and has none of its threads; start processes "
            "with multiprocessing.get_context('spawn'), or fork before the first call"
        )
    _worker = os.getpid()


def check_resume(resume: bool, out: str | os.PathLike[str] | None) -> None:
    """Refuses `resume` without the directory of a run."""
    if resume and out is None:
        raise ValueError("resume: it goes on with the run in out, which is not given; give its directory")


class Kept:
    """A temporary directory, removed with the last object that refers to it, in the process that made it."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="kennard-")
        weakref.finalize(self, _remove, self.name, os.getpid())

    def __deepcopy__(self, memo: Any) -> Kept:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Other processes get None in its place.
        return type(None), ()


def _remove(name: str, owner: int) -> None:
    """Removes a directory, except in a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(name, ignore_errors=True)


def check_directory(out: str | os.PathLike[str]) -> None:
    """Refuses a path that is a file and not a directory."""
    if Path(out).is_file():
        raise ValueError(f"out: {out} is a file; give a directory")


def directory(out: str | os.PathLike[str] | None) -> tuple[Path, Kept | None]:
    """The directory of a run: the one that is asked for, with None; or a temporary one, with the object that keeps it."""
    if out is not None:
        check_directory(out)
        return Path(out), None
    kept = Kept()
    return Path(kept.name) / "run", kept


class _Shown:
    """Progress that is shown now and then, and at the end of each phase."""

    _last = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= _OFTEN or done >= total:
            self._last = now
            self._show(what, done, total)

    def _show(self, what: str, done: int, total: int) -> None:
        raise NotImplementedError


class _Line(_Shown):
    """A line on the terminal that says how far work is."""

    _open: str | None = None

    def _show(self, what: str, done: int, total: int) -> None:
        # Where the next phase begins at once, the end of this one may not be reported.
        begin = "\n" if self._open not in (None, what) else ""
        end = "\n" if done >= total else ""
        self._open = None if end else what
        sys.stderr.write(f"{begin}\r{what}: {done} of {total}   {end}")
        sys.stderr.flush()


class _Bar(_Shown):
    """A bar in a notebook that says how far work is."""

    _begun = False
    _bar: Any = None

    def _show(self, what: str, done: int, total: int) -> None:
        notebook = importlib.import_module("IPython.display")
        bar = notebook.HTML(f'<progress value="{done}" max="{total}"></progress> {html.escape(what)}: {done} of {total}')
        if not self._begun:
            # None where the kernel's package is installed, but no notebook is open.
            self._begun, self._bar = True, notebook.display(bar, display_id=True)
        elif self._bar is not None:
            self._bar.update(bar)


def hearer(wanted: bool | Progress) -> Progress | None:
    """The function that is told how far work is; None where progress is not shown."""
    if callable(wanted):
        return wanted
    if not wanted:
        return None
    # The kernel of a notebook has no terminal.
    if "ipykernel" in sys.modules:
        return _Bar()
    return _Line() if sys.stderr.isatty() else None
