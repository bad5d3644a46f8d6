"""What all calls begin with: options checked, samples and model made ready, a directory, progress."""

from __future__ import annotations

import html
import importlib
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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _data, _kennard, _models

Progress = Callable[[str, int, int], None]

# What is asked of files alone, and says nothing to samples that are given themselves.
_OF_FILES = ("data", "split", "classes", "label_column", "resize", "centre_crop", "interpolation")

# Norms as NumPy and PyTorch name them.
_NORMS = {math.inf: "linf", 2: "l2", 1: "l1", 0: "l0"}

# Fewer samples than these are no reason for smaller micro-batches of a live model than are asked for.
_FULL = 1024

# How long progress stays as it is shown, in seconds, but for the end of a phase.
_OFTEN = 0.5

# The process whose threads do the work, once there are any.
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
    """The name of a norm, which may be given as NumPy names it, and in capitals."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = _NORMS.get(given, given)
    known = list(_NORMS.values())
    if isinstance(given, str) and given.lower() in known:
        return given.lower()
    near = _kennard.nearest(given.lower(), known) if isinstance(given, str) else None
    hint = f"did you mean {near}? " if near else ""
    raise ValueError(f"norm: {given!r} is unknown; {hint}known are linf, l2 and l1, and l0 for the smallest perturbations")


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number that is so large at least."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: {value!r} is no whole number from {least} on; give one, or leave it out")
    return int(value)


def _plain(name: str, value: Any) -> Any:
    """The value of an option as JSON has it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # Scalars and arrays of NumPy, tensors, columns of tables.
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
    raise ValueError(f"{name}: a {type(value).__name__} says nothing here; give a number, a text, or a list of them")


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
    """Refuses what is no number, or infinite, anywhere in an option."""
    if isinstance(value, (list, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            _check_finite(name, entry)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not finite; give a number")


def samples(
    x: Any, y: Any, settings: dict[str, Any], classes: NDArray[Any] | None = None
) -> tuple[_kennard.Arrays | None, NDArray[np.float32] | None, dict[str, Any]]:
    """What the samples are: arrays, or the name of a data set among the settings.

    Labels are mapped to their places among `classes`, where a model has some of its own.
    """
    named = isinstance(x, str) or (x is None and "data" in settings)
    if named and y is not None:
        raise ValueError("y: a data set that is named has labels of its own; leave y out, or give the samples themselves as x")
    if isinstance(x, str):
        if settings.get("data", x) != x:
            raise ValueError(f"data: x names a data set too, {x!r}; leave one of them out")
        return None, None, {**settings, "data": x}
    if x is None:
        if not named:
            raise ValueError("x is missing: samples, or the name of a data set, for example 'mnist:data/mnist'")
        return None, None, settings
    for name in _OF_FILES:
        if name in settings:
            raise ValueError(
                f"{name}: it is for data sets in files, and says nothing to samples that are given themselves; leave it "
                "out, or name the data set in place of x, for example 'mnist:data/mnist'"
            )
    _check_units(x, settings.get("bounds"))
    data, inputs = _data.arrays(x, y, classes)
    return data, inputs, settings


def _check_units(x: Any, bounds: Any) -> None:
    """Refuses pixels, which are divided by 255, with bounds that are not."""
    given = x[0] if isinstance(x, tuple) and x else x
    if str(getattr(given, "dtype", "")).rpartition(".")[2] != "uint8" or bounds is None:
        return
    ends = bounds.split(",") if isinstance(bounds, str) else list(bounds)
    if any(float(end) > 1 for end in ends):
        raise ValueError(
            f"bounds: samples of uint8 are pixels, and divided by 255; the bounds {bounds} are of other units. Leave bounds out and "
            "give eps as 8/255, or give samples in float32 where the model takes 0 to 255"
        )


@dataclass(frozen=True)
class Ready:
    """Model, samples and settings of a call."""

    model: _models.Adapted
    data: _kennard.Arrays | None
    inputs: NDArray[np.float32] | None
    settings: dict[str, Any]


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
    data, inputs, settings = samples(x, y, settings, _models.classes(model))
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
    )
    if adapted.native is adapted.live:
        settings = _of_live(settings, engine)
    if "micro_batch" not in settings and hasattr(adapted.native, "fitting"):
        fitting = adapted.native.fitting()
        if fitting is not None:
            settings = {**settings, "micro_batch": fitting}
    return Ready(adapted, data, inputs, settings)


class Threads(int):
    """A number of threads that nobody asked for, and that says nothing to live models."""


def _of_live(settings: dict[str, Any], engine: str) -> dict[str, Any]:
    """The settings without those that only files have a use for, which are refused where they were meant for a live model."""
    cures = {
        "runtime": "a live model computes itself, without a runtime; leave it out, or give engine='export' for a module",
        "threads": "it is for files, and a live model computes with threads of its own; use torch.set_num_threads for a module",
    }
    for name, cure in cures.items():
        if name in settings and engine == "live" and not isinstance(settings[name], Threads):
            raise ValueError(f"{name}: {cure}")
    return {name: value for name, value in settings.items() if name not in cures}


def averages(attacks: Any) -> bool:
    """Whether attacks allow for answers at random by themselves: AutoAttack for such models, or all of them by name."""
    if attacks == ["rand"]:
        return True
    each = attacks if isinstance(attacks, list) else []
    return bool(each) and all(isinstance(entry, dict) and entry.get("averaged", 1) not in (1, "1") for entry in each)


def _at_once(settings: dict[str, Any], data: _kennard.Arrays | None) -> int | None:
    """How many samples a live model gets at once, where that is asked for: no more than the engine would give it."""
    batch: int | None = settings.get("micro_batch")
    if batch is None or data is None:
        return batch
    chosen = [count for count in (settings.get("samples"), settings.get("first")) if isinstance(count, int)]
    return min(batch, max(min([len(data), *chosen]), _FULL))


def check_process() -> None:
    """Refuses to work in a fork of a process that has worked: its threads are not in the fork, and would be waited for."""
    global _worker
    if _worker is not None and _worker != os.getpid():
        raise _kennard.KennardError(
            "this process is a fork of one in which Kennard has been at work, and has none of its threads; start processes "
            "with multiprocessing.get_context('spawn'), or fork before the first call"
        )
    _worker = os.getpid()


def check_resume(resume: bool, out: str | os.PathLike[str] | None) -> None:
    """Refuses to go on where there is no run."""
    if resume and out is None:
        raise ValueError("resume: it goes on with the run in out, which is not given; give its directory")


class Kept:
    """A directory that is there as long as what holds it, in the process that made it."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="kennard-")
        weakref.finalize(self, _remove, self.name, os.getpid())

    def __deepcopy__(self, memo: Any) -> Kept:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Elsewhere there is None in its place.
        return type(None), ()


def _remove(name: str, owner: int) -> None:
    """Takes a directory away, but not in a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(name, ignore_errors=True)


def check_directory(out: str | os.PathLike[str]) -> None:
    """Refuses a directory that is a file."""
    if Path(out).is_file():
        raise ValueError(f"out: {out} is a file; give a directory")


def directory(out: str | os.PathLike[str] | None) -> tuple[Path, Kept | None]:
    """The directory of a run: that which is asked for, or one that goes with the result, which is returned beside it."""
    if out is not None:
        check_directory(out)
        return Path(out), None
    kept = Kept()
    return Path(kept.name) / "run", kept


class _Line:
    """A line on the terminal that says how far work is."""

    def __init__(self) -> None:
        self._last = 0.0
        self._open: str | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _OFTEN and done < total:
            return
        self._last = now
        # The end of a phase may not be heard of, where the next begins at once.
        begin = "\n" if self._open not in (None, what) else ""
        end = "\n" if done >= total else ""
        self._open = None if end else what
        sys.stderr.write(f"{begin}\r{what}: {done} of {total}   {end}")
        sys.stderr.flush()


class _Bar:
    """A bar in a notebook that says how far work is."""

    def __init__(self) -> None:
        self._last = 0.0
        self._begun = False
        self._shown: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _OFTEN and done < total:
            return
        self._last = now
        notebook = importlib.import_module("IPython.display")
        bar = notebook.HTML(f'<progress value="{done}" max="{total}"></progress> {html.escape(what)}: {done} of {total}')
        if not self._begun:
            # None where there is a kernel's package, but no notebook.
            self._begun, self._shown = True, notebook.display(bar, display_id=True)
        elif self._shown is not None:
            self._shown.update(bar)


def progress(wanted: bool | Progress) -> Progress | None:
    """What hears how far work is."""
    if callable(wanted):
        return wanted
    if not wanted:
        return None
    # The kernel of a notebook has no terminal.
    if "ipykernel" in sys.modules:
        return _Bar()
    return _Line() if sys.stderr.isatty() else None
