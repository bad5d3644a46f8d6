"""Blocks of networks as PyTorch's modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    """A body, then the mean over space and a linear layer; logits differ enough between samples to have margins."""

    def __init__(self, body: nn.Module, channels: int, classes: int = 5, pool: bool = True):
        super().__init__()
        self.body, self.head, self.pool = body, nn.Linear(channels, classes), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        y = y.flatten(2).mean(2) if self.pool else y.flatten(1)
        return 8 * self.head(y)


class Residual(nn.Module):
    def __init__(self, body: nn.Module, after: nn.Module | None = None):
        super().__init__()
        self.body, self.after = body, after or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(x + self.body(x))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def norm(channels: int) -> nn.BatchNorm2d:
    """As after training: no statistic is 0 or 1."""
    made = nn.BatchNorm2d(channels)
    nn.init.uniform_(made.running_mean, -0.2, 0.2)
    nn.init.uniform_(made.running_var, 0.5, 1.5)
    nn.init.uniform_(made.weight, 0.5, 1.5)
    return made


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class ConvNext(nn.Module):
    """Depthwise, then a normalisation over channels and two linear layers, channels last."""

    def __init__(self, channels: int):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.wide(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class Transformer(nn.Module):
    """A spatial transformer."""

    def __init__(self, mode: str, border: str, aligned: bool):
        super().__init__()
        self.where = nn.Linear(3 * 36, 6)
        with torch.no_grad():
            self.where.weight.mul_(0.5)
            self.where.bias.copy_(torch.tensor([0.9, 0.1, 0.05, -0.1, 0.8, 0.02]))
        self.settings = {"mode": mode, "padding_mode": border, "align_corners": aligned}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        theta = self.where(x.flatten(1)).reshape(-1, 2, 3)
        grid = F.affine_grid(theta, [x.shape[0], 3, 6, 6], align_corners=self.settings["align_corners"])
        return F.grid_sample(x, grid, **self.settings)


def conv(*arguments, **settings) -> nn.Conv2d:
    return nn.Conv2d(*arguments, **settings)


def parts(x: torch.Tensor) -> torch.Tensor:
    """Split, slice with a step, concatenate, pad in three ways."""
    a, b, c = x.split([2, 2, 2], 1)
    rows = torch.cat([a[:, :, ::2], b[:, :, 1::2]], 2)
    y = torch.cat([rows, c, a * b], 1)
    return F.pad(F.pad(F.pad(y, (1, 2, 0, 1), mode="reflect"), (1, 1, 1, 1), mode="replicate"), (0, 1, 2, 0), value=0.3)


def shuffled(x: torch.Tensor) -> torch.Tensor:
    """Channels of groups, interleaved as in ShuffleNet."""
    n, c, h, w = x.shape
    return x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
