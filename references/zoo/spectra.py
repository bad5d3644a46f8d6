"""Networks of sound: convolutions over time, Fourier transforms in front."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .case import Case, export, function_of, graph, model, node, pixels


class Wave(nn.Module):
    """1-D convolutions and pools."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv1d(1, 4, 5, stride=2),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.MaxPool1d(2, ceil_mode=True),
            nn.Conv1d(4, 6, 3, padding=2, dilation=2),
            nn.GELU(),
            nn.AvgPool1d(2, 1),
            nn.ConvTranspose1d(6, 4, 3, stride=2),
            nn.Flatten(),
            nn.LazyLinear(4),
        )
        self(torch.zeros(2, 1, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 8 * self.body(x)


class Spectrogram(nn.Module):
    """A short-time Fourier transform, its power over bands, logarithms, and a network."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.register_buffer("window", torch.hann_window(16))
        self.register_buffer("bands", torch.rand(6, 9))
        self.net = nn.Sequential(nn.Conv1d(6, 6, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
        self(torch.zeros(2, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 8 * self.net(torch.log(self.bands @ self.power(x) + 0.05))

    def power(self, x: torch.Tensor) -> torch.Tensor:
        s = torch.view_as_real(torch.stft(x, 16, 8, window=self.window, center=False, return_complex=True))
        return s.pow(2).sum(-1)


class OldSpectrogram(Spectrogram):
    def power(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stft(x, 16, 8, window=self.window, center=False, return_complex=False).pow(2).sum(-1)


@model("wave")
def wave() -> Case:
    net = Wave().eval()
    return Case(export(net, 1, 32), pixels(1, 32), function_of(net))


@model("wave_new", needs="onnxscript")
def wave_new() -> Case:
    net = Wave().eval()
    return Case(export(net, 1, 32, dynamo=True), pixels(1, 32), function_of(net))


@model("spectrogram")
def spectrogram() -> Case:
    net = OldSpectrogram().eval()
    return Case(export(net, 64), pixels(64), function_of(net))


@model("spectrogram_new", needs="onnxscript")
def spectrogram_new() -> Case:
    net = Spectrogram().eval()
    return Case(export(net, 64, dynamo=True), pixels(64), function_of(net))


@model("mel")
def mel() -> Case:
    """A mel front end by hand: STFT of a signal with a channel, a window, mel bands, decibels."""
    r = np.random.default_rng(6)
    window, bands = np.hanning(17)[:16], r.random((9, 5))
    c = {
        "step": np.int64(8),
        "size": np.int64(16),
        "win": window.astype(np.float32),
        "m": bands.astype(np.float32),
        "floor": np.float32(0.01),
        "axes": np.int64([-1]),
        "w": (3 * r.normal(size=(35, 4))).astype(np.float32),
        "shape": np.int64([-1, 35]),
    }
    made = [
        node("STFT", "x step win size", "s"),
        node("ReduceSumSquare", "s axes", "p", keepdims=0),
        node("MatMul", "p m", "b"),
        node("Add", "b floor", "f"),
        node("Log", "f", "l"),
        node("Reshape", "l shape", "v"),
        node("MatMul", "v w", "y"),
    ]
    file = graph(made, ["N", 64, 1], c, opset=18)

    def logits(x: np.ndarray) -> np.ndarray:
        x = np.float64(x)[:, :, 0]
        frames = np.stack([x[:, i : i + 16] * np.float64(c["win"]) for i in range(0, 49, 8)], 1)
        power = np.abs(np.fft.rfft(frames, axis=-1)) ** 2
        return np.log(power @ np.float64(c["m"]) + np.float64(c["floor"])).reshape(len(x), 35) @ np.float64(c["w"])

    return Case(file, pixels(64, 1), logits)


@model("dft")
def dft() -> Case:
    r = np.random.default_rng(7)
    c = {"w": r.normal(size=(18, 4)).astype(np.float32), "shape": np.int64([-1, 18])}
    made = [
        node("DFT", "x", "s", axis=1, onesided=1),
        node("Reshape", "s shape", "v"),
        node("Tanh", "v", "t"),
        node("MatMul", "t w", "y"),
    ]

    def logits(x: np.ndarray) -> np.ndarray:
        s = np.fft.rfft(np.float64(x)[:, :, 0], axis=1)
        return np.tanh(np.stack([s.real, s.imag], -1).reshape(len(x), 18)) @ np.float64(c["w"])

    return Case(graph(made, ["N", 16, 1], c), pixels(16, 1), logits)
