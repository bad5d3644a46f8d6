"""Losses of training, as plain functions for any loop, and live PyTorch modules.

What ``kennard train --method`` makes small, one function per method but ``ibp`` and ``crown-ibp``. All are differentiable
with respect to the module's weights:

>>> import torch
>>> from kennard.torch import conjugate_penalty
>>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
>>> x, y = torch.rand(8, 1, 2, 2), torch.randint(0, 3, (8,))
>>> loss = torch.nn.functional.cross_entropy(module(x), y) + conjugate_penalty(module, x, y)
>>> loss.backward()

Notation: an image x, the changed one x', the label y, class probabilities p, logits z, the cross-entropy l = −ln p_y.
"""

from __future__ import annotations

from ._adversarial import fgsm_rs_loss, mart_loss, pgd_loss, trades_loss
from ._losses import (
    conjmask_loss,
    conjugate_loss,
    conjugate_penalty,
    gaussian_noise_loss,
    log_odds,
    logit_penalty,
    logitreg_loss,
    standard_loss,
)
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
