"""Live PyTorch modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
QUICK = {"packet_samples": 0, "progress": False}


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 1.0), ("l1", 6.0)])
def test_a_module_and_its_file_have_the_same_verdicts(
    path: Path, samples: Samples, module: Any, norm: str, eps: float
) -> None:
    """By rounding alone at most one of these sixty may differ."""
    results = [
        kennard.audit(model, *samples, norm=norm, eps=eps, attack="standard", **QUICK) for model in (path, module)
    ]
    assert results[0].clean_accuracy == results[1].clean_accuracy
    assert abs(results[0].robust_accuracy - results[1].robust_accuracy) <= 1 / 60 + 1e-9
    assert results[1].summary["runtime"].startswith("torch")


def test_gradients_are_those_of_pytorch(samples: Samples, module: Any) -> None:
    """One FGSM step is the sign of PyTorch's own gradient of the cross-entropy."""
    x, y = (torch.from_numpy(array) for array in samples)
    found = kennard.attack(module, x, y, eps=0.02, attack="fgsm", progress=False)
    x = x.clone().requires_grad_(True)
    torch.nn.functional.cross_entropy(module(x), y, reduction="sum").backward()
    step = (x + 0.02 * x.grad.sign()).clamp(0, 1).detach().numpy()
    broken = found.broken["fgsm"]
    assert broken.any()
    np.testing.assert_allclose(found.points["fgsm"][broken], step[broken], atol=1e-6)
    taken = module(torch.from_numpy(found.best)).argmax(1).numpy()
    assert np.array_equal(taken == samples[1], found.correct & ~broken)


def test_data_loaders_are_read_in_the_order_of_their_data(path: Path, samples: Samples, module: Any) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=7, shuffle=True)
    results = [kennard.audit(module, *given, eps=0.05, attack="pgd", **QUICK) for given in ((x, y), (loader,))]
    assert results[0].summary["data"]["files"] == results[1].summary["data"]["files"]
    assert results[0].robust_accuracy == results[1].robust_accuracy
    batches = ((x[k : k + 8], y[k : k + 8]) for k in range(0, 60, 8))
    assert kennard.audit(module, batches, eps=0.05, attack="pgd", **QUICK).robust_accuracy == results[0].robust_accuracy


def test_logits_are_taken_out_of_what_a_module_returns(samples: Samples, module: Any) -> None:
    class Named(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"scores": module(x), "features": x}

    expected = kennard.audit(module, *samples, eps=0.05, attack="fgsm", **QUICK).robust_accuracy
    model = Named().eval()
    for output in ("scores", lambda out: out["scores"]):
        found = kennard.audit(model, *samples, eps=0.05, attack="fgsm", output=output, **QUICK)
        assert found.robust_accuracy == expected
    with pytest.raises(ValueError, match="features.*scores.*output="):
        kennard.audit(model, *samples, eps=0.05, attack="fgsm", **QUICK)


def test_what_a_module_raises_is_raised_and_finished_samples_are_kept(
    samples: Samples, module: Any, tmp_path: Path
) -> None:
    class Failing(torch.nn.Module):
        calls = 0
        limit = 60

        def forward(self, x: Any) -> Any:
            Failing.calls += 1
            if Failing.calls > Failing.limit:
                raise ArithmeticError("the fan has stopped")
            return module(x)

    arguments: dict[str, Any] = {"eps": 0.02, "attack": "apgd-ce", "out": tmp_path / "run", "batch_size": 8, **QUICK}
    with pytest.raises(ArithmeticError, match="the fan has stopped"):
        kennard.audit(Failing().eval(), *samples, **arguments)
    spent, Failing.calls, Failing.limit = Failing.calls, 0, 10**9
    resumed = kennard.audit(Failing().eval(), *samples, resume=True, **arguments)
    whole = kennard.audit(module, *samples, **{**arguments, "out": tmp_path / "whole"})
    assert spent == 61 and resumed.robust_accuracy == whole.robust_accuracy


def test_modules_that_would_give_other_figures_are_refused(samples: Samples, module: Any) -> None:
    training = torch.nn.Sequential(module, torch.nn.Dropout())
    with pytest.raises(ValueError, match=r"model.eval\(\)"):
        kennard.audit(training.train(), *samples, eps=0.1, **QUICK)
    module.eval()
    with pytest.raises(ValueError, match="model.to"):
        kennard.audit(module, *samples, eps=0.1, device="meta", **QUICK)

    class Changing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module
            self.shift = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                self.shift += 1e-6
            return self.inner(x)

    with pytest.raises(ValueError, match="weights changed"):
        kennard.audit(Changing().eval(), *samples, eps=0.1, attack="fgsm", **QUICK)


def test_autoattack_drops_in(samples: Samples, module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    adversary = kennard.AutoAttack(module, norm="Linf", eps=0.05, version="standard", device="cpu")
    assert adversary.attacks_to_run == ["apgd-ce", "apgd-t", "fab-t", "square"]
    state = tmp_path / "state.json"
    x_adv, y_adv = adversary.run_standard_evaluation(x, y, bs=32, return_labels=True, state_path=state)
    assert x_adv.shape == x.shape and (x_adv - x).abs().max() <= 0.05 + 1e-6 and 0 <= x_adv.min() <= x_adv.max() <= 1
    robust = module(x_adv).argmax(1) == y
    assert torch.equal(y_adv, module(x_adv).argmax(1))
    audited = kennard.audit(module, x, y, eps=0.05, attack="standard", batch_size=32, **QUICK)
    assert robust.float().mean().item() == pytest.approx(audited.robust_accuracy)
    said = capsys.readouterr().out
    assert "initial accuracy" in said and "robust accuracy after SQUARE" in said
    kept = json.loads(state.read_text())
    assert kept["_robust_flags"] == robust.tolist() and set(kept["_run_attacks"]) == set(adversary.attacks_to_run)
    assert adversary.clean_accuracy(x, y) == audited.clean_accuracy

    custom = kennard.AutoAttack(
        module, norm="L2", eps=1.0, version="custom", attacks_to_run=["apgd-ce", "fab"], verbose=False
    )
    found = custom.run_standard_evaluation_individual(x, y)
    assert list(found) == ["apgd-ce", "fab"] and found["fab"].shape == x.shape
    with pytest.raises(ValueError, match="custom"):
        kennard.AutoAttack(module, attacks_to_run=["fab"])
