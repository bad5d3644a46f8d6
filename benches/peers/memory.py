"""Peak resident memory of an audit, and of PyTorch's eager forward and backward pass, for networks of torchvision.

    python benches/peers/memory.py kennard vit_b_16 resnet50 --threads 1 2 --batch 1 4

The weights are random. Every one of 16 images is labelled as the network answers, so that all are attacked (FGSM).
PyTorch computes the gradient with respect to the images alone. Each figure is that of a process of its own (`wait4`).
"""

import sys
import tempfile
from pathlib import Path

from peak import peak
from side import parser

IMAGES = 16


def prepared(name: str, folder: Path) -> None:
    """Writes the network and its images."""
    import numpy
    import torch

    from vision import build

    network = build(name)
    images = torch.rand(IMAGES, 3, 224, 224)
    with torch.no_grad():
        labels = network(images).argmax(1)
    numpy.savez(folder / f"{name}.npz", x=images.numpy(), y=labels.numpy())
    ends = {"input_names": ["x"], "output_names": ["logits"], "dynamic_axes": {"x": {0: "n"}, "logits": {0: "n"}}}
    torch.onnx.export(network, (images[:1],), str(folder / f"{name}.onnx"), dynamo=False, opset_version=17, **ends)


def passes(name: str, threads: int, batch: int) -> None:
    """Forward and backward passes of PyTorch."""
    import torch
    import torchvision

    torch.set_num_threads(threads)
    network = getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False)
    for _ in range(3):
        images = torch.rand(batch, 3, 224, 224, requires_grad=True)
        torch.nn.functional.cross_entropy(network(images), torch.arange(batch)).backward()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("kennard")
    options.add_argument("networks", nargs="+")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    options.add_argument("--folder", type=Path, help="where networks and images are kept")
    options.add_argument("--no-pytorch", action="store_true")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        for name in arguments.networks:
            own = [sys.executable, __file__]
            if not (folder / f"{name}.onnx").exists():
                peak([*own, "prepare", name, str(folder)])
            audit = [arguments.kennard, "audit", str(folder / f"{name}.onnx"), "--data", f"npz:{folder / name}.npz"]
            audit += ["--eps", "1/255", "--attack", "fgsm", "--packet-samples", "0", "--quiet"]
            for threads in arguments.threads:
                for batch in arguments.batch:
                    _, found = peak([*audit, "--threads", str(threads), "--micro-batch", str(batch)])
                    print(f"{name}: threads {threads}, batch {batch}: {found:.0f} MiB", flush=True)
                    if not arguments.no_pytorch:
                        _, other = peak([*own, "passes", name, str(threads), str(batch)])
                        print(f"  PyTorch {other:.0f} MiB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepared(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["passes"]:
        passes(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
