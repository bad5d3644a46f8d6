"""Models and samples that are refused, or taken after all, with words about modules and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")
QUICK: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "packet_samples": 0, "progress": False}


class Of(torch.nn.Module):
    """What a function makes of a module's logits."""

    def __init__(self, module: Any, change: Any) -> None:
        super().__init__()
        self.module = module
        self.change = change

    def forward(self, x: Any) -> Any:
        return self.change(self.module(x))


def test_lazy_layers_are_called_once_first(samples: Samples) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(10)).eval()
    calls: list[Any] = [
        lambda: kennard.audit(module, *samples, **QUICK),
        lambda: kennard.certify(module, *samples, eps=0.01, progress=False),
        lambda: kennard.grad(module, samples[0]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"model: it has lazy layers.*1\.weight.*; call model\(x\[:1\]\) once"):
            call()
    module(torch.from_numpy(samples[0][:1]))
    assert kennard.audit(module, *samples, **QUICK).summary["total"] == 60


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_frozen_programs_have_no_mode(module: Any, samples: Samples) -> None:
    frozen = torch.jit.freeze(torch.jit.script(module))
    assert kennard.audit(frozen, *samples, **QUICK).attacks == kennard.audit(module, *samples, **QUICK).attacks


def test_one_logit_is_made_two(module: Any, samples: Samples) -> None:
    x, y = samples
    two = (y == 0).astype(np.int64)
    one = Of(module, lambda z: z[:, :1] - z[:, 1:2]).eval()
    with pytest.raises(ValueError, match=r"one logit per class\. .*output=lambda z: torch\.cat.*engine='export'"):
        kennard.audit(one, x, two, **QUICK)
    found = kennard.audit(one, x, two, output=lambda z: torch.cat([0 * z, z], 1), **QUICK)
    with torch.no_grad():
        right = (one(torch.from_numpy(x))[:, 0].numpy() > 0) == two
    assert found.clean_accuracy == right.mean()
    with pytest.raises(ValueError, match=r"one logit per class\. .*np\.hstack"):
        kennard.audit(lambda a: a.reshape(len(a), -1)[:, :1], x, two, **{**QUICK, "attack": "square"})


def test_a_function_of_arrays_has_no_gradient(module: Any, samples: Samples) -> None:
    def function(a: Any) -> Any:
        return module(torch.as_tensor(a)).detach().numpy()

    with pytest.raises(ValueError, match="without gradients.*where the function is one of tensors, give x as a tensor"):
        kennard.audit(function, *samples, **QUICK)


def test_warnings_of_live_models_are_of_them(module: Any, samples: Samples) -> None:
    x, y = samples
    chance = kennard.audit(module, x, (y + 3) % 10, **QUICK)
    said = next(warning for warning in chance.warnings if warning.startswith("chance-accuracy"))
    assert "in another order" in said and not any(word in said for word in ("input_scale", "mean", "nhwc"))
    soft = kennard.audit(Of(module, lambda z: z.softmax(1)).eval(), x, y, **QUICK)
    said = next(warning for warning in soft.warnings if warning.startswith("probabilities"))
    assert "Let it return logits" in said and "Export" not in said


def test_norms_are_named_in_capitals_too(path: Path, samples: Samples) -> None:
    for name, norm in (("Linf", "linf"), ("L2", "l2"), ("L1", "l1")):
        assert kennard.audit(path, *samples, **{**QUICK, "norm": name, "attack": "none"}).summary["threat_model"]["norm"] == norm
        assert kennard.AutoAttack(None, norm=norm, eps=0.1).norm == name


def test_autoattack_stays_near_in_less_precision(module: Any, samples: Samples) -> None:
    import copy

    for kind in (torch.float16, torch.bfloat16):
        narrow = copy.deepcopy(module).to(kind)
        x, y = torch.from_numpy(samples[0]).to(kind), torch.from_numpy(samples[1])
        adversary = kennard.AutoAttack(narrow, eps=0.05, version="custom", attacks_to_run=["apgd-ce"], verbose=False)
        adversary.apgd.n_iter = 10
        points = adversary.run_standard_evaluation(x, y)
        assert points.dtype == kind and (points.double() - x.double()).abs().max() <= 0.05 * (1 + 1e-6)
        with torch.no_grad():
            moved = (points != x).flatten(1).any(1)
            assert moved.any() and (narrow(points).argmax(1) != y)[moved].all()


def test_autoattack_s_state_needs_a_directory(module: Any, samples: Samples, tmp_path: Path) -> None:
    x, y = (torch.from_numpy(array) for array in samples)
    asked: list[int] = []
    adversary = kennard.AutoAttack(lambda a: asked.append(len(a)) or module(a), eps=0.05, verbose=False)
    for place, says in ((tmp_path / "nowhere" / "s.json", "there is no directory"), (tmp_path, "is a directory")):
        with pytest.raises(ValueError, match=f"state_path: .*{says}"):
            adversary.run_standard_evaluation(x, y, state_path=place)
    assert not asked


def test_data_sets_by_index_have_a_length(path: Path, samples: Samples) -> None:
    class Endless(torch.utils.data.Dataset[Any]):
        def __getitem__(self, place: int) -> Any:
            return samples[0][place], samples[1][place]

    with pytest.raises(ValueError, match="x: a Endless is read by index and has no __len__"):
        kennard.audit(path, Endless(), **QUICK)


def test_tables_keep_their_columns(tmp_path: Path) -> None:
    """A classifier that finds its columns by name, in whatever order they come."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.random((60, 3)).astype(np.float32), columns=["long", "wide", "high"])
    y = (x["long"] + 0.2 * x["wide"] > 0.6).astype(int)
    scaled = ColumnTransformer([("scaled", StandardScaler(), ["long", "wide"])], remainder="drop")
    model = make_pipeline(scaled, LogisticRegression()).fit(x, y)
    options: dict[str, Any] = {"eps": 0.1, "attack": "square", "queries": 50, "packet_samples": 0, "progress": False}
    for table in (x, x[["high", "wide", "long"]]):
        found = kennard.audit(model, table, y, **options)
        assert found.clean_accuracy == model.score(x, y) and found.robust_accuracy is not None
