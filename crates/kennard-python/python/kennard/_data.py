"""Samples in the forms that callers have them in: arrays, or data sets that are read one by one."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import warnings
import weakref
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kennard import Arrays, KennardError

# Samples that arrive one by one are kept in a file where they take more than this many bytes.
_IN_MEMORY = 1 << 26

# How many of the samples that are read one by one a model is tried on.
_FIRST = 8

# The samples (n, ...) at places (n,).
Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]

# So many batches with a single label 1 each, the others 0, are samples with a label for each class.
_SURELY = 5

# Labels from here on are refused as numbers of classes.
_LARGEST = 2**31


class Listed(np.ndarray[Any, Any]):
    """Labels of classes that a file lists in the order of its outputs."""


def arrays(
    x: Any, y: Any = None, classes: NDArray[Any] | None = None, bounds: Any = None
) -> tuple[Arrays, NDArray[np.float32], Rows]:
    """Prepares samples and labels for the native part.

    Parameters
    ----------
    x : array (N, ...), DataLoader, data set or iterable
        Samples in the range that the model takes. Whole numbers of 8 bits (pixels 0..255) are divided by 255, but not
        those of tables (pandas, polars, pyarrow), which are taken as they are. Without
        `y`: what has samples and their labels, a map-style data set of pairs (a `Subset` too), a `DataLoader`, or an
        iterable of pairs or of batches of them, which is read once and kept in a file. Of a `DataLoader` that only makes
        batches, or shuffles, the data set is read by index, in order; one that has a `collate_fn`, a sampler or a batch
        sampler of its own is read once, as it yields.
    y : array (N,) of integers, optional
        Labels.
    classes : array (K,), optional
        What labels are, in the order of the model's outputs; by default they are the places there, 0 to K−1.
    bounds : pair of float, optional
        The smallest and the largest value of an input element, where a caller named them.

    Returns
    -------
    arrays : Arrays
        What the native part reads; arrays are not copied, and of the others one sample at a time is in memory.
    x : array (n, ...) of float32
        The samples, or the first eight of those that are read one by one.
    rows : callable
        From places (n,) to the samples there, (n, ...).

    Raises
    ------
    ValueError
        When samples and labels do not go together, or pixels are divided by 255 and `bounds` are of other units.
    """
    if y is None and not _is_pair(x):
        _check_labelled(x)
        return _one_by_one(x, classes, bounds)
    x, y = x if y is None else (x, y)
    inputs, labels = _together(x, y, classes, bounds)
    flat = inputs.reshape(len(inputs), -1)
    digest = hashlib.sha256(flat.data if flat.size else b"")
    digest.update(labels.data)
    made = Arrays(flat, labels.tolist(), list(inputs.shape[1:]), _names(classes), digest.hexdigest())
    return made, inputs, lambda places: inputs[places]


def collected(
    x: Any, y: Any = None, classes: NDArray[Any] | None = None, bounds: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples (N, ...) and labels (N,) as arrays in memory; arguments as of :func:`arrays`."""
    if y is None and not _is_pair(x):
        _check_labelled(x)
        dataset = _dataset(x)
        pairs = [*(_by_index(dataset) if dataset is not None else _of_iterable(x))]
        if not pairs:
            raise ValueError(_NONE)
        labels = [_label(label, place, classes) for place, (_, label) in enumerate(pairs)]
        rows = [floats(sample, bounds) for sample, _ in pairs]
        for place, row in enumerate(rows):
            _check_shape(place, row, rows[0])
        _check_repeats(x, [(zlib.crc32(row.tobytes()), label) for row, label in zip(rows, labels)])
        return _together(np.stack(rows), labels)
    x, y = x if y is None else (x, y)
    return _together(x, y, classes, bounds)


def frame_of(x: Any) -> Callable[[NDArray[np.float32]], Any] | None:
    """A function that makes a table of samples (n, d), with the columns of the table `x`; None where `x` is not a table."""
    if not (_is_table(x) and hasattr(x, "columns")):
        return None
    kind, columns = type(x), x.columns
    if hasattr(x, "iloc"):
        return lambda samples: kind(samples, columns=columns)
    return (lambda samples: kind(samples, schema=columns)) if kind.__module__.startswith("polars") else None


def first_batch(x: NDArray[np.float32], batch: int | None) -> NDArray[np.float32]:
    """The first eight samples; where a model takes batches of one size only, one such batch, with samples repeated."""
    if batch is None:
        return np.array(x[:8])
    return np.array(x[np.arange(batch) % min(len(x), batch)])


def in_batches(
    answer: Callable[[NDArray[np.float32]], NDArray[Any]], points: NDArray[np.float32], batch: int | None
) -> NDArray[Any]:
    """The answers of a model at points (n, ...), in batches of one size where `batch` gives it."""
    if batch is None:
        return answer(points)
    parts = [points[begin : begin + batch] for begin in range(0, len(points), batch)]
    # Copies: a model may write all its answers into one array.
    return np.concatenate([np.array(answer(first_batch(part, batch))[: len(part)]) for part in parts])


_NONE = "x: there are no samples; give at least one"

# Names that columns of samples and of labels may have.
_SAMPLES = ("image", "img", "pixel_values", "x", "input")
_LABELS = ("label", "labels", "fine_label", "target", "y")

# Code that gives all pictures of a Hugging Face data set one mode.
_ALIKE = 'dataset.map(lambda row: {"image": row["image"].convert("RGB")})'


def _names(classes: NDArray[Any] | None) -> list[str]:
    """The names of the classes; none where they are called by their numbers."""
    return [] if classes is None else [str(name) for name in classes.tolist()]


def _together(
    x: Any, y: Any, classes: NDArray[Any] | None = None, bounds: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples and labels as arrays, of which there are equally many."""
    _check_apart(x)
    inputs, labels = floats(x, bounds), labels_of(y, classes)
    if inputs.ndim > 0 and not len(inputs):
        raise ValueError(_NONE)
    if inputs.ndim < 2:
        raise ValueError(f"x: samples have the shape {inputs.shape[1:]}; give an array of N samples, (N, ...)")
    if len(inputs) != len(labels):
        raise ValueError(f"x, y: {len(inputs)} samples and {len(labels)} labels; give one label for each sample")
    return inputs, labels


def _check_apart(x: Any) -> None:
    """Refuses labels beside data that have labels of their own, or that yield samples one by one."""
    if _is_loader(x) or any(base.__module__.startswith("torch.utils.data") for base in type(x).__mro__):
        raise ValueError(
            f"y: a {type(x).__name__} as x yields samples with their labels; leave y out, or give the samples alone as an array"
        )


def _check_labelled(x: Any) -> None:
    """Refuses an array or a table of samples that comes alone."""
    if hasattr(x, "shape") and (hasattr(x, "dtype") or _is_table(x)):
        raise ValueError(f"y is missing: x is a {type(x).__name__} of samples alone; give labels too, one integer per sample, (N,)")


def _check_shape(place: int, row: NDArray[Any], first: NDArray[Any]) -> None:
    """Refuses a sample whose shape is not that of the first."""
    if row.shape != first.shape:
        coloured = row.ndim == first.ndim == 3 and {len(row), len(first)} == {1, 3} and row.shape[1:] == first.shape[1:]
        cure = f"; where some pictures are grey and some coloured, make them alike: {_ALIKE}" if coloured else ""
        raise ValueError(f"x: sample {place} has the shape {row.shape}, the first has {first.shape}{cure}")


def _array(name: str, given: Any, wanted: str) -> NDArray[Any]:
    """An array made from an argument; errors name the argument, which those of NumPy and PyTorch do not."""
    _check_unmasked(name, given)
    try:
        if hasattr(given, "detach"):
            return _of_tensor(name, given)
        if isinstance(given, (list, tuple)) and any(hasattr(part, "detach") for part in given):
            given = [_of_tensor(name, part) if hasattr(part, "detach") else part for part in given]
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name}: a {type(given).__name__} cannot be read as an array ({error}); {wanted}") from error


def _of_tensor(name: str, tensor: Any) -> NDArray[Any]:
    tensor = _dense(tensor)
    if tensor.is_floating_point():
        # NumPy has no bfloat16.
        tensor = tensor.double() if name == "y" else tensor.float()
    array: NDArray[Any] = tensor.numpy()
    return array


def _check_unmasked(name: str, given: Any) -> None:
    """Refuses masked entries: a plain NumPy array would have the values beneath the mask."""
    parts = given if isinstance(given, (list, tuple)) else [given]
    masked = sum(int(np.ma.getmaskarray(part).sum()) for part in parts if isinstance(part, np.ma.MaskedArray))
    if masked:
        raise ValueError(
            f"{name}: {masked} entries are masked; fill them, {name}.filled(0) for instance, or leave these samples out"
        )


def floats(x: Any, bounds: Any = None) -> NDArray[np.float32]:
    """Samples as a float32 array; `uint8` arrays are pixels and are divided by 255, except in tables."""
    array = _array("x", x, "give an array (N, ...) of samples of one shape; of pairs with labels of their own leave y out")
    if array.dtype == np.uint8 and not _is_table(x):
        _check_units(bounds)
        return np.ascontiguousarray(array, dtype=np.float32) / np.float32(255)
    if array.dtype.kind not in "fiub":
        cure = "give numbers, an array of float32 or of pixels in uint8"
        if array.dtype == object and _is_table(x):
            cure = "its columns are of several types, or lack values; give x.astype('float32') where all of them are numbers"
        raise ValueError(f"x: samples are of type {array.dtype}; {cure}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _is_table(x: Any) -> bool:
    """Whether it is a table, or a row of one, whose numbers are not pixels."""
    return hasattr(x, "iloc") or type(x).__module__.partition(".")[0] in ("polars", "pyarrow")


def _check_units(bounds: Any) -> None:
    """Refuses pixels, which are divided by 255, together with bounds that are larger than 1."""
    if bounds is not None and any(float(end) > 1 for end in bounds):
        raise ValueError(
            f"bounds: samples of uint8 are pixels, and divided by 255; the bounds {bounds} are of other units. Leave bounds out and "
            "give eps as 8/255, or give samples in float32 where the model takes 0 to 255"
        )


def single(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Logits (n, K) in single precision. From logits in double precision, the largest of each sample is subtracted first: logits
    that differ stay different, and no decision, loss or gradient depends on a constant."""
    if logits.dtype == np.float64 and logits.size:
        largest = logits.max(1, keepdims=True)
        logits = logits - np.where(np.isfinite(largest), largest, 0.0)
    return np.ascontiguousarray(logits, dtype=np.float32)


def _dense(tensor: Any) -> Any:
    """A tensor on the CPU, made dense."""
    tensor = tensor.detach().cpu()
    # NumPy takes no views that are negated or conjugated when they are read.
    return tensor.to_dense() if "strided" not in str(tensor.layout) else tensor.resolve_conj().resolve_neg()


def labels_of(y: Any, classes: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Labels as integers, the places of their classes among the model's outputs."""
    array = _array("y", y, "give one integer per sample, (N,)")
    if classes is not None and array.ndim == 1:
        return _placed(array, classes)
    # An empty list becomes an array of floats.
    if array.ndim != 1 or (array.size and not _whole(array)):
        raise ValueError(f"y: {_no_labels(array, hasattr(y, 'detach'))}")
    if array.size and array.min() < 0:
        raise ValueError(f"y: the smallest label is {array.min()}; classes are counted from 0")
    if array.size and array.max() >= _LARGEST:
        raise ValueError(f"y: the largest label is {array.max()}, which is no class; classes are counted from 0")
    return np.ascontiguousarray(array, dtype=np.int64)


def _no_labels(array: NDArray[Any], tensor: bool = False) -> str:
    """Says why an array, which may have come as a tensor, does not hold labels, and what to do."""
    if array.ndim == 1 and array.dtype.kind == "f":
        place = int(np.flatnonzero(array != np.floor(array))[0])
        return f"label {array[place]} of sample {place} is not a whole number; give one integer per sample, (N,)"
    cure = "give one integer per sample, (N,)"
    if array.ndim == 1 and array.dtype.kind == "b":
        cure = "give y.long()" if tensor else "give y.astype(int)"
    elif array.ndim == 1 and array.size and isinstance(array.tolist()[0], str):
        cure += ": np.unique(y, return_inverse=True)[1]"
    elif array.ndim == 2 and array.shape[1] == 1:
        cure += ": y.ravel()"
    elif array.ndim == 2 and all(map(_has_single_one, array)):
        cure += ": y.argmax(1), as each row has a single 1"
    return f"labels have the type {array.dtype} and the shape {array.shape}; {cure}"


def _has_single_one(label: Any) -> bool:
    """Whether it is an array of two or more numbers, a single 1 and zeros."""
    try:
        array = np.asarray(_dense(label) if hasattr(label, "detach") else label)
    except (ValueError, TypeError, RuntimeError):
        return False
    if array.ndim != 1 or len(array) < 2 or array.dtype.kind not in "fiub":
        return False
    return bool(np.count_nonzero(array == 1) == 1 and np.count_nonzero(array) == 1)


def _whole(array: NDArray[Any]) -> bool:
    """Whether an array holds whole numbers only."""
    return array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool(np.all(array == np.floor(array))))


def _placed(labels: NDArray[Any], classes: NDArray[Any], first: int = 0) -> NDArray[np.int64]:
    """The places of labels among the classes of a model; `first` is the place of the first label's sample."""
    known = {name: place for place, name in enumerate(classes.tolist())}
    # Where a file lists a number twice, in two forms, the first one counts.
    listed = [*reversed([*enumerate(map(whole_number, classes.tolist()))])] if isinstance(classes, Listed) else []
    numbers = {number: place for place, number in listed if number is not None}
    found = np.zeros(len(labels), dtype=np.int64)
    for row, label in enumerate(labels.tolist()):
        place = known.get(label)
        number = whole_number(label) if place is None and isinstance(classes, Listed) else None
        if number is not None:
            # Where the file lists no numbers, a number is the place of an output.
            counts = not numbers and not isinstance(label, str) and 0 <= number < len(classes)
            place = number if counts else numbers.get(number)
        if place is None:
            names = [repr(name) for name in known]
            said = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            if isinstance(classes, Listed):
                raise ValueError(
                    f"y: label {label!r} of sample {first + row} is none of those that the model's file lists, {said}; give labels as "
                    f"the file has them: np.array([{said}])[y] where y counts the outputs from 0"
                )
            raise ValueError(
                f"y: label {label!r} of sample {first + row} is not one of the model's classes_, {said}; give labels as the "
                "model was fitted with, or leave that sample out"
            )
        found[row] = place
    return found


def whole_number(label: Any) -> int | None:
    """A label as a whole number, whether it is written 3, "03" or "3.0"; None where it is not one."""
    if isinstance(label, str):
        try:
            return int(label)
        except ValueError:
            pass
        try:
            label = float(label)
        except ValueError:
            return None
    if isinstance(label, (float, np.floating)):
        number = float(label)
        return int(number) if number.is_integer() and abs(number) < 2**53 else None
    return int(label) if isinstance(label, (int, np.integer)) else None


def _label(label: Any, place: int, classes: NDArray[Any] | None) -> int:
    """The label of one sample, as it would be in an array of labels."""
    if np.ma.is_masked(label):
        raise ValueError(f"y: the label of sample {place} is masked; leave that sample out")
    try:
        array = np.asarray(label.detach().cpu() if hasattr(label, "detach") else label)
    except ValueError:  # a sequence of entries with different shapes
        array = np.empty(0)
    if array.size == 1 and classes is not None:
        return int(_placed(array.reshape(1), classes, place)[0])
    if array.size != 1 or not _whole(array):
        said = f"a {type(label).__name__}" + (f" of shape {array.shape}" if array.size else "")
        said, cure = repr(array.reshape(()).item()) if array.size == 1 else said, ""
        if _has_single_one(label):
            cure = ", y.argmax(), as it has a single 1"
        elif array.dtype.kind == "b":
            cure = ", int(y)"
        raise ValueError(f"y: the label of sample {place} is {said}; give one integer per sample{cure}")
    return int(array.reshape(()))


def _is_pair(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) == 2


def _is_loader(x: Any) -> bool:
    """Whether it is a PyTorch `DataLoader`, or has the same attributes; PyTorch is not imported for that."""
    return all(hasattr(x, name) for name in ("dataset", "sampler", "batch_sampler", "collate_fn"))


def _dataset(x: Any) -> Any:
    """The map-style data set that `x` is, or that the loader `x` only makes batches of; None where `x` has to be iterated."""
    loads = _is_loader(x)
    dataset = x.dataset if loads else x
    if isinstance(dataset, Mapping):
        raise ValueError(f"x: a {type(dataset).__name__} is no data set; give one of its parts, {sorted(map(str, dataset))}")
    streams = any(base.__name__ == "IterableDataset" for base in type(dataset).__mro__)
    if streams or not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        return None
    if not loads:
        return dataset
    sampler = type(x.sampler).__name__
    batches = x.batch_sampler
    plain = _is_torch(x, "__iter__") and _is_torch(x.collate_fn) and sampler in ("SequentialSampler", "RandomSampler")
    plain = plain and len(x.sampler) == len(dataset)
    own = batches is not None and (type(batches).__name__ != "BatchSampler" or batches.sampler is not x.sampler)
    if not plain or own or getattr(x.sampler, "replacement", False):
        chooses = type(getattr(batches, "sampler", batches)).__name__ if own else sampler
        if chooses != "SequentialSampler":
            warn(
                f"x: the DataLoader is read once, as it yields: which samples, and in which order, is up to its {chooses}; a "
                "run can be resumed if they are the same again"
            )
        return None
    if sampler == "RandomSampler":
        warn(f"x: the DataLoader's {sampler} is left aside: all samples of its data set are taken, by index, in order")
    elif getattr(x, "drop_last", False) and len(dataset) % (x.batch_size or 1):
        warn("x: the DataLoader's drop_last is left aside: all samples of its data set are taken")
    return dataset


def _is_torch(given: Any, method: str | None = None) -> bool:
    """Whether a function, or a method of an object, is PyTorch's own."""
    function = given if method is None else getattr(type(given), method, None)
    return str(getattr(function, "__module__", "")).startswith("torch.utils.data.")


def warn(text: str) -> None:
    """Warns, with the line that called the package as the place of the warning."""
    here, depth, frame = f"{Path(__file__).parent}{os.sep}", 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(here):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, stacklevel=depth)


def _by_index(dataset: Any) -> Iterator[tuple[Any, Any]]:
    return (_pair(dataset[place]) for place in range(len(dataset)))


def _of_iterable(x: Any) -> Iterator[tuple[Any, Any]]:
    if hasattr(x, "__getitem__") and not hasattr(x, "__len__") and not isinstance(x, Iterable):
        raise ValueError(f"x: a {type(x).__name__} is read by index and has no __len__; give it one, or an iterable of pairs")
    if not isinstance(x, Iterable):
        raise ValueError(
            f"x: a {type(x).__name__} has no labels; give arrays x and y, a DataLoader, or a data set of pairs"
        )
    return _of_batches(x)


def _of_batches(batches: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """The pairs of rows, or of batches of rows. A sample with as many channels as there are classes, and a label with a single 1 among
    so many numbers, looks like a batch of its channels: where all do, it is one."""
    sizes: list[int | None] = []
    for batch in batches:
        labels: Any = None if _is_listed(batch) else _parts(batch)[1]
        sizes.append(len(labels) if _has_single_one(labels) else None)
        yield from _rows(batch)
    if len(sizes) >= _SURELY and None not in sizes and len(set(sizes)) == 1:
        raise ValueError(
            f"x: all {len(sizes)} items have {sizes[0]} labels of which a single one is 1, as samples with as many channels have that are "
            "labelled by a 1 in the place of their class; give one integer per sample, y.argmax(), or larger batches"
        )


def _pair(row: Any) -> tuple[Any, Any]:
    """A sample and its label."""
    sample, label = _parts(row)
    return (_picture(sample) if isinstance(row, Mapping) else _converted(sample)), label


def _parts(row: Any) -> tuple[Any, Any]:
    """The samples and labels of a row, or of a batch of rows."""
    if isinstance(row, Mapping):
        label = next((row[name] for name in _LABELS if name in row), None)
        sample = next((row[name] for name in _SAMPLES if name in row), None)
        if label is None or sample is None:
            known = f"(also {', '.join(_SAMPLES[1:])}; {', '.join(_LABELS[1:])})"
            raise ValueError(f"x: a row has the columns {sorted(row)}; `image` and `label` are needed {known}")
        return sample, label
    if isinstance(row, Sequence) and len(row) == 2:
        return row[0], row[1]
    several = f" of {len(row)}" if isinstance(row, Sequence) and not isinstance(row, (str, bytes)) else ""
    raise ValueError(f"x: a row of the data set is a {type(row).__name__}{several}; pairs of a sample and its label are needed")


def _converted(sample: Any) -> Any:
    """A Pillow picture in a mode whose numbers are colours or grey levels; other samples as they are."""
    mode = getattr(sample, "mode", None)
    if not (isinstance(mode, str) and hasattr(sample, "convert") and hasattr(sample, "getbands")):
        return sample
    if mode in ("P", "1"):
        return sample.convert("RGB" if mode == "P" else "L")
    if mode not in ("L", "RGB"):
        raise ValueError(f"x: a picture of mode {mode} is neither grey (L) nor of three colours (RGB); convert it: {_ALIKE}")
    return sample


def _picture(sample: Any) -> Any:
    """The sample of a row with names; pictures, which have channels last, get channels first."""
    image = _array("x", _converted(sample), "give a picture, or an array of numbers")
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3):
        return image.transpose(2, 0, 1)
    return image[None] if image.dtype == np.uint8 and image.ndim == 2 else image


def _is_row(row: Any) -> bool:
    """Whether a pair holds one sample and its label, and not a batch of each."""
    return isinstance(row, Mapping) or (isinstance(row, tuple) and len(row) == 2 and _is_one(row[1]))


def _is_one(label: Any) -> bool:
    """Whether it is the label of one sample, and not an array of labels."""
    try:
        return np.ndim(label) == 0
    except ValueError:  # a sequence of entries with different shapes
        return False


def _is_listed(batch: Any) -> bool:
    """Whether it is a list of samples, each with its label."""
    return isinstance(batch, (list, tuple)) and bool(batch) and all(map(_is_row, batch))


def _rows(batch: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a batch, or the pair itself."""
    if _is_listed(batch):
        yield from map(_pair, batch)
        return
    samples, labels = _parts(batch)
    if _is_one(labels):
        yield _pair(batch)
        return
    if len(samples) != len(labels):
        if _has_single_one(labels):
            raise ValueError(f"x: a label has {len(labels)} numbers with a single 1; give one integer per sample, y.argmax()")
        raise ValueError(f"x: a batch has {len(samples)} samples and {len(labels)} labels; give one label for each sample")
    for sample, label in zip(samples, labels):
        yield (_picture(sample) if isinstance(batch, Mapping) else _converted(sample)), label


def _one_by_one(
    x: Any, classes: NDArray[Any] | None, bounds: Any
) -> tuple[Arrays, NDArray[np.float32], Rows]:
    """Samples of which only one at a time is in memory, and the first few of them as an array."""
    dataset = _dataset(x)
    reader = _Spooled() if dataset is None else _Indexed(dataset)
    digest = hashlib.sha256()
    labels: list[int] = []
    sums: list[int] = []
    first: list[NDArray[np.float32]] = []
    for sample, label in _of_iterable(x) if dataset is None else _by_index(dataset):
        row = floats(sample, bounds)
        if len(first) < _FIRST:
            first.append(row)
        _check_shape(len(labels), row, first[0])
        flat = row.reshape(-1)
        digest.update(flat.data)
        sums.append(zlib.crc32(flat.data))
        reader.keep(flat)
        labels.append(_label(label, len(labels), classes))
    if not labels:
        raise ValueError(_NONE)
    _check_repeats(x, [*zip(sums, labels)])
    checked = labels_of(labels)
    digest.update(checked.data)
    shape = first[0].shape
    made = Arrays(reader, labels, list(shape), _names(classes), digest.hexdigest())
    return made, np.stack(first), lambda places: np.stack([reader.row(int(place)).reshape(shape) for place in places])


def _check_repeats(x: Any, pairs: list[tuple[int, int]]) -> None:
    """Warns where every worker of a loader seems to yield all samples."""
    workers = getattr(x, "num_workers", 0) if _is_loader(x) else 0
    if workers < 2 or not any(base.__name__ == "IterableDataset" for base in type(x.dataset).__mro__):
        return
    fewest = min(Counter(pairs).values())
    if fewest > 1:
        warn(
            f"x: every sample came {fewest} times or more, as where each of the DataLoader's {workers} workers reads the whole "
            "IterableDataset; give num_workers=0, or divide it by torch.utils.data.get_worker_info()"
        )


class _Indexed:
    """A map-style data set, which is asked for each sample when it is needed."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._sums: list[int] = []

    def keep(self, flat: NDArray[np.float32]) -> None:
        self._sums.append(zlib.crc32(flat.data))

    def row(self, place: int) -> NDArray[np.float32]:
        """The sample at a place, flat."""
        flat = floats(_pair(self._dataset[place])[0]).reshape(-1)
        if zlib.crc32(flat.data) != self._sums[place]:
            raise ValueError(
                f"x: sample {place} of the data set is another one each time it is read; take random transforms out of it"
            )
        return flat


class _Spooled:
    """Samples that can be iterated only once, kept in memory, or in an unnamed temporary file where they are large."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
        weakref.finalize(self, self._file.close)
        self._size = 0
        self._lock = threading.Lock()

    def keep(self, flat: NDArray[np.float32]) -> None:
        self._size = flat.nbytes
        with self._roomy():
            self._file.write(flat.data)

    def row(self, place: int) -> NDArray[np.float32]:
        """The sample at a place, flat."""
        # The last samples may still be in the buffer.
        with self._lock, self._roomy():
            self._file.seek(place * self._size)
            return np.frombuffer(self._file.read(self._size), dtype=np.float32)

    @contextmanager
    def _roomy(self) -> Iterator[None]:
        """Turns errors of writing into one that says where the file is."""
        try:
            yield
        except OSError as error:
            raise KennardError(
                f"x: samples that come once are kept in a temporary file in {tempfile.gettempdir()}, which fails: {error}; set "
                "TMPDIR to a directory with more room, or give a data set that can be read by index"
            ) from error
