"""What a pass of a live module costs beside PyTorch's own time.

    python benches/peers/live.py [MODEL] [--batch 128] [--rounds 5]

The network of $KENNARD_SHARED/models (default ../shared) is rebuilt as a module, and attacked by PGD at an epsilon at which
no image breaks, so that every step is one gradient of one whole batch. Seconds of processor time of the whole process,
with one thread of PyTorch: those of a run of many steps less those of one of few, by their difference in steps. PyTorch's
own are those of the same batch through the same module: logits, log-loss, input gradient. Both take turns; medians and the
ratio are printed. Processor time, for other programs disturb it least. Needs the Python package.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import kennard
from network import Network
from pytorch import find, processor

FEW, MANY = 2, 12


def images(path: Path, count: int) -> np.ndarray:
    """CIFAR-10's first images (n, 3, 32, 32) in [0, 1]."""
    rows = np.fromfile(path.parent.parent / "data/cifar-10-batches-bin/test_batch.bin", np.uint8, count * 3073)
    return rows.reshape(count, 3073)[:, 1:].reshape(count, 3, 32, 32) / np.float32(255)


def own(module: torch.nn.Module, x: np.ndarray, y: np.ndarray, passes: int) -> float:
    begin = time.process_time()
    for _ in range(passes):
        points = torch.from_numpy(x).requires_grad_(True)
        torch.autograd.grad(F.cross_entropy(module(points), torch.from_numpy(y), reduction="sum"), points)
    return (time.process_time() - begin) / passes


def audit(module: torch.nn.Module, x: np.ndarray, y: np.ndarray, steps: int) -> float:
    begin = time.process_time()
    common = {"batch_size": len(x), "packet_samples": 0, "progress": False, "threads": 1}
    found = kennard.audit(module, x, y, eps=1e-7, attack="pgd", steps=steps, **common)
    assert found.robust_accuracy == 1.0, "an image broke, so that batches were not whole"
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="akamaster_resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = find(arguments.model)
    module, x = Network(path), images(path, arguments.batch)
    with torch.inference_mode():
        y = module(torch.from_numpy(x)).argmax(1).numpy()
    print(f"PyTorch {torch.__version__}, one thread; {processor()}; batch {arguments.batch}")
    own(module, x, y, 2)
    alone, live = [], []
    for _ in range(arguments.rounds):
        alone.append(own(module, x, y, MANY - FEW))
        live.append((audit(module, x, y, MANY) - audit(module, x, y, FEW)) / (MANY - FEW))
        print(f"PyTorch {1e3 * alone[-1]:7.1f} ms   live {1e3 * live[-1]:7.1f} ms", flush=True)
    one, other = statistics.median(alone), statistics.median(live)
    print(f"PyTorch {1e3 * one:.1f} ms, live {1e3 * other:.1f} ms a pass: {100 * (other / one - 1):+.1f} %")


if __name__ == "__main__":
    main()
