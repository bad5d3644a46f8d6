"""Live modules of unusual kinds: what is measured is the module itself, and what cannot be is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch")

QUICK: dict[str, Any] = {"eps": 0.03, "attack": "fgsm", "packet_samples": 0, "progress": False}


class Behind(torch.nn.Module):
    """A module whose answers another function changes."""

    def __init__(self, module: Any, then: Any) -> None:
        super().__init__()
        self.inner = module
        self.then = then

    def forward(self, x: Any) -> Any:
        return self.then(self.inner(x))


def right(model: Any, samples: Samples, dtype: Any) -> Any:
    with torch.no_grad():
        return model(torch.from_numpy(samples[0]).to(dtype)).argmax(1).numpy() == samples[1]


@pytest.mark.parametrize("then", [lambda z: (4 * z).sigmoid(), lambda z: z + 1e8])
def test_double_precision_is_judged_in_double(module: Any, samples: Samples, then: Any) -> None:
    import copy

    model = Behind(copy.deepcopy(module).double(), then).eval()
    own = right(model, samples, torch.float64)
    result = kennard.audit(model, *samples, **{**QUICK, "attack": ["fgsm", "pgd"], "steps": 5})
    assert result.clean_accuracy == own.mean()
    found = kennard.attack(model, *samples, **QUICK)
    for name, broken in found.broken.items():
        points = torch.from_numpy(found.points[name][broken]).double()
        with torch.no_grad():
            assert not (model(points).argmax(1).numpy() == samples[1][found.index[broken]]).any()


def test_functions_in_double_precision(samples: Samples) -> None:
    """Logits that differ in double precision alone: of the first class where the image is dark."""
    x, _ = samples

    def model(batch: Any) -> Any:
        tone = batch.reshape(len(batch), -1).astype(np.float64).mean(1)
        return np.stack([1e9 + 0.3 - tone, np.full(len(batch), 1e9)], 1)

    labels = (x.reshape(len(x), -1).mean(1) >= 0.3).astype(np.int64)
    assert kennard.audit(model, x, labels, **{**QUICK, "attack": "none"}).clean_accuracy == 1.0


def test_infinite_logits_hide_nothing(module: Any, samples: Samples, tmp_path: Path) -> None:
    x, y = samples
    closed = torch.tensor([9])

    def answers(turned: int) -> Any:
        def model(batch: Any) -> Any:
            return module(batch).roll(turned, 1).index_fill(1, closed, -float("inf"))

        return model

    quick = {**QUICK, "attack": "none", "out": tmp_path / "run"}
    kennard.audit(answers(0), torch.from_numpy(x), y, **quick)
    with pytest.raises(kennard.KennardError):
        kennard.audit(answers(1), torch.from_numpy(x), y, resume=True, **quick)
    noisy = Behind(module, lambda z: (z + torch.randn_like(z)).index_fill(1, closed, -float("inf"))).eval()
    with pytest.raises(ValueError, match="answers differently"):
        kennard.audit(noisy, x, y, **QUICK)


def test_weights_out_of_sight_tell_models_apart(module: Any, samples: Samples, tmp_path: Path) -> None:
    class Ensemble(torch.nn.Module):
        def __init__(self, sign: float) -> None:
            super().__init__()
            self.members = [Behind(module, torch.nn.Linear(10, 10))]
            with torch.no_grad():
                self.members[0].then.weight.copy_(sign * torch.eye(10))
            self.register_buffer("sign", torch.tensor(1.0), persistent=False)

        def forward(self, x: Any) -> Any:
            return self.sign * sum(member(x) for member in self.members)

    quick = {**QUICK, "attack": "none", "out": tmp_path / "run"}
    one, other, turned = Ensemble(1.0).eval(), Ensemble(-1.0).eval(), Ensemble(1.0).eval()
    turned.members[0].then.load_state_dict(one.members[0].then.state_dict())
    first = kennard.audit(one, *samples, **quick)
    assert kennard.audit(one, *samples, resume=True, **quick).clean_accuracy == first.clean_accuracy
    turned.sign.fill_(-1.0)
    for model in (other, turned):
        with pytest.raises(kennard.KennardError):
            kennard.audit(model, *samples, resume=True, **quick)


def test_a_module_may_have_parts_of_any_name(module: Any, samples: Samples) -> None:
    model = Behind(module, torch.nn.Identity()).eval()
    model.label = torch.nn.Linear(2, 2)
    assert kennard.audit(model, *samples, **QUICK).clean_accuracy == right(module, samples, torch.float32).mean()


def test_modules_of_one_batch_size(module: Any, samples: Samples, tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            assert len(x) == 16, "sixteen at once"
            return module(x)

    result = kennard.audit(Fixed().eval(), *samples, batch_size=16, **QUICK)
    assert result.clean_accuracy == right(module, samples, torch.float32).mean()
    with pytest.raises(ValueError, match="sixteen at once"):
        kennard.audit(Fixed().eval(), *samples, batch_size=8, **QUICK)

    def function(sign: float) -> Any:
        def model(batch: Any) -> Any:
            with torch.no_grad():
                return sign * Fixed()(torch.from_numpy(batch)).numpy()

        return model

    options = {**QUICK, "attack": "none", "batch_size": 16, "out": tmp_path / "run"}
    assert kennard.audit(function(1.0), *samples, **options).clean_accuracy == result.clean_accuracy
    with pytest.raises(kennard.KennardError):
        kennard.audit(function(-1.0), *samples, resume=True, **options)


def test_what_a_module_returns_is_named(module: Any, samples: Samples) -> None:
    from dataclasses import dataclass

    @dataclass
    class Out:
        features: Any
        scores: Any

    several = Behind(module, lambda z: {"features": -z, "scores": z}).eval()
    fields = Behind(module, lambda z: Out(-z, z)).eval()
    own = right(module, samples, torch.float32).mean()
    for model in (several, fields):
        assert kennard.audit(model, *samples, output="scores", **QUICK).clean_accuracy == own
        assert kennard.audit(model, *samples, output="scores", engine="export", **QUICK).clean_accuracy == own
        assert kennard.certify(model, *samples, eps=0.001, output="scores", progress=False).clean_accuracy == own
        with pytest.raises(ValueError, match="output: .* has no 'b'"):
            kennard.audit(model, *samples, output="b", **QUICK)
        with pytest.raises(ValueError, match="output: "):
            kennard.grad(model, samples[0])
    session = pytest.importorskip("onnxruntime").InferenceSession(
        kennard.grad(several, samples[0], output="scores"), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    found = session.run(["logits"], dict(zip(names, [samples[0][:8], samples[1][:8]])))[0]
    with torch.no_grad():
        assert np.allclose(found, module(torch.from_numpy(samples[0][:8])).numpy(), atol=1e-4)


def test_exported_programs_have_no_modes(module: Any, samples: Samples) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(module, (torch.from_numpy(samples[0]),), dynamic_shapes=({0: batch},)).module()
    assert kennard.audit(program, *samples, **QUICK).clean_accuracy == right(module, samples, torch.float32).mean()


def test_pixels_and_labels_of_other_kinds(module: Any, samples: Samples) -> None:
    x, y = torch.from_numpy(samples[0]), torch.from_numpy(samples[1])
    own = right(module, samples, torch.float32).mean()
    assert kennard.audit(module, x.to_sparse(), y.to(torch.bfloat16), **QUICK).clean_accuracy == own
    with pytest.raises(ValueError, match="bounds"):
        kennard.audit(module, (255 * x).to(torch.uint8), y, bounds=(0, 255), **{**QUICK, "eps": 8})


class Dense(torch.nn.Module):
    """A dense layer on the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(28, 4)
        self.then = torch.nn.Linear(112, 10)

    def forward(self, x: Any) -> Any:
        return self.then(torch.relu(self.first(x.squeeze(1))).flatten(1))


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = torch.nn.LSTM(28, 6, batch_first=True)
        self.then = torch.nn.Linear(6, 10)

    def forward(self, x: Any) -> Any:
        return self.then(self.rows(x.squeeze(1))[0][:, -1])


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(0.1 * torch.randn(28, 28))
        self.mix = torch.nn.MultiheadAttention(28, 2, batch_first=True)
        self.then = torch.nn.Linear(784, 10)

    def forward(self, x: Any) -> Any:
        rows = x.squeeze(1) + self.place
        return self.then(self.mix(rows, rows, rows)[0].flatten(1))


class Scaled(torch.nn.Module):
    """Weights that are scaled before they are used, and tensors that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(10, 784))
        self.register_buffer("mean", torch.tensor([0.3]), persistent=False)
        self.register_buffer("std", torch.full((784,), 0.35))
        self.prior = torch.linspace(-1, 1, 10)

    def forward(self, x: Any) -> Any:
        return torch.nn.functional.linear((x.flatten(1) - self.mean) / self.std, self.weight * 0.036) + self.prior


def normalised() -> Any:
    layers = torch.nn.Conv2d(1, 4, 3, 2), torch.nn.GroupNorm(2, 4), torch.nn.ReLU(), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(676, 10))


def weight_normed() -> Any:
    normed = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(784, 12))
    return torch.nn.Sequential(torch.nn.Flatten(), normed, torch.nn.ReLU(), torch.nn.Linear(12, 10))


@pytest.mark.parametrize("make", [Dense, Recurrent, Attention, Scaled, normalised, weight_normed])
def test_all_parameters_are_trained_and_come_back(make: Any, samples: Samples, tmp_path: Path) -> None:
    """Every parameter moves, no other tensor does, and the module with the weights is the network of the file."""
    torch.manual_seed(0)
    model = make().eval()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    others = {name: value.clone() for name, value in model.named_buffers()}
    options: dict[str, Any] = {"epochs": 2, "batch": 20, "learning_rate": 0.05, "held_out": 0, "crop": 0, "flip": False}
    found = kennard.train(model, *samples, out=tmp_path / "run", progress=False, **options)
    found.load_into(model, "last")
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
    for name, value in model.named_buffers():
        assert torch.equal(value, others[name]), name
    with torch.no_grad():
        own = model(torch.from_numpy(samples[0])).numpy()
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(found.model("last"), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: samples[0]})[0]
    assert np.abs(own - theirs).max() <= 1e-4 * np.abs(own).max()


def test_frozen_parameters_stay(samples: Samples, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Dense().eval()
    model.first.requires_grad_(False)
    frozen, moving = model.first.weight.clone(), model.then.weight.detach().clone()
    options: dict[str, Any] = {"epochs": 1, "batch": 20, "held_out": 0, "crop": 0, "flip": False}
    kennard.train(model, *samples, out=tmp_path / "run", progress=False, **options).load_into(model, "last")
    assert torch.equal(model.first.weight, frozen) and not torch.equal(model.then.weight, moving)
    with pytest.raises(ValueError, match="nothing to train"):
        kennard.train(model.requires_grad_(False), *samples, out=tmp_path / "none", progress=False, **options)


class Keeping(torch.nn.Module):
    """A module that keeps a tensor for each size of batch."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.kept: dict[int, Any] = {}

    def forward(self, x: Any) -> Any:
        return self.inner(x) * self.kept.setdefault(len(x), torch.full((len(x), 1), 2.0))


def test_a_module_may_keep_tensors(module: Any, samples: Samples) -> None:
    """What it made where no gradient was wanted may have one pass through it later."""
    found = kennard.audit(Keeping(module).eval(), *samples, **QUICK)
    assert found.clean_accuracy == right(module, samples, torch.float32).mean()


def test_layouts_and_compiled_modules(samples: Samples) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, 2), torch.nn.Flatten()
    model = torch.nn.Sequential(*layers, torch.nn.Linear(144, 10)).eval()
    plain = kennard.attack(model, *samples, **QUICK)
    last = kennard.attack(model.to(memory_format=torch.channels_last), *samples, **QUICK)
    compiled = kennard.attack(torch.compile(model, backend="eager"), *samples, **QUICK)
    for found in (last, compiled):
        assert np.array_equal(found.correct, plain.correct)
        # By rounding the sign of a gradient near zero may be the other.
        assert np.mean(np.abs(found.best - plain.best) > 1e-5) < 1e-3


def test_passes_have_the_caller_s_default_device(module: Any, samples: Samples) -> None:
    """PyTorch keeps it for each thread."""
    seen: set[str] = set()

    def noting(z: Any) -> Any:
        seen.add(torch.empty(0).device.type)
        return z

    torch.set_default_device("meta")
    try:
        found = kennard.audit(Behind(module, noting).eval(), *samples, **QUICK)
    finally:
        torch.set_default_device(None)
    assert seen == {"meta"} and found.clean_accuracy == right(module, samples, torch.float32).mean()


def test_a_module_may_keep_what_it_makes_for_a_batch(module: Any, samples: Samples, tmp_path: Path) -> None:
    """A buffer of the size of the batch, not kept in files, is another one after the last pass."""

    class Masked(Behind):
        def __init__(self) -> None:
            super().__init__(module, torch.nn.Identity())
            self.register_buffer("mask", torch.zeros(0), persistent=False)

        def forward(self, x: Any) -> Any:
            if len(self.mask) != len(x):
                self.mask = torch.zeros(len(x), 1)
            return super().forward(x) + self.mask

    found = kennard.audit(Masked().eval(), *samples, out=tmp_path / "run", micro_batch=7, **QUICK)
    assert found.clean_accuracy == right(module, samples, torch.float32).mean()


@pytest.mark.parametrize("kind", ["kept", "shift", "scale", "0: bias"])
def test_weights_may_not_change(module: Any, samples: Samples, tmp_path: Path, kind: str) -> None:
    class Changing(torch.nn.Module):
        def __init__(self, still: int) -> None:
            super().__init__()
            self.parts = [torch.nn.Linear(10, 10)]
            self.register_buffer("kept", torch.zeros(1))
            self.register_buffer("shift", torch.zeros(1), persistent=False)
            self.scale = torch.nn.Parameter(torch.ones(1))
            self.still = still

        def forward(self, x: Any) -> Any:
            self.still -= 1
            if self.still < 0:
                with torch.no_grad():
                    changed = self.parts[0].bias if kind == "0: bias" else getattr(self, kind)
                    changed += 1e-6
            return module(x)

    # With every pass, which the trial shows; and later, while it is audited.
    says = rf"model: its (buffer|parameter|weight) {kind} changes with every pass; keep it out of forward"
    with pytest.raises(ValueError, match=says):
        kennard.audit(Changing(0).eval(), *samples, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=rf"weights changed.*\({kind}\).*belongs to no single model: remove it"):
        kennard.audit(Changing(6).eval(), *samples, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run" / "summary.json").exists() and not (tmp_path / "run" / "report.html").exists()


class Narrow(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)

    def forward(self, x: Any, mask: Any) -> Any:
        return x


def refusing(x: Any) -> Any:
    raise KeyError("pixels")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (torch.nn.BatchNorm2d(3).eval(), "ValueError: expected 4D input"),
        (Narrow().eval(), "TypeError: .*missing 1 required positional argument: 'mask'"),
        (refusing, "model, x: the function fails at .*KeyError: 'pixels'. Give samples as it takes them"),
    ],
)
def test_what_fails_at_the_first_samples_says_which_they_are(model: Any, says: str) -> None:
    x = np.zeros((4, 192), np.float32)
    with pytest.raises(ValueError, match=says) as caught:
        kennard.audit(model, x, [0] * 4, **{**QUICK, "attack": "none"})
    assert str(caught.value).startswith("model, x: ") and "shape (4, 192)" in str(caught.value)


def test_arguments_that_say_nothing_to_a_live_module(module: Any, samples: Samples) -> None:
    for change, says in (
        ({"threads": 2}, "threads: .*torch.set_num_threads"),
        ({"runtime": "rten"}, "runtime: a live model computes itself"),
        ({"output": "logits"}, "output: the module returns one tensor"),
        ({"device": "nowhere"}, "device: PyTorch cannot compute on 'nowhere' here"),
    ):
        with pytest.raises(ValueError, match=says):
            kennard.audit(module, *samples, **{**QUICK, **change})
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device: PyTorch cannot compute on 'cuda' here"):
            kennard.audit(module, *samples, device="cuda", **QUICK)
    exported = kennard.audit(module, *samples, engine="export", threads=1, runtime="rten", **QUICK)
    assert exported.clean_accuracy == right(module, samples, torch.float32).mean()
    with pytest.raises(ValueError, match="output: it fails at the tuple that the module returns: IndexError"):
        kennard.audit(Behind(module, lambda z: (z,)).eval(), *samples, output=lambda z: z[3], **QUICK)
    same = kennard.audit(module, *samples, output=lambda z: z, **QUICK)
    assert same.clean_accuracy == exported.clean_accuracy
