"""Live PyTorch modules, their exports, and the command: do they find the same?

    python references/live_agreement.py --kennard target/release/kennard [--images 10] [MODEL …] >> agreement.md

Every network of $KENNARD_SHARED/models (default ../shared) is rebuilt as a PyTorch module (benches/peers/network.py) and
audited three ways, with AutoAttack in linf, l2 and l1: the module itself, `kennard.audit(module, …)`; that module exported
by `torch.onnx.export` and run by ONNX Runtime; and the command on the published file. One row of a table each: clean
accuracies, which must be the same, and robust accuracies, which must agree within 0.2 points and one image. A row that
does not is marked, and ends the script with status 1.

Needs the Python package and references/requirements.txt. A row that is in the file named by --kept is not computed again.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import kennard

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches/peers"))
from network import Network  # noqa: E402
from side import SHARED  # noqa: E402

# Sizes at which some images of most networks withstand, by side of the images.
EPS = {28: {"linf": "0.1", "l2": "1.0", "l1": "5.0"}, 32: {"linf": "1/255", "l2": "0.25", "l1": "2.0"}}


class Scaled(nn.Module):
    """A network that takes pixels in 0..255, and one image at a time."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(image * 255) for image in x.split(1)])


def module_of(path: Path) -> nn.Module:
    """The network of a file, from [0, 1] to logits (n, 10)."""
    network = Network(path)
    return Scaled(network) if network.fixed_batch else network


def exported(module: nn.Module, shape: tuple[int, ...]) -> bytes:
    """What PyTorch writes of a module; with a batch of its own where the module can have one."""
    file = io.BytesIO()
    axes = None if isinstance(module, Scaled) else {"input": {0: "n"}}
    torch.onnx.export(module, (torch.zeros(1, *shape),), file, input_names=["input"], dynamic_axes=axes, dynamo=False)
    return file.getvalue()


def samples(name: str, count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """The first images (n, C, H, W) in [0, 1] of the data that a network is for, labels (n), and the data's name."""
    import gzip

    if "cifar" in name or "resnet" in name:
        folder = SHARED / "data/cifar-10-batches-bin"
        rows = np.fromfile(folder / "test_batch.bin", np.uint8, count * 3073).reshape(count, 3073)
        return rows[:, 1:].reshape(count, 3, 32, 32) / np.float32(255), rows[:, 0].astype(np.int64), f"cifar10:{folder}"
    kind, folder = ("fashion-mnist", ROOT / "fixtures/fashion-mnist") if "fashion" in name else ("mnist", SHARED / "data/mnist")
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:16 + count * 784]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:8 + count]
    pixels = np.frombuffer(images, np.uint8).reshape(count, 1, 28, 28) / np.float32(255)
    return pixels, np.frombuffer(labels, np.uint8).astype(np.int64), f"{kind}:{folder}"


def command(program: str, path: Path, data: str, norm: str, eps: str, count: int) -> tuple[float, float]:
    own = ["--input-scale", "255"] if path.stem == "cntk_mnist" else []
    words = [program, "audit", str(path), "--data", data, "--norm", norm, "--eps", eps, "--first", str(count), *own,
             "--attack", "standard", "--packet-samples", "0", "--threads", "1", "--json"]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found["clean"]["accuracy"], found["robust"]["robust_accuracy"]


def row(program: str, path: Path, norm: str, count: int) -> dict:
    """Accuracies of a network, clean and robust, by way."""
    x, y, data = samples(path.stem, count)
    eps = EPS[x.shape[2]][norm]
    module = module_of(path)
    common = {"norm": norm, "eps": eps, "attack": "standard", "packet_samples": 0, "progress": False}
    begin = time.time()
    live = kennard.audit(module, x, y, batch_size=count, **common)
    file = kennard.audit(exported(module, x.shape[1:]), x, y, runtime="onnxruntime", threads=1, **common)
    ways = {"live": (live.clean_accuracy, live.robust_accuracy), "file": (file.clean_accuracy, file.robust_accuracy),
            "command": command(program, path, data, norm, eps, count)}
    return {"name": path.stem, "norm": norm, "eps": eps, "images": count, "seconds": round(time.time() - begin, 1), **ways}


def agree(found: dict) -> bool:
    clean, robust = zip(*(found[way] for way in ("live", "file", "command")))
    return len(set(clean)) == 1 and max(robust) - min(robust) <= 0.002 + 1 / found["images"] + 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="names of networks; all by default")
    parser.add_argument("--kennard", default="target/release/kennard")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "live_agreement.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.kept.read_text().splitlines() if arguments.kept.exists() else []
    known = {(r["name"], r["norm"], r["images"]): r for r in map(json.loads, lines)}
    print(f"PyTorch {torch.__version__}, Kennard {kennard.__version__}, {arguments.images} images")
    print("\n| network | | clean | live | exported | command |\n|---|---|---|---|---|---|", flush=True)
    apart = 0
    for path in sorted((SHARED / "models").glob("*.onnx")):
        if arguments.models and path.stem not in arguments.models:
            continue
        for norm in ("linf", "l2", "l1"):
            found = known.get((path.stem, norm, arguments.images))
            if found is None:
                found = row(arguments.kennard, path, norm, arguments.images)
                with arguments.kept.open("a") as file:
                    file.write(json.dumps(found) + "\n")
            apart += not agree(found)
            mark = "" if agree(found) else " ✗"
            robust = " | ".join(f"{100 * found[way][1]:.1f} %" for way in ("live", "file", "command"))
            print(f"| {found['name']}{mark} | {norm} {found['eps']} | {100 * found['live'][0]:.1f} % | {robust} |", flush=True)
    sys.exit(apart > 0)


if __name__ == "__main__":
    main()
