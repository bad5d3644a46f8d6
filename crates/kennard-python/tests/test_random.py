"""Models that answer at random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False}


def with_dropout(module: Any, share: float = 0.5) -> Any:
    """The network with dropout left on in front of its last layer."""
    layers = list(module)
    dropout = torch.nn.Dropout(share)
    made = torch.nn.Sequential(*layers[:-1], dropout, layers[-1]).eval()
    dropout.train()
    return made


class Resized(torch.nn.Module):
    """Images shrunk to a random size and brought back, one size a batch (as Xie et al. 2018 do, arXiv 1711.01991)."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        size = int(torch.randint(16, 29, ()))
        small = torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return self.inner(torch.nn.functional.interpolate(small, size=28, mode="bilinear", align_corners=False))


@pytest.mark.parametrize("make", [with_dropout, Resized])
def test_models_that_answer_twice_differently_are_refused_with_the_cure(samples: Samples, module: Any, make: Any) -> None:
    """Of 13 sizes two in a row are equal by chance once in thirteen; so the seed is fixed."""
    torch.manual_seed(0)
    model = make(module).train(False) if make is Resized else make(module)
    for call in (kennard.audit, kennard.attack):
        torch.manual_seed(0)
        with pytest.raises(ValueError, match=r"model: it answers differently when asked twice.*model.eval\(\).*eot=20"):
            call(model, *samples, eps=0.05, attack="pgd", **QUICK)
    with pytest.raises(ValueError, match="eot"):
        torch.manual_seed(0)
        kennard.uncertainty(model, *samples, scale=0.01, progress=False)
    function = lambda batch: model(torch.from_numpy(batch)).detach().numpy()  # noqa: E731
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="eot=20"):
        kennard.audit(function, *samples, eps=0.05, attack="square", queries=10, **QUICK)


def shares(model: Any, points: Any, labels: Any, passes: int) -> Any:
    """How often each point is misclassified, counted here."""
    with torch.no_grad():
        wrong = [model(points).argmax(1) != labels for _ in range(passes)]
    return torch.stack(wrong).float().mean(0).numpy()


@pytest.mark.parametrize("make", [with_dropout, Resized])
def test_breaks_are_verified_by_fresh_passes(samples: Samples, module: Any, make: Any) -> None:
    """Shares over 100 passes and shares over 400 of our own differ by five standard deviations fewer than once in 10⁵
    points; the seed is fixed all the same."""
    torch.manual_seed(1)
    model = make(module).eval() if make is Resized else make(module)
    x, y = samples[0][:20], samples[1][:20]
    found = kennard.attack(model, x, y, eps=0.06, attack="pgd", steps=5, eot=8, **QUICK)
    checked = found.verified
    assert checked is not None and len(checked) == found.broken["pgd"].sum() > 3
    assert sorted(checked.index.tolist()) == np.flatnonzero(found.broken["pgd"]).tolist()
    points, labels = torch.from_numpy(found.points["pgd"][checked.index]), torch.from_numpy(y[checked.index])
    own = shares(model, points, labels, 400)
    deviation = np.sqrt(np.maximum(own * (1 - own), 0.25 / 400) * (1 / 100 + 1 / 400))
    assert (np.abs(own - checked.wrong) < 5 * deviation + 1e-9).all()
    assert (checked.low <= checked.wrong).all() and (checked.wrong <= checked.high).all()
    # By hand: of 100 passes all wrong, the lower end is 0.025^(1/100).
    for low in checked.low[checked.wrong == 1]:
        assert low == pytest.approx(0.025 ** (1 / 100), rel=1e-6)


def test_one_pass_overstates_what_breaks_and_the_mean_finds_more_that_holds(samples: Samples, module: Any) -> None:
    """What a deterministic attack reports of a random model: it stops at the first pass that is wrong, by chance or not. Few
    of these points fool most passes; points that were sought with the mean do."""
    model = with_dropout(module, 0.7)
    x, y = samples[0][:40], samples[1][:40]
    arguments: dict[str, Any] = {"eps": 0.03, "attack": "pgd", "steps": 10, **QUICK}
    torch.manual_seed(2)
    once = kennard.audit(model, x, y, eot=1, **arguments)
    torch.manual_seed(2)
    mean = kennard.audit(model, x, y, eot=16, **arguments)
    for result in (once, mean):
        assert result.verified is not None and result.robust_accuracy is not None
        confirmed = set(result.verified.index[result.verified.confirmed].tolist())
        expected = result.clean_accuracy - len(confirmed) / 40  # type: ignore[operator]
        assert result.verified_robust_accuracy == pytest.approx(expected)
        assert any(warning.startswith("verified: of") for warning in result.warnings)
        low, high = result.verified_interval  # type: ignore[misc]
        assert 0 <= low <= expected <= high <= 1 and low < high
        shown = f"verified {100 * expected:.2f} %, [{100 * low:.2f}, {100 * high:.2f}]"
        assert shown in repr(result) and "<td>verified robust</td>" in result._body()
    assert once.verified is not None and mean.verified is not None
    held = [result.verified.confirmed.mean() for result in (once, mean)]  # type: ignore[union-attr]
    print(f"one pass: {len(once.verified)} reported, {held[0]:.0%} hold; mean of 16: {len(mean.verified)}, {held[1]:.0%} hold")
    assert held[0] < held[1] - 0.2
    assert any("expectation" in warning for warning in mean.warnings)


def test_gradients_are_means_over_passes(samples: Samples) -> None:
    """A model whose gradient is known: z = a·(s·x, 0) with s = ±1 at random, a network whose single passes point either way.
    FGSM on the mean of many passes with E s = 0.5 moves against x's weights wherever the draw of 64 passes has more of s = 1
    (all but one in 10⁴ draws)."""

    class Signs(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            sign = 1.0 if torch.rand(()) < 0.75 else -1.0
            score = sign * (x.flatten(1).sum(1, keepdim=True) - 1.0)
            return torch.cat([score, torch.zeros_like(score)], dim=1)

    x = np.full((4, 1, 2, 2), 0.3, dtype=np.float32)
    torch.manual_seed(3)
    found = kennard.attack(Signs().eval(), x, [0] * 4, eps=0.1, attack="fgsm", eot=64, **QUICK)
    broken = found.broken["fgsm"]
    assert broken.any()
    np.testing.assert_allclose(found.points["fgsm"][broken], 0.2, atol=1e-6)


def test_modes_that_would_change_a_module_are_refused(samples: Samples, path: Path) -> None:
    layers = [torch.nn.Flatten(), torch.nn.Linear(784, 10), torch.nn.BatchNorm1d(10)]
    with pytest.raises(ValueError, match="2 would count the audit's batches"):
        kennard.audit(torch.nn.Sequential(*layers).train(), *samples, eps=0.1, eot=4, **QUICK)
    for eot in (0, 2.5, True):
        with pytest.raises(ValueError, match="eot"):
            kennard.audit(torch.nn.Sequential(*layers).eval(), *samples, eps=0.1, eot=eot, **QUICK)
    with pytest.raises(ValueError, match="eot: it is for live models"):
        kennard.audit(path, *samples, eps=0.1, eot=4, **QUICK)
    with pytest.raises(ValueError, match="cannot be resumed"):
        kennard.audit(torch.nn.Sequential(*layers).eval(), *samples, eps=0.1, eot=4, resume=True, **QUICK)


def test_autoattack_for_random_models_is_not_refused(samples: Samples, module: Any) -> None:
    torch.manual_seed(5)
    model = with_dropout(module, 0.2)
    x, y = (torch.from_numpy(array[:4]) for array in samples)
    found = kennard.audit(model, x, y, eps=0.05, attack="rand", **QUICK)
    assert list(found.attacks) == ["apgd-ce", "apgd-dlr"] and found.verified is None
    assert any(warning.startswith("random-outputs") for warning in found.warnings)
    adversary = kennard.AutoAttack(model, norm="Linf", eps=0.05, version="rand", verbose=False)
    assert adversary.run_standard_evaluation(x, y, bs=4).shape == x.shape


def test_temperatures_of_random_models(samples: Samples, module: Any) -> None:
    torch.manual_seed(4)
    model = with_dropout(module, 0.1)
    found = kennard.calibrate(model, np.concatenate([samples[0]] * 4), np.concatenate([samples[1]] * 4), eot=4, progress=False)
    assert 0.3 < found.temperature < 5


class Centred(torch.nn.Module):
    """Centres its samples, in place or not."""

    def __init__(self, inner: Any, in_place: bool) -> None:
        super().__init__()
        self.inner = inner
        self.in_place = in_place

    def forward(self, x: Any) -> Any:
        x = x.sub_(0.1).mul_(0.9) if self.in_place else (x - 0.1) * 0.9
        return self.inner(x)


@pytest.mark.parametrize("attack", [{"attack": "pgd", "steps": 5}, {"attack": "square", "queries": 50}])
def test_modules_that_work_in_place_are_not_random(samples: Samples, module: Any, attack: dict[str, Any]) -> None:
    given: dict[str, Any] = {"eps": 0.05, **attack, **QUICK}
    place, other = (Centred(module, in_place).eval() for in_place in (True, False))
    found = [kennard.audit(model, *samples, **given) for model in (place, other)]
    assert found[0].robust_accuracy == found[1].robust_accuracy
    means = [kennard.attack(model, *samples, eot=3, **given) for model in (place, other)]
    np.testing.assert_array_equal(means[0].best, means[1].best)
    assert means[0].verified is not None and means[1].verified is not None and len(means[0].verified) > 3
    np.testing.assert_array_equal(means[0].verified.wrong, means[1].verified.wrong)
    assert (means[0].verified.wrong == 1).all()


def test_functions_that_work_in_place_are_not_random(samples: Samples, module: Any) -> None:
    def logits(batch: Any) -> Any:
        batch *= 0.9
        with torch.no_grad():
            return module(torch.from_numpy(batch)).numpy()

    x = samples[0].copy()
    found = kennard.attack(logits, x, samples[1], eps=0.1, attack="square", queries=50, eot=2, **QUICK)
    assert found.verified is not None and len(found.verified) > 3 and (found.verified.wrong == 1).all()
    np.testing.assert_array_equal(x, samples[0])


def test_losses_and_predictions_leave_samples_as_they_are(samples: Samples, module: Any) -> None:
    from kennard import torch as losses

    x, y = (torch.from_numpy(array[:8].copy()) for array in samples)
    place, other = (Centred(module, in_place).eval() for in_place in (True, False))
    for name, options in (
        ("pgd_loss", {"eps": 0.05}), ("trades_loss", {"eps": 0.05}), ("mart_loss", {"eps": 0.05}),
        ("fgsm_rs_loss", {"eps": 0.05}), ("conjugate_penalty", {}), ("conjugate_loss", {}), ("conjmask_loss", {}),
    ):
        found = []
        for model in (place, other):
            torch.manual_seed(0)
            found.append(float(getattr(losses, name)(model, x, y, **options).detach()))
        assert found[0] == found[1], name
        np.testing.assert_array_equal(x.numpy(), samples[0][:8])
    adversary = kennard.AutoAttack(place, eps=0.05, version="custom", attacks_to_run=["apgd-ce"], verbose=False)
    adversary.clean_accuracy(x, y)
    np.testing.assert_array_equal(x.numpy(), samples[0][:8])


def test_autoattack_for_random_models_attack_by_attack(samples: Samples, module: Any, tmp_path: Path) -> None:
    """Alone, and where a state file goes on, its attacks average as they do together. At this epsilon they break at once."""
    torch.manual_seed(5)
    model = with_dropout(module, 0.2)
    x, y = (torch.from_numpy(array[:3]) for array in samples)
    adversary = kennard.AutoAttack(model, eps=0.5, version="rand", verbose=False)
    assert adversary._budgeted("apgd-dlr") == {"name": "apgd-dlr", "averaged": 20}
    assert list(adversary.run_standard_evaluation_individual(x, y, bs=3)) == ["apgd-ce", "apgd-dlr"]
    state = tmp_path / "state.json"
    adversary.run_standard_evaluation(x, y, bs=3, state_path=state)
    begun = {**json.loads(state.read_text()), "_run_attacks": ["apgd-ce"], "_robust_flags": [True, False, True]}
    state.write_text(json.dumps(begun))
    adversary.run_standard_evaluation(x, y, bs=3, state_path=state)
    assert json.loads(state.read_text())["_run_attacks"] == ["apgd-ce", "apgd-dlr"]
    named = kennard.attack(model, x, y, eps=0.5, attack=[{"name": "apgd-ce", "averaged": 20}], progress=False)
    assert list(named.points) == ["apgd-ce"]


def test_autoattack_advises_what_it_has(samples: Samples, module: Any) -> None:
    x, y = (torch.from_numpy(array[:4]) for array in samples)
    model = with_dropout(module)
    for given in (model, with_dropout(module).train()):
        with pytest.raises(ValueError, match=r"model\.eval\(\).*version='rand'") as caught:
            torch.manual_seed(0)
            kennard.AutoAttack(given, eps=0.1, verbose=False).run_standard_evaluation(x, y)
        assert "eot" not in str(caught.value)
    with pytest.raises(ValueError, match="training mode.*eot=20 to kennard.audit, attack or uncertainty"):
        kennard.minimal(with_dropout(module).train(), *samples, progress=False)
