"""Modules whose forward takes or returns something unusual."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch", reason="modules are not tested: PyTorch is not installed")

QUICK: dict[str, Any] = {"eps": 0.02, "attack": "fgsm", "packet_samples": 0, "progress": False}


def with_default(module: Any, kind: str) -> Any:
    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = copy.deepcopy(module)

        def forward(self, x: Any, scale: float = 2.0, count: int = 3) -> Any:
            return self.inner(x) * scale * count

    class Named(Positional):
        def forward(self, x: Any, *, temperature: float = 1.5) -> Any:  # type: ignore[override]
            return self.inner(x) / temperature

    return {"positional": Positional, "named": Named}[kind]().eval()


@pytest.mark.parametrize("kind", ["positional", "named"])
def test_arguments_with_defaults_are_no_inputs_of_files(samples: Samples, module: Any, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    model, (x, y) = with_default(module, kind), samples
    live = kennard.audit(model, x, y, **QUICK)
    exported = kennard.audit(model, x, y, engine="export", **QUICK)
    assert exported.clean_accuracy == live.clean_accuracy and exported.engine.startswith("export")
    assert kennard.certify(model, x, y, eps=0.001, progress=False).certified.any()
    ort = pytest.importorskip("onnxruntime").InferenceSession(kennard.grad(model, x[:2]))
    logits = ort.run([ort.get_outputs()[0].name], {ort.get_inputs()[0].name: x, ort.get_inputs()[1].name: y})[0]
    with torch.no_grad():
        np.testing.assert_allclose(logits, model(torch.from_numpy(x)), rtol=1e-4, atol=1e-4)
    trained = kennard.train(model, x, y, epochs=1, threads=1, progress=False)
    assert {tensor.name for tensor in onnx.load(trained.model()).graph.initializer} >= set(model.state_dict())


def test_complex_logits_are_refused(samples: Samples, module: Any) -> None:
    class Complex(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.polar(module(x).abs() + 0.1, module(x))

    x, y = samples
    for call in (kennard.audit, kennard.certify):
        with pytest.raises(ValueError, match=r"model: it returned complex numbers \(complex64\).*output=lambda z: z.abs\(\)"):
            call(Complex().eval(), x, y, eps=0.02, progress=False)
    kennard.audit(Complex().eval(), x, y, output=lambda z: z.real, **QUICK)

    class Classifier:
        def predict_proba(self, rows: Any) -> Any:
            return rows[:, :10] + 0.1j

    for model in (lambda batch: batch.reshape(len(batch), -1)[:, :10] * 1j, Classifier()):
        with pytest.raises(ValueError, match=r"model: it returned complex numbers \(complex.*np.abs\(z\)"):
            kennard.audit(model, x, y, **{**QUICK, "attack": "square"})


def test_modules_that_take_more_than_samples(samples: Samples, module: Any) -> None:
    class Masked(torch.nn.Module):
        def forward(self, x: Any, mask: Any) -> Any:
            return module(x * mask)

    x, y = samples
    for call in (kennard.audit, kennard.certify):
        with pytest.raises(ValueError, match=r"missing 1 required .* lambda x: model\(x, mask\)"):
            call(Masked().eval(), x, y, eps=0.02, progress=False)
    model, mask = Masked().eval(), torch.ones(1)
    kennard.audit(lambda batch: model(batch, mask), torch.from_numpy(x), y, **QUICK)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_files_of_modules_in_half_precision(samples: Samples, module: Any, dtype: Any) -> None:
    model = copy.deepcopy(module).to(dtype)
    name = str(dtype).removeprefix("torch.")
    for call in (lambda: kennard.certify(model, *samples, eps=0.02, progress=False), lambda: kennard.grad(model, samples[0])):
        with pytest.raises(ValueError, match=rf"the module is {name} and its file float32: give copy.deepcopy\(model\).float\(\)"):
            call()
