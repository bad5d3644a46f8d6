"""Networks of torchvision and timm through both of PyTorch's exporters: gradients, seconds per image, memory, beside PyTorch.

    python benches/peers/vision.py --threads 2 --models MODELS --kennard "PATH_OF_THROUGHPUT {model} --runtime onnxruntime \\
        --threads {threads} --seconds 3" --grad "target/release/kennard grad {model} -o {out}"

Weights are random (seed 0). Each network is exported to MODELS by the old and by the new exporter (files that are there are
taken), with a free number of images. The gradient: of the log-loss, as `kennard grad` writes it, run by ONNX Runtime on one
image, beside float64 PyTorch's: the largest difference over the largest element, and that of float32 PyTorch, which kinks may make
large in both. The rates: images per second of forward plus
input gradient, PyTorch eager in the better of its layouts and at its best batch of 1, 4 and 8, then in turns, --rounds times,
medians. The memory: the largest resident size of a process that does nothing else, of PyTorch at that batch, of Kennard the
command's. {model}, {threads}, {out} are replaced. Needs references/requirements.txt, torchvision and timm.
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytorch import LAYOUTS, rate
from side import begin, filled, parser, run, versions

SIDE = 224
NETWORKS = ("resnet50", "convnext_tiny", "vit_b_16", "swin_t", "efficientnet_b0", "mobilenet_v3_large", "regnet_y_400mf",
            "densenet121", "maxvit_t", "timm:convnext_atto", "timm:deit_tiny_patch16_224")


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name.startswith("timm:"):
        import timm

        model = timm.create_model(name.removeprefix("timm:"), pretrained=False).eval()
    else:
        import torchvision

        model = torchvision.models.get_model(name, weights=None).eval()
    # Some heads begin with zeros, and would have no gradient.
    for weights in model.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.02)
    return model


def images(count: int) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def file(folder: Path, name: str, exporter: str) -> Path:
    return folder / f"{name.replace(':', '-')}-{exporter}.onnx"


def export(name: str, folder: Path, exporter: str) -> Path:
    path = file(folder, name, exporter)
    if path.exists():
        return path
    model, new = build(name), exporter == "new"
    free = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if new else {"dynamic_axes": {"image": {0: "n"}}}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (images(2),), str(path), dynamo=new, input_names=["image"], output_names=["logits"], **free)
    return path


def differences(name: str, path: Path, command: str) -> tuple[float, float]:
    """Of the input gradients of the log-loss from those of float64, relative to the largest element: ours, and float32 PyTorch's."""
    import onnxruntime

    out = path.with_suffix(".grad.onnx")
    run(command, {"model": str(path), "out": str(out)})
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    fed = {"image": images(1).numpy(), "kennard/label": torch.tensor([3]).numpy()}
    gradient, = session.run(["gradient/image"], fed)
    single, true = (own_gradient(name, kind) for kind in (torch.float32, torch.float64))
    apart = lambda found: float((found - true).abs().max() / true.abs().max())
    return apart(torch.from_numpy(gradient).double()), apart(single)


def own_gradient(name: str, kind: torch.dtype) -> Tensor:
    points = images(1).to(kind).requires_grad_()
    return torch.autograd.grad(F.cross_entropy(build(name).to(kind)(points), torch.tensor([3])), points)[0].double()


def watched(words: list[str]) -> tuple[str, float]:
    """What a command prints, and its largest resident size in GiB; see peak.py."""
    script = str(Path(__file__).with_name("peak.py"))
    printed = subprocess.run([sys.executable, script, *words], stdout=subprocess.PIPE, text=True, check=True).stdout
    output, most = printed.rstrip().rsplit("\n", 1)
    return output, float(most) / 1024


def pytorch(name: str, layout: str, batch: int, seconds: float) -> float:
    memory = LAYOUTS[layout]
    model = build(name).to(memory_format=memory).requires_grad_(False)
    x, labels = images(batch).to(memory_format=memory), torch.arange(batch)

    def gradient() -> None:
        points = x.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(points), labels, reduction="sum"), points)

    return rate(gradient, batch, seconds)


def own(name: str, layout: str, batch: int, seconds: float, threads: int) -> tuple[float, float]:
    words = [sys.executable, __file__, "--threads", str(threads), "--child", name, layout, str(batch), str(seconds)]
    output, memory = watched(words)
    return float(output.split()[-1]), memory


def main() -> None:
    options = parser(__doc__, threads=True, rounds=3)
    options.add_argument("networks", nargs="*", default=NETWORKS)
    options.add_argument("--models", type=Path, default=Path("vision"))
    options.add_argument("--kennard", metavar="COMMAND")
    options.add_argument("--grad", metavar="COMMAND")
    options.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.child:
        torch.set_num_threads(arguments.threads)
        name, layout, batch, seconds = arguments.child
        print(pytorch(name, layout, int(batch), float(seconds)))
        return
    arguments.models.mkdir(parents=True, exist_ok=True)
    begin(versions("torch"), arguments.threads)
    for name in arguments.networks:
        for exporter in ("old", "new"):
            try:
                path = export(name, arguments.models, exporter)
            except Exception as error:  # an exporter's own failure is no matter of ours
                print(f"{name}, {exporter} exporter: it fails itself: {str(error).splitlines()[0][:90]}", flush=True)
                continue
            if arguments.grad:
                ours, theirs = differences(name, path, arguments.grad)
                print(f"{name}, {exporter} exporter: gradients differ by {ours:.1e}, PyTorch's by {theirs:.1e}", flush=True)
        if not arguments.kennard:
            continue
        tried = {(layout, batch): own(name, layout, batch, 1.0, arguments.threads)[0] for layout in LAYOUTS for batch in (1, 4, 8)}
        layout, batch = max(tried, key=lambda key: tried[key])
        theirs = []
        ours: dict[str, list[tuple[float, float]]] = {}
        for _ in range(arguments.rounds):
            theirs.append(own(name, layout, batch, 3.0, arguments.threads))
            for exporter in ("old", "new"):
                if (path := file(arguments.models, name, exporter)).exists():
                    words = filled(arguments.kennard, {"model": str(path), "threads": str(arguments.threads)})
                    output, memory = watched(words)
                    ours.setdefault(exporter, []).append((json.loads(output)["gradient"], memory))
        slow, much = (statistics.median(values) for values in zip(*theirs))
        print(f"{name}: PyTorch, {layout}, batch {batch}: {slow:.2f} images per second, {much:.2f} GiB")
        for exporter, runs in ours.items():
            fast, memory = (statistics.median(values) for values in zip(*runs))
            print(f"  Kennard, {exporter} exporter: {fast:.2f} images per second, {fast / slow:.2f} times as fast, {memory:.2f} GiB, "
                  f"{memory / much:.2f} of the memory", flush=True)


if __name__ == "__main__":
    main()
