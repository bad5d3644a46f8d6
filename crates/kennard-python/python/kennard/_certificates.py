"""Certificates for a model and for its smoothed classifier, and bounds as files."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _kennard, _models, _page, _prepare
from ._prepare import Progress
from ._result import Outcome, Result
from ._train import taken


class Certified(Result):
    """Certificates for samples: proofs that nothing within epsilon is misclassified.

    Attributes
    ----------
    summary : dict
        All figures, as in `summary.json`.
    samples
        A row per sample, for whoever reads the Arrow C data interface: `certified`, null where the sample is misclassified
        to begin with; `bound.margin`, the lower bound of the margin; `bound.method`, the last that was tried;
        `certified.in_floats`, whether the certificate is for float32 arithmetic too, null where that is not known.
    out : pathlib.Path
        The directory of the run.
    engine : text
        What is bounded.
    """

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Which samples are certified, (N,)."""
        return self._proved("certified")

    @property
    def certified_in_floats(self) -> NDArray[np.bool_]:
        """Which samples are certified for float32 arithmetic too, sums taken in any order, (N,)."""
        return self._proved("certified.in_floats")

    def _proved(self, name: str) -> NDArray[np.bool_]:
        """Which samples have a 1 in a column, (N,); none where there is no such column."""
        if name not in self.columns:
            return np.zeros(len(self.samples), dtype=np.bool_)
        proved: NDArray[np.bool_] = self.column(name) == 1
        return proved

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of certified accuracy (Clopper and Pearson)."""
        ends = self.summary["certified"].get("interval")
        return None if ends is None else (float(ends[0]), float(ends[1]))

    def __repr__(self) -> str:
        share, ends = _page.percent(self.certified_accuracy), _page.percents(self.interval)
        found = f"certified {share} [{ends}], {self.undecided} undecided{self._doubt()}"
        return f"<kennard.Certified {self.summary['total']} samples: {found}>"

    def _body(self) -> str:
        clean, certified = self.summary["clean"], self.summary["certified"]
        rows = [("clean", clean.get("accuracy"), clean.get("interval"))]
        rows.append(("certified", certified.get("certified_accuracy"), certified.get("interval")))
        lines = [(name, _page.percent(share), _page.percents(ends)) for name, share, ends in rows]
        return _page.table(("", "accuracy", "95 % interval"), lines)


def certify(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    norm: str = "linf",
    eps: float | str | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    batch_size: int | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Certified:
    """Proves for samples that nothing within `eps` is misclassified: `kennard certify`.

    Bounds are computed for graphs. A module is exported to ONNX, and the proofs hold for that file.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto or torch.nn.Module
        A classifier of samples (n, ...), which returns logits (n, K).
    x : array (N, ...), DataLoader, data set, or text
        Samples, in the range `bounds` (0 to 1 by default); or the name of a data set, as on the command line.
    y : array (N,) of integers, optional
        Labels; left out where `x` has them.
    norm : {"linf", "l2", "l1"}
        How perturbations are measured.
    eps : float or text
        Their largest size, `8/255` or `"8/255"`.
    out : path, optional
        The directory of the run, where every sample is kept as it finishes.
    resume : bool
        Go on with the run that was interrupted there.
    batch_size : int, optional
        Samples per micro-batch of the model itself.
    progress : bool or callable
        Whether to show how far it is; or what is called with what is done, how much of it, and of how much.
    **options
        What else `kennard certify` takes, by the same names: `samples`, `first`, `seed`, `bounds`, `eps_per_feature` or
        `boxes` (in place of `eps`), `frozen`, `require` (as in :func:`audit`), ...

    Returns
    -------
    Certified
        Each sample is certified, misclassified to begin with, or undecided; nothing is proved about the undecided ones.

    Raises
    ------
    ValueError
        When an argument makes no sense, model and data do not go together, or the model is no graph, or one without bounds.
    KennardError
        When something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.certify("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", eps=0.004, first=20,
    ...                         progress=False)
    >>> 0 < found.certified_accuracy <= found.clean_accuracy
    True
    """
    output = options.pop("output", None) if _models.is_module(model) else None
    settings = _prepare.options(
        "certify", options, norm=norm, eps=eps, micro_batch=batch_size, resume=resume or None
    )
    _prepare.check_size(settings)
    _prepare.check_resume(resume, out)
    if not (_models.is_file(model) or _models.is_module(model)):
        raise ValueError(
            f"model: a {type(model).__name__} has no graph to bound; give a path, bytes, an onnx.ModelProto, or a "
            "torch.nn.Module, which is exported to ONNX"
        )
    engine = "export" if _models.is_module(model) else "live"
    run = _prepare.ready(model, x, y, settings, output=output, engine=engine)
    return run.outcome(Certified, _kennard.certify, _prepare.directory(out), progress)


class Smoothed(Outcome):
    """Certificates for the smoothed classifier g, a model under normal noise. They do not hold for the model itself.

    Attributes
    ----------
    summary : dict
        All figures, as in `summary.json`.
    samples
        A row per sample, for whoever reads the Arrow C data interface: `class`, how often it came (`count` of `draws`),
        the lower limit of its `probability`, and the `radius`, null where g abstains.
    out : pathlib.Path
        The directory of the run.
    engine : text
        What computed the model, and why.
    """

    samples: _kennard.Outcome

    @property
    def certified(self) -> list[dict[str, Any]]:
        """Certified accuracy of g within each `radius`: `certified_accuracy`, its `interval`, ..."""
        found: list[dict[str, Any]] = self.summary["certified"]
        return found

    @property
    def radii(self) -> NDArray[np.float64]:
        """The certified radius of each sample, (N,), in l2 and input units: 0 where g abstains, or says another class.

        Where radii were fixed beforehand, how far it goes beyond the last of them depends on where drawing stopped.
        """
        found = np.nan_to_num(self.column("radius"), nan=0.0)
        found[self.column("class") != self.column("label")] = 0.0
        return found

    @property
    def abstained(self) -> int | None:
        """On how many samples g abstains; None where draws stopped early, since all radii were decided."""
        found = self.summary["abstained"]
        return None if found is None else int(found)

    def __repr__(self) -> str:
        shares = ", ".join(f"{_page.percent(w['certified_accuracy'])} within {w['radius']:.4g}" for w in self.certified)
        return f"<kennard.Smoothed {self.summary['total']} samples, sigma {self.summary['sigma']:.4g}: {shares}>"

    def _body(self) -> str:
        rows = [
            (f"{w['radius']:.4g}", _page.percent(w["certified_accuracy"]), _page.percents(w["interval"]))
            for w in self.certified
        ]
        return _page.table(("radius", "certified accuracy of g", "95 % interval"), rows)


def smooth(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    sigma: float | str | None = None,
    radius: Any = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    progress: bool | Progress = True,
    **options: Any,
) -> Smoothed:
    """Certifies the smoothed classifier, which is the model under normal noise: `kennard smooth`.

    What is certified is the smoothed classifier, which returns the class that the model returns most often under the
    noise (Cohen et al. 2019), and never the model itself.

    Parameters
    ----------
    sigma : float or text
        The standard deviation of the noise, in input units.
    radius : number, text, or list of them, optional
        Radii (l2, input units) fixed beforehand: draws stop as soon as all of them are decided. Without them all draws are
        taken, and each radius is as large as they allow.
    **options
        What else `kennard smooth` takes, by the same names: `draws`, `choosing`, `alpha`, `bounds`, `samples`, `first`,
        `seed`, ... The others are those of :func:`audit`.

    Returns
    -------
    Smoothed

    Raises
    ------
    ValueError
        When an argument makes no sense, no certificate can reach a radius, or model and data do not go together.
    KennardError
        When something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.smooth("fixtures/fashion_cnn_robust.onnx", "fashion-mnist:fixtures/fashion-mnist", sigma=0.1,
    ...                        radius=0.1, draws=500, first=4, progress=False)
    >>> found.certified[0]["radius"]
    0.1
    """
    settings = _prepare.options(
        "smooth", options, sigma=sigma, radius=radius, micro_batch=batch_size, resume=resume or None
    )
    _prepare.check_resume(resume, out)
    run = _prepare.ready(model, x, y, settings, device=device, output=output, engine=engine)
    return run.outcome(Smoothed, _kennard.smooth, _prepare.directory(out), progress)


def bound(
    model: Any,
    x: Any = None,
    *,
    method: str | None = None,
    norm: str | None = None,
    rows: int | None = None,
    **options: Any,
) -> Any:
    """Certified bounds of a model as a graph of its own: `kennard bound`.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto or torch.nn.Module
        The model; a module is exported.
    x : array (n, ...), optional
        Samples, for the shape that a module takes.
    method : {"intervals", "crown-over-intervals", "crown"}, optional
        How bounds are computed, `"crown"` by default.
    norm : {"linf", "l2", "l1"}, optional
        The ball that the input stays in, within its box; the box alone by default.
    rows : int, optional
        Rows of the specification for each sample; the classes less one by default.
    **options
        `input`, `input_shape`, `hold` and `output` of the command, for files that leave them open; `output` of a module
        is what takes the logits out of what it returns, as in :func:`audit`.

    Returns
    -------
    bytes or onnx.ModelProto
        An ONNX file; a `ModelProto` where the model is one. It takes the ends of a box, for l2 and l1 also its centre and the
        radius, and `spec` (n, rows, K), linear functions of the logits; it returns `bound/lower` and `bound/upper`
        (n, rows) of their values there.

    Raises
    ------
    ValueError
        When an argument makes no sense.
    KennardError
        When the model cannot be read, or has no bounds.

    Examples
    --------
    >>> import kennard
    >>> file = kennard.bound("fixtures/fashion_mlp.onnx", method="intervals")
    >>> len(file) > 1000
    True
    """
    native = taken(model, x, options)
    settings = _prepare.options("bound", options, method=method, norm=norm, rows=rows)
    return _models.like(model, _kennard.bound(native, json.dumps(settings)))
