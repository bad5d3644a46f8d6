"""Models in the forms that callers have them in, prepared for the native part."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._classifiers import classifier_of, is_classifier, other_labels, scored
from ._data import Listed, first_batch, in_batches, single, whole_number
from ._held import held
from ._held import is_module as is_module
from ._kennard import class_labels
from ._random import check_passes, check_repeatable, fingerprint

ENGINES = ("live", "export", "auto")


@dataclass(frozen=True)
class Adapted:
    """A model as the native part takes it."""

    # A path, the bytes of a file, or an object that computes its own passes.
    native: Any
    # What computes the model, and why.
    engine: str
    # The object that computes its own passes, where that is the model.
    live: Any = None
    # Warnings: codes and messages.
    notes: tuple[tuple[str, str], ...] = ()

    def check_unchanged(self, place: Path | None = None, kept: bool = False) -> None:
        """Raises a ValueError where a live model has changed, and removes the figures that were written to `place`. With `kept`,
        that is a temporary directory, which the message does not name."""
        if not hasattr(self.live, "check_unchanged"):
            return
        try:
            self.live.check_unchanged()
        except ValueError as error:
            if place is None:
                raise
            for file in (place, *(place / name for name in ("summary.json", "report.html", "SHA256SUMS"))):
                if file.is_file():
                    file.unlink()
            if kept:
                raise
            raise ValueError(f"{error}. What is in {place} belongs to no single model: remove it") from None


def model(
    given: Any,
    x: NDArray[np.float32] | None,
    device: Any = None,
    output: Any = None,
    tensors: bool = False,
    *,
    engine: str = "live",
    eot: int | None = None,
    autocast: str | None = None,
    random: bool = False,
    rough: bool = False,
    batch: int | None = None,
    frame: Callable[[NDArray[np.float32]], Any] | None = None,
    ball: tuple[str, float, tuple[float, float]] | None = None,
) -> Adapted:
    """A path, the bytes of a model, or an object that computes its own passes.

    Parameters
    ----------
    given : path, bytes, onnx.ModelProto, torch.nn.Module, classifier with `predict_proba`, or callable
    x : array (N, ...) of float32
        Samples, to see what a live model returns.
    device : torch.device or str, optional
        Where a module computes; where its weights are by default.
    output : callable, str or int, optional
        What takes the logits out of what a module returns, if that is no tensor.
    tensors : bool
        Whether samples came as tensors, so that a function is one of tensors.
    engine : {"live", "export", "auto"}
        Whether a module computes itself, or an ONNX file of it.
    eot : int, optional
        Passes per answer of a model that answers at random.
    autocast : text, optional
        The precision of a module's passes.
    random : bool
        Whether the attacks average over random answers themselves.
    rough : bool
        Whether attacks are to search in a precision that PyTorch has and the runtime of files does not have.
    batch : int, optional
        How many samples a live model gets at once.
    frame : callable, optional
        Makes tables of samples (n, d), for a classifier that was fitted with names of columns.
    ball : (norm, eps, bounds), optional
        The ball around each sample, in which an exported file is compared with the module.

    Raises
    ------
    ValueError
        When it is no model, or does not work on the samples.
    """
    check_passes(eot)
    given = classifier_of(given)
    if engine not in ENGINES:
        raise ValueError(f"engine: {engine!r} is unknown; give one of {', '.join(map(repr, ENGINES))}")
    if is_file(given):
        _no_live(eot=eot, autocast=autocast, output=output, device=device)
        native = given.SerializeToString() if is_proto(given) else given
        return Adapted(native, "file: a runtime computes it")
    if x is None:
        raise ValueError("model: a live model needs the samples themselves: give x and y, not the name of a data set")
    if is_module(given) or (callable(given) and tensors and not is_classifier(given)):
        from . import _export
        from ._module import TorchModule

        live = TorchModule(given, x, device=device, output=output, eot=eot, autocast=autocast, random=random, batch=batch)
        ball = None if ball is None else _export.Ball(*ball)
        native, said, notes = _export.chosen(engine, given, live, x, rough=rough, ball=ball)
        if native is live and live.classes < 2:
            cure = "" if not is_module(given) else ", or with engine='export', which takes it for the log-odds or the probability of class 1"
            raise ValueError(
                "model: it returns one number per sample; a classifier returns one logit per class. Make two of one logit with "
                f"output=lambda z: torch.cat([0 * z, z], 1){cure}"
            )
        return Adapted(native, said, live, notes)
    _no_module(autocast=autocast, output=output, device=device)
    if is_classifier(given):
        named = frame if hasattr(given, "feature_names_in_") else None
        function = Function(given, x, eot=eot, random=random, batch=batch, frame=named)
    elif callable(given):
        function = Function(given, x, eot=eot, random=random, batch=batch)
    else:
        raise ValueError(
            f"model: a {type(given).__name__} is no model; give a path, bytes, an onnx.ModelProto, a torch.nn.Module, a fitted "
            "classifier with predict_proba or decision_function, or a function from a batch to logits"
        )
    if function.classes < 2:
        raise ValueError(
            "model: it returns one number per sample; a classifier returns one logit per class. Return two of one logit z (n, 1), "
            "np.hstack([0 * z, z])"
        )
    if engine == "export":
        raise ValueError("engine: a function cannot be exported; use engine='live'")
    return Adapted(function, f"live: the function computes{function.said}", function)


def is_file(given: Any) -> bool:
    """Whether it is an ONNX file: its path, its bytes, or an `onnx.ModelProto`."""
    return isinstance(given, (str, os.PathLike, bytes)) or is_proto(given)


def like(given: Any, file: bytes) -> Any:
    """The bytes of a file as an `onnx.ModelProto`, where `given` is one."""
    if not is_proto(given):
        return file
    made = type(given)()
    made.ParseFromString(file)
    return made


def classes(given: Any) -> NDArray[Any] | None:
    """The labels of a classifier or an ONNX file in the order of its outputs; None where they are 0 to K−1, or not named.

    Raises
    ------
    ValueError
        When it has several outputs, of classes each.
    """
    given = classifier_of(given)
    if is_file(given):
        return _listed(given)
    if is_module(given) or not is_classifier(given):
        return None
    named = getattr(given, "classes_", None)
    if named is None:
        return None
    if any(np.ndim(name) > 0 for name in named):
        raise ValueError("model: it has classes_ of several outputs; give a classifier of one")
    array = np.asarray(named)
    plain = array.dtype.kind in "iuf" and np.array_equal(array, np.arange(len(array)))
    return None if plain else array


def _listed(file: Any) -> NDArray[Any] | None:
    """The labels that an ONNX file lists in the order of its outputs; None where they are 0 to K−1, or there are none."""
    named = class_labels(file.SerializeToString() if is_proto(file) else file)
    if named is None:
        return None
    numbers = [whole_number(name) for name in named]
    if numbers == list(range(len(numbers))):
        return None
    plain = [str(number) for number in numbers] == named
    return (np.array(numbers) if plain else np.array(named, dtype=object)).view(Listed)


def is_proto(given: Any) -> bool:
    """Whether it is an `onnx.ModelProto`."""
    return hasattr(given, "SerializeToString") and hasattr(given, "graph")


def _no_live(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{name}: it is for live models, and has no meaning for a file; leave it out")


def _no_module(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{name}: it is for modules, and has no meaning for a function of arrays; leave it out")


class Function:
    """A function from a batch (n, ...) to logits (n, K), or a classifier of rows, without gradients."""

    library = "python"
    differentiable = False
    workers = 1
    searching = None

    def __init__(
        self,
        function: Any,
        x: NDArray[np.float32],
        eot: int | None = None,
        random: bool = False,
        batch: int | None = None,
        frame: Callable[[NDArray[np.float32]], Any] | None = None,
    ) -> None:
        import platform

        self.version = platform.python_version()
        self._owner = function if is_classifier(function) else None
        self._logits: Callable[[NDArray[Any]], NDArray[Any]] | None = None
        self.said = ""
        if self._owner is not None:
            found = scored(self._owner)
            function, self._logits, self.said = found.scores, found.logits, found.said
        self._function = function
        # Classifiers set the mode of their modules themselves.
        self._held = held(function, eot) if self._owner is None else None
        self._shape = x.shape[1:]
        self._frame = frame
        self.label = getattr(function, "__qualname__", type(function).__name__)
        self.parameters = 0
        self.passes = eot or 1
        self._answered = False
        with nullcontext() if self._held is None else self._held.watched():
            first = self._answer(first_batch(x, batch))
        self._answered = True
        if self._held is not None:
            self._held.check_still()
        self.classes = int(first.shape[1])
        self.sha256 = hashlib.sha256(self.label.encode()).hexdigest()
        if eot is None and not random:
            check_repeatable(lambda: self._answer(first_batch(x, batch)))
            # A function can be told from another of its name only by its answers.
            self.sha256 = fingerprint(self.label, x, lambda points: in_batches(self._asked, points, batch))

    def _asked(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        given = batch if self._owner is None else batch.reshape(len(batch), -1)
        try:
            returned = self._function(given if self._frame is None else self._frame(given))
        except Exception as error:
            if self._answered:
                raise
            raise ValueError(
                f"model, x: the function fails at samples of shape {given.shape} ({given.dtype}): {type(error).__name__}: "
                f"{str(error).rstrip('.')}. Give samples as it takes them"
            ) from error
        try:
            found = np.asarray(returned)
            if found.dtype.kind != "c":
                return found if found.dtype == np.float64 else np.asarray(found, dtype=np.float32)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"model: it returned a {type(returned).__name__}, which is no array of numbers ({error}); a classifier returns "
                "logits of shape (n, classes)"
            ) from error
        raise ValueError(
            f"model: it returned complex numbers ({found.dtype}), and logits are real; return np.abs(z) for instance, or z.real"
        )

    def _answer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        found = self._asked(batch)
        if self._logits is not None and len(found) == len(batch):
            found = self._logits(found)
        if found.ndim != 2 or len(found) != len(batch):
            raise ValueError(
                f"model: it returned an array of shape {found.shape} for {len(batch)} samples; a classifier returns "
                "logits of shape (n, classes)"
            )
        return single(found)

    def check_unchanged(self) -> None:
        """Raises a ValueError where modules that the function computes with have changed."""
        if self._held is not None:
            self._held.check_unchanged()

    def other_labels(self, rows: NDArray[np.float32], predicted: NDArray[Any]) -> int:
        """For how many samples (n, ...) a classifier returns another label than that of its largest score, of the class `predicted`."""
        if not hasattr(self._owner, "predict"):
            return 0
        return other_labels(self._owner, rows.reshape(len(rows), -1), predicted, self._frame)

    def outputs(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d)."""
        return self._answer(points.reshape(-1, *self._shape)).reshape(-1)

    untouched = outputs
