"""What of a PyTorch module Kennard's training would leave out."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Stochastic depth of torchvision and timm, and the names of the probabilities there.
_SKIPPING = {"StochasticDepth": "p", "DropPath": "drop_prob"}

_ELSEWHERE = "train it in PyTorch with the losses of kennard.torch"


def check_trainable(module: torch.nn.Module, x: NDArray[np.float32]) -> None:
    """Refuses a module that would be trained without a part of it, or otherwise than PyTorch does.

    Parameters
    ----------
    module : torch.nn.Module
    x : array (n, ...) of float32
        Samples, for their shape.

    Raises
    ------
    ValueError
        Where it drops out or draws random numbers otherwise in training mode, averages statistics over all batches, or computes in half
        precision.
    """
    for weight in module.parameters():
        if weight.is_floating_point() and weight.dtype.itemsize < 4:
            name = str(weight.dtype).removeprefix("torch.")
            raise ValueError(f"model: the module is {name}, and training is in float32: give copy.deepcopy(model).float()")
    for name, part in module.named_modules():
        found = _drops(part)
        if found is not None:
            label, probability = found
            raise ValueError(
                f"model: `{name}` ({type(part).__name__}, {label} = {probability:g}) would be left out of training; set {label} = 0 to "
                f"train without it, or {_ELSEWHERE}"
            )
        if getattr(part, "track_running_stats", False) and getattr(part, "momentum", 0.1) is None:
            raise ValueError(
                f"model: `{name}` ({type(part).__name__}, momentum = None) averages its statistics over all batches, which training "
                f"does not; set momentum = 0.1, or {_ELSEWHERE}"
            )
    if _draws(module, x):
        raise ValueError(
            "model: its forward draws random numbers in training mode (torch.nn.functional.dropout, noise), which would be left out "
            f"of training; train it without them, or {_ELSEWHERE}"
        )


def _drops(part: torch.nn.Module) -> tuple[str, float] | None:
    """The name and the value of the probability with which a part drops something in training; None where it drops nothing."""
    name = _SKIPPING.get(type(part).__name__)
    if isinstance(part, torch.nn.modules.dropout._DropoutNd):
        name = "p"
    elif isinstance(part, torch.nn.MultiheadAttention) or (isinstance(part, torch.nn.RNNBase) and part.num_layers > 1):
        name = "dropout"
    probability: Any = None if name is None else getattr(part, name, None)
    return (name, float(probability)) if name is not None and probability else None


def _draws(module: torch.nn.Module, x: NDArray[np.float32]) -> bool:
    """Whether a pass in training mode takes numbers from PyTorch's generator, or is another when it is made again."""
    with suppress(Exception), torch.no_grad(), torch.random.fork_rng(devices=[]):
        # A copy, so that running statistics stay.
        taught = copy.deepcopy(module).train().to("cpu", torch.float32)
        before = torch.get_rng_state()
        points = torch.from_numpy(np.repeat(x[:2], 2, 0))
        once = taught(points.clone())
        if not torch.equal(before, torch.get_rng_state()):
            return True
        again = taught(points.clone())
        return isinstance(once, torch.Tensor) and not torch.allclose(once, again, rtol=1e-3, atol=1e-5, equal_nan=True)
    return False
