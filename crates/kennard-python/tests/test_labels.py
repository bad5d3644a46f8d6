"""Labels and rows in forms that are not taken, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import Samples

torch = pytest.importorskip("torch", reason="tensors are not tested: PyTorch is not installed")

QUICK: dict[str, Any] = {"eps": 0.05, "attack": "none", "packet_samples": 0, "progress": False}


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, pairs: Any) -> None:
        self.pairs = [*pairs]

    def __iter__(self) -> Any:
        return iter(self.pairs)


def test_labels_with_a_single_1_are_named_where_they_come_one_by_one(path: Path, samples: Samples) -> None:
    x, y = torch.from_numpy(samples[0]), torch.nn.functional.one_hot(torch.from_numpy(samples[1]), 10)
    loader = torch.utils.data.DataLoader(Stream(zip(x, y)), batch_size=8)
    for given in (Stream(zip(x, y)), loader, torch.utils.data.TensorDataset(x, y.double())):
        with pytest.raises(ValueError, match=r"a single 1") as caught:
            kennard.audit(path, given, **QUICK)
        assert "y.argmax()" in str(caught.value) and "tensor(" not in str(caught.value)


def test_channels_are_no_samples_where_there_are_as_many_classes(samples: Samples) -> None:
    x = torch.from_numpy(samples[0]).repeat(1, 3, 1, 1)
    y = torch.from_numpy(samples[1] % 3)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 784, 3)).eval()
    pairs = [*zip(x, torch.nn.functional.one_hot(y, 3))]
    for rows in (Stream(pairs), ({"image": image.numpy(), "label": label} for image, label in pairs)):
        with pytest.raises(ValueError, match=r"all 60 items have 3 labels of which a single one is 1.* y.argmax\(\)"):
            kennard.audit(model, rows, **QUICK)
    # Batches of three, of two classes, are what they look like.
    batches = Stream((x[k : k + 3], y[k : k + 3] % 2) for k in range(0, 60, 3))
    assert kennard.audit(model, batches, **QUICK).summary["total"] == 60


def test_what_a_label_is_is_said_in_short(path: Path, samples: Samples) -> None:
    x, y = torch.from_numpy(samples[0]), torch.from_numpy(samples[1])
    for labels, says in (
        ([torch.rand(10) for _ in x], r"label of sample 0 is a Tensor of shape \(10,\); give one integer per sample$"),
        ([0.5 for _ in x], "label of sample 0 is 0.5; give one integer per sample$"),
        ([True for _ in x], r"label of sample 0 is True; give one integer per sample, int\(y\)$"),
    ):
        with pytest.raises(ValueError, match=says):
            kennard.audit(path, [*zip(x, labels)], **QUICK)
    with pytest.raises(ValueError, match=r"type bool and the shape \(60,\); give y.long\(\)$"):
        kennard.audit(path, x, y > 4, **QUICK)
    with pytest.raises(ValueError, match=r"give y.astype\(int\)$"):
        kennard.audit(path, x, (y > 4).numpy(), **QUICK)


def test_a_batch_may_be_a_tuple_of_pairs_and_a_tensor_a_view(path: Path, samples: Samples) -> None:
    x, y = torch.from_numpy(samples[0]), torch.from_numpy(samples[1])
    expected = kennard.audit(path, x, y, **QUICK).clean_accuracy
    dataset = torch.utils.data.TensorDataset(x, y)
    for size in (8, 2):
        loader = torch.utils.data.DataLoader(dataset, batch_size=size, collate_fn=tuple)
        assert kennard.audit(path, loader, **QUICK).clean_accuracy == expected
    turned = torch._neg_view(-x)
    assert turned.is_neg() and kennard.audit(path, turned, y, **QUICK).clean_accuracy == expected
    np.testing.assert_array_equal(turned.resolve_neg(), x)
