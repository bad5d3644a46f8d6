"""Modules behind functions, answers in one buffer, and what is left of a run whose model changed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
QUICK: dict[str, Any] = {"eps": 0.05, "attack": "none", "packet_samples": 0, "progress": False}


def counting(module: Any) -> Any:
    """A network that counts what it sees in training mode."""
    return torch.nn.Sequential(torch.nn.BatchNorm2d(1), module)


def through(model: Any, batch: Any) -> Any:
    return model(batch)


class Wrapped:
    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, batch: Any) -> Any:
        return self.model(batch)


WAYS: dict[str, Any] = {
    "method": lambda model: model.forward,
    "closure": lambda model: lambda batch: model(batch),
    "partial": lambda model: functools.partial(through, model),
    "object": Wrapped,
}


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_module_in_training_mode_behind_a_function_is_refused(samples: Samples, module: Any, way: str, arrays: bool) -> None:
    x, y = samples
    model = counting(module).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    function = WAYS[way](model)
    if arrays:
        inner = function
        function = lambda batch: inner(torch.from_numpy(batch)).detach().numpy()  # noqa: E731
    given = x if arrays else torch.from_numpy(x)
    with pytest.raises(ValueError, match=r"training mode.*call model\.eval\(\) first"):
        kennard.audit(function, given, y, **QUICK)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "as it was"
    model.eval()
    found = kennard.audit(function, given, y, **QUICK)
    assert found.clean_accuracy == kennard.audit(model, x, y, **QUICK).clean_accuracy
    assert not model.training


def test_a_function_may_set_the_mode_itself_and_hold_what_it_does_not_run(samples: Samples, module: Any) -> None:
    x, y = samples
    model, other = counting(module).train(), torch.nn.Linear(2, 2).train()

    def function(batch: Any) -> Any:
        assert other is not None
        return model.eval()(torch.from_numpy(batch)).detach().numpy()

    assert kennard.audit(function, x, y, **QUICK).summary["total"] == 60 and other.training


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("arrays", [True, False])
def test_a_module_behind_a_function_that_changes_is_noticed(
    samples: Samples, module: Any, tmp_path: Path, named: bool, arrays: bool
) -> None:
    import copy

    x, y = samples
    model, calls = copy.deepcopy(module), 0

    def function(batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            with torch.no_grad():
                model[-1].bias += 1
        found = model(torch.as_tensor(batch))
        return found.detach().numpy() if arrays else found

    options = {**QUICK, "attack": "square", "queries": 20, **({"out": tmp_path / "run"} if named else {})}
    with pytest.raises(ValueError, match="weights changed while it was audited") as caught:
        kennard.audit(function, x if arrays else torch.from_numpy(x), y, **options)
    assert ("belongs to no single model: remove it" in str(caught.value)) == named and "kennard-" not in str(caught.value)
    if named:
        assert not {"summary.json", "report.html", "SHA256SUMS"} & {file.name for file in (tmp_path / "run").iterdir()}


def test_answers_in_one_buffer_are_compared_one_with_the_other(samples: Samples) -> None:
    x, y = samples
    random, buffer = np.random.default_rng(0), np.zeros((64, 10), np.float32)

    def function(batch: Any) -> Any:
        found = buffer[: len(batch)]
        found[...] = random.normal(size=found.shape)
        return found

    with pytest.raises(ValueError, match="answers differently when asked twice"):
        kennard.audit(function, x, y, **QUICK)


def test_batches_in_one_buffer_are_put_together() -> None:
    from kennard._data import in_batches

    buffer = np.zeros((4, 1), np.float32)

    def answer(batch: Any) -> Any:
        buffer[...] = batch
        return buffer

    points = np.arange(10, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(in_batches(answer, points, 4), points)


def test_a_buffer_that_changes_is_named_before_answers_are_compared(samples: Samples, module: Any) -> None:
    class Drifting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module
            self.register_buffer("u", torch.ones(1))

        def forward(self, x: Any) -> Any:
            self.u.mul_(1.1)
            return self.inner(x) + self.u * torch.arange(10)

    with pytest.raises(ValueError, match="its buffer u changes with every pass"):
        kennard.audit(Drifting().eval(), *samples, **QUICK)


def test_warnings_name_settings_as_arguments() -> None:
    from kennard._result import in_python

    said = in_python("average: `attack = rand`, `bounds = 0,255`, `packet_samples = 500`; `kennard report` or `kennard inspect`")
    assert said == "average: attack='rand', bounds=(0, 255), packet_samples=500; `kennard.report` or `kennard inspect`"
