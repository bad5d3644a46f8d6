"""Projected gradient ascent on a batch, as in adversarial training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real

import torch

from ._norms import ORDERS, Norm

# Examples of arguments that are numbers, for messages.
_EXAMPLES = {"eps": "8 / 255", "beta": "6.0", "steps": "10"}

# The share of coordinates that an l1 step moves (Tramèr and Boneh 2019, arXiv 1904.13000).
_L1_SHARE = 0.01


@contextmanager
def as_eval(model: object) -> Iterator[None]:
    """Puts a module into evaluation mode, and each part back into its own mode afterwards; leaves other callables alone."""
    # Frozen programs have no modes.
    parts = model.modules() if isinstance(model, torch.nn.Module) else ()
    modules = [module for module in parts if hasattr(module, "training")]
    training = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, before in zip(modules, training):
            module.training = before


def start(
    x: torch.Tensor, eps: float, norm: Norm, bounds: tuple[float, float], generator: torch.Generator | None
) -> torch.Tensor:
    """A random point in the ball around each sample, uniformly distributed, then projected into the bounds."""
    _check(eps, norm)
    tiny = torch.finfo(x.dtype).tiny

    def uniform(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype)

    flat = x.flatten(1)
    if norm == "linf":
        moved = eps * (2 * uniform(tuple(flat.shape)) - 1)
    else:
        if norm == "l2":
            direction = torch.randn(flat.shape, generator=generator, device=x.device, dtype=x.dtype)
            length = torch.linalg.vector_norm(direction, dim=1, keepdim=True)
        else:
            signs = (uniform(tuple(flat.shape)) < 0.5).to(x.dtype) * 2 - 1
            direction = -uniform(tuple(flat.shape)).clamp_min(tiny).log() * signs
            length = direction.abs().sum(1, keepdim=True)
        radius = eps * uniform((len(x), 1)) ** (1 / flat.shape[1])
        moved = direction * (radius / length.clamp_min(tiny))
    return project(x, x + moved.view_as(x), eps, norm, bounds)


def jitter(
    x: torch.Tensor, eps: float, norm: Norm, bounds: tuple[float, float], generator: torch.Generator | None
) -> torch.Tensor:
    """Normal noise of standard deviation 0.001 around each sample, within the ball and the bounds."""
    _check(eps, norm)
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return project(x, x + 1e-3 * noise, eps, norm, bounds)


def ascend(
    model: Callable[[torch.Tensor], torch.Tensor],
    origin: torch.Tensor,
    x: torch.Tensor,
    objective: Callable[[torch.Tensor], torch.Tensor],
    eps: float,
    norm: Norm,
    bounds: tuple[float, float],
    *,
    steps: int,
    step: float,
) -> torch.Tensor:
    """Takes steps of length `step` · `eps` up the gradient of `objective`, with the model in evaluation mode.

    `objective` maps logits (n, K) to one number per sample, (n,).
    """
    with as_eval(model):
        for _ in range(steps):
            with torch.enable_grad():
                taken = x.detach().requires_grad_(True)
                # A copy: a model may work in place.
                (g,) = torch.autograd.grad(objective(model(taken.clone())).sum(), taken)
            g = g.nan_to_num()
            if norm == "l1":
                # Among the largest entries, those whose way up leaves the bounds would take the place of others that can move.
                g = g.masked_fill(torch.where(g > 0, x >= bounds[1], x <= bounds[0]), 0)
            x = project(origin, x + _move(g, norm) * (step * eps), eps, norm, bounds)
    return x.detach()


def _move(g: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The steepest step of length 1; none where the gradient is zero."""
    if norm == "linf":
        return g.sign()
    flat = g.flatten(1)
    if norm == "l2":
        # Scaled first, so that squares of tiny gradients do not vanish.
        scaled = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(g.dtype).tiny)
        unit: torch.Tensor = scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True).clamp_min(1e-12)
        return unit.view_as(g)
    count = max(round(_L1_SHARE * flat.shape[1]), 1)
    places = flat.abs().topk(count, dim=1).indices
    signs = torch.zeros_like(flat).scatter_(1, places, flat.gather(1, places).sign())
    return (signs / signs.abs().sum(1, keepdim=True).clamp_min(1)).view_as(g)


def project(
    origin: torch.Tensor, x: torch.Tensor, eps: float, norm: Norm, bounds: tuple[float, float]
) -> torch.Tensor:
    """The points brought into the ball around `origin` and into the bounds."""
    delta = x - origin
    if norm == "linf":
        return (origin + delta.clamp(-eps, eps)).clamp(*bounds)
    flat = delta.flatten(1)
    if norm == "l2":
        length: torch.Tensor = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        factor = (eps / length.clamp_min(torch.finfo(x.dtype).tiny)).clamp(max=1)
        return (origin + (flat * factor).view_as(x)).clamp(*bounds)
    # The nearest point of ball and box is a shrunk difference, cut off at the box: the right amount is found by halving.
    base, sizes = origin.flatten(1), flat.abs()
    low, high = torch.zeros_like(sizes[:, :1]), sizes.amax(1, keepdim=True)

    def shrunk(amount: torch.Tensor) -> torch.Tensor:
        return (base + flat.sign() * (sizes - amount).clamp_min(0)).clamp(*bounds) - base

    inside = shrunk(low).abs().sum(1, keepdim=True) <= eps
    for _ in range(40):
        middle = (low + high) / 2
        large = shrunk(middle).abs().sum(1, keepdim=True) > eps
        low, high = torch.where(large, middle, low), torch.where(large, high, middle)
    amount = torch.where(inside, torch.zeros_like(high), high)
    return origin + shrunk(amount).view_as(x)


def number(name: str, given: object) -> None:
    """Refuses an argument that is not a number."""
    if isinstance(given, bool) or not (isinstance(given, Real) or (isinstance(given, torch.Tensor) and given.ndim == 0)):
        raise ValueError(f"{name}: {given!r} is no number; give one, for example {_EXAMPLES.get(name, '0.1')}")


def _check(eps: float, norm: str) -> None:
    if norm not in ORDERS:
        raise ValueError(f"norm: {norm!r} is unknown; give 'linf', 'l2' or 'l1'")
    number("eps", eps)
    if not 0 < eps < float("inf"):
        raise ValueError(f"eps: {eps} is no size of changes; give a positive number, for example 8/255")
