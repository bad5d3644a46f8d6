"""Measurements without attacks, distances, gradients and training: the command's figures, from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import DATA, Samples, command

QUIET = {"progress": False}


def test_packets_are_the_command_s(path: Path, tmp_path: Path) -> None:
    words = ["--scale", "1/255,2/255", "--centres", "1", "--draws", "500", "--max-draws", "500", "--accept-few"]
    said = command("uncertainty", str(path), "--data", DATA, *words, "--json", "-q")
    expected = json.loads(said.stdout)["curve"]
    found = kennard.uncertainty(
        path, DATA, scale=["1/255", 2 / 255], centres=1, draws=500, max_draws=500, out=tmp_path / "u", **QUIET
    )
    assert found.curve == expected
    assert len(found.packets) == 2 and found.column("scale").tolist() == pytest.approx([1 / 255, 2 / 255])
    assert (tmp_path / "u" / "packets.parquet").exists() and "product" in repr(found)
    shown = found._repr_html_()
    assert "<iframe" in shown and "data:image/png" in shown and "sigma_x" in shown
    assert "<!doctype html>" in found.report(tmp_path / "page.html").read_text().lower()


def test_packets_of_a_module_and_of_its_file_agree(path: Path, samples: Samples, module: Any) -> None:
    arguments: dict[str, Any] = {"scale": 1 / 255, "centres": 1, "draws": 500, "max_draws": 500, **QUIET}
    file, live = (kennard.uncertainty(model, *samples, **arguments) for model in (path, module))
    assert live.engine.startswith("live") and live.summary["runtime"].startswith("torch")
    for name in ("sigma_x", "sigma_p", "product"):
        np.testing.assert_allclose(live.column(name), file.column(name), rtol=1e-4)
    pa = pytest.importorskip("pyarrow")
    assert pa.record_batch(live.packets).num_rows == 1


def test_temperatures_are_the_command_s_and_go_on_to_packets(path: Path, samples: Samples, module: Any, tmp_path: Path) -> None:
    expected = json.loads(command("calibrate", str(path), "--data", DATA, "--json", "-q").stdout)
    found = kennard.calibrate(path, DATA, out=tmp_path / "t.json", **QUIET)
    assert found.temperature == expected["temperature"]["value"] and found.interval == tuple(expected["temperature"]["interval"])
    assert json.loads((tmp_path / "t.json").read_text())["temperature"] == expected["temperature"]
    pa = pytest.importorskip("pyarrow")
    assert set(pa.record_batch(found.bins).column("when").to_pylist()) == {"before", "after"}
    assert found.bins.column("samples").sum() == 2 * expected["measured"]
    assert "temperature" in found._repr_html_() and "T = " in repr(found)
    live = kennard.calibrate(module, DATA_ARRAYS(), **QUIET)
    assert live.temperature == pytest.approx(found.temperature, rel=1e-4)
    packets = kennard.uncertainty(
        path, DATA, scale=1 / 255, centres=1, draws=500, max_draws=500, temperature=found, **QUIET
    )
    assert [figures["temperature"] for figures in packets.curve] == [1.0, found.temperature]
    said = packets.calibration
    assert said is not None and said["after"]["calibration_error"] == expected["after"]["calibration_error"]
    assert said["before"]["calibration_error"] == expected["before"]["calibration_error"]


def test_an_audit_says_the_calibration_error(path: Path) -> None:
    result = kennard.audit(
        path, DATA, eps=0.02, attack="fgsm", first=200, packet_samples=100, temperature="fit", **QUIET
    )
    found = result.calibration
    assert found is not None and found["fitted"] == found["measured"] == 100
    assert found["temperature"]["value"] == kennard.calibrate(path, DATA, first=200, **QUIET).temperature
    low, high = found["after"]["calibration_error"]["interval"]
    assert 0 <= low <= high < 1
    assert [packet.get("temperature", 1) for packet in result.summary["packets"]] == [1, found["temperature"]["value"]]


def DATA_ARRAYS() -> tuple[Any, Any]:
    """The test set as arrays."""
    from conftest import read

    x = read("images", 16).reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)
    return x, read("labels", 8).astype(np.int64)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_distances_are_those_of_the_points(path: Path, samples: Samples, norm: str) -> None:
    x, y = samples[0][:12], samples[1][:12]
    found = kennard.minimal(path, x, y, attack=["fab", "fmn"], norm=norm, **QUIET)
    assert found.points is not None
    moved = (found.points - x).reshape(12, -1).astype(np.float64)
    sizes = np.abs(moved).max(1) if norm == "linf" else np.sqrt((moved**2).sum(1))
    np.testing.assert_allclose(sizes, found.distances, rtol=1e-6)
    assert (found.distances > 0).any() and found.robust_at(0.0) == found.clean_accuracy
    assert found.robust_at(found.median) == pytest.approx(0.5)
    ort = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    taken = ort.run(None, {ort.get_inputs()[0].name: found.points})[0].argmax(1)
    assert (taken != y).all()
    each = [kennard.minimal(path, x, y, attack=name, norm=norm, **QUIET).distances for name in ("fab", "fmn")]
    np.testing.assert_array_equal(np.minimum(*each), found.distances)


def test_points_of_a_resumed_run_are_those_that_were_found_now(path: Path, samples: Samples, tmp_path: Path) -> None:
    """What was finished before is not sought again, and has no points: clean samples are not passed off as such."""
    x, y = samples[0][:8], samples[1][:8]
    given: dict[str, Any] = {"attack": "fmn", "out": tmp_path / "run", **QUIET}
    first = kennard.minimal(path, x, y, **given)
    again = kennard.minimal(path, x, y, resume=True, **given)
    assert first.points is not None and again.points is None
    np.testing.assert_array_equal(again.distances, first.distances)
    pairs = [*zip(samples[0], samples[1])]
    assert kennard.minimal(path, pairs, attack="fmn", first=8, **QUIET).points is None, "read one by one"


def test_quartiles_are_those_of_the_summary(path: Path, samples: Samples) -> None:
    """The smallest distance that the share of samples is within, with nothing between two of them."""
    for count in (1, 2, 3, 9, 12):
        found = kennard.minimal(path, samples[0][:count], samples[1][:count], attack=["fab", "fmn"], steps=20, **QUIET)
        quartiles = found.summary["closest"]["quartiles"]
        assert found.median == quartiles[1]
        shown = [f"<td>{share} %</td><td>{size:.4g}</td>" for share, size in zip((25, 50, 75), quartiles)]
        assert all(row in found._body() for row in shown)
        assert f"median distance {quartiles[1]:.4g}>" in repr(found)


def test_distances_where_no_point_was_found_are_none() -> None:
    torch = pytest.importorskip("torch")

    class Constant(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            zero = 0 * x.flatten(1).sum(1)
            return torch.stack([zero + 1, zero], 1)

    x = np.random.default_rng(0).random((6, 1, 4, 4), dtype=np.float32)
    found = kennard.minimal(Constant().eval(), x, [0, 0, 0, 0, 0, 1], attack="fab", **QUIET)
    assert found.median == np.inf and "median distance none>" in repr(found)
    assert found._body().count("<td>none</td>") == 4 and "<td>10 %</td><td>0</td>" in found._body()
    assert "nan" not in found._body() and found.summary["closest"]["quartiles"] == [None] * 3


def test_gradients_are_those_of_pytorch(path: Path, samples: Samples, module: Any, shifting: Any) -> None:
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    torch = pytest.importorskip("torch")
    x, y = samples[0][:8], samples[1][:8]
    taken = torch.from_numpy(x).requires_grad_(True)
    torch.nn.functional.cross_entropy(module(taken), torch.from_numpy(y), reduction="sum").backward()
    proto = kennard.grad(onnx.load(path))
    assert isinstance(proto, onnx.ModelProto)
    for file in (kennard.grad(path), kennard.grad(path.read_bytes()), proto.SerializeToString(), kennard.grad(module, x)):
        session = ort.InferenceSession(file)
        given = {entry.name: y if "int64" in entry.type else x for entry in session.get_inputs()}
        names = [entry.name for entry in session.get_outputs()]
        found = dict(zip(names, session.run(None, given)))
        gradient = next(value for value in found.values() if value.shape == x.shape)
        np.testing.assert_allclose(gradient, taken.grad.numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="samples are needed to export"):
        kennard.grad(module)
    with pytest.raises(ValueError, match="of and loss exclude each other"):
        kennard.grad(path, of="logits", loss="margin")
    with pytest.raises(ValueError, match="no graph"):
        kennard.grad(lambda batch: batch)

    for call in (kennard.grad, kennard.bound):
        with pytest.raises(ValueError, match="its ONNX file has other logits"):
            call(shifting, x)
        with pytest.raises(ValueError, match="training mode"):
            call(torch.nn.Sequential(module, torch.nn.Dropout()).train(), x)
    module.eval()


RECIPE: dict[str, Any] = {
    "epochs": 2, "batch": 20, "held_out": 20, "crop": 0, "flip": False, "learning_rate": 0.01, "seed": 1, **QUIET
}


def test_training_is_the_command_s(path: Path, tmp_path: Path) -> None:
    words = "--arch mlp:16 --split test --first 60 --epochs 2 --batch 20 --held-out 20 --learning-rate 0.01 --seed 1 --flip=false"
    place = tmp_path / "command"
    said = command("train", "--data", DATA, *words.split(), "--crop", "0", "--out", str(place), "-q")
    assert said.returncode == 0, said.stderr
    found = kennard.train(x=DATA, arch="mlp:16", split="test", first=60, out=tmp_path / "python", **RECIPE)
    assert found.model("last").read_bytes() == (place / "last.onnx").read_bytes()
    lines = [json.loads(line)["loss"] for line in (place / "log.jsonl").read_text().splitlines()]
    assert found.epochs.column("loss").tolist() == lines and "validation" in repr(found)
    assert "<iframe" in found._repr_html_()
    with pytest.raises((ValueError, kennard.KennardError), match="resume=|resume"):
        kennard.train(x=DATA, arch="mlp:16", split="test", first=60, out=tmp_path / "python", **RECIPE)


def test_a_module_is_trained_further_and_gets_its_weights_back(samples: Samples, module: Any, tmp_path: Path) -> None:
    torch, ort = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    import copy

    x, y = samples
    mine = copy.deepcopy(module)
    before = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
    found = kennard.train(mine, x, y, out=tmp_path / "run", **RECIPE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in mine.state_dict().items())
    trained = found.load_into(which="last")
    assert trained is mine
    assert not all(torch.equal(tensor, before[name]) for name, tensor in mine.state_dict().items())
    session = ort.InferenceSession(str(found.model("last")))
    logits = session.run(None, {session.get_inputs()[0].name: x})[0]
    np.testing.assert_allclose(mine(torch.from_numpy(x)).detach().numpy(), logits, atol=1e-4)
    with pytest.raises(ValueError, match="same architecture"):
        found.load_into(torch.nn.Linear(3, 2))


def tied() -> Any:
    """A network of which two layers share their weights, and one is not used."""
    torch = pytest.importorskip("torch")

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.a, self.b = (torch.nn.Linear(n, 16) for n in (784, 16, 16))
            self.b.weight = self.a.weight
            self.last, self.unused = torch.nn.Linear(16, 10), torch.nn.Linear(5, 5)

        def forward(self, x: Any) -> Any:
            x = self.a(self.first(x.flatten(1)).relu()).relu()
            return self.last(self.b(x).relu())

    torch.manual_seed(0)
    return Tied().eval()


def test_weights_that_are_shared_or_not_used_come_back(samples: Samples) -> None:
    torch, ort = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    mine = tied()
    kept = mine.unused.weight.clone()
    before = mine.a.weight.detach().clone()
    found = kennard.train(mine, *samples, **RECIPE)
    for module in (mine, tied()):
        found.load_into(module, which="last")
        assert module.a.weight is module.b.weight and not torch.equal(module.a.weight, before)
        assert torch.equal(module.unused.weight, kept)
        session = ort.InferenceSession(str(found.model("last")))
        logits = session.run(None, {session.get_inputs()[0].name: samples[0]})[0]
        np.testing.assert_allclose(module(torch.from_numpy(samples[0])).detach().numpy(), logits, atol=1e-4)
    more, other = tied(), tied()
    more.added = torch.nn.Linear(3, 3)
    with pytest.raises(ValueError, match="no weights for added.weight, added.bias"):
        found.load_into(more)
    other.last = torch.nn.Linear(16, 11)
    with pytest.raises(ValueError, match="no weights for last.weight, last.bias"):
        found.load_into(other)


def test_one_tensor_cannot_be_two(samples: Samples) -> None:
    torch = pytest.importorskip("torch")
    apart = tied()
    apart.b.weight = torch.nn.Parameter(apart.a.weight.detach().clone())
    found = kennard.train(apart, *samples, **RECIPE)
    found.load_into(which="last")
    assert not torch.equal(apart.a.weight, apart.b.weight)
    with pytest.raises(ValueError, match="a.weight, b.weight are one tensor in it, and several in the trained"):
        found.load_into(tied(), which="last")


def test_normalisations_come_back_with_their_statistics(samples: Samples) -> None:
    torch, ort = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 3, stride=2), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()]
    mine = torch.nn.Sequential(*layers, torch.nn.Linear(4 * 13 * 13, 10)).eval()
    start = mine[1].running_mean.clone()
    found = kennard.train(mine, *samples, **RECIPE)
    found.load_into(which="last")
    assert not torch.equal(mine[1].running_mean, start)
    session = ort.InferenceSession(str(found.model("last")))
    logits = session.run(None, {session.get_inputs()[0].name: samples[0]})[0]
    np.testing.assert_allclose(mine(torch.from_numpy(samples[0])).detach().numpy(), logits, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "options", "says"),
    [
        ("uncertainty", {}, "scale is missing"),
        ("uncertainty", {"scale": 0.1, "sclae": 1}, "did you mean scale"),
        ("uncertainty", {"scale": 0.1, "clamp": True}, "clamp: points of a packet are not clamped"),
        ("uncertainty", {"scale": 0.1, "rel_tol": -1.0}, "rel_tol -1"),
        ("uncertainty", {"scale": 0.1, "centres": 1, "first": 1}, "centres and first exclude each other"),
        ("uncertainty", {"scale": -0.1}, "scale"),
        ("uncertainty", {"scale": 0.1, "packet": "box"}, "scale: this packet has no window"),
        ("uncertainty", {"scale": 0.1, "packet": "round"}, "round"),
        ("uncertainty", {"scale": 0.1, "tensor": "no-such"}, "no-such"),
        ("calibrate", {"epss": 1}, "no such argument"),
        ("calibrate", {"first": 1}, "too few"),
        ("minimal", {"attack": "no-such"}, "no-such"),
        ("train", {}, "samples|warm|arch|eps|held"),
        ("train", {"method": "no-such"}, "no-such.*conjugate"),
        ("train", {"method": "pgd"}, "needs eps"),
    ],
)
def test_what_makes_no_sense_is_refused_in_python_s_terms(
    path: Path, samples: Samples, call: str, options: dict[str, Any], says: str
) -> None:
    x, y = samples
    given = {"batch": 10_000} if call == "train" and not options else options
    with pytest.raises((ValueError, kennard.KennardError), match=says) as caught:
        getattr(kennard, call)(path, x, y, **given, **QUIET)
    assert "--" not in str(caught.value)


def test_what_needs_a_gradient_is_refused_for_functions(path: Path, samples: Samples) -> None:
    x, y = samples[0][:8], samples[1][:8]

    class Bright:
        """A classifier by the brightness of an image."""

        def predict_proba(self, rows: Any) -> Any:
            bright = rows.mean(1, keepdims=True)
            return np.concatenate([bright, 1 - bright], axis=1)

    for model in (Bright(), lambda batch: np.stack([batch.mean((1, 2, 3)), 1 - batch.mean((1, 2, 3))], axis=1)):
        with pytest.raises(ValueError, match="model: packets need its gradient"):
            kennard.uncertainty(model, x, y % 2, scale=0.1, **QUIET)
        with pytest.raises(ValueError, match=r"hop-skip-jump needs none.*\(attack='hop-skip-jump'\)"):
            kennard.minimal(model, x, y % 2, attack="fab", **QUIET)
    with pytest.raises(ValueError, match="minimal: another argument of this call says it already"):
        kennard.minimal(path, x, y, minimal="fmn", **QUIET)


def test_there_is_something_to_train(samples: Samples) -> None:
    with pytest.raises(ValueError, match="model: there is none to train; give one, .* arch='cnn'"):
        kennard.train(x=samples[0], y=samples[1], **QUIET)
    with pytest.raises(ValueError, match="x: a list cannot be read as an array"):
        kennard.grad(tied(), [samples[0][0], samples[0][1][:, :5]])
