"""Networks audited while they are trained."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import kennard
from conftest import DATA, Samples, command

torch = pytest.importorskip("torch")
OPTIONS: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "first": 30, "packet_samples": 0}


def one_epoch(module: Any, samples: Samples, optimizer: Any) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    module.train()
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(module(x), y).backward()
    optimizer.step()


def fresh() -> tuple[Any, Any]:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 10)
    )
    return module, torch.optim.Adam(module.parameters(), 0.01)


def test_every_epoch_is_audited_and_the_page_is_there_after_each(samples: Samples, tmp_path: Path) -> None:
    module, optimizer = fresh()
    out = tmp_path / "track"
    with kennard.Tracker(module, *samples, out=out, **OPTIONS) as tracker:
        for epoch in range(1, 4):
            one_epoch(module, samples, optimizer)
            result = tracker(epoch)
            assert module.training and all(part.training for part in module.modules())
            assert result is not None and tracker.page.exists()
            audited = kennard.audit(module.eval(), *samples, **OPTIONS, progress=False)
            module.train()
            assert tracker.points[-1]["clean"] == result.clean_accuracy == audited.clean_accuracy
            assert tracker.points[-1]["robust"] == result.robust_accuracy == audited.robust_accuracy
            assert len(tracker.points) == epoch
    assert [point["epoch"] for point in tracker.points] == [1, 2, 3]
    assert (out / "track.svg").exists() and (out / "epoch-0002" / "summary.json").exists()
    assert json.loads((out / "track.json").read_text())
    shown = tracker._repr_html_()
    assert "<iframe" in shown and "image/svg" in shown and "robust" in shown
    with pytest.raises(ValueError, match="count epochs upwards"):
        tracker(2)


def test_spreads_and_distances_are_tracked(samples: Samples, module: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "packet_samples": 300, "first": 12, "minimal": "fmn"}
    tracker = kennard.Tracker(module, *samples, out=tmp_path / "track", **options)
    result = tracker()
    assert result is not None
    packet = result.summary["packets"][0]
    assert tracker.points[0]["sigma_x"] == packet["sigma_x"] and tracker.points[0]["product"] > 0.49
    page = tracker.page.read_text()
    assert "track over its epochs" in page


def test_tracking_is_that_of_the_command(samples: Samples, tmp_path: Path) -> None:
    """A run of `kennard train`, tracked by the command, and its checkpoints by the tracker."""
    run = tmp_path / "run"
    kennard.train(
        x=DATA, arch="mlp:8", split="test", first=100, epochs=2, batch=20, held_out=20, out=run, progress=False
    )
    words = ["--data", DATA, "--split", "test", "--eps", "0.05", "--attack", "fgsm", "--first", "30"]
    said = command("track", str(run), *words, "--packet-samples", "0", "--json", "-q")
    expected = json.loads(said.stdout)["points"]
    tracker: Any = None
    for epoch in (1, 2):
        file = run / "checkpoints" / f"epoch-{epoch:04}.onnx"
        tracker = kennard.Tracker(file, *samples, out=tmp_path / f"own-{epoch}", **OPTIONS)
        tracker(epoch)
        for name in ("clean", "robust", "clean_interval", "robust_interval"):
            assert tracker.points[0][name] == expected[epoch - 1][name]


def test_a_killed_loop_goes_on(samples: Samples, module: Any, tmp_path: Path) -> None:
    out = tmp_path / "track"
    first = kennard.Tracker(module, *samples, out=out, **OPTIONS)
    first(1)
    other = copy.deepcopy(module)
    with torch.no_grad():
        other[1].bias += 0.1
    with pytest.raises((ValueError, kennard.KennardError), match="out: .* give resume=True"):
        kennard.Tracker(other, *samples, out=out, **OPTIONS)(1)
    again = kennard.Tracker(module, *samples, out=out, resume=True, **OPTIONS)
    again(1)
    again(2)
    assert again.points[0] == first.points[0] and [point["epoch"] for point in again.points] == [1, 2]


def test_parts_that_answer_at_random_stay_so(samples: Samples, module: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(*list(module)[:-1], torch.nn.Dropout(0.3), list(module)[-1]).eval()
    model[-2].train()
    options = {**OPTIONS, "eps": 0.1, "first": 10}
    result = kennard.Tracker(model, *samples, out=tmp_path / "track", eot=4, **options)(1)
    assert result is not None and result.verified is not None
    assert (0 < result.verified.wrong).any() and (result.verified.wrong < 1).any()
    assert model[-2].training and not model.training


def test_some_epochs_alone(samples: Samples, module: Any, tmp_path: Path) -> None:
    tracker = kennard.Tracker(module, *samples, out=tmp_path / "track", every=2, **OPTIONS)
    assert tracker(1) is None and tracker(2) is not None and len(tracker.points) == 1
    # Counted by itself.
    assert tracker() is None and tracker() is not None and [point["epoch"] for point in tracker.points] == [2, 4]
    with pytest.raises(ValueError, match="every"):
        kennard.Tracker(module, *samples, out=tmp_path, every=0, **OPTIONS)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"stepz": 1}, "did you mean steps"),
        ({"every": 1.5}, "every: 1.5 is not a whole number"),
        ({"attack": "pdg"}, "did you mean pgd"),
        ({"attack": {"name": "pgd", "step": 3}}, "no parameter `step`"),
        ({"norm": "l9"}, "norm: 'l9' is unknown"),
        ({"eps": "8/0"}, "eps: `8/0` is no number"),
        ({"eps": -1}, "epsilon is -1"),
        ({"require": "robust=0.9"}, "require"),
        ({"out": tmp_path / "track"}, "out: .* holds the audits of an earlier loop; give resume=True"),
        ({"out": __file__}, "out: .* is a file"),
    ]
    for change, says in wrong:
        with pytest.raises(ValueError, match=says):
            kennard.Tracker(module, *samples, **{**OPTIONS, "out": tmp_path / "other", **change})
    for epoch in (-1, "last", 1.5):
        with pytest.raises(ValueError, match="epoch: .* is not a whole number of at least 0"):
            tracker(epoch)  # type: ignore[arg-type]


def test_earlier_epochs_stay_where_a_loop_goes_on(samples: Samples, module: Any, tmp_path: Path) -> None:
    """A process that begins at the checkpoint of epoch 2 has epoch 1 of the one before it on its page."""
    out = tmp_path / "track"
    first = kennard.Tracker(module, *samples, out=out, **OPTIONS)
    first(1)
    first(2)
    (out / "epoch-0003").mkdir()
    again = kennard.Tracker(module, *samples, out=out, resume=True, **OPTIONS)
    again(2)
    assert again.points == first.points and [point["epoch"] for point in again.points] == [1, 2]
    again(4)
    assert [point["epoch"] for point in again.points] == [1, 2, 4]


def test_samples_that_come_once_are_none_for_several_epochs(samples: Samples, module: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x: an iterator yields its samples once"):
        kennard.Tracker(module, zip(*samples), out=tmp_path, **OPTIONS)
