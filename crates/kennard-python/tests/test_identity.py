"""Which modules are the same to a run that goes on, to a loop, and to a file with a temperature."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch", reason="modules are not tested: PyTorch is not installed")

QUICK: dict[str, Any] = {"eps": 0.05, "packet_samples": 0, "progress": False}


class Shifted(torch.nn.Module):
    """A network whose mean and activation are plain attributes; it counts its passes, and keeps the size and the mean of the last batch."""

    def __init__(self, inner: Any, mean: float = 0.0) -> None:
        super().__init__()
        self.inner, self.mean, self.then = inner, mean, torch.relu
        self.passes, self.last = 0, None

    def forward(self, x: Any) -> Any:
        self.passes += 1
        self.last = (len(x), float(x.detach().mean()))
        z = self.inner(x - self.mean)
        return z + self.then(z)


def others(model: Any) -> list[Any]:
    """Networks with the same weights: another number, one that is hardly another, another function."""
    far, near, other = copy.deepcopy(model), copy.deepcopy(model), copy.deepcopy(model)
    far.mean, near.mean, other.then = 0.5, 1e-9, torch.tanh
    return [far, near, other]


def test_a_run_does_not_go_on_with_another_network_of_the_same_weights(samples: Samples, module: Any, tmp_path: Path) -> None:
    model = Shifted(module).eval()

    def stop(what: str, done: int, total: int) -> None:
        if what != "clean pass" and done >= 10:
            raise RuntimeError("stop")

    given = {**QUICK, "attack": "square", "queries": 50, "batch_size": 8, "out": tmp_path / "run"}
    with pytest.raises(RuntimeError, match="stop"):
        kennard.audit(model, *samples, **{**given, "progress": stop})
    for other in others(model):
        with pytest.raises(kennard.KennardError, match="run of other settings: model is"):
            kennard.audit(other, *samples, resume=True, **given)
    # The passes that it has counted meanwhile make it no other network.
    resumed = kennard.audit(model, *samples, resume=True, **given)
    whole = kennard.audit(copy.deepcopy(model), *samples, **{**given, "out": tmp_path / "whole"})
    assert resumed.robust_accuracy == whole.robust_accuracy


def test_a_loop_does_not_go_on_with_another_network_of_the_same_weights(samples: Samples, module: Any, tmp_path: Path) -> None:
    given = {**QUICK, "attack": "fgsm", "out": tmp_path / "track"}
    model = Shifted(module).eval()
    first = kennard.Tracker(model, *samples, **given)
    first(1)
    for other in others(model):
        with pytest.raises(kennard.KennardError, match="run of other settings: model is"):
            kennard.Tracker(other, *samples, resume=True, **given)(1)
    again = kennard.Tracker(model, *samples, resume=True, **given)
    again(1)
    assert again.points == first.points


def test_a_module_is_the_same_for_all_data(samples: Samples, module: Any) -> None:
    (x, y), model = samples, Shifted(module).eval()
    packets = {**QUICK, "packet_samples": 100, "first": 4, "attack": "none"}
    found = kennard.calibrate(model, x[:30], y[:30], progress=False)
    for these in ((x[30:], y[30:]), (x[40:44], y[40:44])):
        kennard.audit(model, *these, temperature=found.file(), batch_size=4, **packets)
    for other in others(model):
        with pytest.raises((ValueError, kennard.KennardError), match="fit one to this model"):
            kennard.audit(other, x, y, temperature=found.file(), **packets)


def test_modules_that_answer_at_random_are_told_by_their_attributes(samples: Samples, module: Any) -> None:
    from kennard._module import TorchModule

    def digest(model: Any) -> str:
        return TorchModule(model, samples[0], eot=2).sha256

    model = Shifted(torch.nn.Sequential(torch.nn.Dropout(0.3).train(), module))
    model.training = False
    assert digest(model) == digest(model) == digest(copy.deepcopy(model))
    assert len({digest(other) for other in (model, *others(model))}) == 4


def test_rounding_makes_no_other_model_however_many_classes_there_are() -> None:
    """With rounding errors of 10⁻⁶ of each logit, as of other cores, a run of a thousand classes goes on."""
    from kennard._random import rounded

    random = np.random.default_rng(0)
    z = random.normal(size=(32, 1000))
    noisy = [z * (1 + 1e-6 * random.normal(size=z.shape)) for _ in range(50)]
    assert all(rounded(other, 2.0**-7) == rounded(z, 2.0**-7) for other in noisy)
    assert len({rounded(other, 2.0**-7) for other in (z, 2 * z, z + 1, z[::-1], z.astype(np.float32) * 1.05)}) == 5
