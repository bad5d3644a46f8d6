"""Makes the models of the zoo: files, samples with labels, gradients, and `expected.json`."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np

from . import attention, ends, integers, quantised, refused, sequences, spectra, tables, vision  # noqa: F401
from .case import MODELS, SAMPLES, SHOWN, WRONG, Case, derivative

# Points around each sample that is shown, for bounds.
NEAR, POINTS = 0.02, 8


def chosen(logits: np.ndarray) -> np.ndarray:
    """Samples whose answer is sure enough that no rounding changes it, of as many classes as there are."""
    ordered = np.sort(logits, 1)
    margin = ordered[:, -1] - ordered[:, -2]
    sure = [i for i in range(len(logits)) if margin[i] > 0.02 * min(np.ptp(logits), 50)]
    answers = logits.argmax(1)
    first = [next(i for i in sure if answers[i] == c) for c in sorted(set(answers[sure]))][:SAMPLES]
    rest = [i for i in sure if i not in first][: SAMPLES - len(first)]
    if len(first) + len(rest) < SAMPLES:
        raise ValueError(f"only {len(sure)} samples have an answer that rounding does not change")
    return np.array(sorted(first + rest))


def one(name: str, case: Case, folder: Path) -> dict:
    (folder / f"{name}.onnx").write_bytes(case.model)
    entry = {
        "options": case.options,
        "audit": case.audit,
        "attack": case.attack,
        "runtimes": case.runtimes,
        "refused": case.refused,
        "says": case.says,
        "apart": case.apart,
        "gradient": None,
    }
    x = case.samples
    if case.logits is None:
        y = np.arange(len(x[:SAMPLES])) % (case.classes or 2)
    else:
        logits = case.logits(x)
        at = chosen(logits)
        x, answers = x[at], logits[at].argmax(1)
        y = answers.copy()
        y[SAMPLES - WRONG :] = (y[SAMPLES - WRONG :] + 1) % logits.shape[1]
        entry |= {"correct": SAMPLES - WRONG, "answers": len(set(answers.tolist()))}
        if case.within:
            others = logits[at].copy()
            others[np.arange(len(at)), answers] = -np.inf
            entry["margins"] = (logits[at].max(1) - others.max(1))[: SAMPLES - WRONG].tolist()
            shown, labels = x[:SHOWN], (y[:SHOWN] + 1) % logits.shape[1]
            taken = (lambda a: np.exp(case.logits(a))) if case.raw else case.logits
            gradient = (case.gradient or (lambda a, b: derivative(taken, a, b)))(shown, labels)
            points = shown[:, None] + NEAR * np.random.default_rng(2).uniform(-1, 1, (SHOWN, POINTS, *x.shape[1:]))
            values = np.stack([taken(p.astype(np.float32)) for p in points])
            np.savez(folder / f"{name}.gradient.npz", x=shown, label=labels, gradient=gradient, near=NEAR, logits=values)
            entry["gradient"] = case.within
    np.savez(folder / f"{name}.npz", x=x[:SAMPLES], y=y)
    return entry


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "expected.json"
    # Models that are named are made anew, beside those that are there.
    expected = json.loads(index.read_text()) if names and index.exists() else {}
    for name, (make, needs) in MODELS.items():
        if names and name not in names:
            continue
        lacking = [module for module in needs.split() if importlib.util.find_spec(module) is None]
        if lacking:
            expected[name] = {"skipped": f"{', '.join(lacking)} is not installed"}
            continue
        start = time.perf_counter()
        try:
            expected[name] = one(name, make(), folder)
        except Exception as error:  # of an exporter, say: the other models are made all the same
            expected[name] = {"failed": f"{type(error).__name__}: {error}"}
            print(f"FAILED {name}: {error}", file=sys.stderr)
            continue
        print(f"{time.perf_counter() - start:6.2f} s  {(folder / f'{name}.onnx').stat().st_size:7} bytes  {name}", flush=True)
    index.write_text(json.dumps(expected, indent=1) + "\n")
    skipped = sum("skipped" in entry for entry in expected.values())
    sys.stdout.flush()
    print(f"{len(expected) - skipped} models in {folder}, {skipped} skipped", file=sys.stderr)
