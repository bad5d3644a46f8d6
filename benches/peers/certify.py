"""Milliseconds per image for CROWN's bounds: auto_LiRPA against `kennard certify`, same weights and images.

    git clone https://github.com/Verified-Intelligence/auto_LiRPA
    PYTHONPATH=auto_LiRPA python benches/peers/certify.py --kennard "target/release/kennard certify {model} \\
        --data {data} --first {samples} --eps {eps} --threads 1 --json --quiet"

One thread each. The rows are networks of $KENNARD_SHARED (default ../shared); --rows picks some by number, --samples
overrides how many images. auto_LiRPA bounds the margins of the images that are classified correctly, at the better of its two
modes for convolutions and of some batch sizes, found beforehand on a few of them. Kennard's time is what it says of the method
(compiling included), over the images that it came to. Both sides take turns, --rounds times; medians are printed, and how many
are certified by CROWN or anything cheaper. PyPI's auto_LiRPA is an old one; clone it. Needs references/requirements.txt.
"""

import json
import statistics
import time
import warnings

import numpy as np
import torch
from torch import Tensor

warnings.filterwarnings("ignore")
import auto_LiRPA  # noqa: E402
from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm  # noqa: E402

from images import case  # noqa: E402
from network import Network  # noqa: E402
from side import begin, parser, run, versions  # noqa: E402

# Model, data, epsilon, images.
ROWS = [
    ("wong_mnist_eps0.1", "mnist", 0.1, 200),
    ("eran_mnist_6_100", "mnist", 0.026, 200),
    ("sdp_mnist_cnn_a_adv", "mnist.npz", 0.3, 40),
    ("sdp_cifar_cnn_a_adv", "cifar.npz", 2 / 255, 20),
]


def bound(model: Network, x: Tensor, y: Tensor, eps: float, mode: str, batch: int) -> tuple[float, int]:
    """Seconds, and how many images are certified."""
    bounded = BoundedModule(model, x[:batch], bound_opts={"conv_mode": mode}, verbose=False)
    classes = model(x[:1]).shape[1]
    one = torch.eye(classes)
    certified = 0
    # It is made for one batch size: the last batch is filled up.
    fill = -len(x) % batch
    x, y, n = torch.cat([x, x[:fill]]), torch.cat([y, y[:fill]]), len(x)
    start = time.perf_counter()
    for k, (a, b) in enumerate(zip(x.split(batch), y.split(batch))):
        lower, upper = (a - eps).clamp(0, 1), (a + eps).clamp(0, 1)
        region = BoundedTensor(a, PerturbationLpNorm(norm=np.inf, x_L=lower, x_U=upper))
        others = torch.stack([torch.tensor([j for j in range(classes) if j != label]) for label in b.tolist()])
        margins = one[b].unsqueeze(1) - one[others]
        with torch.no_grad():
            found, _ = bounded.compute_bounds(x=(region,), C=margins, method="CROWN", bound_upper=False)
        certified += int((found > 0).all(1)[:max(n - k * batch, 0)].sum())
    return time.perf_counter() - start, certified


def kennard(command: str, replacements: dict[str, str]) -> tuple[float, int]:
    """Milliseconds of CROWN per image, and how many images are certified by it or before it."""
    summary = json.loads(run(command, replacements)[1])
    left, certified = summary["clean"]["correct"], 0
    for method in summary["certified"]["methods"]:
        certified += method["certified"]
        if method["name"] == "crown":
            return 1000 * method["seconds"] / left, certified
        left -= method["certified"]
    raise SystemExit("this command does not say what CROWN took")


def main() -> None:
    options = parser(__doc__, rounds=3, rows=len(ROWS))
    options.add_argument("--samples", type=int)
    options.add_argument("--kennard", metavar="COMMAND", required=True)
    arguments = options.parse_args()
    begin(f"{versions('torch')}, auto_LiRPA {auto_LiRPA.__version__}", 1)
    for row in arguments.rows:
        name, kind, eps, samples = ROWS[row - 1]
        samples = arguments.samples or samples
        path, model, x, y, data = case(name, kind, samples)
        with torch.inference_mode():
            right = model(x).argmax(1) == y
        x, y = x[right].clone(), y[right].clone()
        few = min(len(x), 8)
        found = {}
        for mode in ("patches", "matrix"):
            for batch in (1, 4, few):
                try:
                    found[mode, batch] = bound(model, x[:few], y[:few], eps, mode, batch)[0]
                except RuntimeError as error:
                    print(f"  auto_LiRPA, {mode}, batch {batch}: {str(error).splitlines()[0]}", flush=True)
        mode, batch = min(found, key=lambda key: found[key])
        replacements = {"model": str(path), "data": data, "eps": repr(eps), "samples": str(samples)}
        theirs, ours = [], []
        for _ in range(arguments.rounds):
            seconds, certified = bound(model, x, y, eps, mode, batch)
            theirs.append((1000 * seconds / len(x), certified))
            ours.append(kennard(arguments.kennard, replacements))
        slow, fast = (statistics.median(each for each, _ in runs) for runs in (theirs, ours))
        print(f"{name} at {eps:.5f}, {len(x)} images\n  auto_LiRPA, {mode}, batch {batch}: {slow:.1f} ms per image, certified "
              f"{theirs[0][1]}\n  Kennard: {fast:.1f} ms, {slow / fast:.2f} times as fast, certified {ours[0][1]}", flush=True)


if __name__ == "__main__":
    main()
