"""Operators of quantised and optimised files, in graphs by hand."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from .case import Case, function_of, graph, model, node, pixels, slopes
from .quantised import CLOSE, SHAPE, answers, gradient_of


@model("conv_integer")
def conv_integer() -> Case:
    """`ConvInteger` with a margin: what is beyond the edge is the zero point."""
    r = np.random.default_rng(9)
    real = r.normal(size=(4, 3, 3, 3))
    k = np.clip(np.round(real / 0.02), -127, 127).astype(np.int8)
    c = {
        "s": np.float32(1 / 200),
        "z": np.uint8(30),
        "k": k,
        "f": np.float32(0.02 / 200),
        "w": (4 * r.normal(size=(4, 5))).astype(np.float32),
    }
    made = [
        node("QuantizeLinear", "x s z", "q"),
        node("ConvInteger", "q k z", "i", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Cast", "i", "j", to=TensorProto.FLOAT),
        node("Mul", "j f", "c"),
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "g"),
        node("Flatten", "g", "v"),
        node("MatMul", "v w", "y"),
    ]
    file = graph(made, ["N", 3, 7, 7], c)
    t = {n: torch.from_numpy(np.float64(c[n])) for n in "kw"}

    class Twin(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(torch.nn.functional.conv2d(x, t["k"] * 0.02, padding=1, stride=2))
            return y.mean((2, 3)) @ t["w"]

    return Case(file, pixels(3, 7, 7), answers(file), gradient=gradient_of(Twin()), within=CLOSE, apart=0.02)


@model("fused_by_hand")
def fused_by_hand() -> Case:
    """`FusedConv`, `FusedMatMul`, `BiasGelu`, `QuickGelu`, `FusedGemm` of com.microsoft in a row."""
    ms, r = "com.microsoft", np.random.default_rng(10)
    c = {
        n: r.normal(size=s).astype(np.float32)
        for n, s in {"k": (4, 3, 3, 3), "b": (4,), "m": (6, 16), "o": (6,), "w": (6, 5), "v": (5,)}.items()
    }
    c["w"] *= 3
    made = [
        node(
            "FusedConv",
            "x k b",
            "a",
            ms,
            activation="LeakyRelu",
            activation_params=[0.1],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
            kernel_shape=[3, 3],
        ),
        node("AveragePool", "a", "p", kernel_shape=[2, 2], strides=[1, 1]),
        node("Flatten", "p", "f"),
        node("FusedMatMul", "f m", "d", ms, transB=1, alpha=0.5),
        node("BiasGelu", "d o", "g", ms),
        node("QuickGelu", "g", "q", ms, alpha=1.2),
        node("FusedGemm", "q w v", "y", ms, activation="Tanh", alpha=0.5),
    ]
    t = {n: torch.from_numpy(np.float64(v)) for n, v in c.items()}

    class Twin(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            F = nn.functional
            y = F.avg_pool2d(F.leaky_relu(F.conv2d(x, t["k"], t["b"], 2, 1), 0.1), 2, 1).flatten(1)
            y = F.gelu(0.5 * y @ t["m"].T + t["o"])
            return torch.tanh(0.5 * (y * torch.sigmoid(1.2 * y)) @ t["w"] + t["v"])

    return Case(graph(made, ["N", 3, 6, 6], c), pixels(*SHAPE), function_of(Twin()))


@model("qgemm")
def qgemm() -> Case:
    r = np.random.default_rng(11)
    w = r.integers(0, 255, (12, 5)).astype(np.uint8)
    c = {
        "s": np.float32(1 / 200),
        "z": np.uint8(20),
        "w": w,
        "t": np.float32(0.05),
        "u": np.uint8(120),
        "b": r.integers(-2000, 2000, 5).astype(np.int32),
    }
    made = [node("QuantizeLinear", "x s z", "q"), node("QGemm", "q s z w t u b", "y", "com.microsoft")]
    file = graph(made, ["N", 12], c)
    real = 0.05 * (np.float64(w) - 120)

    def twin(x: np.ndarray) -> np.ndarray:
        return np.float64(x) @ real + c["b"] * 0.05 / 200

    return Case(file, pixels(12), answers(file), gradient=lambda x, y: slopes(twin, x, y), within=CLOSE, apart=0.02)
