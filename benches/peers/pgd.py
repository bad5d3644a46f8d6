"""Seconds for PGD-40 over 1 000 MNIST images: torchattacks and foolbox against a Kennard audit.

    python benches/peers/pgd.py --threads 2 --kennard "target/release/kennard audit {model} --data {data} \\
        --first 1000 --attack pgd --eps 0.1 --step-size 0.01 --steps 40 --packet-samples 0 --threads {threads} --json"

The network is wong_mnist_eps0.1, the first 1 000 test images, linf, epsilon 0.1, step 0.01, one uniform random
start, in $KENNARD_SHARED (default ../shared). The two libraries run eager PyTorch at the best of the batch
sizes 100, 250 and 1000, found beforehand; then all take turns for five rounds and the medians are printed.
Every library's adversarials are checked to lie within epsilon and [0, 1] and are classified again to give the
robust accuracy (of the last point). A library's seconds are those of its attack alone; the Kennard command's
are of the whole process, start and reports included. {model}, {data} and {threads} are replaced in it. Needs
references/requirements.txt.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable

import foolbox
import torch
import torchattacks
from torch import Tensor

from images import case
from network import Network
from pytorch import ROUNDS
from side import attacked, audited, begin, parser, versions

EPSILON, STEP, STEPS, SAMPLES = 0.1, 0.01, 40, 1000

Attack = Callable[[Tensor, Tensor], Tensor]


def attacks(model: Network) -> dict[str, Attack]:
    theirs = torchattacks.PGD(model, eps=EPSILON, alpha=STEP, steps=STEPS, random_start=True)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    linf = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=True)
    return {"torchattacks": theirs, "foolbox": lambda x, y: linf(wrapped, x, y, epsilons=EPSILON)[1]}


def timed(attack: Attack, model: Network, x: Tensor, y: Tensor, batch: int) -> tuple[float, float]:
    """Seconds of the attack and robust accuracy in percent."""
    whole = lambda x, y: torch.cat([attack(a, b) for a, b in zip(x.split(batch), y.split(batch))])
    return attacked(whole, model, x, y, EPSILON)


def main() -> None:
    options = parser(__doc__, threads=True)
    options.add_argument("--kennard", metavar="COMMAND")
    arguments = options.parse_args()
    begin(versions("torch", "torchattacks", "foolbox"), arguments.threads)
    path, model, x, y, data = case("wong_mnist_eps0.1", "mnist", SAMPLES)
    with torch.inference_mode():
        print(f"clean accuracy {100 * (model(x).argmax(1) == y).float().mean():.2f} %")
    rivals = attacks(model)
    batches = {name: min((100, 250, 1000), key=lambda batch: timed(attack, model, x, y, batch)[0])
               for name, attack in rivals.items()}
    replacements = {"model": str(path), "data": data, "threads": str(arguments.threads)}
    results = defaultdict(list)
    for _ in range(ROUNDS):
        for name, attack in rivals.items():
            results[f"{name}, batch {batches[name]}"].append(timed(attack, model, x, y, batches[name]))
        if arguments.kennard:
            results["Kennard"].append(audited(arguments.kennard, replacements)[:2])
    medians = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in results.items()}
    for name, runs in results.items():
        seconds, accuracies = zip(*runs)
        compared = "Kennard" in medians and name != "Kennard"
        ratio = f", {medians[name] / medians['Kennard']:.2f} times Kennard's" if compared else ""
        print(f"{name:24} {medians[name]:7.2f} s ({min(seconds):.2f} to {max(seconds):.2f}){ratio}; "
              f"robust accuracy {' '.join(f'{a:.1f}' for a in accuracies)} %")


if __name__ == "__main__":
    main()
