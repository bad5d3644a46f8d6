"""Median distances to the decision boundary over 100 MNIST images: adv-lib and foolbox against Kennard.

    python benches/peers/minimal.py --threads 2 --kennard "target/release/kennard audit {model} --data {data} \\
        --first 100 --norm {norm} --minimal {attacks} --threads {threads} --out {out}"

The network is wong_mnist_eps0.1, in $KENNARD_SHARED (default ../shared), the norms l2 and linf, every attack with
100 steps, the rest as each library has it (adv-lib's DDN without rounding to 256 levels). A sample that is
misclassified from the start counts as at distance 0; every library's points are checked to lie in [0, 1] and are
classified again, and one that is classified correctly counts as infinitely far. The libraries attack all images as
one batch. Seconds are those of the attack alone; of Kennard, those of its passes, from {out}/summary.json, which
also gives the distances. {model}, {data}, {norm}, {attacks}, {threads} and {out} are replaced in the command.
Needs references/requirements.txt.
"""

import json
import tempfile
from pathlib import Path

import foolbox

from images import case
from minimum_norm import Attack, adv_lib, distances
from network import Network
from side import begin, parser, run, versions

SAMPLES, STEPS = 100, 100
NORMS = {"l2": 2, "linf": float("inf")}
KENNARD = {"l2": "fab,fab-t,fmn,ddn,minimal-apgd", "linf": "fab,fab-t,fmn,minimal-apgd"}


def attacks(model: Network, norm: str) -> dict[str, Attack]:
    """Attacks that return the closest adversarial points they find."""
    p = NORMS[norm]
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    fmn = {"l2": foolbox.attacks.L2FMNAttack, "linf": foolbox.attacks.LInfFMNAttack}[norm](steps=STEPS)
    found = {
        "adv-lib fab": lambda x, y: adv_lib.attacks.fab(model, x, y, norm=p, n_iter=STEPS),
        "adv-lib fmn": lambda x, y: adv_lib.attacks.fmn(model, x, y, norm=p, steps=STEPS),
        "foolbox fmn": lambda x, y: fmn(wrapped, x, y, epsilons=None)[1],
    }
    if norm == "l2":
        ddn = foolbox.attacks.DDNAttack(steps=STEPS)
        found["adv-lib ddn"] = lambda x, y: adv_lib.attacks.ddn(model, x, y, steps=STEPS, levels=None)
        found["foolbox ddn"] = lambda x, y: ddn(wrapped, x, y, epsilons=None)[1]
    return found


def quartiles(distances: list[float]) -> list[float]:
    """As Kennard has them: the smallest values that a quarter, a half, three quarters do not exceed."""
    ranked = sorted(distances)
    return [ranked[-(-len(ranked) * q // 4) - 1] for q in (1, 2, 3)]


def main() -> None:
    options = parser(__doc__, threads=True)
    options.add_argument("--kennard", metavar="COMMAND")
    arguments = options.parse_args()
    begin(versions("torch", "adv-lib", "foolbox"), arguments.threads)
    path, model, x, y, data = case("wong_mnist_eps0.1", "mnist", SAMPLES)
    for norm, order in NORMS.items():
        for name, attack in attacks(model, norm).items():
            seconds, found = distances(model, x, y, attack, order, SAMPLES)
            report(norm, name, quartiles(found.tolist()), found.mean().item(), seconds)
        if arguments.kennard:
            with tempfile.TemporaryDirectory() as out:
                replacements = {"model": str(path), "data": data, "norm": norm, "attacks": KENNARD[norm],
                                "threads": str(arguments.threads), "out": f"{out}/run"}
                run(arguments.kennard, replacements)
                summary = json.loads(Path(out, "run/summary.json").read_text())
            for attack in summary["minimal"]:
                passes = f"{attack['forwards']} forwards, {attack['backwards']} backwards"
                found = [float("inf") if q is None else q for q in attack["distances"]["quartiles"]]
                report(norm, f"Kennard {attack['name']}", found, None, attack["seconds"], passes)


def report(norm: str, name: str, quartiles: list[float], mean: float | None, seconds: float, note: str = "") -> None:
    figures = "  ".join(f"{q:.4f}" for q in quartiles)
    mean = "" if mean is None else f"mean {mean:.4f}"
    print(f"{norm:5} {name:22} quartiles {figures}  {mean:12} {seconds:7.2f} s  {note}", flush=True)


if __name__ == "__main__":
    main()
