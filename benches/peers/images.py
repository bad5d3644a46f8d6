"""Published networks, and the first test images of data sets."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from network import Network
from side import SHARED, find


def case(name: str, kind: str, samples: int) -> tuple[Path, Network, Tensor, Tensor, str]:
    """The file of a network, its module, and what `load` returns."""
    path = find(name)
    return path, Network(path), *load(kind, samples)


def load(kind: str, samples: int) -> tuple[Tensor, Tensor, str]:
    """Images in [0, 1], labels, and what Kennard calls the data: `mnist`, `cifar10`, or arrays x and y in data/sdp."""
    if kind == "mnist":
        folder = SHARED / "data/mnist"
        images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:16 + samples * 784]
        labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:8 + samples]
        return pixels(np.frombuffer(images, np.uint8), 1, 28), classes(np.frombuffer(labels, np.uint8)), f"mnist:{folder}"
    if kind == "cifar10":
        folder = SHARED / "data/cifar-10-batches-bin"
        rows = np.frombuffer((folder / "test_batch.bin").read_bytes(), np.uint8).reshape(-1, 3073)[:samples]
        return pixels(rows[:, 1:], 3, 32), classes(rows[:, 0]), f"cifar10:{folder}"
    path = SHARED / "data/sdp" / kind
    arrays = np.load(path)
    return torch.from_numpy(arrays["x"][:samples]).float(), classes(arrays["y"][:samples]), f"npz:{path}"


def pixels(values: np.ndarray, channels: int, side: int) -> Tensor:
    return torch.from_numpy(values.reshape(-1, channels, side, side).astype(np.float32) / np.float32(255))


def classes(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))
