"""Samples as people hold them: arrays, or what is read one by one."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kennard import Arrays

# More than this many bytes of samples that arrive one by one are kept in a file.
_IN_MEMORY = 1 << 26


def arrays(x: Any, y: Any = None) -> tuple[Arrays, NDArray[np.float32]]:
    """Makes samples and labels what the native part reads.

    Parameters
    ----------
    x : array (N, ...), DataLoader, data set or iterable
        Samples in the range that the model takes. Whole numbers of 8 bits (pixels 0..255) are divided by 255. Without
        `y`: what has samples and their labels, a `DataLoader` (its data set is read by index, in order), a map-style data
        set of pairs, or an iterable of pairs or of batches of them, which is read once and kept in a file.
    y : array (N,) of integers, optional
        Labels.

    Returns
    -------
    arrays : Arrays
        What the native part reads; arrays are not copied, and of the others one sample at a time is in memory.
    x : array (n, ...) of float32
        The samples, or the first two of those that are read one by one.

    Raises
    ------
    ValueError
        When samples and labels do not go together.
    """
    if y is None and not _is_pair(x):
        return _one_by_one(x)
    inputs, labels = _together(*(x if y is None else (x, y)))
    flat = inputs.reshape(len(inputs), -1)
    digest = hashlib.sha256(flat.data if flat.size else b"")
    digest.update(labels.data)
    made = Arrays(flat, labels.tolist(), list(inputs.shape[1:]), [], digest.hexdigest())
    return made, inputs


def collected(x: Any, y: Any = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples (N, ...) and labels (N,) as arrays in memory; arguments as of :func:`arrays`."""
    if y is None and not _is_pair(x):
        dataset = _dataset(x)
        pairs = [*(_by_index(dataset) if dataset is not None else _of_iterable(x))]
        if not pairs:
            raise ValueError("x: there are no samples")
        return _together(np.stack([_floats(sample) for sample, _ in pairs]), [int(label) for _, label in pairs])
    return _together(*(x if y is None else (x, y)))


def _together(x: Any, y: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples and labels as arrays that go together."""
    inputs, labels = _floats(x), _labels(y)
    if inputs.ndim < 2:
        raise ValueError(f"x: samples have the shape {inputs.shape[1:]}; give an array of N samples, (N, ...)")
    if len(inputs) != len(labels):
        raise ValueError(f"x, y: {len(inputs)} samples and {len(labels)} labels; give one label for each sample")
    return inputs, labels


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


def _is_pair(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) == 2


def _dataset(x: Any) -> Any:
    """The map-style data set that something is, or that a loader has; None of what can be iterated only."""
    dataset = getattr(x, "dataset", x)
    streams = any(base.__name__ == "IterableDataset" for base in type(dataset).__mro__)
    if streams or not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        return None
    sampler = type(getattr(x, "sampler", None)).__name__
    if sampler not in ("NoneType", "SequentialSampler"):
        warnings.warn(
            f"x: the DataLoader's {sampler} is left aside: all samples of its data set are taken, by index, in order",
            stacklevel=7,
        )
    return dataset


def _by_index(dataset: Any) -> Iterator[tuple[Any, Any]]:
    return (_pair(dataset[place]) for place in range(len(dataset)))


def _of_iterable(x: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(x, Iterable):
        raise ValueError(
            f"x: a {type(x).__name__} has no labels; give arrays x and y, a DataLoader, or a data set of pairs"
        )
    return (pair for batch in x for pair in _rows(batch))


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


def _one_by_one(x: Any) -> tuple[Arrays, NDArray[np.float32]]:
    """Samples of which one at a time is in memory, and the first two of them."""
    dataset = _dataset(x)
    reader = _Spooled() if dataset is None else _Indexed(dataset)
    digest = hashlib.sha256()
    labels: list[int] = []
    first: list[NDArray[np.float32]] = []
    for sample, label in _of_iterable(x) if dataset is None else _by_index(dataset):
        row = _floats(sample)
        if len(first) < 2:
            first.append(row)
        if row.shape != first[0].shape:
            raise ValueError(f"x: sample {len(labels)} has the shape {row.shape}, the first has {first[0].shape}")
        flat = row.reshape(-1)
        digest.update(flat.data)
        reader.keep(flat)
        labels.append(int(label))
    if not labels:
        raise ValueError("x: there are no samples")
    checked = _labels(labels)
    digest.update(checked.data)
    return Arrays(reader, labels, list(first[0].shape), [], digest.hexdigest()), np.stack(first)


class _Indexed:
    """A map-style data set, which is asked for a sample whenever that is needed."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._sums: list[int] = []

    def keep(self, flat: NDArray[np.float32]) -> None:
        self._sums.append(zlib.crc32(flat.data))

    def row(self, place: int) -> NDArray[np.float32]:
        """The sample at a place, flat."""
        flat = _floats(_pair(self._dataset[place])[0]).reshape(-1)
        if zlib.crc32(flat.data) != self._sums[place]:
            raise ValueError(
                f"x: sample {place} of the data set is another one each time it is read; take random transforms out of it"
            )
        return flat


class _Spooled:
    """Samples that came once, in a file without a name where they are large."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
        self._size = 0
        self._lock = threading.Lock()

    def keep(self, flat: NDArray[np.float32]) -> None:
        self._size = flat.nbytes
        self._file.write(flat.data)

    def row(self, place: int) -> NDArray[np.float32]:
        """The sample at a place, flat."""
        with self._lock:
            self._file.seek(place * self._size)
            return np.frombuffer(self._file.read(self._size), dtype=np.float32)
