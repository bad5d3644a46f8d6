"""Modules as ONNX files, and passes in less precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False}


def test_a_module_and_its_export_have_the_same_verdicts(samples: Samples, module: Any) -> None:
    """By rounding alone at most one of these sixty may differ."""
    given: dict[str, Any] = {"eps": 0.05, "attack": "apgd-ce", "steps": 20, **QUICK}
    results = {engine: kennard.audit(module, *samples, engine=engine, **given) for engine in ("live", "export", "auto")}
    assert results["live"].engine == "live: PyTorch computes"
    for engine in ("export", "auto"):
        assert results[engine].engine.startswith("export: an ONNX file of the module computes")
        assert not results[engine].summary["runtime"].startswith("torch")
        assert abs(results[engine].robust_accuracy - results["live"].robust_accuracy) <= 1 / 60 + 1e-9
        assert results[engine].clean_accuracy == results["live"].clean_accuracy


class Unexportable(torch.nn.Module):
    """A Bessel function is no operator of ONNX."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return self.inner(torch.special.bessel_j0(x * 0) * x)


def test_auto_says_why_it_stays_live(
    samples: Samples, module: Any, shifting: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"eps": 0.02, "attack": "fgsm", **QUICK}
    found = kennard.audit(Unexportable(module).eval(), *samples, engine="auto", **given)
    assert found.engine.startswith("live: PyTorch computes, since PyTorch cannot export it to ONNX")
    assert "graph" not in capfd.readouterr().out
    with pytest.raises(ValueError, match="engine: the module cannot be exported.*engine='live'"):
        kennard.audit(Unexportable(module).eval(), *samples, engine="export", **given)

    found = kennard.audit(shifting, *samples, engine="auto", batch_size=1, **given)
    assert "an ONNX file may have other logits; its forward makes Python numbers" in found.engine
    assert "conftest.py:" in found.engine
    x = torch.from_numpy(samples[0])
    found = kennard.audit(lambda batch: module(batch), x, samples[1], engine="auto", **given)
    assert "a function is no module" in found.engine
    with pytest.raises(ValueError, match="engine: 'onnx' is unknown"):
        kennard.audit(module, *samples, engine="onnx", **given)


def test_less_precision_for_attacks_and_the_module_s_own_for_the_last_word(samples: Samples, module: Any) -> None:
    """The module keeps what it was asked in which precision: points that count are checked outside of autocast, and a sample is
    broken only where the module in single precision says so."""
    asked: set[str] = set()

    class Noting(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            z = module(x)
            asked.add(str(z.dtype))
            return z

    x, y = samples
    found = kennard.attack(Noting().eval(), x, y, eps=0.05, attack="pgd", steps=5, autocast="bfloat16", **QUICK)
    assert asked == {"torch.float32", "torch.bfloat16"}
    with torch.no_grad():
        taken = module(torch.from_numpy(found.points["pgd"])).argmax(1).numpy()
    broken = found.broken["pgd"]
    assert broken.any() and (taken[broken] != y[broken]).all()
    full = kennard.attack(module, x, y, eps=0.05, attack="pgd", steps=5, **QUICK)
    assert abs(broken.mean() - full.broken["pgd"].mean()) < 0.1
    with pytest.raises(ValueError, match="autocast= is for PyTorch's own passes"):
        kennard.attack(module, x, y, eps=0.05, autocast="bfloat16", engine="export", **QUICK)
    with pytest.raises(ValueError, match="autocast: 'int8' is unknown"):
        kennard.attack(module, x, y, eps=0.05, autocast="int8", **QUICK)


def test_exported_weights_are_the_module_s(samples: Samples) -> None:
    """Tensors that are equal stay tensors of their own when a network is to be trained."""
    onnx = pytest.importorskip("onnx")
    from kennard._export import exported

    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4 * 26 * 26, 10)]
    made = torch.nn.Sequential(*layers).eval()
    graph = onnx.load_from_string(exported(made, samples[0], trainable=True)).graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, tensor in made.state_dict().items():
        if tensor.is_floating_point():
            np.testing.assert_array_equal(found[name], tensor.numpy())


def test_attacks_search_in_bfloat16_and_are_judged_in_full(samples: Samples, module: Any, tmp_path: Path) -> None:
    """Searches see the module under autocast, packets and margins its own precision; what is broken is so in single precision."""
    asked: list[str] = []

    class Noting(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            z = module(x)
            asked.append(str(z.dtype))
            return z

    x, y = samples
    given: dict[str, Any] = {"eps": 0.05, "attack": "pgd", "steps": 5, "packet_samples": 0, "progress": False}
    found = kennard.audit(Noting().eval(), x, y, search_precision="bf16", out=tmp_path / "run", **given)
    assert set(asked) == {"torch.float32", "torch.bfloat16"}
    assert found.summary["search_precision"] == "bf16"
    full = kennard.audit(module, x, y, **given)
    assert "search_precision" not in full.summary
    # Two of sixty may lie so near the edge that the precision of the search decides.
    assert abs(found.robust_accuracy - full.robust_accuracy) <= 2 / 60 + 1e-9
    np.testing.assert_allclose(found.column("margin"), full.column("margin"), rtol=1e-5, atol=1e-5)
    points = kennard.attack(module, x, y, search_precision="bf16", **given)
    with torch.no_grad():
        taken = module(torch.from_numpy(points.points["pgd"])).argmax(1).numpy()
    broken = points.broken["pgd"]
    assert broken.any() and (taken[broken] != y[broken]).all()

    # Where nothing searches, nothing is asked in bfloat16.
    asked.clear()
    clean: dict[str, Any] = {"eps": 0.05, "attack": "none", "packet_samples": 50, "progress": False}
    kennard.audit(Noting().eval(), x, y, search_precision="bf16", **clean)
    assert set(asked) == {"torch.float32"}
    # `auto` leaves a module its own precision.
    asked.clear()
    kennard.audit(Noting().eval(), x, y, search_precision="auto", **given)
    assert set(asked) == {"torch.float32"}
    with pytest.raises(kennard.KennardError, match="search_precision is .*bf16"):
        kennard.audit(Noting().eval(), x, y, out=tmp_path / "run", resume=True, **given)


def test_searches_that_cannot_be_in_bfloat16(samples: Samples, module: Any) -> None:
    given: dict[str, Any] = {"eps": 0.05, "attack": "square", "queries": 5, **QUICK}
    with pytest.raises(ValueError, match="search_precision, autocast: both"):
        kennard.audit(module, *samples, search_precision="bf16", autocast="float16", **given)
    with pytest.raises(ValueError, match="does not compute in bf16.*runtime='openvino'"):
        kennard.audit(module, *samples, search_precision="bf16", engine="export", **given)
    with pytest.raises(ValueError, match="passes of python are not computed in bf16"):
        kennard.audit(lambda batch: batch.reshape(len(batch), -1)[:, :10], *samples, search_precision="bf16", **given)
    with pytest.raises(ValueError, match="no precision `int4`; choose f32 or bf16, or auto"):
        kennard.audit(module, *samples, search_precision="int4", **given)
    found = kennard.audit(module, *samples, search_precision="bf16", engine="auto", **given)
    assert "search_precision='bf16' takes PyTorch" in found.engine
