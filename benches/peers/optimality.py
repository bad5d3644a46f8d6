"""How close minimum-norm attacks come to the closest points known: adv-lib's and Kennard's, at one budget.

    python benches/peers/optimality.py wong_mnist_eps0.1 --samples 200 --propagations 2000 --threads 2 \\
        --kennard "target/release/kennard audit {model} --data {data} --first {samples} --norm {norm} --minimal {attacks} \\
        --steps {steps} --threads {threads} --out {out}"

AttackBench's measure (Cinà et al. 2024, arXiv 2404.19460): the area between an attack's curve of robust accuracy over the
distance and that of the best distances that any attack here found, as a share (see `kennard attacks compare`). Every attack has
as many steps as the propagations allow, a gradient counting for two. A sample that is misclassified from the start counts as at
distance 0; every point of adv-lib's is checked to lie in [0, 1] and classified again. `best` is Kennard's whole ensemble, beyond
the budget. {model}, {data}, {samples}, {norm}, {attacks}, {steps}, {threads} and {out} are replaced.
Needs references/requirements.txt and pyarrow.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
import torch

from images import case
from minimum_norm import Attack, adv_lib, distances, minimal_apgd
from network import Network
from side import begin, parser, run, versions

ORDERS = {"l0": 0, "l1": 1, "l2": 2, "linf": float("inf")}
KENNARD = {
    "l0": "fmn,sigma-zero",
    "l1": "fab,fmn,pdpgd,alma,minimal-apgd",
    "l2": "fab,fmn,ddn,pdpgd,alma,minimal-apgd",
    "linf": "fab,fmn,pdpgd,minimal-apgd",
}
DATA = {"wong_mnist_eps0.1": "mnist"}


def attacks(model: Network, norm: str, steps: int, classes: int) -> dict[str, Attack]:
    order, lib = ORDERS[norm], adv_lib.attacks
    found: dict[str, Attack] = {"fmn": lambda x, y: lib.fmn(model, x, y, norm=order, steps=steps)}
    if norm == "l0":
        found["sigma-zero"] = lambda x, y: lib.sigma_zero(model, x, y, num_steps=steps)
        return found
    # A step of FAB takes the gradients of all classes.
    found["fab"] = lambda x, y: lib.fab(model, x, y, norm=order, n_iter=max(2 * steps // (classes + 1), 1))
    found["pdpgd"] = lambda x, y: lib.pdpgd(model, x, y, norm=order, num_steps=steps)
    limits = {"l1": 100.0, "l2": 10.0, "linf": 1.0}
    found["minimal-apgd"] = lambda x, y: minimal_apgd(
        model, x, y, norm=order, max_eps=limits[norm], binary_search_steps=10, n_iter=max(steps // 10, 1))
    if norm in ("l1", "l2"):
        found["alma"] = lambda x, y: lib.alma(model, x, y, distance=norm, num_steps=steps)
    if norm == "l2":
        found["ddn"] = lambda x, y: lib.ddn(model, x, y, steps=steps, levels=None)
    return found


def kennard(command: str, replacements: dict[str, str]) -> dict[str, np.ndarray]:
    """The distances of each attack."""
    with tempfile.TemporaryDirectory() as folder:
        run(command, replacements | {"out": f"{folder}/run"})
        table = pyarrow.parquet.read_table(Path(folder, "run/samples.parquet"))
    correct = np.equal(table["prediction"].to_numpy(), table["label"].to_numpy())
    found = {}
    for name in replacements["attacks"].split(","):
        norms = [np.inf if norm is None else norm for norm in table[f"minimal.{name}.norm"].to_pylist()]
        found[name] = np.where(correct, norms, 0.0)
    return found


def ranked(found: dict[str, np.ndarray]) -> list[tuple[str, float]]:
    best = np.min(list(found.values()), axis=0)
    farthest = best[np.isfinite(best)].max()
    area = {name: np.minimum(d, farthest).sum() for name, d in found.items()}
    least, most = np.minimum(best, farthest).sum(), farthest * (best > 0).sum()
    return sorted(((name, 1 - (a - least) / (most - least)) for name, a in area.items()), key=lambda pair: -pair[1])


def main() -> None:
    options = parser(__doc__, threads=True)
    options.add_argument("model")
    options.add_argument("--norms", nargs="*", default=list(ORDERS))
    options.add_argument("--samples", type=int, default=200)
    options.add_argument("--propagations", type=int, default=2000)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--kennard", metavar="COMMAND", required=True)
    arguments = options.parse_args()
    begin(versions("torch", "adv-lib"), arguments.threads)
    steps = arguments.propagations // 2
    kind = DATA.get(arguments.model, "cifar10")
    path, model, x, y, data = case(arguments.model, kind, arguments.samples)
    with torch.inference_mode():
        classes = model(x[:1]).shape[1]
    for norm in arguments.norms:
        found = {}
        for name, attack in attacks(model, norm, steps, classes).items():
            _, own = distances(model, x, y, attack, ORDERS[norm], arguments.batch)
            found[f"adv-lib {name}"] = own.numpy()
        replacements = {"model": str(path), "data": data, "samples": str(arguments.samples), "norm": norm,
                        "threads": str(arguments.threads), "steps": str(steps), "attacks": KENNARD[norm]}
        # FAB's and bisected Auto-PGD's steps take more than one gradient.
        runs = {"fab": max(2 * steps // (classes + 1), 1), "minimal-apgd": max(steps // 10, 1)}
        together = ",".join(name for name in KENNARD[norm].split(",") if name not in runs)
        for names, own in [(together, steps), *((n, s) for n, s in runs.items() if n in KENNARD[norm].split(","))]:
            for name, d in kennard(arguments.kennard, replacements | {"attacks": names, "steps": str(own)}).items():
                found[f"Kennard {name}"] = d
        alone = arguments.kennard.replace("--steps {steps}", "")
        found["Kennard best"] = kennard(alone, replacements | {"attacks": "best"})["best"]
        print(f"{arguments.model}, {norm}, {arguments.samples} images, {arguments.propagations} propagations")
        for name, optimality in ranked(found):
            print(f"  {name:22} {optimality:.4f}  median {np.median(found[name]):.5g}", flush=True)


if __name__ == "__main__":
    main()
