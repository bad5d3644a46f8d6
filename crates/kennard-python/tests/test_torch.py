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

    with pytest.raises(ValueError, match="its parameter shift changes with every pass"):
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


def of(model: Any, attacks: list[str], eps: float | str = 0.05, **options: Any) -> kennard.AutoAttack:
    options = {"version": "custom", "verbose": False, **options}
    return kennard.AutoAttack(model, eps=eps, attacks_to_run=attacks, **options)


def test_autoattack_without_attacks_asks_the_model(
    samples: Samples, module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    state = tmp_path / "state.json"
    wrong = module(x).argmin(1)
    found = of(module, [], verbose=True).run_standard_evaluation(x, wrong, state_path=state)
    assert torch.equal(found, x) and "robust accuracy: 0.00%" in capsys.readouterr().out
    kept = json.loads(state.read_text())
    assert kept["_clean_accuracy"] == 0.0 and not any(kept["_robust_flags"])
    of(module, [], verbose=True).run_standard_evaluation(x, y)
    clean = (module(x).argmax(1) == y).float().mean().item()
    assert f"robust accuracy: {clean:.2%}" in capsys.readouterr().out


def test_attacks_of_a_version_alone_have_its_budget(
    samples: Samples, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plus begins APGD anew four times: 500 steps where nothing breaks, 100 otherwise."""
    x, y = (torch.from_numpy(array) for array in samples)
    right = torch.nonzero(module(x).argmax(1) == y).flatten()[:2]
    spent: list[int] = []
    own = kennard._kennard.attack

    def attack(*given: Any) -> Any:
        found = own(*given)
        spent.extend(record["attacks"][0]["backwards"] for record in json.loads(found.records))
        return found

    monkeypatch.setattr(kennard._kennard, "attack", attack)
    adversary = kennard.AutoAttack(module, eps=1e-4, version="plus", verbose=False)
    adversary.attacks_to_run = ["apgd-ce"]
    assert list(adversary.run_standard_evaluation_individual(x[right], y[right])) == ["apgd-ce"]
    of(module, ["apgd-ce"], eps=1e-4).run_standard_evaluation(x[right], y[right])
    assert len(spent) == 4 and min(spent[:2]) >= 500 and max(spent[2:]) < 200
    l1 = kennard.AutoAttack(module, norm="L1", version="standard", verbose=False)
    assert [l1._budgeted(name) for name in ("apgd-ce", "apgd-t", "square")] == [
        {"name": "apgd-ce", "restarts": 5}, {"name": "apgd-t", "targets": 5}, {"name": "square"}
    ]


def test_the_state_file_has_each_attack_as_soon_as_it_is_run(samples: Samples, module: Any, tmp_path: Path) -> None:
    """Interrupted in the second of two attacks, a run goes on with that, and comes to the same as one that was not."""
    x, y = (torch.from_numpy(array) for array in samples)
    attacks, state = ["apgd-ce", "apgd-dlr"], tmp_path / "state.json"
    whole = of(module, attacks).run_standard_evaluation(x, y, bs=60)

    def stopping(after: int, told: str, path: Path | None = state) -> None:
        adversary = of(module, attacks)
        own, calls = adversary._attack, 0

        def attack(*given: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > after:
                raise KeyboardInterrupt("resume=True goes on")
            return own(*given)

        adversary._attack = attack  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt, match=told) as caught:
            adversary.run_standard_evaluation(x, y, bs=60, state_path=path)
        assert "resume" not in str(caught.value) and "out=" not in str(caught.value)

    stopping(0, "nothing is kept without state_path", None)
    stopping(0, "before an attack was finished")
    assert not state.exists()
    stopping(1, "state.json has the attacks that were run, and the same call goes on")
    kept = json.loads(state.read_text())
    assert kept["_run_attacks"] == ["apgd-ce"] and 0 < kept["_clean_accuracy"] <= 1
    rest = of(module, attacks).run_standard_evaluation(x, y, bs=60, state_path=state)
    robust = torch.tensor(json.loads(state.read_text())["_robust_flags"])
    assert torch.equal(robust, module(whole).argmax(1) == y) and 0 < robust.sum() < 60
    changed = (rest != x).flatten(1).any(1)
    assert torch.equal(rest[changed], whole[changed]) and not changed[~torch.tensor(kept["_robust_flags"])].any()
    # In one go with a state file, and without.
    again = of(module, attacks).run_standard_evaluation(x, y, bs=60, state_path=tmp_path / "other.json")
    assert torch.equal(again, whole)
    # The reference writes one before anything was run.
    (tmp_path / "new.json").write_text(json.dumps({**kept, "_run_attacks": [], "_robust_flags": None}))
    assert torch.equal(of(module, attacks).run_standard_evaluation(x, y, bs=60, state_path=tmp_path / "new.json"), whole)


def test_what_is_misclassified_is_not_attacked_after_a_state_file(samples: Samples, module: Any, tmp_path: Path) -> None:
    x = torch.from_numpy(samples[0])
    answers = module(x).argmax(1)
    # All but the first are wrong, each next to a label that would be right.
    y = (answers == 0).long()
    y[0] = answers[0]
    state = tmp_path / "state.json"
    wanted = {"_attacks_to_run": ["apgd-ce", "apgd-dlr"], "_run_attacks": ["apgd-ce"], "_clean_accuracy": 1 / 60}
    state.write_text(json.dumps({**wanted, "_robust_flags": [True] + [False] * 59}))
    adversary = of(module, ["apgd-ce", "apgd-dlr"])
    own, labels = adversary._attack, []
    adversary._attack = lambda x, y, *more: (labels.append(y), own(x, y, *more))[1]  # type: ignore[method-assign]
    adversary.run_standard_evaluation(x, y, state_path=state)
    assert len(labels) == 1 and torch.equal(labels[0], y)


def test_autoattack_names_what_makes_no_sense(samples: Samples, module: Any) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    adversary = of(module, ["apgd-ce"], eps="8/255")
    found = adversary.run_standard_evaluation(x, y)
    assert 7.9 / 255 < (found - x).abs().max() <= 8 / 255 + 1e-6
    for given, says in (
        ((x[:0], y[:0]), "x_orig: there are no samples"),
        ((x, y[:5]), "x_orig, y_orig: 60 samples and 5 labels"),
        ((x, y[:, None]), r"y_orig: its shape is \(60, 1\); give one integer per sample"),
        ((x.numpy(), y), "x_orig: it is a ndarray of float32; give a tensor"),
        (((255 * x).byte(), y), "x_orig: it is a Tensor of torch.uint8"),
        ((x, y, 0), "bs: 0 is not a whole number of at least 1"),
        ((x, y, "x"), "bs: 'x' is not a whole number of at least 1"),
    ):
        for call in (adversary.run_standard_evaluation, adversary.clean_accuracy):
            with pytest.raises(ValueError, match=says):
                call(*given)
    with pytest.raises(ValueError, match=r"x_orig: sample 0 has the value \d+, and AutoAttack takes samples in \[0, 1\]"):
        adversary.run_standard_evaluation((255 * x).round(), y)
    for change, says in (({"eps": "x"}, "eps: `x` is no number"), ({"seed": 1.5}, "seed: 1.5 makes no sense")):
        with pytest.raises(ValueError, match=says):
            of(module, ["apgd-ce"], **change).run_standard_evaluation(x, y)


def test_samples_in_another_precision_than_the_weights(samples: Samples, module: Any, tmp_path: Path) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    adversary, state = of(module, ["apgd-ce"]), tmp_path / "state.json"
    assert adversary.clean_accuracy(x.double(), y) == adversary.clean_accuracy(x, y)
    points, answers = adversary.run_standard_evaluation(x.double(), y, return_labels=True, state_path=state)
    assert points.dtype == torch.float64 and torch.equal(answers, module(points.float()).argmax(1))
    again = adversary.run_standard_evaluation(x.double(), y, state_path=state)
    assert torch.equal(again, x.double()), "every attack was run"


@pytest.mark.parametrize("content", ["no JSON", "{}", "[]", '{"_attacks_to_run": 3, "_run_attacks": [], "_robust_flags": null}'])
def test_a_damaged_state_file_is_named(samples: Samples, module: Any, tmp_path: Path, content: str) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    state = tmp_path / "state.json"
    state.write_text(content)
    with pytest.raises(ValueError, match=r"state_path: .*state.json is no state file of AutoAttack; name another, or remove it"):
        of(module, ["apgd-ce"]).run_standard_evaluation(x, y, state_path=state)


def test_settings_of_attacks_have_the_reference_s_names(samples: Samples, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (torch.from_numpy(array[:6]) for array in samples)
    plus = kennard.AutoAttack(module, version="plus", verbose=False)
    assert (plus.apgd.n_restarts, plus.fab.n_restarts, plus.apgd_targeted.n_target_classes, plus.square.n_queries) == (5, 5, 9, 5000)
    adversary = of(module, ["apgd-ce", "apgd-t", "fab", "fab-t", "square"], eps=1e-4)
    adversary.apgd.n_restarts = 2
    adversary.apgd_targeted.n_target_classes = 3
    adversary.fab.n_target_classes = adversary.fab.n_iter = 4
    adversary.square.n_queries = 20
    expected = [
        {"name": "apgd-ce", "restarts": 2}, {"name": "apgd-t", "targets": 3}, {"name": "fab", "steps": 4},
        {"name": "fab-t", "targets": 4, "steps": 4}, {"name": "square", "queries": 20},
    ]
    assert [adversary._budgeted(name) for name in adversary.attacks_to_run] == expected
    assert adversary.apgd.n_restarts == 2 and adversary.apgd.n_iter == 100
    asked: list[Any] = []
    own = adversary._attack
    monkeypatch.setattr(adversary, "_attack", lambda x, y, attack, bs: (asked.append(attack), own(x, y, attack, bs))[1])
    adversary.run_standard_evaluation(x, y)
    assert asked == expected
    # A whole version too is run with what is set.
    standard = kennard.AutoAttack(module, eps=1e-4, version="standard", verbose=False)
    standard.square.n_queries = 20
    asked.clear()
    own = standard._attack
    monkeypatch.setattr(standard, "_attack", lambda x, y, attack, bs: (asked.append(attack), own(x, y, attack, bs))[1])
    standard.run_standard_evaluation(x, y)
    assert asked[-1] == {"name": "square", "queries": 20}
    with pytest.raises(AttributeError, match="apgd.rho: Kennard's attack has no such setting; it has n_iter, n_restarts"):
        adversary.apgd.rho = 0.5
    with pytest.raises(ValueError, match="square.n_queries: 0 is not a whole number"):
        adversary.square.n_queries = 0
