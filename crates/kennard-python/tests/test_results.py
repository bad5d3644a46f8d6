"""Results: pickled and copied, their pages and tables, and the directories that go with them."""

from __future__ import annotations

import copy
import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

QUICK: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "first": 20, "packet_samples": 0, "progress": False}


def same(one: kennard.Result, other: kennard.Result) -> bool:
    return repr(one) == repr(other) and one.summary == other.summary and one.columns == other.columns


def test_results_are_pickled_and_copied(path: Path, samples: Samples, tmp_path: Path) -> None:
    result = kennard.audit(path, *samples, out=tmp_path / "run", **QUICK)
    for made in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert same(made, result) and len(made.samples) == 20 and made.out == result.out
        for name in result.columns:
            np.testing.assert_array_equal(made.column(name), result.column(name))
        assert made._repr_html_() == result._repr_html_()
    pa = pytest.importorskip("pyarrow")
    table = pa.record_batch(pickle.loads(pickle.dumps(result)).samples)
    assert table.equals(pa.record_batch(result.samples)) and table.schema == pa.record_batch(result.samples).schema


def test_results_go_through_a_pool_of_processes(path: Path, samples: Samples) -> None:
    result = kennard.audit(path, *samples, **QUICK)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(repr, result).result() == repr(result)
        assert same(pool.submit(copy.copy, result).result(), result)
    assert result.out.exists(), "the other process took nothing away"


@pytest.mark.parametrize("call", ["minimal", "uncertainty", "calibrate", "smooth", "certify"])
def test_all_kinds_of_results_are_pickled(call: str, path: Path, samples: Samples) -> None:
    options: dict[str, dict[str, Any]] = {
        "minimal": {"attack": "fmn", "steps": 20, "first": 8},
        "uncertainty": {"scale": 0.02, "centres": 1, "draws": 200},
        "calibrate": {},
        "smooth": {"sigma": 0.1, "draws": 100, "first": 4},
        "certify": {"eps": 0.005, "first": 4},
    }
    result = getattr(kennard, call)(path, *samples, progress=False, **options[call])
    made = pickle.loads(pickle.dumps(result))
    assert type(made) is type(result) and made.summary == result.summary and repr(made) == repr(result)


def test_a_directory_that_nobody_named_goes_with_the_last_copy(path: Path, samples: Samples) -> None:
    result = kennard.audit(path, *samples, **QUICK)
    place = result.out
    other = copy.deepcopy(result)
    del result
    gc.collect()
    assert place.exists() and other.out == place
    del other
    gc.collect()
    assert not place.parent.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_takes_nothing_away(path: Path, samples: Samples) -> None:
    code = f"""
        import gc, os
        import numpy as np
        import kennard
        x, y = np.zeros((8, 1, 28, 28), np.float32), [0] * 8
        result = kennard.audit({str(path)!r}, x, y, eps=0.1, attack="none", packet_samples=0, progress=False)
        if os.fork() == 0:
            del result
            gc.collect()
            os._exit(0)
        os.wait()
        print(result.out.exists())
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "True"


@pytest.mark.filterwarnings("error")
def test_nothing_is_cleaned_up_by_chance(path: Path, samples: Samples, tmp_path: Path, monkeypatch: Any) -> None:
    """Refusals, results that are left, and samples that come once warn of nothing, and leave no directory."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    x, y = samples

    def refused() -> None:
        with pytest.raises(ValueError, match="the label 12"):
            kennard.audit(path, x, y + 3, **QUICK)

    calls: list[Callable[[], Any]] = [
        refused,
        lambda: kennard.audit(path, x, y, **QUICK),
        lambda: kennard.audit(path, zip(x, y), **QUICK),
        lambda: kennard.calibrate(path, x, y, progress=False),
    ]
    for call in calls:
        call()
        gc.collect()
    assert not [*tmp_path.iterdir()]


def test_pages_are_written_where_they_can_be(path: Path, samples: Samples, tmp_path: Path) -> None:
    result = kennard.audit(path, *samples, out=tmp_path / "run", **QUICK)
    own = tmp_path / "run" / "report.html"
    before = own.read_bytes()
    assert result.report(own) == own and own.read_bytes() == before
    for call in (result.report, lambda place: kennard.report(result, place), kennard.calibrate(path, *samples, progress=False).report):
        with pytest.raises(ValueError, match="path: .* is a directory; give a file"):
            call(tmp_path)
        with pytest.raises(ValueError, match="path: there is no directory .*nowhere"):
            call(tmp_path / "nowhere" / "page.html")


def test_results_are_reported_together(path: Path, samples: Samples, tmp_path: Path) -> None:
    first = kennard.audit(path, *samples, **QUICK)
    second = kennard.audit(path, *samples, **{**QUICK, "eps": 0.02}, out=tmp_path / "second")
    page = kennard.report([first, second.out], tmp_path / "page.html")
    assert page.read_text() == kennard.report([first.out, second], tmp_path / "other.html").read_text()
    assert "tabular" in kennard.report(first, tmp_path / "t.tex", table="latex").read_text()
    with pytest.raises(ValueError, match="runs: there are none"):
        kennard.report([], tmp_path / "page.html")


def test_arrays_are_no_split_of_a_data_set(path: Path, samples: Samples, tmp_path: Path) -> None:
    result = kennard.audit(path, *samples, out=tmp_path / "run", **QUICK)
    assert result.summary["data"]["name"] == "arrays given in Python" and "split" not in result.summary["data"]
    assert "split" not in json.loads((tmp_path / "run" / "manifest.json").read_text())["settings"]["data"]
    for table in ("latex", "markdown"):
        text = kennard.report(result, tmp_path / "table", table=table).read_text()
        assert "20 samples of arrays given in Python" in text and "(test)" not in text
    # It can be gone on with, and another result is compared with it.
    again = kennard.audit(path, *samples, out=tmp_path / "run", resume=True, **QUICK)
    assert again.summary["data"] == result.summary["data"]


def test_a_file_is_no_directory(path: Path, samples: Samples, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="out: .*file is a file; give a directory"):
        kennard.audit(path, *samples, out=file, **QUICK)
    with pytest.raises(ValueError, match="out: .* is a directory; give a file"):
        kennard.calibrate(path, *samples, out=tmp_path, progress=False)


def test_what_is_in_use_has_a_name() -> None:
    assert issubclass(kennard.InUse, kennard.KennardError) and kennard.InUse.__module__ == "kennard"
    error = pickle.loads(pickle.dumps(kennard.InUse("wait")))
    assert type(error) is kennard.InUse and error.args == ("wait",)


def test_a_result_whose_directory_went_says_so(path: Path, samples: Samples, tmp_path: Path) -> None:
    copied = pickle.loads(pickle.dumps(kennard.audit(path, *samples, **QUICK)))
    gc.collect()
    for call in (copied.report, lambda page: kennard.report(copied, page)):
        with pytest.raises(ValueError, match="out: .* is gone, for the directory went with the result that was pickled; give out="):
            call(tmp_path / "page.html")
    kept = pickle.loads(pickle.dumps(kennard.audit(path, *samples, out=tmp_path / "run", **QUICK)))
    assert kept.report(tmp_path / "page.html").exists()


def test_adversarial_points_are_compared_by_identity(path: Path, samples: Samples) -> None:
    given: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "progress": False}
    one, other = (kennard.attack(path, *samples, **given) for _ in range(2))
    assert one == one and one != other and len({one, other}) == 2
