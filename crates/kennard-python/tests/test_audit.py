"""Audits of files, arrays, functions and modules."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import DATA, Samples, command

QUICK = {"packet_samples": 0, "progress": False}


def test_the_command_comes_with_the_package() -> None:
    assert command("--version").stdout.startswith(f"kennard {kennard.__version__}")
    wrong = command("audit", "--no-such-option")
    assert wrong.returncode == 2 and "--no-such-option" in wrong.stderr


@pytest.mark.parametrize(
    ("package", "variable"), [("onnxruntime", "ORT_DYLIB_PATH"), ("openvino", "OPENVINO_DYLIB_PATH")]
)
def test_runtimes_are_this_python_s(package: str, variable: str) -> None:
    """Also where nothing in the environment says which Python is at work."""
    runtime = pytest.importorskip(package)
    words = [sys.executable, "-c", f"import kennard, os; print(os.environ['{variable}'])"]
    bare = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    said = subprocess.run(words, capture_output=True, text=True, check=True, env=bare).stdout.strip()
    assert Path(said).exists() and Path(said).is_relative_to(Path(runtime.__file__).parent)
    named = {**bare, variable: "mine"}
    assert subprocess.run(words, capture_output=True, text=True, check=True, env=named).stdout.strip() == "mine"


def test_arrays_and_the_command_agree(path: Path, samples: Samples) -> None:
    x, y = samples
    words = ["--eps", "0.05", "--attack", "standard", "--first", "60", "--packet-samples", "0", "--json", "-q"]
    said = json.loads(command("audit", str(path), "--data", DATA, *words).stdout)
    result = kennard.audit(path, x, y, eps=0.05, attack="standard", **QUICK)
    assert result.clean_accuracy == said["clean"]["accuracy"]
    assert result.robust_accuracy == said["robust"]["robust_accuracy"]
    assert result.interval == tuple(said["robust"]["interval"])
    named = kennard.audit(str(path), DATA, eps="0.05", attack=["apgd-ce"], first=60, **QUICK)
    assert named.clean_accuracy == result.clean_accuracy and list(named.attacks) == ["apgd-ce"]


def test_models_in_memory_are_the_same_model(path: Path, samples: Samples) -> None:
    onnx = pytest.importorskip("onnx")
    results = [
        kennard.audit(model, *samples, eps=0.05, attack="pgd", steps=5, **QUICK)
        for model in (path, path.read_bytes(), onnx.load(path))
    ]
    assert len({result.robust_accuracy for result in results}) == 1


def test_pixels_in_eight_bits_are_the_same_samples(path: Path, samples: Samples) -> None:
    x, y = samples
    bytes_ = np.round(x * 255).astype(np.uint8)
    results = [kennard.audit(path, given, y, eps=0.05, attack="fgsm", **QUICK) for given in (x, bytes_)]
    assert results[0].robust_accuracy == results[1].robust_accuracy


def test_results_can_be_read(path: Path, samples: Samples, tmp_path: Path) -> None:
    result = kennard.audit(path, *samples, eps=0.05, attack="fgsm", out=tmp_path / "run", **QUICK)
    pa = pytest.importorskip("pyarrow")
    table = pa.record_batch(result.samples)
    assert table.num_rows == 60 and table.column("label").to_pylist() == samples[1].tolist()
    broken = sum(bool(value) for value in table.column("fgsm.broken").to_pylist())
    assert result.robust_accuracy == pytest.approx(result.clean_accuracy - broken / 60)  # type: ignore[operator]
    assert (tmp_path / "run" / "summary.json").exists()
    page = result.report(tmp_path / "page.html").read_text()
    assert "<!doctype html>" in page.lower()
    assert kennard.report(tmp_path / "run", tmp_path / "other.html").exists()
    table = kennard.report([tmp_path / "run"], tmp_path / "table.md", table="markdown").read_text()
    assert "|" in table and "<html" not in table
    with pytest.raises(ValueError, match="table: 'html' is unknown; give 'latex' or 'markdown'"):
        kennard.report([tmp_path / "run"], tmp_path / "table.html", table="html")
    assert "robust" in repr(result) and "fgsm" in result._repr_html_()


def test_attacks_are_shown_with_what_is_not_as_usual(path: Path, samples: Samples) -> None:
    asked: dict[str, Any] = {"attack": "pgd", "steps": 1, "minimal": "fmn", "budget": 50}
    shown = kennard.audit(path, *samples, eps=0.05, **asked, **QUICK)._repr_html_()
    assert "pgd with 1 step and at most 50 passes per sample" in shown
    assert ">robust<" in shown


def test_functions_are_attacked_without_gradients(path: Path, samples: Samples, module: Any) -> None:
    import torch

    def logits(batch: Any) -> Any:
        return module(torch.from_numpy(batch)).detach().numpy()

    x, y = samples[0][:10], samples[1][:10]
    result = kennard.audit(logits, x, y, eps=0.1, attack="square", queries=200, progress=False)
    same = kennard.audit(path, x, y, eps=0.1, attack="square", queries=200, **QUICK)
    assert result.robust_accuracy == same.robust_accuracy
    with pytest.raises((ValueError, kennard.KennardError), match="without gradients"):
        kennard.audit(logits, x, y, eps=0.1, attack="pgd", **QUICK)


def test_scikit_learn_like_classifiers(samples: Samples) -> None:
    class Nearest:
        """The class of the nearer of two images."""

        def predict_proba(self, rows: Any) -> Any:
            far = np.stack([np.square(rows - samples[0][k].reshape(1, -1)).sum(1) for k in (0, 1)], axis=1)
            odds = np.exp(-far + far.min(1, keepdims=True))
            return odds / odds.sum(1, keepdims=True)

    result = kennard.audit(
        Nearest(), samples[0][:2], [0, 1], eps=0.02, attack="square", queries=50, progress=False
    )
    assert result.clean_accuracy == 1.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"eps": None}, "eps is missing"),
        ({"epss": 0.1}, "did you mean eps"),
        ({"eps": -1}, "positive|negative|eps"),
        ({"norm": "l7"}, "norm"),
        ({"y": [0] * 59}, "60 samples and 59 labels"),
        ({"y": [-1] * 60}, "smallest label is -1"),
        ({"y": [0.5] * 60}, "one integer per sample"),
        ({"y": [10] * 60}, "label 10"),
        ({"x": np.zeros((60, 1, 28, 27), np.float32)}, "27"),
        ({"x": np.full((60, 1, 28, 28), np.nan, np.float32)}, "sample 0.*NaN"),
        ({"x": np.full((60, 1, 28, 28), 2.0, np.float32)}, "bounds|outside|range"),
        ({"x": [["a"]] * 60}, "type"),
        ({"model": 3}, "is no model"),
        ({"model": b"nonsense"}, "ONNX"),
        ({"model": "no-such-file.onnx"}, "no-such-file"),
        ({"attack": "no-such-attack"}, "no-such-attack"),
        ({"samples": 0}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(path: Path, samples: Samples, change: dict[str, Any], says: str) -> None:
    x, y = samples
    arguments: dict[str, Any] = {"model": path, "x": x, "y": y, "eps": 0.1, "attack": "fgsm", **QUICK, **change}
    with pytest.raises((ValueError, kennard.KennardError), match=says):
        kennard.audit(**arguments)


def test_what_is_required_and_not_reached_is_said(path: Path, samples: Samples) -> None:
    """Nothing is raised: the command's status has no counterpart."""
    wanted = "robust>=0.99,clean>=0.01"
    found = kennard.audit(path, *samples, eps=0.05, attack="fgsm", require=wanted, **QUICK)
    assert repr(found).endswith(", NOT AS REQUIRED (robust >= 0.99)>")
    said = [warning for warning in found.warnings if warning.startswith("requirement: ")]
    assert len(said) == 1 and "robust >= 0.99 does not hold: the lower end of its 95 % interval is 0." in said[0]
    assert said[0].split(": ", 1)[1].split(":")[0] in found._repr_html_().replace("&gt;", ">")
    near = kennard.minimal(path, *samples, eps=0.05, attack="fmn", steps=5, require="robust>=0.99", progress=False)
    proved = kennard.certify(path, *samples, eps=0.05, require="certified>=0.99", progress=False)
    assert "NOT AS REQUIRED (robust >= 0.99)" in repr(near) and "NOT AS REQUIRED (certified >= 0.99)" in repr(proved)
    kept = kennard.audit(path, *samples, eps=0.05, attack="fgsm", require="clean>=0.01", **QUICK)
    assert "REQUIRED" not in repr(kept) and not any("requirement" in warning for warning in kept.warnings)


@pytest.mark.parametrize("call", ["audit", "attack"])
def test_ctrl_c_keeps_what_is_finished(path: Path, tmp_path: Path, call: str) -> None:
    """Where something is kept: attacks alone keep nothing, and name no argument that they do not have."""
    out = f"packet_samples=0, out={str(tmp_path / 'run')!r}" if call == "audit" else ""
    script = f"""
        import signal
        import sys
        import numpy as np
        import kennard
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import read
        x = read("images", 16).reshape(-1, 1, 28, 28)[:300].astype(np.float32) / np.float32(255)
        y = read("labels", 8)[:300].astype(np.int64)
        # Where the tests run in the background, it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def hear(what, done, total):
            if what == "attacks" and done >= 2:
                print("go", flush=True)
        try:
            kennard.{call}({str(path)!r}, x, y, eps=0.05, attack="square", queries=20000, progress=hear, {out})
        except KeyboardInterrupt as error:
            print("interrupted:", error, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "go"
    os.kill(process.pid, signal.SIGINT)
    begin = time.monotonic()
    rest = process.stdout.read()
    assert process.wait() == 0 and "interrupted:" in rest and ("resume=True" in rest) == (call == "audit")
    assert time.monotonic() - begin < 60
    assert (tmp_path / "run").is_dir() == (call == "audit")
