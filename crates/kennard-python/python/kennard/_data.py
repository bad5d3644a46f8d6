"""Samples as people hold them, made into arrays."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kennard import Arrays

# More than this many bytes of samples that arrive one by one are kept in a file.
_IN_MEMORY = 1 << 30


def arrays(x: Any, y: Any = None) -> tuple[Arrays, NDArray[np.float32]]:
    """Makes arrays of samples and labels.

    Parameters
    ----------
    x : array (N, ...), DataLoader, data set or iterable
        Samples in the range that the model takes. Whole numbers of 8 bits (pixels 0..255) are divided by 255. Without
        `y`: what has samples and their labels, a `DataLoader` (read in the order of its data set), a map-style data
        set of pairs, or an iterable of pairs or of batches of them.
    y : array (N,) of integers, optional
        Labels.

    Returns
    -------
    arrays : Arrays
        What the native part reads; it copies nothing.
    x : array (N, ...) of float32

    Raises
    ------
    ValueError
        When samples and labels do not go together.
    """
    if y is None:
        x, y = _collected(x)
    inputs = _floats(x)
    labels = _labels(y)
    if inputs.ndim < 2:
        raise ValueError(f"x: samples have the shape {inputs.shape[1:]}; give an array of N samples, (N, ...)")
    if len(inputs) != len(labels):
        raise ValueError(f"x, y: {len(inputs)} samples and {len(labels)} labels; give one label for each sample")
    flat = inputs.reshape(len(inputs), -1)
    digest = hashlib.sha256(flat.data if flat.size else b"")
    digest.update(labels.data)
    made = Arrays(flat, labels.tolist(), list(inputs.shape[1:]), [], digest.hexdigest())
    return made, inputs


def _floats(x: Any) -> NDArray[np.float32]:
    """A float32 array of what is an array of some kind."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if x.is_floating_point() else x
        x = x.numpy()
    array = np.asarray(x)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.float32) / np.float32(255)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"x: samples are of type {array.dtype}; give numbers, an array of float32 or of pixels in uint8")
    return np.ascontiguousarray(array, dtype=np.float32)


def _labels(y: Any) -> NDArray[np.int64]:
    """Labels as integers."""
    if hasattr(y, "detach"):
        y = y.detach().cpu().numpy()
    array = np.asarray(y)
    if array.dtype.kind == "f" and np.all(array == np.floor(array)):
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"y: labels have the type {array.dtype} and the shape {array.shape}; give one integer per sample, (N,)"
        )
    if array.size and array.min() < 0:
        raise ValueError(f"y: the smallest label is {array.min()}; classes are counted from 0")
    return np.ascontiguousarray(array, dtype=np.int64)


def _collected(x: Any) -> tuple[Any, Any]:
    """Samples and labels of what has both."""
    if isinstance(x, tuple) and len(x) == 2:
        return x[0], x[1]
    # A loader shuffles; its data set has an order.
    dataset = getattr(x, "dataset", x)
    rows: Iterable[Any]
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        rows = (dataset[place] for place in range(len(dataset)))
        return _spooled(_pair(row) for row in rows)
    if not isinstance(x, Iterable):
        raise ValueError(
            f"x: a {type(x).__name__} has no labels; give arrays x and y, a DataLoader, or a data set of pairs"
        )
    return _spooled(row for batch in x for row in _rows(batch))


def _pair(row: Any) -> tuple[Any, Any]:
    """A sample and its label."""
    if isinstance(row, dict):
        label = next((row[name] for name in ("label", "labels", "fine_label") if name in row), None)
        sample = next((row[name] for name in ("image", "img", "pixel_values", "x") if name in row), None)
        if label is None or sample is None:
            raise ValueError(f"x: a row has the columns {sorted(row)}; `image` and `label` are needed")
        image = np.asarray(sample)
        # Pictures have channels last.
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3):
            image = image.transpose(2, 0, 1)
        elif image.dtype == np.uint8 and image.ndim == 2:
            image = image[None]
        return image, label
    if isinstance(row, Sequence) and len(row) == 2:
        return row[0], row[1]
    raise ValueError(f"x: a row of the data set is a {type(row).__name__}; pairs of a sample and its label are needed")


def _rows(batch: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a batch, or the pair itself."""
    sample, label = _pair(batch)
    if np.ndim(label) == 0:
        yield sample, label
    else:
        yield from zip(sample, label)


def _spooled(pairs: Iterable[tuple[Any, Any]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pairs as arrays, in a file without a name where they are large."""
    labels: list[int] = []
    shape: tuple[int, ...] | None = None
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        for sample, label in pairs:
            row = _floats(sample)
            if shape is None:
                shape = row.shape
            elif row.shape != shape:
                raise ValueError(f"x: sample {len(labels)} has the shape {row.shape}, the first has {shape}")
            spool.write(row.tobytes())
            labels.append(int(label))
        if shape is None:
            raise ValueError("x: there are no samples")
        spool.seek(0)
        whole = (len(labels), *shape)
        if spool._rolled:  # type: ignore[attr-defined]
            file = tempfile.TemporaryFile()
            while block := spool.read(1 << 24):
                file.write(block)
            file.flush()
            inputs: NDArray[np.float32] = np.memmap(file, dtype=np.float32, mode="r", shape=whole)
        else:
            inputs = np.frombuffer(spool.read(), dtype=np.float32).reshape(whole)
    return inputs, np.array(labels, dtype=np.int64)
