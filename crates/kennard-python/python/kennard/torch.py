"""Live PyTorch modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["TorchModule"]


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

    Raises
    ------
    ValueError
        When the module is in training mode, its weights are elsewhere, or what it returns are no logits.
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
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            module = _Function(module).eval()
        if module.training:
            raise ValueError(
                "model: the module is in training mode, in which dropout and batch normalisation answer otherwise; call "
                "model.eval() first"
            )
        weights = [*module.parameters(), *module.buffers()]
        places = {weight.device for weight in weights}
        self._device = torch.device(device) if device is not None else next(iter(places), torch.device("cpu"))
        strays = {place for place in places if place.type != self._device.type}
        if strays:
            raise ValueError(
                f"device: the module has weights on {', '.join(sorted(map(str, strays)))}, not on {self._device}; call "
                f"model.to({str(self._device)!r}) first"
            )
        self._module = module
        self._shape = x.shape[1:]
        self._output = output
        self._dtype = next((w.dtype for w in weights if w.dtype.is_floating_point), torch.float32)
        self.version = torch.__version__
        self.label = type(module).__name__
        self.parameters = sum(weight.numel() for weight in module.parameters())
        self.sha256 = self._digest()
        with torch.no_grad():
            self.classes = int(self._logits(self._tensor(np.array(x[:2]).reshape(-1))).shape[1])

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name, weight in sorted(self._module.state_dict().items()):
            digest.update(name.encode())
            if isinstance(weight, torch.Tensor):
                flat = weight.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Raises a ValueError where the weights are not those of the beginning."""
        if self._digest() != self.sha256:
            raise ValueError(
                "model: its weights changed while it was audited, so the figures are of no one model; train it before or after"
            )

    def _tensor(self, points: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(points).reshape(-1, *self._shape)
        return tensor.to(self._device, self._dtype, non_blocking=True)

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

    def outputs(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d)."""
        with torch.inference_mode():
            found = self._logits(self._tensor(points))
            return _flat(found)

    def forward(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], Any]:
        """The logits (n·K) at points (n·d), and what `backward` needs."""
        with torch.enable_grad():
            x = self._tensor(points).requires_grad_(True)
            z = self._logits(x)
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

    def forward(self, x: torch.Tensor) -> Any:
        """What the function returns."""
        return self._function(x)


def _flat(tensor: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().reshape(-1).numpy()
    return found
