"""Seconds for the whole of AutoAttack "standard": torchattacks against a Kennard audit, same weights and images.

    python benches/peers/autoattack.py --threads 2 --kennard "target/release/kennard audit {model} --data {data} \\
        --first {samples} --norm linf --eps {eps} --attack standard --packet-samples 0 --threads {threads} --json"

The rows are networks of $KENNARD_SHARED (default ../shared); --rows picks some by number, --samples overrides how many
images. torchattacks is put together as its own AutoAttack is, but with the 100 steps of the reference: its AutoAttack
uses 10 and does not say so. It runs eager PyTorch at the better of two batch sizes, found on a few images beforehand.
Both sides take turns, --rounds times; medians are printed. Kennard's seconds are of the whole process, start and
reports included; torchattacks' of its attack alone, as those of --live. foolbox has none of the four attacks. Needs
references/requirements.txt, and the Python package for --live.
"""

import statistics

import torch
import torchattacks
from torch import Tensor

from images import case
from network import Network
from side import attacked, audited, begin, parser, versions

# Model, data, epsilon, images.
ROWS = [
    ("akamaster_resnet20", "cifar10", 8 / 255, 128),
    ("wong_mnist_eps0.1", "mnist", 0.1, 200),
    ("sdp_cifar_cnn_a_adv", "cifar10", 2 / 255, 100),
    ("akamaster_resnet20", "cifar10", 0.5 / 255, 16),
]


def auto_attack(model: Network, eps: float) -> torchattacks.MultiAttack:
    steps = {"eps": eps, "norm": "Linf", "steps": 100, "n_restarts": 1, "seed": 0}
    square = torchattacks.Square(model, eps=eps, norm="Linf", n_queries=5000, n_restarts=1, seed=0)
    # Not its own schedule but the reference's.
    square.rescale_schedule = False
    return torchattacks.MultiAttack([
        torchattacks.APGD(model, loss="ce", **steps),
        torchattacks.APGDT(model, n_classes=10, **steps),
        torchattacks.FAB(model, multi_targeted=True, n_classes=10, **steps),
        square,
    ])


def timed(model: Network, x: Tensor, y: Tensor, eps: float, batch: int) -> tuple[float, float]:
    """Seconds of the attack, and robust accuracy in percent."""
    attack = auto_attack(model, eps)
    whole = lambda x, y: torch.cat([attack(a, b) for a, b in zip(x.split(batch), y.split(batch))])
    return attacked(whole, model, x, y, eps)


def live(model: Network, x: Tensor, y: Tensor, eps: float) -> tuple[float, float, str]:
    """The same of the Python package's class, which drives the same module."""
    from kennard import AutoAttack

    adversary = AutoAttack(model, norm="Linf", eps=eps, version="standard", device="cpu", verbose=False)
    whole = lambda x, y: adversary.run_standard_evaluation(x, y, bs=128)
    return *attacked(whole, model, x, y, eps), "the same module, live"


def main() -> None:
    options = parser(__doc__, threads=True, rounds=3, rows=len(ROWS))
    options.add_argument("--samples", type=int)
    options.add_argument("--kennard", metavar="COMMAND", action="append", default=[])
    options.add_argument("--live", action="store_true", help="the Python package on the same module too")
    arguments = options.parse_args()
    begin(versions("torch", "torchattacks"), arguments.threads)
    for row in arguments.rows:
        name, kind, eps, samples = ROWS[row - 1]
        samples = arguments.samples or samples
        path, model, x, y, data = case(name, kind, samples)
        few = min(samples, 16)
        batch = min((few, samples), key=lambda batch: timed(model, x[:few], y[:few], eps, batch)[0])
        replacements = {"model": str(path), "data": data, "threads": str(arguments.threads), "eps": repr(eps),
                        "samples": str(samples)}
        theirs, ours = [], {}
        for _ in range(arguments.rounds):
            theirs.append(timed(model, x, y, eps, batch))
            for place, command in enumerate(arguments.kennard, 1):
                seconds, accuracy, runtime = audited(command, replacements)
                ours.setdefault(f"command {place}, {runtime}", []).append((seconds, accuracy))
            if arguments.live:
                seconds, accuracy, runtime = live(model, x, y, eps)
                ours.setdefault(runtime, []).append((seconds, accuracy))
        median = statistics.median(seconds for seconds, _ in theirs)
        print(f"{name} at {eps:.5f}, {samples} images\n  torchattacks, batch {batch}: {median:.1f} s; robust accuracy "
              f"{' '.join(f'{a:.1f}' for _, a in theirs)} %", flush=True)
        for runtime, runs in ours.items():
            seconds = statistics.median(seconds for seconds, _ in runs)
            print(f"  Kennard, {runtime}: {seconds:.1f} s, {median / seconds:.2f} times as fast; robust accuracy "
                  f"{' '.join(f'{a:.1f}' for _, a in runs)} %", flush=True)


if __name__ == "__main__":
    main()
