"""Training losses that do not search for adversarial images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from ._ascent import as_eval, number

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

    Raises
    ------
    ValueError
        When `y` is not one integer per row of z.
    """
    y = places(z, y)
    own = F.one_hot(y, z.shape[1]).bool()
    return z.masked_fill(own, -torch.inf).logsumexp(1) - z.gather(1, y[:, None])[:, 0]


def places(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Labels (n,) of the samples x (n, ...), as PyTorch takes them.

    Raises
    ------
    ValueError
        When they are no integers, or not one per sample.
    """
    if not isinstance(y, torch.Tensor):
        raise ValueError(f"y: it is a {type(y).__name__}; give a tensor (n,) of integers, torch.as_tensor(y)")
    if y.ndim != 1:
        cure = "; of one-hot labels y.argmax(1)" if y.ndim == 2 and y.shape[1] > 1 else ""
        raise ValueError(f"y: labels have the shape {tuple(y.shape)}; give one integer per sample, (n,){cure}")
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise ValueError(f"y: labels are of {y.dtype}; give integers, y.long()")
    if len(y) != len(x):
        raise ValueError(f"x, y: {len(x)} samples and {len(y)} labels; give one label for each sample")
    return y.long()


def check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction: {reduction!r} is unknown; give 'mean', 'sum' or 'none'")


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

    Raises
    ------
    ValueError
        When `y`, `smoothing` or `reduction` make no sense.
    """
    check_reduction(reduction)
    y = places(x, y)
    number("smoothing", smoothing)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing: {smoothing} is no share; give one from 0 to 1")
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
    number("sigma", sigma)
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    shown = (x + sigma * noise).clamp(*bounds)
    return standard_loss(model, shown, y, smoothing=smoothing, reduction=reduction)


def conjugate_penalty(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.01, reduction: str = "mean"
) -> torch.Tensor:
    """λ ‖∇ₓ ln l(x)‖²: a penalty on the squared log-gradient, whose mean over a packet is σ_p².

    Add it to any loss. It needs second derivatives, which PyTorch's attention functions do not have on every device.

    Parameters
    ----------
    model : callable
        From samples (n, ...) to logits (n, K).
    x : tensor (n, ...)
        Samples.
    y : tensor (n,) of integers
        Labels.
    strength : float
        λ, in units of the input squared.
    reduction : {"mean", "sum", "none"}
        What is made of the samples' penalties.

    Returns
    -------
    tensor, () or (n,)

    Raises
    ------
    ValueError
        When `strength` is not positive, or `y` or `reduction` make no sense.
    """
    check_reduction(reduction)
    return reduced(_penalty(model, x, y, strength)[0], reduction)


def conjugate_loss(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.01, reduction: str = "mean"
) -> torch.Tensor:
    """The cross-entropy with :func:`conjugate_penalty`, in one forward pass."""
    check_reduction(reduction)
    penalty, z = _penalty(model, x, y, strength)
    y = places(x, y)
    return reduced(penalty + F.cross_entropy(z, y, reduction="none"), reduction)


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
    check_reduction(reduction)
    y = places(x, y)
    number("share", share)
    if not 0 < share <= 1:
        raise ValueError(f"share: {share} of the elements cannot be masked; give a share above 0, 1 at most")
    with as_eval(model), torch.enable_grad():
        taken = x.detach().requires_grad_(True)
        # A copy: a model may work in place.
        (g,) = torch.autograd.grad(log_odds(model(taken.clone()), y).sum(), taken)
    contributions = (x * g.nan_to_num()).abs().flatten(1)
    count = round(share * contributions.shape[1])
    mask = torch.ones_like(contributions).scatter_(1, contributions.topk(count, dim=1).indices, 0.0)
    return standard_loss(model, x * mask.view_as(x), y, smoothing=smoothing, reduction=reduction)


def logit_penalty(z: torch.Tensor, *, strength: float = 0.1, reduction: str = "mean") -> torch.Tensor:
    """λ ‖z‖²/K of logits z (n, K), λ being `strength`."""
    check_reduction(reduction)
    number("strength", strength)
    return reduced(strength * z.square().mean(1), reduction)


def logitreg_loss(
    model: Model, x: torch.Tensor, y: torch.Tensor, *, strength: float = 0.1, reduction: str = "mean"
) -> torch.Tensor:
    """The cross-entropy with :func:`logit_penalty`."""
    check_reduction(reduction)
    y = places(x, y)
    number("strength", strength)
    z = model(x)
    loss = F.cross_entropy(z, y, reduction="none") + logit_penalty(z, strength=strength, reduction="none")
    return reduced(loss, reduction)


def _penalty(
    model: Model, x: torch.Tensor, y: torch.Tensor, strength: float
) -> tuple[torch.Tensor, torch.Tensor]:
    y = places(x, y)
    number("strength", strength)
    if not strength > 0:
        raise ValueError(f"strength: λ is {strength}; give a positive number")
    with torch.enable_grad():
        taken = x.detach().requires_grad_(True)
        # A copy: a model may work in place.
        z = model(taken.clone())
        u = log_odds(z, y)
        floor = torch.full_like(u, _CONFIDENT)
        log_loss = F.softplus(torch.maximum(u, floor)).log() + (u - floor).clamp(max=0)
        (g,) = torch.autograd.grad(log_loss.sum(), taken, create_graph=True)
    return strength * g.flatten(1).square().sum(1), z


def reduced(losses: torch.Tensor, reduction: str) -> torch.Tensor:
    check_reduction(reduction)
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
