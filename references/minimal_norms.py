"""What adv-lib's minimum-norm attacks find on the network `fixtures/fashion_cnn_robust.onnx`.

    pip install adv-lib torch onnx && python references/minimal_norms.py

Prints the median distance over the first 20 test images that are classified correctly, attack by attack, as
`crates/kennard/tests/suite/references.rs` holds them. adv-lib 0.2.8, PyTorch 2.15.
"""

import gzip
from pathlib import Path

import numpy as np
import onnx
import torch
from adv_lib.attacks import alma, ddn, df, fab, fmn, pdpgd
from torch import nn

import onnx_torch

ROOT = Path(__file__).resolve().parent.parent
COUNT = 20
INF = float("inf")


class Network(nn.Module):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.graph = onnx.load(path).graph

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return onnx_torch.run(self.graph, x)[self.graph.output[0].name]


def images() -> tuple[torch.Tensor, torch.Tensor]:
    folder = ROOT / "fixtures/fashion-mnist"
    pixels = np.frombuffer(gzip.open(folder / "t10k-images-idx3-ubyte.gz").read()[16:], np.uint8)
    labels = np.frombuffer(gzip.open(folder / "t10k-labels-idx1-ubyte.gz").read()[8:], np.uint8)
    x = torch.tensor(pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    return x, torch.tensor(labels.astype(np.int64))


def main() -> None:
    torch.manual_seed(0)
    network = Network(ROOT / "fixtures/fashion_cnn_robust.onnx")
    x, y = images()
    with torch.no_grad():
        right = (network(x[:200]).argmax(1) == y[:200]).nonzero()[:COUNT, 0]
    x, y = x[right], y[right]
    runs = {
        ("fmn", "linf"): lambda: fmn(network, x, y, norm=INF, steps=100),
        ("fmn", "l2"): lambda: fmn(network, x, y, norm=2, steps=100),
        ("fmn", "l1"): lambda: fmn(network, x, y, norm=1, steps=100),
        ("fab", "linf"): lambda: fab(network, x, y, norm=INF, n_iter=100),
        ("fab", "l2"): lambda: fab(network, x, y, norm=2, n_iter=100),
        ("ddn", "l2"): lambda: ddn(network, x, y, steps=100, levels=None),
        ("deepfool", "linf"): lambda: df(network, x, y, steps=50, norm=INF),
        ("deepfool", "l2"): lambda: df(network, x, y, steps=50, norm=2),
        ("pdpgd", "linf"): lambda: pdpgd(network, x, y, norm=INF),
        ("pdpgd", "l2"): lambda: pdpgd(network, x, y, norm=2),
        ("pdpgd", "l1"): lambda: pdpgd(network, x, y, norm=1),
        ("alma", "l2"): lambda: alma(network, x, y, distance="l2", init_lr_distance=0.3),
        ("alma", "l1"): lambda: alma(network, x, y, distance="l1", init_lr_distance=0.3),
    }
    for (name, norm), run in runs.items():
        moved = (run() - x).flatten(1)
        sizes = moved.norm(p={"linf": INF, "l2": 2, "l1": 1}[norm], dim=1)
        sizes[sizes == 0] = INF  # adv-lib hands the image itself back where it finds nothing
        print(f'("{name}", Norm::{norm.capitalize()}, {sizes.sort().values[COUNT // 2 - 1]:.5f}),', flush=True)


if __name__ == "__main__":
    main()
