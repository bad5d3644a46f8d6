"""Losses of adversarial training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from ._ascent import ascend, as_eval, jitter, number, start
from ._losses import Bounds, Model, check_reduction, log_odds, places, reduced, standard_loss
from ._norms import Norm


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
    y, norm = _checked(x, y, norm, reduction)
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
        When `y`, `eps`, `norm`, `steps` or `reduction` make no sense.
    """
    y, norm = _checked(x, y, norm, reduction)
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
    y, norm = _checked(x, y, norm, reduction)
    number("beta", beta)
    with as_eval(model), torch.no_grad():
        # A copy: a model may work in place.
        log_p = model(x.clone()).log_softmax(1)

    def divergence(z: torch.Tensor) -> torch.Tensor:
        return _divergence(log_p, z.log_softmax(1))

    begin = jitter(x, eps, norm, bounds, generator)
    changed = ascend(model, x, begin, divergence, eps, norm, bounds, steps=steps, step=_step(steps))
    z, other = model(torch.cat([x, changed])).chunk(2)
    natural = F.cross_entropy(z, y, reduction="none")
    return reduced(natural + beta * _divergence(z.log_softmax(1), other.log_softmax(1)), reduction)


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
    y, norm = _checked(x, y, norm, reduction)
    number("beta", beta)
    begin = jitter(x, eps, norm, bounds, generator)
    changed = ascend(model, x, begin, _odds(y), eps, norm, bounds, steps=steps, step=_step(steps))
    log_p, log_q = model(torch.cat([x, changed])).log_softmax(1).chunk(2)
    own = F.one_hot(y, log_p.shape[1])
    other = (log_q.exp() - 2 * own).amax(1)
    label = y[:, None]
    # The margins keep the logarithms finite, as in the authors' program.
    boosted = -log_q.gather(1, label)[:, 0] - (1.0001 - other).log()
    doubt = 1.0000001 - log_p.exp().gather(1, label)[:, 0]
    return reduced(boosted + beta * _divergence(log_p, log_q) * doubt, reduction)


def _checked(x: torch.Tensor, y: torch.Tensor, norm: Norm, reduction: str) -> tuple[torch.Tensor, Norm]:
    """Labels as PyTorch takes them, and the norm in small letters."""
    check_reduction(reduction)
    small = norm.lower() if isinstance(norm, str) else norm
    return places(x, y), small  # type: ignore[return-value]


def _odds(y: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    # The gradient of the log-odds has the direction of the cross-entropy's, and does not vanish where that is small.
    return lambda z: log_odds(z, y)


def _divergence(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(1)


def _step(steps: int) -> float:
    number("steps", steps)
    if steps != int(steps):
        raise ValueError(f"steps: {steps} is not a whole number; give one, for example 10")
    if steps < 1:
        raise ValueError(f"steps: {steps} steps change nothing; give at least 1")
    return 2.5 / steps
