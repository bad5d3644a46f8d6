"""What goes wrong is said with the argument and the cure, and what was finished is kept."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import DATA, FIXTURES, Samples

QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False}


def test_samples_that_a_module_does_not_take(samples: Samples, module: Any) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"model, x: the module fails at samples of shape \(8, 1, 28, 27\).*Give samples"):
        kennard.audit(module, samples[0][..., :27], samples[1], eps=0.1, attack="fgsm", **QUICK)


def test_labels_out_of_a_module_s_classes(samples: Samples, module: Any) -> None:
    with pytest.raises(ValueError, match="label 10.*10 classes"):
        kennard.audit(module, samples[0], [10] * 60, eps=0.1, attack="fgsm", **QUICK)


def test_samples_that_are_no_numbers(samples: Samples, module: Any) -> None:
    x = samples[0].copy()
    x[3, 0, 5, 5] = np.nan
    for call in (kennard.audit, kennard.attack):
        with pytest.raises(ValueError, match="sample 3.*NaN"):
            call(module, x, samples[1], eps=0.1, attack="fgsm", **QUICK)
    with pytest.raises(ValueError, match="sample 3.*NaN"):
        kennard.uncertainty(module, x, samples[1], scale=0.1, progress=False)


def test_a_module_whose_answers_are_no_numbers(samples: Samples, module: Any) -> None:
    torch = pytest.importorskip("torch")

    class Broken(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return module(x) * float("nan")

    found = kennard.audit(Broken().eval(), *samples, eps=0.1, attack="fgsm", **QUICK)
    assert found.summary["not_evaluated"] == 60 and found.warnings


def test_what_a_function_raises_is_raised_and_finished_samples_are_kept(path: Path, samples: Samples, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    calls, limit = 0, 40

    def logits(batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > limit:
            raise ArithmeticError("the fan has stopped")
        return ort.run(None, {ort.get_inputs()[0].name: batch})[0]

    arguments: dict[str, Any] = {
        "eps": 0.1, "attack": "square", "queries": 60, "out": tmp_path / "run", "batch_size": 8, **QUICK
    }
    with pytest.raises(ArithmeticError, match="the fan has stopped"):
        kennard.audit(logits, *samples, **arguments)
    assert any((tmp_path / "run").iterdir())
    calls, limit = 0, 10**9
    resumed = kennard.audit(logits, *samples, resume=True, **arguments)
    spent, calls = calls, 0
    whole = kennard.audit(logits, *samples, **{**arguments, "out": tmp_path / "whole"})
    assert resumed.robust_accuracy == whole.robust_accuracy and spent < calls


def in_a_process(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **variables, "FIXTURES": str(FIXTURES)}
    words = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=given, timeout=300)


AUDIT = f"kennard.audit(MODEL, {DATA!r}, eps=0.05, attack='fgsm', first=20, packet_samples=0, progress=False)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_works_before_work_began_and_is_refused_after(path: Path) -> None:
    found = in_a_process(f"""
        import os, sys, kennard
        MODEL = {str(path)!r}
        def child(expected):
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                try:
                    {AUDIT}
                    said = "worked"
                except kennard.KennardError as error:
                    said = "refused" if "spawn" in str(error) else str(error)
                print(said, flush=True)
                os._exit(0 if said == expected else 1)
            assert os.waitpid(pid, 0)[1] == 0
        child("worked")
        {AUDIT}
        child("refused")
    """)
    assert found.returncode == 0, found.stderr + found.stdout
    assert found.stdout.split() == ["worked", "refused"]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no largest size there")
def test_a_full_disk_is_said_and_does_no_harm(path: Path, tmp_path: Path) -> None:
    """No file may grow beyond 3000 bytes, which ends writing as a full disk does."""
    found = in_a_process(f"""
        import resource, signal, kennard
        MODEL = {str(path)!r}
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        try:
            {AUDIT[:-1]}, out={str(tmp_path / 'run')!r})
        except kennard.KennardError as error:
            print("said:", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        again = {AUDIT[:-1]}, out={str(tmp_path / 'run')!r}, resume=True)
        print("robust", again.robust_accuracy)
    """)
    assert found.returncode == 0, found.stderr
    assert "said:" in found.stdout and str(tmp_path / "run") in found.stdout and "robust 0." in found.stdout


def test_notebooks_show_table_pictures_and_page(path: Path, samples: Samples) -> None:
    found = kennard.audit(path, *samples, eps=0.05, attack="fgsm", **QUICK)
    shown = found._repr_html_()
    assert shown.count("<table>") == 1 and "fgsm" in shown
    assert 'sandbox="allow-scripts"' in shown and "srcdoc=" in shown
    # Whatever the page has in it stays inside the frame.
    assert "<script" not in shown.split("srcdoc=")[0] and shown.rstrip().endswith("</details>")


def test_errors_go_from_one_process_to_another(samples: Samples) -> None:
    from kennard._random import AnswersAtRandom

    with pytest.raises(kennard.KennardError) as caught:
        kennard.audit("no-such-file.onnx", *samples, eps=0.1, attack="fgsm", **QUICK)
    for error in (caught.value, kennard._kennard.InUse("in use"), AnswersAtRandom("what", "cure")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
    assert "no-such-file" in str(caught.value) and kennard.KennardError.__module__ == "kennard"


def test_a_full_disk_for_samples_that_come_once(path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    class Full:
        def __init__(self, **_: Any) -> None:
            pass

        def write(self, _: Any) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(kennard.KennardError, match=f"x: .* in {tempfile.gettempdir()}, .*No space left.*TMPDIR"):
        kennard.audit(path, zip(*samples), eps=0.05, attack="fgsm", **QUICK)


def test_notebooks_show_a_bar(path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """By IPython's interface, which need not be here: one bar, that is changed."""
    import types

    shown: list[str] = []
    display: Any = types.ModuleType("IPython.display")
    handle = types.SimpleNamespace(update=shown.append)
    display.HTML = str
    display.display = lambda bar, display_id: (shown.append(f"new {bar}"), handle)[1]
    for name, made in (("ipykernel", types.ModuleType("ipykernel")), ("IPython.display", display)):
        monkeypatch.setitem(sys.modules, name, made)
    kennard.audit(path, *samples, eps=0.05, attack="fgsm", packet_samples=0)
    assert shown and shown[0].startswith("new <progress value=") and " of " in shown[0]
    assert not any(bar.startswith("new") for bar in shown[1:])
    shown.clear()
    kennard.audit(path, *samples, eps=0.05, attack="fgsm", packet_samples=0, progress=False)
    assert not shown


def test_a_phase_s_line_ends_also_where_its_end_is_not_heard(capsys: pytest.CaptureFixture[str]) -> None:
    from kennard._prepare import _Line

    line = _Line()
    line("clean pass", 3, 60)
    line("attacks", 60, 60)
    assert capsys.readouterr().err == "\rclean pass: 3 of 60   \n\rattacks: 60 of 60   \n"
