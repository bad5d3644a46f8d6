"""Certificates from Python: the command's figures, closed forms, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import DATA, FIXTURES, Samples, command

QUIET = {"progress": False}


def test_certificates_are_the_command_s(path: Path, tmp_path: Path) -> None:
    said = command("certify", str(path), "--data", DATA, "--eps", "0.01", "--first", "24", "--json", "-q")
    expected = json.loads(said.stdout)
    found = kennard.certify(path, DATA, eps=0.01, first=24, out=tmp_path / "run", **QUIET)
    assert found.certified_accuracy == expected["certified"]["certified_accuracy"]
    assert found.interval == tuple(expected["certified"]["interval"])
    assert found.undecided == expected["undecided"] > 0
    assert found.certified.sum() == expected["certified"]["certified"] > 0
    assert found.certified_in_floats.sum() == expected["certified"]["in_floats"] > 0
    assert not (found.certified_in_floats & ~found.certified).any()
    pa = pytest.importorskip("pyarrow")
    table = pa.record_batch(found.samples)
    margins = np.array([np.nan if value is None else value for value in table.column("bound.margin").to_pylist()])
    assert ((margins > 0) == found.certified).all()
    assert set(table.column("bound.method").to_pylist()) <= {None, "intervals", "crown-ibp", "crown", "alpha-crown"}
    assert "undecided" in repr(found) and "certified" in found._repr_html_()
    assert (tmp_path / "run" / "report.html").exists()
    again = kennard.certify(path, DATA, eps=0.01, first=24, out=tmp_path / "run", resume=True, **QUIET)
    assert again.summary == found.summary


def test_an_audit_has_certificates_too(path: Path, samples: Samples) -> None:
    found = kennard.audit(path, *samples, eps=0.01, attack="pgd", certify=True, packet_samples=0, **QUIET)
    alone = kennard.certify(path, *samples, eps=0.01, **QUIET)
    assert found.certified_accuracy == alone.certified_accuracy
    assert found.certified_accuracy is not None and found.robust_accuracy is not None
    assert found.certified_accuracy <= found.robust_accuracy and "certified" in repr(found)
    assert found.undecided == round(60 * (found.robust_accuracy - found.certified_accuracy))
    without = kennard.audit(path, *samples, eps=0.01, attack="fgsm", packet_samples=0, **QUIET)
    assert without.certified_accuracy is None and without.undecided is None


def test_distances_come_with_certified_radii(path: Path, samples: Samples) -> None:
    found = kennard.minimal(path, samples[0][:12], samples[1][:12], attack="fmn", steps=30, certify=True, **QUIET)
    radii = np.nan_to_num(found.column("certified.radius"))
    assert (radii <= found.distances).all() and (radii > 0).sum() >= 4
    curve = found.summary["radii"]["curve"]
    assert curve[0]["certified_accuracy"] == np.mean(radii > 0)
    assert all(point["certified_accuracy"] <= point["robust_accuracy"] for point in curve)


def linear(d: int, classes: int) -> tuple[Any, Any]:
    """A linear PyTorch module (d to K) and its weights (K, d)."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    module = torch.nn.Linear(d, classes).eval()
    return module, (module.weight.detach().double().numpy(), module.bias.detach().double().numpy())


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2), ("l1", np.inf)])
def test_a_linear_module_is_certified_up_to_its_distance(norm: str, dual: float) -> None:
    """Within 0.999 of the distance to the nearest plane, and not within 1.001; dual norms of the rows."""
    module, (weight, bias) = linear(12, 4)
    x = np.random.default_rng(1).uniform(0.4, 0.6, (16, 12)).astype(np.float32)
    y = (x.astype(np.float64) @ weight.T + bias).argmax(1)
    distances = np.array([
        min(
            ((weight[label] - weight[j]) @ point + bias[label] - bias[j]) / np.linalg.norm(weight[label] - weight[j], dual)
            for j in range(4) if j != label
        )
        for point, label in zip(x.astype(np.float64), y)
    ])
    eps = float(np.median(distances))
    # Bounds that no perturbation of that size meets.
    found = kennard.certify(module, x, y, norm=norm, eps=eps, bounds=(-9, 9), **QUIET)
    assert found.engine.startswith("export")
    clear = abs(distances / eps - 1) > 1e-3
    assert (found.certified == (distances > eps))[clear].all() and clear.sum() >= 14


def test_a_linear_module_is_certified_in_boxes(tmp_path: Path) -> None:
    """The smallest difference of two logits over a box is at one of its corners: an epsilon for each feature, or boxes in a file."""
    from kennard._export import exported

    module, (weight, bias) = linear(12, 4)
    random = np.random.default_rng(1)
    x = random.uniform(0.4, 0.6, (16, 12)).astype(np.float32)
    y = (x.astype(np.float64) @ weight.T + bias).argmax(1)

    def least(lower: Any, upper: Any) -> Any:
        """The smallest margin in each box, (N,)."""
        rows = weight[y][:, None] - weight[None]
        ends = np.where(rows > 0, lower[:, None], upper[:, None])
        margins = (rows * ends).sum(2) + bias[y][:, None] - bias[None]
        margins[np.arange(len(y)), y] = np.inf
        return margins.min(1)

    shape = random.uniform(0.2, 1.0, 12)
    sizes = np.linspace(0.0, 1.0, 401)[1:]
    eps = float(sizes[np.argmin([abs((least(x - s * shape, x + s * shape) > 0).mean() - 0.5) for s in sizes])])
    found = kennard.certify(module, x, y, eps_per_feature=(eps * shape).tolist(), bounds=(-9, 9), **QUIET)
    scaled = kennard.certify(module, x, y, eps=eps, eps_per_feature=shape, bounds=(-9, 9), **QUIET)
    margins = least(x - eps * shape, x + eps * shape)
    clear = abs(margins) > 1e-4
    assert (found.certified == (margins > 0))[clear].all() and (scaled.certified == (margins > 0))[clear].all()
    assert clear.sum() >= 14 and 0 < found.certified.sum() < 16

    far = [(eps * shape * random.uniform(0.5, 1.5, x.shape)).astype(np.float32) for _ in range(2)]
    lower, upper = x - far[0], x + far[1]
    np.savez(tmp_path / "boxes.npz", x=x, y=y, lower=lower, upper=upper)
    boxed = kennard.certify(exported(module, x), f"npz:{tmp_path / 'boxes.npz'}", boxes=True, **QUIET)
    margins = least(lower.astype(np.float64), upper.astype(np.float64))
    clear = abs(margins) > 1e-4
    assert (boxed.certified == (margins > 0))[clear].all() and clear.sum() >= 14 and 0 < boxed.certified.sum() < 16


def test_bounds_of_a_box_hold_and_those_of_a_linear_module_are_exact() -> None:
    ort, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    module, (weight, bias) = linear(6, 3)
    x = np.random.default_rng(2).random((5, 6), dtype=np.float32)
    lower, upper = x - np.float32(0.1), x + np.float32(0.05)
    spec = np.broadcast_to(np.array([[1, -1, 0], [1, 0, -1]], dtype=np.float32), (5, 2, 3))
    for method in ("intervals", "crown"):
        session = ort.InferenceSession(kennard.bound(module, x, method=method))
        names = [entry.name for entry in session.get_inputs()]
        found = dict(zip([o.name for o in session.get_outputs()], session.run(None, dict(zip(names, (lower, upper, spec))))))
        rows = spec[0].astype(np.float64) @ weight
        ends = np.einsum("rd,nd->nr", np.maximum(rows, 0), lower) + np.einsum("rd,nd->nr", np.minimum(rows, 0), upper)
        exact = ends + spec[0].astype(np.float64) @ bias
        below = exact - found["bound/lower"]
        assert (below >= 0).all() and (method == "intervals" or (below < 1e-4).all())
    proto = kennard.bound(onnx.load(FIXTURES / "fashion_mlp.onnx"), norm="l2", rows=2)
    assert isinstance(proto, onnx.ModelProto) and len(proto.graph.input) == 5


def test_smoothing_is_the_command_s(tmp_path: Path) -> None:
    model = FIXTURES / "fashion_cnn_robust.onnx"
    words = ["--sigma", "0.1", "--radius", "0.1,0.2", "--draws", "600", "--first", "6", "--json", "-q"]
    expected = json.loads(command("smooth", str(model), "--data", DATA, *words).stdout)
    found = kennard.smooth(
        model, DATA, sigma=0.1, radius=[0.1, "0.2"], draws=600, first=6, out=tmp_path / "run", **QUIET
    )
    assert found.certified == expected["certified"] and found.abstained == expected["abstained"]
    assert [within["certified"] for within in found.certified] == [int((found.radii > r).sum()) for r in (0.1, 0.2)]
    pa = pytest.importorskip("pyarrow")
    assert pa.record_batch(found.samples).num_rows == 6 and "within 0.1" in repr(found)
    assert "not f itself" in (tmp_path / "run" / "report.html").read_text()
    again = kennard.smooth(
        model, DATA, sigma=0.1, radius=[0.1, 0.2], draws=600, first=6, out=tmp_path / "run", resume=True, **QUIET
    )
    assert again.summary == found.summary


def test_a_smoothed_linear_module_is_certified_within_its_distance() -> None:
    """Of two classes the radius is the distance to the plane as draws grow. A radius exceeds it with a probability of 0.001,
    one of eight with less than 0.008. With 4000 draws at distances up to 1.5 σ the limit is 0.1 σ short of it on the average,
    with a standard error of 0.03 σ: one of eight is short by 0.25 σ with a probability of less than 0.0001."""
    module, (weight, bias) = linear(8, 2)
    sigma = 0.25
    row, offset = weight[1] - weight[0], bias[1] - bias[0]
    length = np.linalg.norm(row)
    points = np.random.default_rng(5).random((8, 8))
    signed = np.linspace(-1.5, 1.5, 8) * sigma
    x = (points + np.outer(signed - (points @ row + offset) / length, row) / length).astype(np.float32)
    y = (signed > 0).astype(np.int64)
    distances = abs(signed)
    found = kennard.smooth(module, x, y, sigma=sigma, draws=4000, seed=1, **QUIET)
    assert found.engine.startswith("live")
    assert (found.radii <= distances).all() and (found.radii >= distances - 0.25 * sigma).all()
    exported = kennard.smooth(module, x, y, sigma=sigma, draws=4000, seed=1, engine="export", **QUIET)
    np.testing.assert_allclose(exported.column("count"), found.column("count"), atol=2)


@pytest.mark.parametrize(
    ("call", "options", "says"),
    [
        ("certify", {}, "eps is missing"),
        ("certify", {"boxes": False}, "eps is missing"),
        ("audit", {"boxes": False}, "eps is missing"),
        ("attack", {"frozen": [0]}, "eps is missing"),
        ("certify", {"eps": 0.1, "attack": "pgd"}, "attack: there is no such argument"),
        ("certify", {"eps": 0.1, "norm": "l0"}, "certificates are in linf, l2, l1, not in l0"),
        ("certify", {"eps": 0.0}, "epsilon is 0"),
        ("certify", {"eps": 1.0}, "every input"),
        ("certify", {"eps": 0.1, "engine": "live"}, "engine: there is no such argument"),
        ("smooth", {}, "sigma is missing"),
        ("smooth", {"sigma": 0.1, "radii": 1}, "did you mean radius"),
        ("smooth", {"sigma": 0.1, "radius": 3.0}, r"\(draws, sigma\)"),
        ("smooth", {"sigma": -1}, "must be a positive number"),
        ("smooth", {"sigma": 0.1, "alpha": 0.7}, "between 0 and 0.5"),
    ],
)
def test_what_makes_no_sense_is_refused_in_python_s_terms(
    path: Path, samples: Samples, call: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        getattr(kennard, call)(path, *samples, **options, **QUIET)
    assert "--" not in str(caught.value)


def test_what_has_no_graph_cannot_be_bounded(samples: Samples, module: Any) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"has no graph to bound; give a path.*exported to ONNX"):
        kennard.certify(lambda batch: batch, *samples, eps=0.1, **QUIET)
    with pytest.raises(ValueError, match=r"a live module has no graph to bound; export it to ONNX \(engine='export'\)"):
        kennard.audit(module, *samples, eps=0.1, certify=True, attack="fgsm", packet_samples=0, **QUIET)
    found = kennard.audit(module, *samples, eps=0.01, certify=True, attack="none", engine="export", packet_samples=0, **QUIET)
    assert found.certified_accuracy is not None and found.certified_accuracy > 0

    class Tangents(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            # Away from the poles, where one rounding makes another number.
            return torch.tan(0.02 * self.inner(x))

    with pytest.raises((ValueError, kennard.KennardError), match="Tan"):
        kennard.certify(Tangents().eval(), *samples, eps=0.1, **QUIET)
    with pytest.raises((ValueError, kennard.KennardError), match="Tan"):
        kennard.bound(Tangents().eval(), samples[0])
    with pytest.raises(ValueError, match="samples are needed to export"):
        kennard.bound(module)
    with pytest.raises((ValueError, kennard.KennardError), match="fast"):
        kennard.bound(module, samples[0], method="fast")
