"""Which samples are pixels, and what is refused of samples and labels, with the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard

QUICK: dict[str, Any] = {"eps": 0.5, "attack": "none", "packet_samples": 0, "progress": False}


def counts() -> tuple[Any, Any]:
    """Whole numbers of 8 bits, 0 to 16, and whether their sum is large."""
    x = np.random.default_rng(0).integers(0, 17, (40, 4), np.uint8)
    return x, (x.astype(int).sum(1) > 32).astype(int)


def model(batch: Any) -> Any:
    total = batch.reshape(len(batch), -1).sum(1)
    return np.stack([np.full_like(total, 32.5), total], 1)


def test_pixels_with_bounds_of_other_units_are_refused_however_they_come() -> None:
    x, y = counts()
    given: list[Any] = [(x, y), ([*x], y), ([*zip(x, y.tolist())],), (iter([*zip(x, y.tolist())]),)]
    given.append(([{"x": row, "label": int(label)} for row, label in zip(x, y)],))
    try:
        import torch
    except ImportError:
        pass
    else:
        pairs = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        loader = torch.utils.data.DataLoader(pairs, batch_size=8, collate_fn=lambda rows: torch.utils.data.default_collate(rows))
        given += [(torch.from_numpy(x), y), (pairs,), (loader,)]
    for samples in given:
        with pytest.raises(ValueError, match=r"bounds: samples of uint8 are pixels, and divided by 255; the bounds \[0.0, 16.0\]"):
            kennard.audit(model, *samples, bounds=(0, 16), **QUICK)
    found = kennard.audit(model, x.astype(np.float32), y, bounds=(0, 16), **QUICK)
    assert found.clean_accuracy == 1.0


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_tables_are_no_pixels(library: str) -> None:
    frames = pytest.importorskip(library)
    x, y = counts()
    columns = {f"c{place}": x[:, place] for place in range(4)}
    table = frames.table(columns) if library == "pyarrow" else frames.DataFrame(columns)
    assert kennard.audit(model, table, y, bounds=(0, 16), **QUICK).clean_accuracy == 1.0


def test_tables_of_several_types() -> None:
    pd = pytest.importorskip("pandas")
    x, y = counts()
    truths = pd.DataFrame(x > 8, columns=list("abcd"))
    twice = (x > 8).sum(1) > 2
    found = kennard.audit(lambda batch: 20 * model(batch * 0 + batch), truths, twice.astype(int), **QUICK)
    assert found.summary["total"] == 40
    mixed = truths.assign(e=0.5)
    assert mixed.to_numpy().dtype == object
    with pytest.raises(ValueError, match=r"x: samples are of type object; .*x\.astype\('float32'\)"):
        kennard.audit(model, mixed, y, **QUICK)


def test_named_columns_of_polars() -> None:
    pl = pytest.importorskip("polars")
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = counts()
    table = pl.DataFrame({f"c{place}": x[:, place].astype(np.float32) for place in range(4)})
    fitted = linear.LogisticRegression(max_iter=1000).fit(table, y)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kennard.audit(fitted, table, y, bounds=(0, 16), **QUICK)
    assert found.clean_accuracy == fitted.score(table, y)


def test_masked_entries_are_refused() -> None:
    x, y = counts()
    x = x.astype(np.float32) / 16
    holes = np.ma.masked_array(x, mask=x > 0.9)
    with pytest.raises(ValueError, match=rf"x: {(x > 0.9).sum()} entries are masked; .*x\.filled"):
        kennard.audit(model, holes, y, **QUICK)
    with pytest.raises(ValueError, match=r"x: .* masked; .*x\.filled"):
        kennard.audit(model, [*zip(holes, y)], **QUICK)
    with pytest.raises(ValueError, match=r"y: 1 entries are masked; .*y\.filled"):
        kennard.audit(model, x, np.ma.masked_array(y, mask=np.arange(40) == 3), **QUICK)
    whole = np.ma.masked_array(x, mask=False)
    assert kennard.audit(model, whole, y, **QUICK).summary["total"] == 40


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (lambda y: np.where(np.arange(40) == 7, np.nan, y), "y: label nan of sample 7 is not a whole number; give one integer"),
        (lambda y: np.where(np.arange(40) == 9, 0.5, y), r"y: label 0\.5 of sample 9 is not a whole number"),
        (lambda y: y[:, None], r"shape \(40, 1\); give one integer per sample, \(N,\): y\.ravel\(\)"),
        (lambda y: np.eye(2)[y], r"shape \(40, 2\); .*y\.argmax\(1\)"),
        (lambda y: y == 1, r"type bool .*give y\.astype\(int\)"),
        (lambda y: np.array(["no", "yes"])[y], r"np\.unique\(y, return_inverse=True\)\[1\]"),
    ],
)
def test_labels_of_other_forms_say_the_cure(labels: Any, says: str) -> None:
    x, y = counts()
    with pytest.raises(ValueError, match=says):
        kennard.audit(model, x.astype(np.float32) / 16, labels(y), **QUICK)


def test_rows_of_other_names_and_lengths() -> None:
    x, y = counts()
    x = x.astype(np.float32) / 16
    for sample, label in (("input", "target"), ("x", "y")):
        rows = [{sample: row, label: int(own)} for row, own in zip(x, y)]
        assert kennard.audit(model, rows, **QUICK).summary["total"] == 40
    with pytest.raises(ValueError, match="a row of the data set is a tuple of 3; pairs"):
        kennard.audit(model, [(row, 0, 1) for row in x], **QUICK)


def test_lists_of_tensors() -> None:
    torch = pytest.importorskip("torch")
    x, y = counts()
    rows = torch.from_numpy(x.astype(np.float32) / 16)
    for kind in ([row.clone().requires_grad_() for row in rows], [row.to(torch.bfloat16) for row in rows]):
        assert kennard.audit(model, kind, y, **QUICK).summary["total"] == 40


def test_samples_that_every_worker_yields(path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, y = counts()

    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter([*zip(torch.from_numpy(x.astype(np.float32) / 16), y.tolist())])

    with pytest.warns(UserWarning, match="every sample came 2 times or more.*num_workers=0"):
        found = kennard.audit(model, torch.utils.data.DataLoader(Stream(), batch_size=4, num_workers=2), **QUICK)
    assert found.summary["total"] == 80
