"""Live PyTorch modules."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._random import check_repeatable, fingerprint

__all__ = ["TorchModule"]

# Kinds of lower precision that passes may be computed in.
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchModule:
    """A module as the engine sees it: logits, and the input gradient of any function of them.

    Parameters
    ----------
    module : torch.nn.Module or callable
        From samples (n, ...) to logits (n, K), in evaluation mode; or a function of tensors that PyTorch can
        differentiate.
    x : array (N, ...) of float32
        Samples, the first of which are tried.
    device : torch.device or str, optional
        Where it computes; where its weights are by default.
    output : callable, str or int, optional
        What takes the logits out of what it returns.
    eot : int, optional
        The passes that every answer and every gradient is the mean of, for a module that answers at random.
    autocast : {"bfloat16", "float16"}, optional
        The precision of the attacks' passes. The last word on a point is in the module's own.
    random : bool
        Whether the attack allows for answers at random by itself.

    Raises
    ------
    ValueError
        When the module is in training mode, answers at random without `eot`, its weights are elsewhere, it does not take
        the samples, or what it returns are no logits.
    """

    library = "torch"
    differentiable = True
    workers = 1

    def __init__(
        self,
        module: torch.nn.Module | Callable[[torch.Tensor], Any],
        x: NDArray[np.float32],
        device: torch.device | str | None = None,
        output: Callable[[Any], torch.Tensor] | str | int | None = None,
        eot: int | None = None,
        autocast: str | None = None,
        random: bool = False,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            module = _Function(module).eval()
        _check_mode(module, eot)
        weights = [*module.parameters(), *module.buffers()]
        self._device = _device(weights, device)
        if autocast is not None and autocast not in _AUTOCAST:
            raise ValueError(f"autocast: {autocast!r} is unknown; give 'bfloat16' or 'float16', or leave it out")
        self.autocast = autocast
        self._module = module
        self._shape = x.shape[1:]
        self._output = output
        self._dtype = next((w.dtype for w in weights if w.dtype.is_floating_point), torch.float32)
        self.version = torch.__version__
        self.label = getattr(module, "label", type(module).__name__)
        self.parameters = sum(weight.numel() for weight in module.parameters())
        self._weights = self._digest()
        self.sha256 = self._weights
        self.passes = eot or 1
        first = np.array(x[:8])
        with torch.no_grad():
            self.classes = int(self._tried(self._tensor(first.copy())).shape[1])
            if eot is None and not random:
                # A copy each time: a module may work in place.
                check_repeatable(lambda: self._logits(self._tensor(first.copy())).float().cpu().numpy())
        if isinstance(module, _Function) and eot is None and not random:
            # A function has no weights that could be told from another's.
            self.sha256 = fingerprint(self.label, x, self._answered)

    @property
    def searching(self) -> TorchModule | None:
        """The same module in bfloat16, for passes that have no last word; None where it computes in an `autocast` already."""
        if self.autocast is not None:
            return None
        twin = copy.copy(self)
        twin.autocast = "bfloat16"
        return twin

    def _tried(self, x: torch.Tensor) -> torch.Tensor:
        """The logits of the first samples ever given."""
        try:
            return self._logits(x)
        except (RuntimeError, IndexError) as error:
            raise ValueError(
                f"model, x: the module fails at samples of shape {tuple(x.shape)} ({x.dtype}, on {x.device}): {error}. Give "
                "samples as it was trained on, in channels, height, width"
            ) from error

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name, weight in sorted(self._module.state_dict().items()):
            digest.update(name.encode())
            if isinstance(weight, torch.Tensor):
                flat = weight.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
        return digest.hexdigest()

    def _answered(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.untouched(batch.reshape(-1)).reshape(len(batch), -1)

    def check_unchanged(self) -> None:
        """Raises a ValueError where the weights are not those of the beginning."""
        if self._digest() != self._weights:
            raise ValueError(
                "model: its weights changed while it was audited, so the figures are of no one model; train it before or after"
            )

    def fitting(self) -> int | None:
        """How many samples fit a GPU's memory at once, a power of two from 32 to 1024; None elsewhere.

        One pass with its gradient of 32 samples is measured, and a quarter of the whole memory is used, so that a resumed
        run on the same kind of GPU has the same batches.
        """
        if self._device.type != "cuda":
            return None
        count = 32
        points = np.zeros(count * int(np.prod(self._shape)), dtype=np.float32)
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        z, kept = self.forward(points)
        self.backward(kept, np.zeros_like(z))
        each = max(torch.cuda.max_memory_allocated(self._device) - before, 1) / count
        total = torch.cuda.get_device_properties(self._device).total_memory
        while count < 1024 and 2 * count * each < total / 4:
            count *= 2
        return count

    def _tensor(self, points: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(points).reshape(-1, *self._shape)
        return tensor.to(self._device, self._dtype, non_blocking=True)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_AUTOCAST[self.autocast])

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        found = self._module(x)
        if callable(self._output):
            found = self._output(found)
        elif self._output is not None:
            found = found[self._output] if not isinstance(found, torch.Tensor) else found
        elif hasattr(found, "logits"):
            found = found.logits
        if not isinstance(found, torch.Tensor):
            names = f" with {sorted(found)}" if isinstance(found, dict) else ""
            raise ValueError(
                f"output: the module returns a {type(found).__name__}{names}, not a tensor; name what the logits are, for "
                "example output='logits' or output=lambda out: out[0]"
            )
        if found.ndim != 2 or len(found) != len(x):
            raise ValueError(
                f"model: it returned a tensor of shape {tuple(found.shape)} for {len(x)} samples; a classifier returns "
                "logits of shape (n, classes)"
            )
        return found

    def untouched(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d), in the module's own precision."""
        with torch.inference_mode():
            return _flat(self._logits(self._tensor(points)))

    def outputs(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d)."""
        with torch.inference_mode(), self._precision():
            return _flat(self._logits(self._tensor(points)))

    def forward(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], Any]:
        """The logits (n·K) at points (n·d), and what `backward` needs."""
        with torch.enable_grad(), self._precision():
            x = self._tensor(points).requires_grad_(True)
            # A module may work in place, which PyTorch does not allow where a gradient begins.
            z = self._logits(x.clone())
        return _flat(z), (x, z)

    def backward(self, kept: Any, slopes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input gradient (n·d) of a function whose derivative with respect to the logits is `slopes` (n·K)."""
        x, z = kept
        cotangent = torch.from_numpy(slopes).reshape(z.shape).to(z.device, z.dtype)
        if not z.requires_grad:
            return np.zeros(x.numel(), dtype=np.float32)
        (gradient,) = torch.autograd.grad(z, x, cotangent, allow_unused=True)
        return np.zeros(x.numel(), dtype=np.float32) if gradient is None else _flat(gradient)


class _Function(torch.nn.Module):
    """A function as a module without weights."""

    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self._function = function
        self.label = getattr(function, "__qualname__", type(function).__name__)

    def forward(self, x: torch.Tensor) -> Any:
        """What the function returns."""
        return self._function(x)


def _check_mode(module: torch.nn.Module, eot: int | None) -> None:
    if eot is None and module.training:
        raise ValueError(
            "model: the module is in training mode, in which dropout and batch normalisation answer otherwise; call "
            "model.eval() first, or give eot=20 where it is meant to answer at random"
        )
    counting = [
        name
        for name, part in module.named_modules()
        if part.training and getattr(part, "track_running_stats", False)
    ]
    if counting:
        raise ValueError(
            f"model: {', '.join(counting[:3])} would count the audit's batches into its running statistics; call model.eval(), "
            "and .train() of the parts alone that are to answer at random"
        )


def _device(weights: list[torch.Tensor], device: torch.device | str | None) -> torch.device:
    places = {weight.device for weight in weights}
    chosen = torch.device(device) if device is not None else next(iter(places), torch.device("cpu"))
    strays = {place for place in places if place.type != chosen.type}
    if strays:
        raise ValueError(
            f"device: the module has weights on {', '.join(sorted(map(str, strays)))}, not on {chosen}; call "
            f"model.to({str(chosen)!r}) first"
        )
    return chosen


def _flat(tensor: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().reshape(-1).numpy()
    return found
