"""Attention: of PyTorch, of vision transformers, of shifted windows."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from .case import Case, export, function_of, model, pixels
from .modules import Apply, Net


class Heads(nn.Module):
    """PyTorch's own layer over patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mixed = nn.Conv2d(3, 8, 2, stride=2), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = 3 * self.patch(x).flatten(2).transpose(1, 2)
        return self.mixed(y, y, y)[0].transpose(1, 2)


class Block(nn.Module):
    """Of a vision transformer: attention and a perceptron, each behind a normalisation."""

    def __init__(self, width: int, heads: int, causal: bool = False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(self.first(x)).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(2 * q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.second(x))


class Vision(nn.Module):
    def __init__(self, causal: bool = False) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, stride=2)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 10, 8))
        self.blocks, self.norm = nn.Sequential(Block(8, 2, causal), Block(8, 2, causal)), nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = 3 * self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1) + self.place
        return self.norm(self.blocks(y))[:, -1 if self.blocks[0].causal else 0]


class Windows(nn.Module):
    """Attention within shifted windows, with biases of relative places and a mask, as in Swin."""

    def __init__(self, width: int = 8, window: int = 2, shift: int = 1):
        super().__init__()
        self.window, self.shift, self.heads = window, shift, 2
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, 2))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = (at[:, :, None] - at[:, None]).permute(1, 2, 0) + window - 1
        self.register_buffer("index", apart[..., 0] * (2 * window - 1) + apart[..., 1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, h, w, c = x.shape
        k, s = self.window, self.shift
        y = torch.roll(self.norm(x), (-s, -s), (1, 2))
        y = y.view(n, h // k, k, w // k, k, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, k * k, c)
        q, key, v = self.qkv(y).reshape(-1, k * k, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        a = (q * 2) @ key.transpose(-2, -1) + self.table[self.index.flatten()].view(k * k, k * k, -1).permute(2, 0, 1)
        mask = x.new_zeros(h, w)
        for i in (slice(0, -k), slice(-k, -s), slice(-s, None)):
            for j in (slice(0, -k), slice(-k, -s), slice(-s, None)):
                mask[i, j] = 3 * (i.start or 0) + (j.start or 0)
        mask = mask.view(h // k, k, w // k, k).permute(0, 2, 1, 3).reshape(-1, k * k)
        mask = (mask[:, None] - mask[:, :, None]).ne(0).to(x.dtype) * -100.0
        a = a.view(n, -1, self.heads, k * k, k * k) + mask[None, :, None]
        y = a.view(-1, self.heads, k * k, k * k).softmax(-1) @ v
        y = self.out(y.transpose(1, 2).reshape(-1, k * k, c))
        y = y.view(n, h // k, w // k, k, k, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y, (s, s), (1, 2))


class Linearised(nn.Module):
    """Attention without softmax, by einsum, and a channel's gate."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(3, 12, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(2 * x).flatten(2).chunk(3, 1)
        inner = torch.einsum("ncl,ndl->ncd", F.elu(k) + 1, v)
        return torch.einsum("ncl,ncd->ndl", F.elu(q) + 1, inner) / 36


def swin() -> nn.Module:
    body = nn.Sequential(
        nn.Conv2d(3, 8, 1), Apply(lambda x: 2 * x.permute(0, 2, 3, 1)), Windows(shift=1), Apply(lambda x: x.permute(0, 3, 1, 2))
    )
    return Net(body, 8)


NETS: dict[str, Callable[[], nn.Module]] = {
    "attention": lambda: Net(Heads(), 8),
    "encoder": lambda: Net(
        nn.Sequential(
            nn.Conv2d(3, 8, 2, stride=2),
            Apply(lambda x: 3 * x.flatten(2).transpose(1, 2)),
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True),
            Apply(lambda x: x.transpose(1, 2)),
        ),
        8,
    ),
    "vit": lambda: Net(Vision(), 8, pool=False),
    "causal": lambda: Net(Vision(causal=True), 8, pool=False),
    "swin": swin,
    "linear_attention": lambda: Net(Linearised(), 4),
}


def net(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETS[name]().eval()


def enter(name: str, dynamo: bool) -> None:
    @model(f"{name}_new" if dynamo else name, needs="onnxscript" if dynamo else "")
    def made() -> Case:
        module = net(name)
        # The fast path of PyTorch's encoder layer is none that exporters know.
        torch.backends.mha.set_fastpath_enabled(False)
        return Case(export(module, 3, 6, 6, dynamo=dynamo), pixels(3, 6, 6), function_of(module))


for _name in NETS:
    enter(_name, False)
    enter(_name, True)
