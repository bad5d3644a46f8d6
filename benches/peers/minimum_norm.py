"""adv-lib, and how far the points are that a minimum-norm attack finds."""

import sys
import time
import types
from collections.abc import Callable

import torch
from torch import Tensor

from network import Network

# adv-lib imports its plotting, which nothing here uses.
sys.modules.setdefault("visdom", types.SimpleNamespace(Visdom=None))
import adv_lib.attacks  # noqa: E402, F401
from adv_lib.attacks.auto_pgd import minimal_apgd  # noqa: E402, F401

Attack = Callable[[Tensor, Tensor], Tensor]


def distances(model: Network, x: Tensor, y: Tensor, attack: Attack, order: float, batch: int) -> tuple[float, Tensor]:
    """Seconds of the attack, and the distance of each sample in float64. A misclassified sample is at distance 0; points
    are checked to lie in [0, 1] and classified again, and one that is classified correctly is infinitely far."""
    correct = model(x).argmax(1) == y
    seconds, sizes = 0.0, torch.zeros(len(x), dtype=torch.float64)
    for rows in correct.nonzero().flatten().split(batch):
        start = time.perf_counter()
        points = attack(x[rows], y[rows]).detach()
        seconds += time.perf_counter() - start
        assert points.min() >= 0 and points.max() <= 1
        found = (points - x[rows]).double().flatten(1).norm(order, dim=1)
        found[model(points).argmax(1) == y[rows]] = float("inf")
        sizes[rows] = found
    return seconds, sizes
