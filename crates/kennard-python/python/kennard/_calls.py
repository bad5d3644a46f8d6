"""Audits and attacks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _data, _kennard, _page, _prepare
from ._prepare import Progress
from ._random import Verified, verified
from ._result import Outcome, Result

# Samples per call where nothing else is asked for, as in the engine.
_BATCH = 128


def audit(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    norm: str = "linf",
    eps: float | str | None = None,
    attack: str | list[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    eot: int | None = None,
    autocast: str | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Result:
    """Measures accuracy, accuracy under attack, and conjugate spreads.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto, torch.nn.Module, classifier with `predict_proba`, or callable
        A classifier of samples (n, ...), which returns logits (n, K). A callable gets tensors where `x` is one, and is
        differentiated; else arrays, and attacks without gradients alone can be run.
    x : array (N, ...), DataLoader, data set, or text
        Samples, in the range `bounds` (0 to 1 by default); or the name of a data set, as on the command line
        (`"mnist:data/mnist"`). A `DataLoader` that only makes batches or shuffles is its data set, read by index, in order;
        one with a `collate_fn`, a sampler or a batch sampler of its own is read once, as it yields.
    y : array (N,) of integers, optional
        Labels; left out where `x` has them. For a classifier with `classes_`, give the labels that it was fitted with, which
        may be texts; the columns `label` and `prediction` have their places in `classes_`. The same holds for the labels that
        an ONNX file lists, unless they are 0, 1, 2, ...; where these are names, whole numbers are places in that list.
    norm : {"linf", "l2", "l1"}
        How perturbations are measured; also NumPy's `inf`, 2, 1.
    eps : float or text
        Their largest size, `8/255` or `"8/255"`.
    attack : text or list of text, optional
        `"standard"` for AutoAttack; a quick look by default.
    out : path, optional
        The directory of the run, where every sample is kept as it finishes.
    resume : bool
        Go on with the run that was interrupted there, with the same model: one with other weights, or that answers otherwise, is
        refused.
    device : torch.device or text, optional
        Where a module computes.
    output : callable, text or int, optional
        What takes the logits out of what a module returns.
    batch_size : int, optional
        Samples per micro-batch. For live models 128 by default, on a GPU as many as a quarter of its memory holds; no more
        than 1024, and for files 64, where there are fewer samples than are asked for.
    engine : {"live", "export", "auto"}
        Whether a module computes itself; or an ONNX file of it, which is faster on a CPU; or, with "auto", the file where
        PyTorch can make one that has the same logits. The result's `engine` says which it was, and why.
    eot : int, optional
        For a model that answers at random: every answer and every gradient is the mean of this many passes (expectation
        over transformations), decisions are those of the mean logits, and each adversarial point is then verified by 100
        fresh passes, see :attr:`Result.verified`.
    autocast : {"bfloat16", "float16"}, optional
        The precision of all passes of a module, also for packets and margins; only the final check of each point is made in
        the module's own precision. See `search_precision` to change the precision of attacks alone.
    progress : bool or callable
        Whether to show how far it is; or what is called with what is done, how much of it, and of how much.
    **options
        What else `kennard audit` takes, by the same names: `samples`, `first`, `seed`, `minimal`, `steps`, `bounds`,
        `eps_per_feature`, `frozen`, `integer` and `one_hot` (for tables; `integer="all"` keeps images at their levels),
        `memory` ("4GiB"), `packet_samples`, `temperature` ("fit", a number or a file; packets at that temperature too, and the
        calibration error as :attr:`Result.calibration`), `require` ("robust>=0.5"; where the lower end of an interval falls short,
        `warnings` and the representation say so, and nothing is raised),
        `search_precision` ("bf16" for attacks that search in bfloat16, on `runtime="openvino"` or in a module under
        `torch.autocast`; what they find is judged in single precision, or the module's own), ...

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together.
    KennardError
        When something else goes wrong.
    KeyboardInterrupt
        After ctrl-C; what was finished is kept in `out`.

    Examples
    --------
    >>> import kennard
    >>> result = kennard.audit("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", eps=0.05,
    ...                        attack="fgsm", first=20, packet_samples=0, progress=False)
    >>> result.robust_accuracy < result.clean_accuracy
    True
    """
    wanted = {"device": device, "output": output, "engine": engine, "eot": eot, "autocast": autocast}
    # First of all, so that a typing mistake costs no time.
    settings = _prepare.options(
        "audit", options, norm=norm, eps=eps, attack=attack, micro_batch=batch_size, resume=resume or None
    )
    _prepare.check_size(settings)
    if eot is not None and resume:
        raise ValueError("eot: an audit of a model that answers at random cannot be resumed; leave resume out")
    _prepare.check_resume(resume, out)
    run = _prepare.ready(model, x, y, settings, **wanted)
    return _audited(run, out, progress, points=eot is not None)


def _audited(
    run: _prepare.Ready,
    out: str | os.PathLike[str] | None,
    progress: bool | Progress,
    *,
    points: bool,
    checkpoint: tuple[str, int] | None = None,
) -> Result:
    place, kept = _prepare.directory(out)
    found, broken = run.ask(_kennard.audit, place, progress, checkpoint, points)
    result = run.finished(Result(found, place, kept, run.model.engine))
    if points:
        found_by = names(result.summary)
        within = {name: result.column(f"{name}.within") for name in found_by}
        rows = {int(index): row for row, index in enumerate(result.column("index"))}
        entries = [
            (index, found_by[attack], point)
            for index, attack, point in broken
            if within[found_by[attack]][rows[index]] == 1
        ]
        labels = np.full(max(rows, default=0) + 1, -1, dtype=np.int64)
        labels[result.column("index").astype(np.int64)] = result.column("label").astype(np.int64)
        batch = run.settings.get("micro_batch", _BATCH)
        result.verified = verified(run.model.live, entries, labels, batch)
    return result


def names(summary: dict[str, Any]) -> list[str]:
    """The columns of the attacks of an audit, minimum-norm attacks last."""
    return [entry["name"] for entry in summary["attacks"]] + [
        f"minimal.{entry['name']}" for entry in summary.get("minimal", [])
    ]


@dataclass(frozen=True, eq=False)
class Attacked:
    """The adversarial points of attacks.

    Attributes
    ----------
    points : dict of text to array (N, ...) of float32
        The points that each attack found; where it did not break a sample, the sample itself.
    broken : dict of text to array (N,) of bool
        Which samples each attack broke within epsilon.
    correct : array (N,) of bool
        Which samples are classified correctly to begin with.
    index : array (N,) of int
        The places of the samples in `x`: all of them, or those that `samples`, `first` or `shard` chose.
    verified : Verified or None
        For a model that answers at random (`eot`), how often each adversarial point fools it.
    engine : text
        What computed the model, and why.
    """

    points: dict[str, NDArray[np.float32]]
    broken: dict[str, NDArray[np.bool_]]
    correct: NDArray[np.bool_]
    index: NDArray[np.int64]
    verified: Verified | None = None
    engine: str = ""

    @property
    def best(self) -> NDArray[np.float32]:
        """The first adversarial point of each sample that any attack broke, (N, ...); the sample itself elsewhere.

        Raises
        ------
        ValueError
            When no attack was run, `attack="none"`.
        """
        names = list(self.points)
        if not names:
            raise ValueError("attack: none was run, so there are no points; name one, for example attack='pgd'")
        best = self.points[names[0]].copy()
        done = self.broken[names[0]].copy()
        for name in names[1:]:
            news = self.broken[name] & ~done
            best[news] = self.points[name][news]
            done |= news
        return best


def attack(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    norm: str = "linf",
    eps: float | str | None = None,
    attack: str | list[str] | None = None,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    eot: int | None = None,
    autocast: str | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Attacked:
    """Finds adversarial points. Arguments are those of :func:`audit`.

    Returns
    -------
    Attacked

    Examples
    --------
    >>> import kennard, numpy
    >>> x, y = numpy.random.default_rng(0).random((4, 1, 28, 28), dtype=numpy.float32), [0, 1, 2, 3]
    >>> found = kennard.attack("fixtures/fashion_mlp.onnx", x, y, eps=8 / 255, attack="fgsm", progress=False)
    >>> found.best.shape
    (4, 1, 28, 28)
    """
    wanted = {"device": device, "output": output, "engine": engine, "eot": eot, "autocast": autocast}
    settings = _prepare.options("attack", options, norm=norm, eps=eps, attack=attack, micro_batch=batch_size)
    _prepare.check_size(settings)
    run = _prepare.ready(model, x, y, settings, **wanted)
    if run.data is None or run.inputs is None:
        raise ValueError("x: give the samples themselves; the command `kennard attack` takes data sets by name")
    found = _kennard.attack(run.model.native, run.data, json.dumps(run.settings), _prepare.hearer(progress))
    run.model.check_unchanged()
    records = json.loads(found.records)
    names = found.names
    entries = [[*record["attacks"], *record["minimal"]] for record in records]
    shape = run.inputs.shape[1:]
    broken = {
        name: np.array([bool(row[i] and row[i]["within"]) for row in entries]) for i, name in enumerate(names)
    }
    index = np.array([record["index"] for record in records], dtype=np.int64)
    predicted = np.array([record["prediction"] for record in records], dtype=np.float64)
    own = run.own_labels(index, predicted)
    for said in [*(message for _, message in run.model.notes), *([] if own is None else [own])]:
        _data.warn(said)
    checked = None
    if eot is not None:
        rows = [(name, points, row) for name, points in zip(names, found.points) for row in np.flatnonzero(broken[name])]
        places = [(int(index[row]), name, points[row]) for name, points, row in rows]
        labels = np.full(index.max(initial=-1) + 1, -1, dtype=np.int64)
        labels[index] = [record["label"] for record in records]
        checked = verified(run.model.live, places, labels, run.settings.get("micro_batch", _BATCH))
    return Attacked(
        points={name: points.reshape(-1, *shape) for name, points in zip(names, found.points)},
        broken=broken,
        correct=np.array([record["prediction"] == record["label"] for record in records]),
        index=index,
        verified=checked,
        engine=run.model.engine,
    )


def report(
    runs: str | os.PathLike[str] | Outcome | Iterable[str | os.PathLike[str] | Outcome],
    path: str | os.PathLike[str],
    *,
    table: str | None = None,
) -> Path:
    """Makes one page of the directories of runs, which compares them; or the table of a paper: `kennard report`.

    Parameters
    ----------
    runs : path, result, or iterable of them
        Directories of runs (`out` of :func:`audit`), or what calls returned.
    path : path
        The file to write.
    table : {"latex", "markdown"}, optional
        Write the rows that a paper needs, one per audit, and a sentence to cite, in place of the page.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        When there is no such form of tables, nothing to show, or no such place for the file.
    KennardError
        When a directory holds no run, for a table none an audit, or the file cannot be written.

    Examples
    --------
    >>> import kennard, pathlib, tempfile
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> runs = [place / eps for eps in ("0.02", "0.05")]
    >>> for out in runs:
    ...     _ = kennard.audit("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", eps=out.name,
    ...                       attack="fgsm", first=20, packet_samples=0, out=out, progress=False)
    >>> kennard.report(runs, place / "page.html").name
    'page.html'
    >>> "tabular" in kennard.report(runs, place / "table.tex", table="latex").read_text()
    True
    """
    several = [runs] if isinstance(runs, (str, os.PathLike, Outcome)) else list(runs)
    if not several:
        raise ValueError("runs: there are none; give the directory of a run, or a result, at least")
    found = _page.target(path)
    _kennard.report([run._place() if isinstance(run, Outcome) else run for run in several], found, table)
    return found
