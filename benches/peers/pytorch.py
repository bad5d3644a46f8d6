"""Images per second of PyTorch and of Kennard on the same network, machine and minutes.

    python benches/peers/pytorch.py akamaster_resnet20 wong_mnist_eps0.1 --threads 2 \\
        --kennard "target/release/kennard bench {model} --threads {threads} --json"

A model is a file name without .onnx in fixtures/ or $KENNARD_SHARED/models (default ../shared). Measured are
the forward pass and forward plus input gradient of the cross-entropy. PyTorch runs eager, in the better of
its two memory layouts and at its best batch size for each of the two, found beforehand. Then both sides take
turns for five rounds, and the medians are printed. The --kennard command ({model} becomes the path) prints
one JSON object per line: {"model": ..., "runtime": ..., "forward": images/s, "gradient": images/s}; other lines
are ignored. Without --kennard only PyTorch is measured. Needs references/requirements.txt.
"""

import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F

from network import Network, onnx_torch
from side import begin, find, parser, run, versions

ROUNDS = 5
BATCHES = (1, 4, 8, 16, 32, 64, 128)
LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


def prepare(path: Path, layout: torch.memory_format, batch: int) -> dict[str, Callable[[], None]]:
    """The two passes on one batch, checked against the interpreter of references/."""
    model = Network(path).to(memory_format=layout)
    images = torch.rand(batch, *model.input_shape, generator=torch.Generator().manual_seed(0))
    graph = onnx.load(path).graph
    expected = onnx_torch.run(graph, images)[graph.output[0].name]
    images = images.to(memory_format=layout)
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
    labels = torch.arange(batch) % expected.shape[1]

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    def gradient() -> None:
        x = images.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(x), labels, reduction="sum"), x)

    return {"forward": forward, "gradient": gradient}


def rate(function: Callable[[], None], batch: int, seconds: float) -> float:
    """Images per second over at least `seconds`, after one call to warm up."""
    function()
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or calls == 0:
        function()
        calls += 1
    return calls * batch / elapsed


def best(path: Path) -> dict[str, tuple[str, int, Callable[[], None]]]:
    """For each pass the fastest (layout, batch size, function)."""
    fixed = Network(path).fixed_batch
    tried = defaultdict(list)
    for batch in [fixed] if fixed else BATCHES:
        for layout, memory in LAYOUTS.items():
            for name, function in prepare(path, memory, batch).items():
                tried[name].append((rate(function, batch, 0.4), layout, batch, function))
    return {name: max(options, key=lambda o: o[0])[1:] for name, options in tried.items()}


def kennard(command: str, path: Path, threads: int) -> list[dict]:
    _, output = run(command, {"model": str(path), "threads": str(threads)})
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not rows:
        raise SystemExit(f"`{command}` printed no JSON line")
    return rows


def compare(model: str, threads: int, command: str | None) -> None:
    path = find(model)
    chosen = best(path)
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(ROUNDS):
        for name, (_, batch, function) in chosen.items():
            measured["PyTorch"][name].append(rate(function, batch, 2.0))
        for row in kennard(command, path, threads) if command else []:
            for name in chosen:
                measured[f"Kennard, {row['runtime']}"][name].append(row[name])
    print(f"\n{model}, images/s: median of {ROUNDS} rounds (smallest to largest), ratio to PyTorch")
    for side, rates in measured.items():
        for name, values in rates.items():
            median = statistics.median(values)
            ratio = median / statistics.median(measured["PyTorch"][name])
            how = "{}, batch {}".format(*chosen[name][:2]) if side == "PyTorch" else ""
            print(f"  {side:24} {name:9} {median:9.0f} ({min(values):.0f} to {max(values):.0f})  {ratio:5.2f}  {how}")


def main() -> None:
    options = parser(__doc__, threads=True)
    options.add_argument("models", nargs="+")
    options.add_argument("--kennard", metavar="COMMAND")
    arguments = options.parse_args()
    begin(f"{versions('torch')}, Python {platform.python_version()}", arguments.threads)
    for model in arguments.models:
        compare(model, arguments.threads, arguments.kennard)


if __name__ == "__main__":
    main()
