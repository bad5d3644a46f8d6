"""A network that is audited while it is trained."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from . import _calls, _kennard, _models, _page, _prepare
from ._random import check_passes
from ._result import Result

# Samples of each audit, as in `kennard track`: intervals of ±3 %.
_SAMPLES = 1000


class Tracker:
    """Audits a module once an epoch, in any training loop, and keeps a page: `kennard track` for PyTorch.

    >>> import kennard, torch  # doctest: +SKIP
    >>> with kennard.Tracker(model, x, y, eps=8 / 255, out="track") as tracker:  # doctest: +SKIP
    ...     for epoch in range(1, 11):
    ...         train_one_epoch(model)
    ...         tracker(epoch)

    The module is put into evaluation mode for the audit (with `eot` it stays as it is), and each part of it back into its own
    afterwards. Every epoch's
    audit has a directory of its own in `out`; the page, `report.html`, is there after each of them, with accuracy,
    accuracy under attack, distances and spreads over the epochs.

    Parameters
    ----------
    model : torch.nn.Module, or whatever :func:`audit` takes
        The network; a module is looked at as it is when the tracker is called.
    x, y
        Samples (N, ...) that are not trained on, and labels (N,), as in :func:`audit`.
    eps : float or text
        The size of perturbations.
    out : path
        The directory.
    attack : text or list of text
        The attacks of each audit.
    every : int
        Audits every this many epochs; the others are left out.
    resume : bool
        Go on with what an interrupted process left in `out`: earlier epochs stay on the page, and one that is there with
        the same weights is not audited again.
    progress : bool
        Whether to show how far each audit is.
    **options
        What else :func:`audit` takes: `norm`, `samples` (1000 at random by default), `packet_samples`, `batch_size`, ...

    Raises
    ------
    ValueError
        When an argument makes no sense.
    """

    def __init__(
        self,
        model: Any,
        x: Any,
        y: Any = None,
        *,
        eps: float | str,
        out: str | os.PathLike[str],
        attack: str | list[str] = "pgd",
        every: int = 1,
        resume: bool = False,
        progress: bool = False,
        **options: Any,
    ) -> None:
        if hasattr(x, "__next__"):
            raise ValueError("x: an iterator yields its samples once; give a list, arrays, or a data set")
        named = {name: value for name, value in options.items() if name not in _LIVE}
        named = _prepare.options("audit", named, eps=eps, attack=attack)
        if "shard" in named:
            raise ValueError("shard: figures over epochs are of all samples; leave it out")
        _kennard.check_audit(json.dumps(named))
        check_passes(options.get("eot"))
        _prepare.check_directory(out)
        if not resume and any(Path(out).glob("epoch-*")):
            raise ValueError(
                f"out: {out} holds the audits of an earlier loop; give resume=True to go on with it, or another directory"
            )
        if "samples" not in named and "first" not in named:
            options["samples"] = _SAMPLES
        self.out = Path(out)
        self.points: list[dict[str, Any]] = []
        self._model = model
        self._given = (x, y)
        self._options = {**options, "eps": eps, "attack": attack}
        self._every = _prepare.whole("every", every)
        self._resume = resume
        self._progress = progress
        self._audits = _finished(self.out) if resume else []
        self._last: int | None = None

    def __call__(self, epoch: int | None = None) -> Result | None:
        """Audits the module as it is now.

        Parameters
        ----------
        epoch : int, optional
            The epoch that has ended; one more than the last by default.

        Returns
        -------
        Result or None
            What the audit found; None where `every` leaves the epoch out.

        Raises
        ------
        ValueError
            When the epoch was audited before, or is no number of one.
        """
        epoch = (self._last or 0) + 1 if epoch is None else _prepare.whole("epoch", epoch, 0)
        if self._last is not None and epoch <= self._last:
            raise ValueError(f"epoch: {epoch} comes after {self._last}; count epochs upwards, or leave the number out")
        if epoch % self._every:
            self._last = epoch
            return None
        place = self.out / f"epoch-{epoch:04}"
        result = self._audit(epoch, place)
        self._last = epoch
        # An interrupted process may have left later epochs, which are audited again.
        self._audits = [audit for audit in self._audits if audit[0] < epoch]
        self._audits.append((epoch, place))
        found = json.loads(_kennard.tracked(self.out.name, self._audits, self.out))
        self.points = found["points"]
        return result

    def _audit(self, epoch: int, place: Path) -> Result:
        options = dict(self._options)
        live = {name: options.pop(name) for name in _LIVE & options.keys()}
        batch = live.pop("batch_size", None)
        resume = self._resume and place.exists()
        settings = _prepare.options("audit", options, micro_batch=batch, resume=resume or None)
        # Parts that are meant to answer at random stay as they are.
        with _evaluated(self._model) if live.get("eot") is None else nullcontext():
            run = _prepare.ready(self._model, *self._given, settings, **live)
            checkpoint = (self.out.name, epoch)
            return _calls._audited(run, place, self._progress, points=live.get("eot") is not None, checkpoint=checkpoint)

    @property
    def page(self) -> Path:
        """The page."""
        return self.out / "report.html"

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __repr__(self) -> str:
        return f"<kennard.Tracker {self.out}: {len(self._audits)} epochs>"

    def _repr_html_(self) -> str:
        names = ("epoch", "clean", "robust", "sigma_x", "sigma_p", "product")
        rows = [["" if point[name] is None else f"{point[name]:.4g}" for name in names] for point in self.points]
        return _page.table(names, rows) + _page.pictures(self.out) + _page.report(self.out)


def _finished(out: Path) -> list[tuple[int, Path]]:
    """The epochs whose audits in a directory are complete, in order."""
    found = []
    for place in out.glob("epoch-*"):
        try:
            summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
            if summary["complete"]:
                found.append((int(place.name.removeprefix("epoch-")), place))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found)


# Arguments of `audit` that are not options of the command.
_LIVE = frozenset({"device", "output", "batch_size", "engine", "eot", "autocast"})


def _evaluated(model: Any) -> Any:
    """Puts a module into evaluation mode, and each part back into its own mode afterwards."""
    if not _models.is_module(model):
        return nullcontext()
    from ._ascent import as_eval

    return as_eval(model)
