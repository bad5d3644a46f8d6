"""Models as people hold them, made into what the native part takes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def model(
    given: Any, x: NDArray[np.float32] | None, device: Any = None, output: Any = None, tensors: bool = False
) -> Any:
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

    Raises
    ------
    ValueError
        When it is no model, or does not work on the samples.
    """
    if isinstance(given, (str, os.PathLike, bytes)):
        return given
    if hasattr(given, "SerializeToString") and hasattr(given, "graph"):
        return given.SerializeToString()
    if x is None:
        raise ValueError("model: a live model needs the samples themselves: give x and y, not the name of a data set")
    if _is_module(given):
        from .torch import TorchModule

        return TorchModule(given, x, device=device, output=output)
    if hasattr(given, "predict_proba"):
        return Function(given.predict_proba, x, probabilities=True)
    if callable(given) and tensors:
        from .torch import TorchModule

        return TorchModule(given, x, device=device, output=output)
    if callable(given):
        return Function(given, x)
    raise ValueError(
        f"model: a {type(given).__name__} is no model; give a path, bytes, an onnx.ModelProto, a torch.nn.Module, a "
        "classifier with predict_proba, or a function from a batch to logits"
    )


def _is_module(given: Any) -> bool:
    return any(base.__module__.startswith("torch.nn") and base.__name__ == "Module" for base in type(given).__mro__)


class Function:
    """A function from a batch (n, ...) to logits (n, K), or probabilities, without gradients."""

    library = "python"
    differentiable = False
    workers = 1

    def __init__(self, function: Callable[[Any], Any], x: NDArray[np.float32], probabilities: bool = False) -> None:
        import platform

        self.version = platform.python_version()
        self._function = function
        self._shape = x.shape[1:]
        self._flat = probabilities
        self._probabilities = probabilities
        self.label = getattr(function, "__qualname__", type(function).__name__)
        self.parameters = 0
        # A function has no content that could be told from another's.
        self.sha256 = hashlib.sha256(self.label.encode()).hexdigest()
        first = self._answer(np.array(x[:2]))
        self.classes = int(first.shape[1])

    def _answer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        given = batch.reshape(len(batch), -1) if self._flat else batch
        found = np.asarray(self._function(given), dtype=np.float32)
        if found.ndim != 2 or len(found) != len(batch):
            raise ValueError(
                f"model: it returned an array of shape {found.shape} for {len(batch)} samples; a classifier returns "
                "logits of shape (n, classes)"
            )
        if self._probabilities:
            found = np.log(np.maximum(found, np.float32(1e-30)))
        return np.ascontiguousarray(found)

    def outputs(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d)."""
        return self._answer(points.reshape(-1, *self._shape)).reshape(-1)
