"""Modules whose forward branches on the samples: an ONNX file keeps what the first samples took."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
QUICK: dict[str, Any] = {"eps": 0.02, "attack": "fgsm", "packet_samples": 0, "progress": False}


class Branching(torch.nn.Module):
    """The other classes where an image is brighter than a threshold."""

    def __init__(self, inner: Any, threshold: float) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("threshold", torch.tensor(threshold))

    def forward(self, x: Any) -> Any:
        assert x.shape[1] == 1
        if self.threshold > 1e9:
            x = x * 2
        z = self.inner(x)
        if x.mean() > self.threshold:
            return -z
        return z


def just_above(x: Any) -> float:
    return float(x.reshape(len(x), -1).mean(1).max()) + 0.002


def test_a_branch_that_is_taken_within_the_ball_is_refused(samples: Samples, module: Any) -> None:
    x, y = samples
    model = Branching(module, just_above(x)).eval()
    says = r"its ONNX file has other logits, .*Python numbers of tensors \(.*test_traces\.py:\d+\)"
    with pytest.raises(ValueError, match=says):
        kennard.certify(model, x, y, eps=0.01, progress=False)
    with pytest.raises(ValueError, match=says):
        kennard.audit(model, x, y, engine="export", **QUICK)
    for call in (kennard.grad, kennard.bound):
        with pytest.raises(ValueError, match=says):
            call(model, x)
    found = kennard.audit(model, x, y, engine="auto", **QUICK)
    assert "live: PyTorch computes, since" in found.engine and "test_traces.py:" in found.engine
    assert found.summary["runtime"].startswith("torch")


def test_a_branch_that_is_not_seen_to_be_taken_is_told(samples: Samples, module: Any) -> None:
    x, y = samples
    model = Branching(module, 5.0).eval()
    found = kennard.certify(model, x, y, eps=0.001, progress=False)
    said = next(warning for warning in found.warnings if warning.startswith("traced: "))
    assert "test_traces.py:" in said and said.count("test_traces.py:") == 1, "the branches on buffers and shapes are the same always"
    plain = kennard.certify(module, x, y, eps=0.001, progress=False)
    assert not any(warning.startswith("traced") for warning in plain.warnings)
    assert found.certified_accuracy == plain.certified_accuracy
    assert any(w.startswith("traced") for w in kennard.audit(model, x, y, engine="export", **QUICK).warnings)
    with pytest.warns(UserWarning, match="test_traces.py:"):
        kennard.grad(model, x)


def test_branches_on_shapes_and_weights_are_exported(samples: Samples, module: Any) -> None:
    class Shaped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module
            self.register_buffer("scale", torch.tensor(2.0))

        def forward(self, x: Any) -> Any:
            if x.shape[-1] % 2 != 0 or x.shape[0] > 10**6:
                raise ValueError("odd")
            return self.inner(x) * (self.scale if self.scale > 1 else 1)

    found = kennard.audit(Shaped().eval(), *samples, engine="auto", **QUICK)
    assert found.engine.startswith("export: ") and not any(w.startswith("traced") for w in found.warnings)


def test_a_branch_on_the_size_of_a_batch_is_noticed(samples: Samples, module: Any) -> None:
    class Sized(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            z = self.inner(x)
            return -z if x.shape[0] == 1 else z

    with pytest.raises(ValueError, match="its ONNX file has other logits"):
        kennard.certify(Sized().eval(), *samples, eps=0.001, progress=False)


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "vit_b_16"])
def test_networks_that_assert_shapes_are_exported(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    from kennard import _export
    from kennard._module import TorchModule

    torch.manual_seed(0)
    x = np.random.default_rng(0).random((2, 3, 224, 224), dtype=np.float32)
    network = getattr(models, name)().eval()
    native, said, notes = _export.chosen("auto", network, TorchModule(network, x), x)
    assert isinstance(native, bytes) and said.startswith("export: ") and not notes
