"""The losses of training: against PyTorch in double precision, and against Kennard's own training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
import kennard.torch as losses  # noqa: E402
from kennard import _adversarial, _ascent  # noqa: E402

STORED = Path(__file__).resolve().parents[3] / "references" / "training.npz"


def test_arguments_that_make_no_sense_are_named() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    x, y = torch.rand(8, 1, 2, 2), torch.randint(0, 3, (8,))
    searching = {losses.pgd_loss, losses.fgsm_rs_loss, losses.mart_loss, losses.trades_loss}
    others = {
        losses.standard_loss, losses.gaussian_noise_loss, losses.conjugate_penalty, losses.conjugate_loss,
        losses.conjmask_loss, losses.logitreg_loss,
    }
    for loss in searching | others:
        options: dict[str, Any] = {"eps": 0.1} if loss in searching else {}
        one_hot = torch.nn.functional.one_hot(y, 3)
        with pytest.raises(ValueError, match=r"y: labels have the shape \(8, 3\); .*y\.argmax\(1\)"):
            loss(module, x, one_hot, **options)
        with pytest.raises(ValueError, match=r"y: labels are of torch\.float32; give integers, y\.long\(\)"):
            loss(module, x, y.float(), **options)
        with pytest.raises(ValueError, match="y: it is a list"):
            loss(module, x, y.tolist(), **options)
        with pytest.raises(ValueError, match="x, y: 8 samples and 3 labels"):
            loss(module, x, y[:3], **options)
        with pytest.raises(ValueError, match="reduction: 'avg' is unknown; give 'mean'"):
            loss(module, x, y, reduction="avg", **options)
        # Whatever integers they are.
        assert loss(module, x, y.int(), reduction="none", **options).shape == (8,)
    for loss in searching:
        with pytest.raises(ValueError, match="eps: '8/255' is no number; give one, for example 8 / 255"):
            loss(module, x, y, eps="8/255")
        torch.manual_seed(1)
        capital = loss(module, x, y, eps=0.1, norm="L2")
        torch.manual_seed(1)
        assert torch.equal(capital, loss(module, x, y, eps=0.1, norm="l2"))
    for loss, name, value in (
        (losses.trades_loss, "beta", "6"), (losses.pgd_loss, "steps", "10"), (losses.pgd_loss, "smoothing", "0"),
        (losses.mart_loss, "beta", None),
    ):
        with pytest.raises(ValueError, match=f"{name}: .* is no number"):
            loss(module, x, y, eps=0.1, **{name: value})
    for loss, name in (
        (losses.gaussian_noise_loss, "sigma"), (losses.conjugate_penalty, "strength"), (losses.conjmask_loss, "share"),
        (losses.logitreg_loss, "strength"),
    ):
        with pytest.raises(ValueError, match=f"{name}: .* is no number"):
            loss(module, x, y, **{name: "1"})


@pytest.fixture(scope="module")
def stored() -> Any:
    if not STORED.exists():
        pytest.skip("references/training.npz is not there")
    return np.load(STORED)


def network(stored: Any) -> Any:
    """The small network of `references/training.py`, whose losses Kennard's own training is compared with too."""
    layers = [torch.nn.Flatten()]
    for name in ("dense1", "dense2", "logits"):
        weight, bias = (torch.from_numpy(stored[f"mlp:12,8/weight/{name}.{part}"]) for part in ("weight", "bias"))
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("standard", losses.standard_loss),
        ("smoothing", lambda *given, **named: losses.standard_loss(*given, smoothing=0.1, **named)),
        ("conjugate", losses.conjugate_loss),
        ("logitreg", losses.logitreg_loss),
    ],
)
def test_losses_and_their_gradients_are_the_reference_s(stored: Any, kind: str, loss: Any) -> None:
    module = network(stored)
    x, y = torch.from_numpy(stored["mlp:12,8/image"][:8]), torch.from_numpy(stored["mlp:12,8/label"])
    found = loss(module, x, y, reduction="none")
    np.testing.assert_allclose(found.detach().numpy(), stored[f"mlp:12,8/{kind}/loss"], rtol=2e-5)
    found.sum().backward()
    for name, parameter in zip(("dense1", "dense2", "logits"), [module[1], module[3], module[5]]):
        expected = stored[f"mlp:12,8/{kind}/gradient/{name}.weight"]
        np.testing.assert_allclose(parameter.weight.grad.numpy(), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("kind", "loss"), [("trades", losses.trades_loss), ("mart", losses.mart_loss)])
def test_paired_losses_are_the_reference_s(stored: Any, kind: str, loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The changed images are those of the file; the search for them has tests of its own."""
    module = network(stored)
    images, y = torch.from_numpy(stored["mlp:12,8/image"]), torch.from_numpy(stored["mlp:12,8/label"])
    monkeypatch.setattr(_adversarial, "ascend", lambda *_, **__: images[8:])
    found = loss(module, images[:8], y, eps=0.1, reduction="none")
    np.testing.assert_allclose(found.detach().numpy(), stored[f"mlp:12,8/{kind}/loss"], rtol=2e-5)


def trained_loss(module: Any, samples: Samples, tmp_path: Path, **options: Any) -> float:
    """The loss of Kennard's first step, of all samples, before any weight has moved."""
    found = kennard.train(
        module, *samples, out=tmp_path / "run", epochs=1, batch=60, held_out=0, crop=0, flip=False, eps_warmup=0.0,
        seed=3, progress=False, **options,
    )
    return float(found.epochs.column("loss")[0])


@pytest.mark.parametrize(
    ("method", "options", "loss"),
    [
        ("standard", {}, losses.standard_loss),
        ("standard", {"label_smoothing": 0.1}, lambda *given: losses.standard_loss(*given, smoothing=0.1)),
        ("conjugate", {"strength": 0.05}, lambda *given: losses.conjugate_loss(*given, strength=0.05)),
        ("logitreg", {"strength": 0.2}, lambda *given: losses.logitreg_loss(*given, strength=0.2)),
        ("conjmask", {"strength": 0.1}, lambda *given: losses.conjmask_loss(*given, share=0.1)),
    ],
)
def test_losses_are_those_of_kennard_train(
    samples: Samples, module: Any, tmp_path: Path, method: str, options: dict[str, Any], loss: Any
) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    own = trained_loss(module, samples, tmp_path, method=method, **options)
    assert loss(module, x, y).item() == pytest.approx(own, rel=2e-5)


EPS = {"linf": 0.03, "l2": 0.8, "l1": 6.0}


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize(
    ("method", "loss"),
    [
        ("fgsm-rs", losses.fgsm_rs_loss),
        ("pgd", losses.pgd_loss),
        ("trades", losses.trades_loss),
        ("mart", losses.mart_loss),
    ],
)
def test_losses_with_a_search_are_those_of_kennard_train(
    samples: Samples, module: Any, tmp_path: Path, method: str, loss: Any, norm: Any
) -> None:
    """Both begin at random, by streams of their own: means over sixty samples differ by what twelve starts show, five times
    their standard deviation (of other seeds fewer than one in 10³ would fail; these are fixed), and 0.1 % for rounding."""
    x, y = (torch.from_numpy(array) for array in samples)
    own = trained_loss(module, samples, tmp_path, method=method, eps=EPS[norm], norm=norm)
    generator = torch.Generator().manual_seed(0)
    drawn = [loss(module, x, y, eps=EPS[norm], norm=norm, generator=generator).item() for _ in range(12)]
    assert abs(np.mean(drawn) - own) < 5 * np.std(drawn) + 1e-3 * own
    natural = losses.standard_loss(module, x, y).item()
    assert np.mean(drawn) > natural


def test_noise_is_that_of_kennard_train(samples: Samples, module: Any, tmp_path: Path) -> None:
    """As above."""
    x, y = (torch.from_numpy(array) for array in samples)
    own = trained_loss(module, samples, tmp_path, method="gaussian-noise", strength=0.2)
    generator = torch.Generator().manual_seed(0)
    drawn = [losses.gaussian_noise_loss(module, x, y, sigma=0.2, generator=generator).item() for _ in range(12)]
    assert abs(np.mean(drawn) - own) < 5 * np.std(drawn) + 1e-3 * own


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_searches_stay_allowed_and_projections_are_the_nearest_points(norm: Any) -> None:
    """Against a constrained optimiser (SciPy's SLSQP) for the nearest point of ball and box."""
    optimize = pytest.importorskip("scipy.optimize")
    generator = torch.Generator().manual_seed(1)
    origin = torch.rand((6, 5), generator=generator, dtype=torch.float64)
    far = origin + torch.randn((6, 5), generator=generator, dtype=torch.float64)
    eps = {"linf": 0.2, "l2": 0.3, "l1": 0.4}[norm]
    found = _ascent.project(origin, far, eps, norm, (0.0, 1.0))
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    sizes = torch.linalg.vector_norm(found - origin, order, dim=1)
    assert (sizes <= eps + 1e-9).all() and 0 <= found.min() and found.max() <= 1
    begun = _ascent.start(origin, eps, norm, (0.0, 1.0), generator)
    assert (torch.linalg.vector_norm(begun - origin, order, dim=1) <= eps + 1e-9).all()
    if norm == "l2":
        return  # into the ball and then into the box, as everyone does: allowed, and not always the nearest
    for o, f, p in zip(origin.numpy(), far.numpy(), found.numpy()):
        # The difference as two nonnegative parts makes the norms smooth.
        d = len(o)
        size = (lambda v: eps - v.sum()) if norm == "l1" else (lambda v: eps - (v[:d] + v[d:]))
        best = optimize.minimize(
            lambda v: np.square(o + v[:d] - v[d:] - f).sum(), np.zeros(2 * d), method="SLSQP", tol=1e-12,
            bounds=[(0, 1 - e) for e in o] + [(0, e) for e in o], constraints={"type": "ineq", "fun": size},
        )
        np.testing.assert_allclose(p, o + best.x[:d] - best.x[d:], atol=1e-5)


def test_modes_of_modules_are_left_as_they_were(samples: Samples) -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 10)]
    module = torch.nn.Sequential(*layers).train()
    module[2].eval()
    before = [part.training for part in module.modules()]
    x, y = (torch.from_numpy(array) for array in samples)
    means = module[2].running_mean.clone()
    losses.trades_loss(module, x, y, eps=0.1, steps=2).backward()
    assert [part.training for part in module.modules()] == before and module[1].weight.grad is not None
    assert torch.equal(module[2].running_mean, means)


@pytest.mark.parametrize(
    ("loss", "options", "says"),
    [
        (losses.pgd_loss, {"eps": -1.0}, "eps"),
        (losses.pgd_loss, {"eps": 0.1, "norm": "l7"}, "norm"),
        (losses.pgd_loss, {"eps": 0.1, "steps": 0}, "steps"),
        (losses.conjugate_penalty, {"strength": 0.0}, "strength"),
        (losses.conjmask_loss, {"share": 1.5}, "share"),
        (losses.logitreg_loss, {"reduction": "max"}, "reduction"),
    ],
)
def test_what_makes_no_sense_is_refused(samples: Samples, module: Any, loss: Any, options: Any, says: str) -> None:
    x, y = (torch.from_numpy(array[:4]) for array in samples)
    with pytest.raises(ValueError, match=says):
        loss(module, x, y, **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_starts_in_l1_are_numbers_in_half_precision(dtype: Any) -> None:
    """A number in 2048 is 0 in half precision, whose logarithm was taken."""
    from kennard._ascent import start

    x = torch.full((64, 1, 28, 28), 0.5, dtype=dtype)
    found = start(x, 4.0, "l1", (0.0, 1.0), torch.Generator().manual_seed(0))
    assert torch.isfinite(found).all() and (found != x).any()
    assert (found - x).double().abs().flatten(1).sum(1).max() < 4.2


def test_ascents_in_l1_go_on_from_the_bounds() -> None:
    """The steepest element goes to its bound, the next one as far as the ball allows: 0.1 · 3 + 0.3 · 2, and 0.05 · 3 + 0.35 · 2."""
    slopes = torch.tensor([[3.0, 2.0, 1.0, 0.5], [-3.0, -2.0, 1.0, 0.5]])
    x = torch.tensor([[0.9, 0.5, 0.5, 0.5], [0.05, 0.5, 0.7, 0.5]])
    found = _ascent.ascend(
        torch.nn.Identity(), x, x, lambda z: (slopes * z).sum(1), 0.4, "l1", (0.0, 1.0), steps=40, step=2.5 / 40
    )
    gained = (slopes * (found - x)).sum(1)
    assert (gained > 0.97 * torch.tensor([0.9, 0.85])).all() and (gained < torch.tensor([0.9, 0.85]) + 1e-5).all()
