"""Small models of every kind that people have (`references/zoo`), each on both runtimes.

Gradients are compared with PyTorch's, or central differences, in double precision; accuracies with what the model's own program
answers; refusals by their words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command

pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
REFERENCES = Path(__file__).resolve().parents[3] / "references"
sys.path.insert(0, str(REFERENCES))
from zoo.make import MODELS  # noqa: E402

Entry = dict[str, Any]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "KENNARD_ZOO" in os.environ:
        return Path(os.environ["KENNARD_ZOO"])
    made = tmp_path_factory.mktemp("zoo")
    done = subprocess.run([sys.executable, str(REFERENCES / "zoo"), str(made)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(params=MODELS)
def zoo(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Path, Entry]:
    entry = json.loads((folder / "expected.json").read_text())[request.param]
    if "skipped" in entry:
        pytest.skip(entry["skipped"])
    assert "failed" not in entry, entry["failed"]
    return request.param, folder, entry


def opened(file: Path) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Of all its rewrites, those for quantised arithmetic make invalid nodes of some gradients.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(str(file), options, ["CPUExecutionProvider"])


def told(entry: Entry, what: str, done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the command did its work; else that it was to refuse, in the words that were expected."""
    assert "panicked" not in done.stderr, done.stderr
    words = entry["refused"].get(what)
    if words is None:
        assert done.returncode == 0, f"{what}: {done.stderr}"
    else:
        assert done.returncode == 1, f"{what} was to be refused: {done.stdout}{done.stderr}"
        for word in words:
            assert word in done.stderr, f"{what}: no `{word}` in {done.stderr}"
    for word in entry["says"].get(what, []):
        assert word in done.stdout + done.stderr, f"{what}: no `{word}` in {done.stdout}{done.stderr}"
    return words is None


def test_inspect(zoo: tuple[str, Path, Entry]) -> None:
    name, folder, entry = zoo
    told(entry, "inspect", command("inspect", str(folder / f"{name}.onnx"), *entry["options"]))


def test_gradient(zoo: tuple[str, Path, Entry]) -> None:
    name, folder, entry = zoo
    file = folder / f"{name}.grad.onnx"
    done = command("grad", str(folder / f"{name}.onnx"), "--out", str(file), *entry["options"])
    if not told(entry, "grad", done) or entry["gradient"] is None:
        return
    session = opened(file)
    takes = session.get_inputs()
    at = next(i for i, output in enumerate(session.get_outputs()) if output.name.startswith("gradient/"))
    given = np.load(folder / f"{name}.gradient.npz")
    labels = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}[takes[-1].type]
    floats = {"tensor(float)": np.float32, "tensor(float16)": np.float16}[takes[0].type]
    batch = takes[-1].shape[0] if isinstance(takes[-1].shape[0], int) else len(given["x"])
    found = []
    for start in range(0, len(given["x"]), batch):
        # A batch that the file fixes beyond the samples is filled with the first.
        rows = [min(i, len(given["x"]) - 1) for i in range(start, start + batch)]
        x, label = given["x"][rows].astype(floats), given["label"][rows].astype(labels)
        found.append(session.run(None, {takes[0].name: x.reshape([len(x), *takes[0].shape[1:]]), takes[-1].name: label})[at])
    got = np.concatenate(found)[: len(given["x"])].astype(np.float64).reshape(given["gradient"].shape)
    for mine, reference in zip(got, given["gradient"], strict=True):
        assert np.isfinite(mine).all()
        if (share := entry["gradient"].get("relative")) is not None:
            assert np.abs(mine - reference).max() <= share * np.abs(reference).max()
        if (least := entry["gradient"].get("cosine")) is not None:
            assert (mine * reference).sum() >= least * np.linalg.norm(mine) * np.linalg.norm(reference)


def test_audit(zoo: tuple[str, Path, Entry], tmp_path: Path) -> None:
    """One step along the gradient and its margin show, on each runtime, the gradient's direction."""
    import pyarrow.parquet

    name, folder, entry = zoo
    margins = []
    for runtime in entry["runtimes"]:
        out = tmp_path / runtime
        attack = entry["attack"]
        steps = ["--norm", "l2", "--steps", "1", "--random-start", "false", "--full"] if attack == "pgd" else []
        words = ["--attack", attack, *steps, "--eps", "0.1", "--packet-samples", "0", "--runtime", runtime, "--json", "--out", str(out)]
        if attack == "square":
            words += ["--queries", "20"]
        model, data = str(folder / f"{name}.onnx"), f"npz:{folder / name}.npz"
        done = command("audit", model, "--data", data, *words, *entry["options"], *entry["audit"])
        if not told(entry, "audit", done):
            continue
        summary = json.loads(done.stdout)
        assert summary["clean"]["correct"] == entry["correct"] and summary["not_evaluated"] == 0
        table = pyarrow.parquet.read_table(out / "samples.parquet").to_pydict()
        margins.append(np.array([table["margin"], table[f"{attack}.margin"]], np.float64).T[: entry["correct"]])
    for found in margins:
        if "margins" in entry:
            expected = np.array(entry["margins"])
            assert np.abs(found[:, 0] - expected).max() <= entry["apart"] * np.abs(expected).max(), (found[:, 0], expected)
    if len(margins) == 2 and attack == "pgd":
        assert np.abs(margins[0] - margins[1]).max() <= entry["apart"] * np.abs(margins[0]).max(), margins


def test_bound(zoo: tuple[str, Path, Entry]) -> None:
    """Bounds that hold at random points of a small box, or the name of the node that has none."""
    name, folder, entry = zoo
    model, file = folder / f"{name}.onnx", folder / f"{name}.bound.onnx"
    done = command("bound", str(model), "--method", "intervals", "--out", str(file), *entry["options"])
    if "bound" in entry["refused"]:
        told(entry, "bound", done)
        return
    if done.returncode != 0:
        assert done.returncode == 1 and ("node `" in done.stderr or "no free batch" in done.stderr), done.stderr
        return
    if entry["gradient"] is None:
        return
    given = np.load(folder / f"{name}.gradient.npz")
    session = opened(file)
    x, classes = given["x"].astype(np.float32), given["logits"].shape[-1]
    shape = [len(x), *session.get_inputs()[0].shape[1:]]
    if session.get_inputs()[-1].shape[-1] == 1:
        # One number, or its sigmoid.
        values, differences = given["logits"][..., 1:] - given["logits"][..., :1], np.ones((1, 1), np.float32)
        values = 1 / (1 + np.exp(-values)) if "sigmoid" in name else values
    else:
        differences = np.eye(classes, dtype=np.float32)[:1] - np.eye(classes, dtype=np.float32)[1:]
        values = given["logits"] @ differences.T
    box = {"lower": (x - given["near"]).reshape(shape), "upper": (x + given["near"]).reshape(shape)}
    spec = np.broadcast_to(differences, [len(x), *differences.shape])
    lower, upper = session.run(None, {**{k: v.astype(np.float32) for k, v in box.items()}, "spec": spec})
    room = 1e-4 * np.abs(given["logits"]).max()
    assert (lower[:, None] <= values + room).all() and (values <= upper[:, None] + room).all()
