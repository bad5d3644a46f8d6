"""Networks of images: PyTorch's modules, by its old exporter and its new one."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from .case import Case, export, function_of, model, pixels
from .modules import Apply, ConvNext, Net, Residual, SqueezeExcite, Transformer, conv, norm, parts, shuffled


def bodies() -> dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str, dict]]:
    """Each body's module, the shape of samples, which exporters (o: old, n: new), and settings of the old one."""
    small = (3, 6, 6)
    return {
        "residual": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 6, 3, padding=1),
                    norm(6),
                    nn.ReLU(),
                    Residual(
                        nn.Sequential(
                            conv(6, 6, 3, padding=1, bias=False),
                            norm(6),
                            nn.ReLU(),
                            conv(6, 6, 3, padding=1, bias=False),
                            norm(6),
                        ),
                        nn.ReLU(),
                    ),
                ),
                6,
            ),
            small,
            "on",
            {},
        ),
        "mobile": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 8, 3, stride=2, padding=1),
                    nn.Hardswish(),
                    conv(8, 8, 3, padding=1, groups=8),
                    norm(8),
                    nn.ReLU6(),
                    SqueezeExcite(8),
                    conv(8, 6, 1),
                ),
                6,
            ),
            (3, 8, 8),
            "on",
            {},
        ),
        "shuffle": (
            lambda: Net(
                nn.Sequential(conv(3, 8, 1), nn.ReLU(), Apply(shuffled), conv(8, 8, 3, padding=1, groups=2), nn.SiLU()), 8
            ),
            small,
            "on",
            {},
        ),
        "groupnorm": (
            lambda: Net(nn.Sequential(conv(3, 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), conv(8, 6, 3), nn.Tanh()), 6),
            small,
            "on",
            {},
        ),
        "instancenorm": (
            lambda: Net(nn.Sequential(conv(3, 6, 3), nn.InstanceNorm2d(6, affine=True), nn.Softplus(), conv(6, 6, 3)), 6),
            small,
            "on",
            {},
        ),
        "convnext": (lambda: Net(nn.Sequential(conv(3, 8, 2, stride=2), ConvNext(8), ConvNext(8)), 8), (3, 8, 8), "on", {}),
        "activations": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 6, 1),
                    nn.ELU(0.7),
                    conv(6, 6, 1),
                    nn.SELU(),
                    conv(6, 6, 1),
                    nn.CELU(0.5),
                    nn.PReLU(6),
                    conv(6, 6, 1),
                    nn.LeakyReLU(0.1),
                    nn.Mish(),
                    nn.GELU(approximate="tanh"),
                    nn.Softsign(),
                    nn.LogSigmoid(),
                    nn.Hardtanh(-1.5, 0.2),
                ),
                6,
            ),
            small,
            "on",
            {},
        ),
        "pixelshuffle": (
            lambda: Net(
                nn.Sequential(conv(3, 8, 3, padding=1), nn.PixelShuffle(2), nn.Tanh(), conv(2, 3, 3), nn.PixelUnshuffle(2)), 12
            ),
            small,
            "on",
            {},
        ),
        "fold": (
            lambda: Net(nn.Sequential(conv(3, 8, 3), nn.Flatten(2), nn.Fold((3, 6), 2, stride=(1, 2), padding=1), nn.Tanh()), 2),
            small,
            "on",
            {"opset_version": 18},
        ),
        "transposed": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 4, 3),
                    nn.ReLU(),
                    nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
                    nn.Tanh(),
                    nn.ConvTranspose2d(4, 3, 3, dilation=2),
                ),
                3,
            ),
            small,
            "on",
            {},
        ),
        "parts": (lambda: Net(nn.Sequential(conv(3, 6, 1), nn.Tanh(), Apply(parts)), 6), small, "on", {}),
        "bilinear": (
            lambda: Net(
                nn.Sequential(
                    nn.Upsample(scale_factor=1.7, mode="bilinear"),
                    conv(3, 5, 3),
                    nn.ReLU(),
                    nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True),
                    nn.Tanh(),
                ),
                5,
            ),
            small,
            "on",
            {},
        ),
        "bicubic": (
            lambda: Net(
                nn.Sequential(
                    nn.Upsample(size=(9, 8), mode="bicubic"),
                    conv(3, 5, 3),
                    nn.Upsample(scale_factor=2, mode="nearest"),
                    nn.Tanh(),
                ),
                5,
            ),
            small,
            "on",
            {},
        ),
        "adaptive": (
            lambda: Net(
                nn.Sequential(conv(3, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d((3, 2)), conv(5, 5, 1), nn.AdaptiveMaxPool2d(1)), 5
            ),
            (3, 8, 8),
            "on",
            {"dynamic_axes": {"x": {0: "batch"}}},
        ),
        "pools": (
            lambda: Net(
                nn.Sequential(
                    nn.MaxPool2d(3, 2, ceil_mode=True),
                    conv(3, 6, 2),
                    nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
                    nn.AvgPool2d(3, 2, ceil_mode=True),
                    nn.LPPool2d(2, 2),
                ),
                6,
            ),
            (3, 14, 14),
            "on",
            {},
        ),
        "dilatedpool": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 6, 1), nn.MaxPool2d(3, 1, padding=1, dilation=2), nn.MaxPool2d(2, 2, dilation=(1, 2), ceil_mode=True)
                ),
                6,
            ),
            (3, 9, 9),
            "on",
            {},
        ),
        "lrn": (
            lambda: Net(nn.Sequential(conv(3, 7, 2), nn.LocalResponseNorm(4, alpha=0.5, beta=0.75, k=1.5), nn.ReLU()), 7),
            small,
            "on",
            {},
        ),
        "volume": (
            lambda: Net(
                nn.Sequential(
                    nn.Conv3d(1, 4, 3, padding=1),
                    nn.BatchNorm3d(4),
                    nn.ReLU(),
                    nn.MaxPool3d(2, ceil_mode=True),
                    nn.Conv3d(4, 4, 2, groups=2),
                    nn.AvgPool3d((1, 2, 2), 1),
                    nn.ConvTranspose3d(4, 3, 2),
                ),
                3,
            ),
            (1, 5, 6, 6),
            "on",
            {},
        ),
        "adaptive3d": (
            lambda: Net(nn.Sequential(nn.Conv3d(2, 4, 2), nn.Tanh(), nn.AdaptiveAvgPool3d(1)), 4),
            (2, 3, 4, 4),
            "on",
            {},
        ),
        "spatial_zeros": (
            lambda: Net(nn.Sequential(Transformer("bilinear", "zeros", False), conv(3, 5, 3), nn.Tanh()), 5),
            small,
            "on",
            {"opset_version": 20},
        ),
        "spatial_border": (
            lambda: Net(nn.Sequential(Transformer("bicubic", "border", True), conv(3, 5, 3)), 5),
            small,
            "on",
            {"opset_version": 20},
        ),
        "spatial_reflection": (
            lambda: Net(nn.Sequential(Transformer("bilinear", "reflection", False), conv(3, 5, 3)), 5),
            small,
            "on",
            {"opset_version": 20},
        ),
        "einsum": (
            lambda: Net(nn.Sequential(Apply(lambda x: torch.einsum("nchw,ndhw->ncd", x, x.exp()) / 20), nn.Tanh()), 3),
            small,
            "on",
            {},
        ),
        "norms": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 6, 3),
                    Apply(
                        lambda x: (
                            F.normalize(x, dim=1)
                            + x.amax((2, 3), keepdim=True)
                            + x.logsumexp(1, keepdim=True)
                            + x.std(1, keepdim=True)
                        )
                    ),
                    nn.Sigmoid(),
                ),
                6,
            ),
            small,
            "on",
            {},
        ),
        "indexed": (
            lambda: Net(
                nn.Sequential(
                    conv(3, 6, 1),
                    Apply(
                        lambda x: (
                            torch.where(x > 0.1, x, 0.1 * x.sin())[:, [4, 0, 3]]
                            .flip(3)
                            .roll(1, 2)
                            .clamp(-0.4, 0.7)
                            .cumsum(3)
                            .pow(2)
                            .topk(2, dim=2)
                            .values
                        )
                    ),
                ),
                3,
            ),
            small,
            "on",
            {},
        ),
    }


def enter(name: str, make: Callable[[], nn.Module], shape: tuple[int, ...], dynamo: bool, settings: dict) -> None:
    @model(f"{name}_new" if dynamo else name, needs="onnxscript" if dynamo else "")
    def made() -> Case:
        torch.manual_seed(0)
        module = make().eval()
        file = export(module, *shape, dynamo=dynamo, **({} if dynamo else settings))
        return Case(file, pixels(*shape), function_of(module))


for _name, (_make, _shape, _exporters, _settings) in bodies().items():
    for _exporter in _exporters:
        enter(_name, _make, _shape, _exporter == "n", _settings)
