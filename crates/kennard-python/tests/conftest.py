"""Fixtures: small networks and Fashion-MNIST samples of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
DATA = f"fashion-mnist:{FIXTURES / 'fashion-mnist'}"
Samples = tuple[NDArray[np.float32], NDArray[np.int64]]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, run in a process of its own."""
    return subprocess.run([sys.executable, "-m", "kennard", *words], capture_output=True, text=True, check=False)


def read(name: str, offset: int) -> NDArray[np.uint8]:
    import gzip

    path = next((FIXTURES / "fashion-mnist").glob(f"t10k-{name}*"))
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return np.frombuffer(raw, dtype=np.uint8, offset=offset)


@pytest.fixture(scope="session")
def samples() -> Samples:
    """The first 60 samples, in [0, 1]."""
    x = read("images", 16).reshape(-1, 1, 28, 28)[:60].astype(np.float32) / np.float32(255)
    return x, read("labels", 8)[:60].astype(np.int64)


@pytest.fixture(scope="session")
def path() -> Path:
    return FIXTURES / "fashion_mlp.onnx"


@pytest.fixture(scope="session")
def module(path: Path) -> Any:
    """The same network as a PyTorch module."""
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    weights = {t.name: torch.tensor(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    layers: list[Any] = [torch.nn.Flatten()]
    for node in graph.node:
        if node.op_type == "Gemm":
            weight, bias = weights[node.input[1]], weights[node.input[2]]
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            weight = weight if transposed else weight.T
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers.append(layer)
        elif node.op_type == "Relu":
            layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers).eval()


@pytest.fixture
def shifting(module: Any) -> Any:
    """The network in a module whose graph is not that of its trace."""
    import torch

    class Shifting(torch.nn.Module):
        """A trace keeps the number that the first samples gave."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            return self.inner(x) + 5 * float(x.detach().sum()) * torch.arange(10) / 60

    return Shifting().eval()
