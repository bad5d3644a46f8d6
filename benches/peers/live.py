"""What a pass of a live module costs beside PyTorch's own time.

    python benches/peers/live.py [MODEL] [--batch 128] [--rounds 5]

The network of $KENNARD_SHARED/models (default ../shared) is rebuilt as a module, and attacked by PGD at an epsilon at which
no image breaks, so that every step is one gradient of one whole batch. Seconds of processor time of the whole process,
with one thread of PyTorch: those of a run of many steps less those of one of few, by their difference in steps. PyTorch's
own are those of the same batch through the same module: logits, log-loss, input gradient. Both take turns; medians and the
ratio are printed. Processor time, for other programs disturb it least. Needs the Python package.
"""

import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

import kennard
from images import case
from side import begin, parser, versions

FEW, MANY = 2, 12


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
    options = parser(__doc__, rounds=5)
    options.add_argument("model", nargs="?", default="akamaster_resnet20")
    options.add_argument("--batch", type=int, default=128)
    arguments = options.parse_args()
    begin(f"{versions('torch')}, batch {arguments.batch}", 1)
    _, module, x, _, _ = case(arguments.model, "cifar10", arguments.batch)
    with torch.inference_mode():
        x, y = x.numpy(), module(x).argmax(1).numpy()
    own(module, x, y, 2)
    alone, live = [], []
    for _ in range(arguments.rounds):
        alone.append(own(module, x, y, MANY - FEW))
        live.append((audit(module, x, y, MANY) - audit(module, x, y, FEW)) / (MANY - FEW))
        print(f"PyTorch {1e3 * alone[-1]:7.1f} ms   live {1e3 * live[-1]:7.1f} ms", flush=True)
    one, other = statistics.median(alone), statistics.median(live)
    print(f"PyTorch {1e3 * one:.1f} ms, live {1e3 * other:.1f} ms per pass: {100 * (other / one - 1):+.1f} %")


if __name__ == "__main__":
    main()
