"""Distances to the nearest adversarial points."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _kennard, _prepare
from ._calls import names
from ._prepare import Progress
from ._result import Minimal


def minimal(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    attack: str | list[str] = "fab",
    norm: str = "linf",
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    autocast: str | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Minimal:
    """Seeks the nearest adversarial point of each sample: `kennard audit --minimal`.

    What is found is an upper bound of the distance to the decision boundary.

    Parameters
    ----------
    attack : text or list of text
        Minimum-norm attacks: `"fab"`, `"fab-t"`, `"fmn"`, `"ddn"`, ..., on tree ensembles `"leaves"`; of several the nearest
        point counts.
    norm : {"linf", "l2", "l1", "l0"}
        How distances are measured.
    **options
        What else `kennard audit` takes, by the same names. The others are those of :func:`audit`.

    Returns
    -------
    Minimal
        With `distances` (N,) and `points` (N, ...), which is None where samples were named, read one by one, or examined
        before the run was resumed.

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together.
    KennardError
        When something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.minimal("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", attack="fab",
    ...                         first=10, progress=False)
    >>> found.distances.shape
    (10,)
    """
    options.setdefault("packet_samples", 0)
    settings = _prepare.options(
        "audit", options, minimal=attack, norm=norm, micro_batch=batch_size, resume=resume or None
    )
    _prepare.check_resume(resume, out)
    settings.setdefault("attack", ["none"])
    run = _prepare.ready(model, x, y, settings, device=device, output=output, engine=engine, autocast=autocast)
    place, kept = _prepare.directory(out)
    # Samples that are read one by one are not all in memory.
    held = run.inputs is not None and run.data is not None and len(run.inputs) == len(run.data)
    found, broken = run.ask(_kennard.minimal, place, progress, held)
    columns = [name for name in found.columns if name.startswith("minimal.") and name.endswith(".norm")]
    sizes = np.nan_to_num(np.stack([found.column(name) for name in columns]), nan=np.inf)
    distances = sizes.min(axis=0)
    distances[found.column("prediction") != found.column("label")] = 0.0
    points = _nearest(run.inputs, found, sizes, distances, broken) if held and run.inputs is not None else None
    return run.finished(Minimal(found, place, kept, run.model.engine, distances, points))


def _nearest(
    inputs: NDArray[np.float32],
    found: _kennard.Outcome,
    sizes: NDArray[np.float64],
    distances: NDArray[np.float64],
    broken: list[tuple[int, int, NDArray[np.float32]]],
) -> NDArray[np.float32] | None:
    """The nearest point of each sample; `sizes` (attacks, N) are those of the minimum-norm attacks, which come last. None
    where points are missing: what was finished before a run was resumed has none."""
    index = found.column("index").astype(np.int64)
    rows = {int(place): row for row, place in enumerate(index)}
    points = np.array(inputs[index])
    others = len(names(json.loads(found.summary))) - len(sizes)
    best = sizes.argmin(axis=0)
    lacking = (distances > 0) & np.isfinite(distances)
    for place, which, point in broken:
        row = rows[place]
        if which - others == best[row]:
            points[row] = point.reshape(points.shape[1:])
            lacking[row] = False
    return None if lacking.any() else points
