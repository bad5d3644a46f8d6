"""Training throughput: Kennard against PyTorch, the same networks, batches and cores, in one run.

    python benches/peers/training.py --kennard target/release/kennard [--threads 2] [--rounds 3]

Needs references/requirements.txt. The small CNN on MNIST-shaped and ResNet-20 on CIFAR-shaped random images, batches of 128,
SGD with momentum, cross-entropy. PyTorch has its images in memory and no augmentation; Kennard reads them from a file
and moves none (`--crop 0 --flip false`). Images per second of a whole epoch, the first one (start-up, compilation) not
counted: the median over the rounds, which alternate. PyTorch's better layout of memory counts.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from side import parser


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, k // 2, bias=False)
        self.body = nn.Sequential(conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(), conv(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet20() -> nn.Module:
    layers, width = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for stage in range(3):
        for block in range(3):
            layers.append(Block(width, 16 << stage, 2 if stage and not block else 1))
            width = 16 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten(),
                         nn.Linear(1568, 100), nn.ReLU(), nn.Linear(100, 10))


def pytorch(make, images: np.ndarray, labels: np.ndarray, layout) -> float:
    model = make().to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    for epoch in range(2):
        start = time.perf_counter()
        order = torch.randperm(len(x))
        for i in range(0, len(x) - 127, 128):
            rows = order[i:i + 128]
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows].to(memory_format=layout)), y[rows]).backward()
            optimizer.step()
    return len(x) / (time.perf_counter() - start)


def kennard(command: str, arch: str, data: str, n: int, threads: int, runtime: str) -> float:
    with tempfile.TemporaryDirectory() as out:
        words = [command, "train", "--data", data, "--arch", arch, "--epochs", "2", "--batch", "128", "--held-out", "2", "--optimizer", "sgd",
                 "--learning-rate", "0.01", "--schedule", "constant", "--crop", "0", "--flip", "false", "--threads", str(threads), "--runtime", runtime,
                 "--split", "test", "--out", out, "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return n / json.loads(done.splitlines()[-1])["seconds"]


def main() -> None:
    options = parser(__doc__, rounds=3)
    options.add_argument("--kennard", default="target/release/kennard")
    options.add_argument("--threads", type=int, default=2)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    for name, make, arch, shape, n in [("small CNN", cnn, "cnn:16", (1, 28, 28), 128 * 200), ("ResNet-20", resnet20, "resnet20:16", (3, 32, 32), 128 * 16)]:
        images = rng.random((n + 2, *shape), dtype=np.float32)
        labels = rng.integers(0, 10, n + 2)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.npz"
            np.savez(file, x=images, y=labels)
            rates: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for layout in (torch.contiguous_format, torch.channels_last):
                    rates.setdefault(f"PyTorch {layout}".replace("torch.", ""), []).append(pytorch(make, images[:n], labels[:n], layout))
                for runtime in ("onnxruntime", "rten"):
                    rates.setdefault(f"kennard {runtime}", []).append(kennard(arguments.kennard, arch, f"npz:{file}", n, arguments.threads, runtime))
        medians = {key: statistics.median(values) for key, values in rates.items()}
        best = max(value for key, value in medians.items() if key.startswith("PyTorch"))
        print(f"{name}, {arguments.threads} threads")
        for key, value in medians.items():
            print(f"  {key:32s} {value:8.0f} images/s   {value / best:5.2f} x PyTorch's best")


if __name__ == "__main__":
    main()
