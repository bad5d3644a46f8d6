"""What training would leave out of a module, and what it does to running statistics."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import kennard

torch = pytest.importorskip("torch", reason="modules are not tested: PyTorch is not installed")
pytest.importorskip("onnx", reason="modules are not trained: onnx is not installed")
functional = torch.nn.functional

ONCE: dict[str, Any] = {"method": "standard", "epochs": 1, "threads": 1, "progress": False}


def given(count: int = 40) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return torch.rand(count, 1, 8, 8), torch.arange(count) % 3


def layers(*more: Any) -> Any:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8), *more, torch.nn.Linear(8, 3))


class StochasticDepth(torch.nn.Module):
    """By the name and the attribute of torchvision's."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        return x


class Dropping(torch.nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.inner, self.p = layers(), p

    def forward(self, x: Any) -> Any:
        return self.inner(functional.dropout(x, self.p, self.training))


class InRows(torch.nn.Module):
    """A part that takes sequences, on the rows of images."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.part, self.last = part, torch.nn.Linear(64, 3)

    def forward(self, x: Any) -> Any:
        rows = x.flatten(1).view(-1, 8, 8)
        found = self.part(rows, rows, rows)[0] if isinstance(self.part, torch.nn.MultiheadAttention) else self.part(rows)
        return self.last((found[0] if isinstance(found, tuple) else found).flatten(1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: layers(torch.nn.Dropout(p)), r"`2` \(Dropout, p = 0.5\) would be left out of training; set p = 0"),
        (lambda p: layers(torch.nn.AlphaDropout(p)), r"`2` \(AlphaDropout, p = 0.5\)"),
        (lambda p: layers(StochasticDepth(p)), r"`2` \(StochasticDepth, p = 0.5\)"),
        (lambda p: InRows(torch.nn.LSTM(8, 8, 2, dropout=p, batch_first=True)), r"`part` \(LSTM, dropout = 0.5\)"),
        (lambda p: InRows(torch.nn.MultiheadAttention(8, 2, dropout=p, batch_first=True)), r"`part` \(MultiheadAttention, dropout"),
        (lambda p: InRows(torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=p, batch_first=True)), "`part.self_attn`"),
        (Dropping, "draws random numbers in training mode .*kennard.torch"),
    ],
)
def test_what_drops_out_is_not_left_out_in_silence(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        kennard.train(make(0.5), *given(), **ONCE)
    state = torch.get_rng_state()
    kennard.train(make(0.0), *given(), **ONCE)
    assert torch.equal(state, torch.get_rng_state())


def test_half_precision_is_not_trained_as_single_in_silence() -> None:
    with pytest.raises(ValueError, match=r"the module is bfloat16, and training is in float32: give copy.deepcopy\(model\).float\(\)"):
        kennard.train(layers().bfloat16(), *given(), **ONCE)


def normalized(momentum: float | None) -> Any:
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d(4, momentum=momentum)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), norm, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3))


@pytest.mark.parametrize("momentum", [0.1, 0.5, 0.01])
def test_running_statistics_move_as_in_pytorch(momentum: float) -> None:
    """Nine steps on the same batch, at a rate that moves no weight. By hand: a mean that began at 0 is 1 − (1 − m)⁹ of the batch's."""
    x = given(1)[0].expand(100, -1, -1, -1).clone()
    y = torch.arange(100) % 3
    model, own = normalized(momentum), normalized(momentum).train()
    found = kennard.train(model, x, y, batch=10, held_out=10, learning_rate=1e-12, **ONCE)
    found.load_into(which="last")
    for _ in range(9):
        own(x[:10])
    with torch.no_grad():
        mean = model[0](x).mean((0, 2, 3))
    np.testing.assert_allclose(model[1].running_mean, (1 - (1 - momentum) ** 9) * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model[1].running_mean, own[1].running_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model[1].running_var, own[1].running_var, rtol=1e-3, atol=1e-6)


def test_statistics_that_training_does_not_average_are_refused() -> None:
    model = normalized(None)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"`1` \(BatchNorm2d, momentum = None\) .* set momentum = 0.1"):
        kennard.train(model, *given(), **ONCE)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    # Nor where they would never move, or in a file.
    with pytest.raises(ValueError, match="momentum"):
        kennard.train(normalized(0.0), *given(), **ONCE)
