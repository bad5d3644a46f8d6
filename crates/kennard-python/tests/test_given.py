"""What is given as samples, labels and arguments is taken as it is meant, or refused with the cure."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from conftest import DATA, Samples

torch = pytest.importorskip("torch")
ARGUMENTS: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "packet_samples": 0, "progress": False}


PAIRS = torch.utils.data.TensorDataset(torch.zeros(60, 1, 28, 28), torch.zeros(60))


def tensors(samples: Samples) -> Any:
    """The samples as a data set of PyTorch."""
    return torch.utils.data.TensorDataset(*map(torch.from_numpy, samples))


def data(path: Path, *given: Any) -> Any:
    """What an audit says of the data it was of, with a digest of them; no warning is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return kennard.audit(path, *given, **ARGUMENTS).summary["data"]


class Shifted(torch.utils.data.Dataset):  # type: ignore[type-arg,name-defined,misc]
    """A data set around another one, with labels of its own."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> Any:
        x, y = self.dataset[place]
        return x, (y + 1) % 10


def test_parts_and_wrappers_of_data_sets_are_what_they_are(path: Path, samples: Samples) -> None:
    x, y = samples
    part = torch.utils.data.Subset(tensors(samples), range(40, 50))
    expected = data(path, x[40:50], y[40:50])
    assert data(path, part) == data(path, torch.utils.data.DataLoader(part, batch_size=3)) == expected
    _, second = torch.utils.data.random_split(tensors(samples), [50, 10])
    assert data(path, second) == data(path, x[second.indices], y[second.indices])
    wrapped = Shifted(tensors(samples))
    assert data(path, wrapped) == data(path, torch.utils.data.DataLoader(wrapped)) == data(path, x, (y + 1) % 10)
    with pytest.raises(ValueError, match=r"x: a dict is no data set; give one of its parts, \['test', 'train'\]"):
        kennard.audit(path, {"train": part, "test": part}, **ARGUMENTS)


def stacked(rows: Any) -> Any:
    return torch.stack([x for x, _ in rows]), torch.stack([(y + 1) % 10 for _, y in rows])


def named(rows: Any) -> Any:
    """A batch with names and pixels, channels last."""
    pixels = [(x * 255).round().to(torch.uint8).permute(1, 2, 0) for x, _ in rows]
    return {"pixel_values": torch.stack(pixels), "labels": torch.stack([y for _, y in rows])}


@pytest.mark.parametrize(
    ("collate", "shift"),
    [(stacked, 1), (named, 0), (lambda rows: rows, 0), (lambda rows: [*zip(*rows)], 0), (lambda rows: tuple(zip(*rows)), 0)],
)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_what_a_loader_makes_of_its_data_counts(path: Path, samples: Samples, collate: Any, shift: int, size: int) -> None:
    x, y = samples
    loader = torch.utils.data.DataLoader(tensors(samples), batch_size=size, collate_fn=collate)
    if collate is named:
        x = np.round(x * 255).astype(np.uint8)
    assert data(path, loader)["files"] == data(path, x, (y + shift) % 10)["files"]


def test_samplers_choose(path: Path, samples: Samples) -> None:
    x, y = samples
    load, utils = torch.utils.data.DataLoader, torch.utils.data
    places = [*range(40, 50)]
    expected = data(path, x[40:50], y[40:50])
    pairs = [places[:5], places[5:]]
    assert data(path, load(tensors(samples), sampler=utils.SequentialSampler(range(10)))) == data(path, x[:10], y[:10])
    for given, chooses in (
        ({"batch_sampler": pairs}, "list"),
        ({"batch_sampler": utils.BatchSampler(places, 5, False)}, "list"),
        ({"sampler": places, "batch_size": 5}, "list"),
        ({"sampler": utils.SubsetRandomSampler([44])}, "SubsetRandomSampler"),
    ):
        with pytest.warns(UserWarning, match=f"read once, as it yields.*up to its {chooses}") as told:
            found = kennard.audit(path, load(tensors(samples), **given), **ARGUMENTS)
        assert told[0].filename == __file__, "it points at the caller"
        alone = chooses == "SubsetRandomSampler"
        assert found.summary["data"] == (data(path, x[44:45], y[44:45]) if alone else expected)

    class Halved(load):  # type: ignore[misc,valid-type]
        def __iter__(self) -> Any:
            return ((x / 2, y) for x, y in super().__iter__())

    assert data(path, Halved(tensors(samples), batch_size=8)) == data(path, x / 2, y)
    with pytest.warns(UserWarning, match="drop_last is left aside"):
        found = kennard.audit(path, load(tensors(samples), batch_size=7, drop_last=True), **ARGUMENTS)
    assert found.summary["data"] == data(path, x, y)
    # From other calls too it points at the caller.
    shuffled = load(tensors(samples), shuffle=True)
    with pytest.warns(UserWarning, match="RandomSampler is left aside") as told:
        kennard.train(x=shuffled, arch="mlp:4", epochs=1, batch=20, held_out=20, crop=0, flip=False, progress=False)
    assert told[0].filename == __file__


def test_a_batch_whose_parts_do_not_go_together(path: Path, samples: Samples) -> None:
    x, y = samples
    with pytest.raises(ValueError, match="a batch has 8 samples and 7 labels"):
        kennard.audit(path, iter([(x[:8], y[:7])]), **ARGUMENTS)


@pytest.mark.parametrize("label", [3.9, "3", True, None, [1, 2], np.float32(0.5), torch.tensor(2.5)])
@pytest.mark.parametrize("once", [False, True])
def test_labels_one_by_one_are_refused_as_in_arrays(path: Path, samples: Samples, label: Any, once: bool) -> None:
    from kennard._data import collected

    pairs = [(samples[0][0], 3), (samples[0][1], label)]
    given = iter([pairs]) if once else pairs
    with pytest.raises(ValueError, match="(?s)y: the label of sample [01] is .*give one integer per sample"):
        kennard.audit(path, given, **ARGUMENTS)
    with pytest.raises(ValueError, match="y: the label of sample 1 is"):
        collected(pairs)


def test_whole_numbers_are_labels_whatever_holds_them(path: Path, samples: Samples) -> None:
    x, y = samples
    for kind in (float, np.uint8, torch.tensor, lambda label: np.array([label])):
        assert data(path, [(row, kind(label)) for row, label in zip(x, y)]) == data(path, x, y)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"eps": float("nan")}, "eps: nan is not finite; give a number"),
        ({"attack": [{"name": "pgd", "step_size": float("nan")}]}, "attack: nan is not finite; give a number"),
        ({"eps": np.float32("inf")}, "eps: inf is not finite"),
        ({"bounds": (0, float("inf"))}, "bounds: inf is not finite"),
        ({"eps": {1}}, "eps: a set has no meaning here"),
        ({"bounds": (0, 1, 2)}, r"bounds: \[0, 1, 2\] is no pair of numbers.*bounds=\(0, 1\)"),
        ({"bounds": 1}, "bounds: 1 is no pair"),
        ({"bounds": "low"}, "bounds: 'low' is no pair"),
        ({"norm": 3}, "norm"),
        ({"norm": True}, "norm"),
        ({"x": np.zeros((0, 1, 28, 28), np.float32), "y": []}, "x: there are no samples"),
        ({"x": [], "y": []}, "x: there are no samples"),
        ({"y": [2**63] * 60}, "y: the largest label is 9223372036854775808"),
        ({"y": [1e300] * 60}, r"y: the largest label is 1e\+300"),
        ({"y": [float("inf")] * 60}, "y: the largest label is inf"),
        ({"y": [2**70] * 60}, "y: labels have the type object"),
        ({"y": [[1]] * 59 + [[1, 2]]}, "y: a list cannot be read as an array .*give one integer per sample"),
        ({"x": [np.zeros((1, 28, 28))] * 59 + [np.zeros((1, 28, 27))]}, "x: a list cannot be read as an array .*one shape"),
        ({"x": [(np.zeros((1, 28, 28)), 0)] * 60}, "x: a list cannot be read as an array .*leave y out"),
        ({"x": torch.empty(60, 1, 28, 28, device="meta")}, "x: a Tensor cannot be read as an array .*meta tensor"),
        ({"x": PAIRS}, "y: a TensorDataset as x yields samples with their labels; leave y out"),
        ({"x": torch.utils.data.DataLoader(PAIRS)}, "y: a DataLoader as x yields samples with their labels"),
        ({"x": np.full((60, 1, 28, 28), 200.0)}, r"Divide pixels by 255.* for instance bounds=\(0, 255\)$"),
        ({"x": np.full((60, 1, 28, 28), np.nan)}, r"^x: sample 0: the input holds NaN; .*np\.nan_to_num\(x\)"),
        ({"y": [10] * 60}, r"Labels count from 0: .* give np\.unique\(y, return_inverse=True\)\[1\]$"),
        ({"norm": "lnf"}, "norm: 'lnf' is unknown; did you mean linf"),
        *(({"batch_size": size}, f"batch_size: {size!r} is not a whole number of at least 1") for size in (0, -1, 2.5, "x", True)),
        ({"micro_batch": 0}, "micro_batch: 0 is not a whole number of at least 1"),
        ({"micro_batch": 8, "batch_size": 8}, "micro_batch: another argument of this call says it already"),
        ({"samples": -1}, "samples: -1 makes no sense here; give a whole number, 0 or more$"),
        ({"seed": 1.5}, "seed: 1.5 makes no sense here; give a whole number, 0 or more$"),
        ({"full": 3}, "full: 3 makes no sense here; give true or false$"),
        ({"eps": "x"}, "eps: `x` is no number; write 0.03 or 8/255$"),
        ({"packet_samples": 4}, "4 points are too few for a packet.*packet_samples=500, or packet_samples=0"),
        ({"attack": "standard", "steps": 3}, "name its attacks: attack='apgd-ce,apgd-t,fab-t,square'$"),
        ({"x": DATA}, "y: a data set that is named has labels of its own; leave y out"),
        ({"x": None, "data": DATA}, "y: a data set that is named has labels"),
        ({"x": DATA, "y": None, "data": "mnist:elsewhere"}, "data: x names a data set too"),
        *(
            ({name: value}, f"{name}: it is for data sets in files")
            for name, value in {
                "data": DATA, "split": "test", "classes": "names.txt", "label_column": "label", "resize": 32,
                "centre_crop": 28, "interpolation": "bicubic",
            }.items()
        ),
    ],
)
def test_arguments_that_make_no_sense_are_named(path: Path, samples: Samples, change: dict[str, Any], says: str) -> None:
    given = {"x": samples[0], "y": samples[1], **ARGUMENTS, **change}
    with pytest.raises(ValueError, match=says):
        kennard.audit(path, **given)


def test_numbers_as_other_libraries_have_them(path: Path, samples: Samples) -> None:
    from fractions import Fraction

    names = {np.inf: "linf", 2: "l2", 1.0: "l1"}
    for norm, name in names.items():
        found = kennard.audit(path, *samples, norm=norm, **ARGUMENTS)  # type: ignore[arg-type]
        assert found.summary["threat_model"]["norm"] == name
    for eps in (torch.tensor(0.125), np.float64(0.125), np.array(0.125), Fraction(1, 8)):
        found = kennard.audit(path, *samples, **{**ARGUMENTS, "eps": eps, "bounds": torch.tensor([0.0, 1.0])})
        assert found.summary["threat_model"]["eps"] == 0.125


def test_adversarial_points_say_whose_they_are(path: Path, samples: Samples) -> None:
    x, y = samples
    found = kennard.attack(path, x, y, eps=0.05, attack="fgsm", samples=9, progress=False)
    assert found.index.shape == (9,) and found.index.dtype == np.int64
    assert len(set(found.index)) == 9 and found.index.tolist() != [*range(9)]
    rest = ~found.broken["fgsm"]
    np.testing.assert_array_equal(found.points["fgsm"][rest], x[found.index][rest])
    assert np.abs(found.best - x[found.index]).max() <= 0.05 + 1e-6
    whole = kennard.attack(path, x, y, eps=0.05, attack="fgsm", progress=False)
    assert whole.index.tolist() == [*range(60)]


def test_verified_points_say_whose_they_are(samples: Samples, module: Any) -> None:
    torch.manual_seed(0)
    layers = [*module]
    model = torch.nn.Sequential(*layers[:-1], torch.nn.Dropout(0.3), layers[-1]).eval()
    model[-2].train()
    found = kennard.attack(model, *samples, eps=0.1, attack="pgd", steps=5, eot=4, samples=9, progress=False)
    assert found.verified is not None and len(found.verified) > 3
    assert sorted(found.verified.index) == sorted(found.index[found.broken["pgd"]])
    assert found.verified.wrong.mean() > 0.5


def test_what_would_reach_nobody_is_refused() -> None:
    x, y = np.zeros((4, 2), dtype=np.float32), [0, 0, 1, 1]

    def model(batch: Any) -> Any:
        return np.stack([batch.sum(1), -batch.sum(1)], 1)

    quick: dict[str, Any] = {"eps": 0.1, "attack": "none", "packet_samples": 0, "progress": False}
    for name in ("out", "certify", "packet_samples", "temperature", "resume", "require"):
        with pytest.raises(ValueError, match=name):
            kennard.attack(model, x, y, eps=0.1, progress=False, **{name: 1})
    with pytest.raises(ValueError, match="resume: .* out"):
        kennard.audit(model, x, y, resume=True, **quick)
    for name in ("output", "autocast", "device"):
        with pytest.raises(ValueError, match=f"{name}: it is for modules"):
            kennard.audit(model, x, y, **{**quick, name: "cpu"})
    with pytest.raises(ValueError, match="shard"):
        kennard.Tracker(model, x, y, eps=0.1, out="nowhere", shard="1/2")


def test_functions_and_modules_get_batches_that_are_some(samples: Samples, module: Any) -> None:
    def logits(batch: Any) -> Any:
        return module(torch.from_numpy(batch)).detach().numpy()

    for model in (module, logits):
        for size in (0, -1, 2.5, "x"):
            with pytest.raises(ValueError, match="batch_size: .* is not a whole number of at least 1"):
                kennard.audit(model, *samples, **{**ARGUMENTS, "attack": "none", "batch_size": size})
    with pytest.raises(ValueError, match="model: it returned a list, which is no array of numbers"):
        kennard.audit(lambda batch: ["cat"] * len(batch), *samples, **{**ARGUMENTS, "attack": "none"})


def test_batches_are_not_much_larger_than_there_are_samples(path: Path, samples: Samples, module: Any) -> None:
    x, y = samples[0][:16], samples[1][:16]
    rows: list[int] = []

    def logits(batch: Any) -> Any:
        rows.append(len(batch))
        return module(torch.from_numpy(batch)).detach().numpy()

    given = {**ARGUMENTS, "attack": "none"}
    asked = kennard.audit(logits, x, y, batch_size=100_000, **given)
    assert max(rows) == 1024 and asked.clean_accuracy == kennard.audit(logits, x, y, **given).clean_accuracy
    rows.clear()
    kennard.audit(logits, x, y, micro_batch=40, **given)
    assert max(rows) == 40, "it is an option of the command too"


def test_without_attacks_there_are_no_points(path: Path, samples: Samples) -> None:
    found = kennard.attack(path, *samples, eps=0.05, attack="none", progress=False)
    assert found.correct.mean() > 0.5
    with pytest.raises(ValueError, match="attack: none was run"):
        _ = found.best


def test_samples_without_labels(path: Path, samples: Samples) -> None:
    for x in (samples[0], torch.from_numpy(samples[0])):
        with pytest.raises(ValueError, match="y is missing: .*labels"):
            kennard.audit(path, x, **ARGUMENTS)


def test_pictures_of_named_rows_are_read_by_their_colours(samples: Samples) -> None:
    image = pytest.importorskip("PIL.Image")
    from kennard._data import collected

    def read(*pictures: Any) -> Any:
        return collected([{"image": picture, "label": 0} for picture in pictures])[0]

    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    coloured = image.fromarray(pixels)
    np.testing.assert_array_equal(read(coloured)[0], pixels.transpose(2, 0, 1) / np.float32(255))
    palette = coloured.convert("P")
    np.testing.assert_array_equal(read(palette), read(palette.convert("RGB")))
    grey = coloured.convert("L")
    assert read(grey).shape == (1, 1, 8, 6)
    np.testing.assert_array_equal(read(grey.convert("1")), read(grey.convert("1").convert("L")))
    for mode in ("RGBA", "CMYK", "LA", "F"):
        given = grey.convert(mode) if mode in ("LA", "F") else coloured.convert(mode)
        with pytest.raises(ValueError, match=rf"x: a picture of mode {mode} .*dataset.map\(.*convert"):
            read(given)
    with pytest.raises(ValueError, match=r"sample 1 has the shape \(1, 8, 6\).*make them alike: dataset.map"):
        read(coloured, grey)
