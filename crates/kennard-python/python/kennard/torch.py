"""Losses of training, as plain functions for any loop, and live PyTorch modules.

What ``kennard train --method`` makes small, one function per method. All are differentiable with respect to the module's
weights:

>>> import torch
>>> from kennard.torch import conjugate_penalty
>>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
>>> x, y = torch.rand(8, 1, 2, 2), torch.randint(0, 3, (8,))
>>> loss = torch.nn.functional.cross_entropy(module(x), y) + conjugate_penalty(module, x, y)
>>> loss.backward()

Notation: an image x, the changed one x', the label y, class probabilities p, logits z, the cross-entropy l = −ln p_y.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from ._ascent import Norm, ascend, as_eval, jitter, start
from ._module import TorchModule

__all__ = [
    "TorchModule",
    "conjmask_loss",
    "conjugate_loss",
    "conjugate_penalty",
    "fgsm_rs_loss",
    "gaussian_noise_loss",
    "log_odds",
    "logit_penalty",
    "logitreg_loss",
    "mart_loss",
    "pgd_loss",
    "standard_loss",
    "trades_loss",
]

Model = Callable[[torch.Tensor], torch.Tensor]
Bounds = tuple[float, float]

# Below this, ln(1 + e^u) is e^u to single precision.
_CONFIDENT = -17.0


def log_odds(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The log-odds against the label, u = ln Σ_{k≠y} exp z_k − z_y; the cross-entropy is ln(1 + e^u).

    Parameters
    ----------
    z : tensor (n, K)
        Logits.
    y : tensor (n,) of integers
        Labels.

    Returns
    -------
    tensor (n,)
    """
    own = F.one_hot(y, z.shape[1]).bool()
    return z.masked_fill(own, -torch.inf).logsumexp(1) - z.gather(1, y[:, None])[:, 0]


def standard_loss(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0, reduction: str = "mean"
) -> torch.Tensor:
    """The cross-entropy.

    Parameters
    ----------
    model : callable
        From samples (n, ...) to logits (n, K).
    x : tensor (n, ...)
        Samples.
    y : tensor (n,) of integers
        Labels.
    smoothing : float
        The share of the label that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567).
    reduction : {"mean", "sum", "none"}
        What is made of the samples' losses.

    Returns
    -------
    tensor, () or (n,)
    """
    return F.cross_entropy(model(x), y, label_smoothing=smoothing, reduction=reduction)


def gaussian_noise_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    sigma: float = 0.1,
    bounds: Bounds = (0.0, 1.0),
    smoothing: float = 0.0,
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """The cross-entropy of images with normal noise of standard deviation `sigma` (input units), within `bounds`."""
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    shown = (x + sigma * noise).clamp(*bounds)
    return standard_loss(model, shown, y, smoothing=smoothing, reduction=reduction)


def fgsm_rs_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    bounds: Bounds = (0.0, 1.0),
    smoothing: float = 0.0,
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """The cross-entropy after one step of 1.25 ε from a random start (Wong et al. 2020, arXiv 2001.03994).

    Parameters are those of :func:`pgd_loss`.
    """
    begin = start(x, eps, norm, bounds, generator)
    shown = ascend(model, x, begin, _odds(y), eps, norm, bounds, steps=1, step=1.25)
    return standard_loss(model, shown, y, smoothing=smoothing, reduction=reduction)


def pgd_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    steps: int = 10,
    bounds: Bounds = (0.0, 1.0),
    smoothing: float = 0.0,
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """The cross-entropy after steps of 2.5 ε/`steps` from a random start (Madry et al. 2018, arXiv 1706.06083).

    A module is in evaluation mode while the images are sought, and in its own mode for the loss, as in
    ``kennard train``.

    Parameters
    ----------
    model : callable
        From samples (n, ...) to logits (n, K).
    x : tensor (n, ...)
        Samples, within `bounds`.
    y : tensor (n,) of integers
        Labels.
    eps : float
        The size of changes, in input units.
    norm : {"linf", "l2", "l1"}
        How changes are measured.
    steps : int
        Steps up the gradient of the log-odds, which has the direction of that of the cross-entropy.
    bounds : pair of float
        The smallest and the largest value of an input element.
    smoothing : float
        The share of the label that is spread over all classes.
    generator : torch.Generator, optional
        Where random numbers come from.
    reduction : {"mean", "sum", "none"}
        What is made of the samples' losses.

    Returns
    -------
    tensor, () or (n,)

    Raises
    ------
    ValueError
        When `eps`, `norm` or `steps` make no sense.
    """
    begin = start(x, eps, norm, bounds, generator)
    shown = ascend(model, x, begin, _odds(y), eps, norm, bounds, steps=steps, step=_step(steps))
    return standard_loss(model, shown, y, smoothing=smoothing, reduction=reduction)


def trades_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    eps: float,
    beta: float = 6.0,
    norm: Norm = "linf",
    steps: int = 10,
    bounds: Bounds = (0.0, 1.0),
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """TRADES, l(x) + β KL(p(x) ‖ p(x')), where x' maximises the divergence (Zhang et al. 2019, arXiv 1901.08573, eq. 3).

    Parameters are those of :func:`pgd_loss`, and `beta`, which is β. x and x' pass together, so that batch
    normalisation sees both.
    """
    with as_eval(model), torch.no_grad():
        log_p = model(x).log_softmax(1)

    def divergence(z: torch.Tensor) -> torch.Tensor:
        return _divergence(log_p, z.log_softmax(1))

    begin = jitter(x, eps, norm, bounds, generator)
    changed = ascend(model, x, begin, divergence, eps, norm, bounds, steps=steps, step=_step(steps))
    z, other = model(torch.cat([x, changed])).chunk(2)
    natural = F.cross_entropy(z, y, reduction="none")
    return _reduced(natural + beta * _divergence(z.log_softmax(1), other.log_softmax(1)), reduction)


def mart_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    eps: float,
    beta: float = 5.0,
    norm: Norm = "linf",
    steps: int = 10,
    bounds: Bounds = (0.0, 1.0),
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """MART, −ln p_y(x') − ln(1 − max_{k≠y} p_k(x')) + β KL(p(x) ‖ p(x')) (1 − p_y(x)).

    Wang et al. 2020, *Improving adversarial robustness requires revisiting misclassified examples*, eq. 11. x' maximises
    the cross-entropy. Parameters are those of :func:`trades_loss`.
    """
    begin = jitter(x, eps, norm, bounds, generator)
    changed = ascend(model, x, begin, _odds(y), eps, norm, bounds, steps=steps, step=_step(steps))
    log_p, log_q = model(torch.cat([x, changed])).log_softmax(1).chunk(2)
    own = F.one_hot(y, log_p.shape[1])
    other = (log_q.exp() - 2 * own).amax(1)
    label = y[:, None]
    # The margins keep the logarithms finite, as in the authors' program.
    boosted = -log_q.gather(1, label)[:, 0] - (1.0001 - other).log()
    doubt = 1.0000001 - log_p.exp().gather(1, label)[:, 0]
    return _reduced(boosted + beta * _divergence(log_p, log_q) * doubt, reduction)


def conjugate_penalty(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.01, reduction: str = "mean"
) -> torch.Tensor:
    """λ ‖∇ₓ ln l(x)‖²: the square of the log-gradient, whose mean over a packet is σ_p², held down.

    Add it to any loss. It asks for a second derivative, which PyTorch's own attention does not have on every device.

    Parameters
    ----------
    model : callable
        From samples (n, ...) to logits (n, K).
    x : tensor (n, ...)
        Samples.
    y : tensor (n,) of integers
        Labels.
    strength : float
        λ, in units of the square of the input's.
    reduction : {"mean", "sum", "none"}
        What is made of the samples' penalties.

    Returns
    -------
    tensor, () or (n,)

    Raises
    ------
    ValueError
        When `strength` is not positive.
    """
    return _reduced(_penalty(model, x, y, strength)[0], reduction)


def conjugate_loss(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.01, reduction: str = "mean"
) -> torch.Tensor:
    """The cross-entropy with :func:`conjugate_penalty`, in one forward pass."""
    penalty, z = _penalty(model, x, y, strength)
    return _reduced(penalty + F.cross_entropy(z, y, reduction="none"), reduction)


def conjmask_loss(
    model: Model,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    share: float = 0.1,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """The cross-entropy of images whose elements with the largest conjugate contributions |x_i g_i| are zero.

    g is the gradient of the log-odds. Parameters are those of :func:`standard_loss`, and `share`, the share of elements
    that are masked, 0 to 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: {share} of the elements cannot be masked; give a share above 0, 1 at most")
    with as_eval(model), torch.enable_grad():
        taken = x.detach().requires_grad_(True)
        (g,) = torch.autograd.grad(log_odds(model(taken), y).sum(), taken)
    contributions = (x * g.nan_to_num()).abs().flatten(1)
    count = round(share * contributions.shape[1])
    mask = torch.ones_like(contributions).scatter_(1, contributions.topk(count, dim=1).indices, 0.0)
    return standard_loss(model, x * mask.view_as(x), y, smoothing=smoothing, reduction=reduction)


def logit_penalty(z: torch.Tensor, *, strength: float = 0.1, reduction: str = "mean") -> torch.Tensor:
    """λ ‖z‖²/K of logits z (n, K), λ being `strength`."""
    return _reduced(strength * z.square().mean(1), reduction)


def logitreg_loss(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.1, reduction: str = "mean"
) -> torch.Tensor:
    """The cross-entropy with :func:`logit_penalty`."""
    z = model(x)
    loss = F.cross_entropy(z, y, reduction="none") + logit_penalty(z, strength=strength, reduction="none")
    return _reduced(loss, reduction)


def _penalty(
    model: Model, x: torch.Tensor, y: torch.Tensor, strength: float
) -> tuple[torch.Tensor, torch.Tensor]:
    if not strength > 0:
        raise ValueError(f"strength: λ is {strength}; give a positive number")
    with torch.enable_grad():
        taken = x.detach().requires_grad_(True)
        z = model(taken)
        u = log_odds(z, y)
        floor = torch.full_like(u, _CONFIDENT)
        log_loss = F.softplus(torch.maximum(u, floor)).log() + (u - floor).clamp(max=0)
        (g,) = torch.autograd.grad(log_loss.sum(), taken, create_graph=True)
    return strength * g.flatten(1).square().sum(1), z


def _odds(y: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    # Its gradient has the direction of the cross-entropy's, and does not vanish with it.
    return lambda z: log_odds(z, y)


def _divergence(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(1)


def _step(steps: int) -> float:
    if steps < 1:
        raise ValueError(f"steps: {steps} steps change nothing; give at least 1")
    return 2.5 / steps


def _reduced(losses: torch.Tensor, reduction: str) -> torch.Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"reduction: {reduction!r} is unknown; give 'mean', 'sum' or 'none'")
