"""The results of calls."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _kennard, _page
from ._random import Verified


class Outcome:
    """Figures, a table, and the directory of a run.

    It can be pickled and copied. A directory that nobody named stays with the process that made it, and is there as long as the
    result or a copy of it.

    Attributes
    ----------
    summary : dict
        All figures, as in `summary.json`.
    out : pathlib.Path
        The directory of the run.
    engine : text
        What computed the model, and why.
    """

    # The attribute that holds the table.
    _rows: ClassVar[str] = "samples"

    def __init__(self, found: _kennard.Outcome, out: Path, kept: Any = None, engine: str = "") -> None:
        self.summary: dict[str, Any] = json.loads(found.summary)
        self.out = out
        self.engine = engine
        self._table = found
        setattr(self, self._rows, found)
        self._kept = kept
        self._unnamed = kept is not None

    def column(self, name: str) -> NDArray[np.float64]:
        """A column of the table, (rows,): numbers, 0 and 1 for false and true, NaN where there is none.

        Raises
        ------
        KeyError
            When there is no such column; the message names those that are known.
        """
        return self._table.column(name)

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""
        return self._table.columns

    @property
    def warnings(self) -> list[str]:
        """What a reader should know before believing the figures, with settings as arguments of Python."""
        return [f"{warning['code']}: {in_python(warning['message'])}" for warning in self.summary["warnings"]]

    def warn(self, code: str, message: str) -> None:
        """Adds a warning that the files of the run do not have."""
        self.summary["warnings"].append({"code": code, "message": message})

    def _place(self) -> Path:
        """The directory of the run.

        Raises
        ------
        ValueError
            When nobody named it, and it went with the result that this is a copy of.
        """
        if self._unnamed and not self.out.exists():
            raise ValueError(
                f"out: {self.out} is gone, for the directory went with the result that was pickled; give out= to keep it"
            )
        return self.out

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page of the run, one HTML file that holds all it shows.

        Raises
        ------
        ValueError
            When `path` is a directory, or in one that is not there; or when nobody named the directory of the run, and it went with the
            result that this is a copy of.
        """
        path = _page.target(path)
        page = self._place() / "report.html"
        if page.exists():
            if not (path.exists() and path.samefile(page)):
                shutil.copyfile(page, path)
        else:
            _kennard.report([self.out], path)
        return path

    def _repr_html_(self) -> str:
        body = self._body() + _page.notes(self.warnings)
        return body + _page.pictures(self.out) + _page.report(self.out)

    def _body(self) -> str:
        return ""


class Result(Outcome):
    """The figures of an audit.

    Attributes
    ----------
    summary : dict
        All figures, as in `summary.json`.
    samples
        A row per sample, for whoever reads the Arrow C data interface: `pyarrow.record_batch(r.samples)`,
        `polars.DataFrame(r.samples)`, `pandas.DataFrame.from_arrow(r.samples)`.
    out : pathlib.Path
        The directory of the run.
    engine : text
        What computed the model, and why.
    verified : Verified or None
        For a model that answers at random (`eot`), how often each adversarial point fools it.
    """

    samples: _kennard.Outcome

    def __init__(
        self,
        found: _kennard.Outcome,
        out: Path,
        kept: Any = None,
        engine: str = "",
        verified: Verified | None = None,
    ) -> None:
        super().__init__(found, out, kept, engine)
        self.verified = verified

    @property
    def clean_accuracy(self) -> float | None:
        """The share of samples classified correctly."""
        return _share(self.summary["clean"], "accuracy")

    @property
    def robust_accuracy(self) -> float | None:
        """The share of samples classified correctly that no attack broke; None without attacks."""
        robust = self.summary.get("robust")
        return None if robust is None else _share(robust, "robust_accuracy")

    @property
    def certified_accuracy(self) -> float | None:
        """The share of samples that are certified: no point within epsilon is misclassified. None without certificates."""
        certified = self.summary.get("certified")
        return None if certified is None else _share(certified, "certified_accuracy")

    @property
    def undecided(self) -> int | None:
        """How many samples are neither certified nor broken nor misclassified from the start. None without certificates."""
        count = self.summary.get("undecided")
        return None if count is None else int(count)

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The fitted temperature, with the calibration error `before` and `after` it; None where none was fitted.

        `calibration["after"]["calibration_error"]` has a `value` and an `interval`, of samples that it was not fitted to. See
        `temperature="fit"` of :func:`audit`.
        """
        found: dict[str, Any] | None = self.summary.get("calibration")
        return found

    @property
    def verified_robust_accuracy(self) -> float | None:
        """Robust accuracy of a model that answers at random, where a sample counts as broken only if most passes are fooled.

        A point that fools fewer, or for which that is not certain, breaks nothing. None without `eot`.
        """
        broken = self._confirmed
        return None if broken is None or self.clean_accuracy is None else self.clean_accuracy - broken / len(self.samples)

    @property
    def verified_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the verified robust accuracy (Clopper and Pearson). None without `eot`."""
        broken = self._confirmed
        if broken is None or self.clean_accuracy is None:
            return None
        return _kennard.interval(int(self.summary["clean"]["correct"]) - broken, len(self.samples))

    @property
    def _confirmed(self) -> int | None:
        """How many samples have a point that fools most passes. None without `eot`."""
        return None if self.verified is None else len(set(self.verified.index[self.verified.confirmed].tolist()))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the robust accuracy, of the clean accuracy without attacks (Clopper and Pearson)."""
        part = self.summary.get("robust") or self.summary["clean"]
        ends = part.get("interval")
        return None if ends is None else (float(ends[0]), float(ends[1]))

    @property
    def attacks(self) -> dict[str, float | None]:
        """The accuracy that each attack left, by its name."""
        return {attack["name"]: _share(attack, "robust_accuracy") for attack in self.summary["attacks"]}

    @property
    def warnings(self) -> list[str]:
        """What a reader should know before believing the figures."""
        found = [*super().warnings, *(f"requirement: {_unmet(judged)}" for judged in self._short)]
        if self.verified is not None:
            held, count = int(self.verified.confirmed.sum()), len(self.verified)
            found.append(
                f"verified: of {count} adversarial points {held} fool most of {self.verified.passes} fresh passes"
            )
        return found

    @property
    def _short(self) -> list[dict[str, Any]]:
        """The requirements of `require` that are not met."""
        return [judged for judged in self.summary["requirements"] if not judged["holds"]]

    def _doubt(self) -> str:
        """The end of the representation, where a requirement is not met; else nothing."""
        short = ", ".join(f"{judged['figure']} >= {judged['least']:g}" for judged in self._short)
        return f", NOT AS REQUIRED ({short})" if short else ""

    def __repr__(self) -> str:
        parts = [f"clean {_page.percent(self.clean_accuracy)}"]
        if self.summary.get("robust"):
            parts.append(f"robust {_page.percent(self.robust_accuracy)}")
        if self.interval:
            parts.append(f"[{100 * self.interval[0]:.2f}, {100 * self.interval[1]:.2f}]")
        if self.summary.get("certified"):
            parts.append(f"certified {_page.percent(self.certified_accuracy)}")
        if self.verified is not None:
            parts.append(f"verified {_page.percent(self.verified_robust_accuracy)}")
            if ends := self.verified_interval:
                parts.append(f"[{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]")
        return f"<kennard.{type(self).__name__} {self.summary['total']} samples: {', '.join(parts)}{self._doubt()}>"

    def _body(self) -> str:
        clean, robust = self.summary["clean"], self.summary.get("robust")
        rows = [("clean", clean.get("accuracy"), clean.get("interval"))]
        attacks = self.summary["attacks"]
        cited = _kennard.cited(self._table.summary)
        rows += [(words, a.get("robust_accuracy"), a.get("interval")) for words, a in zip(cited, attacks, strict=True)]
        if robust and (len(attacks) != 1 or self.summary.get("minimal")):
            rows.append(("robust", robust.get("robust_accuracy"), robust.get("interval")))
        if certified := self.summary.get("certified"):
            rows.append(("certified", certified.get("certified_accuracy"), certified.get("interval")))
        if self.verified is not None:
            rows.append(("verified robust", self.verified_robust_accuracy, self.verified_interval))
        lines = [(name, _page.percent(share), _page.percents(ends)) for name, share, ends in rows]
        return _page.table(("", "accuracy", "95 % interval"), lines)


class Minimal(Result):
    """How far the nearest adversarial point of each sample is.

    Attributes
    ----------
    distances : array (N,)
        In the norm: 0 where the sample is misclassified from the start, infinite where no attack found a point.
    median : float
        The distance that half of the samples are within.
    points : array (N, ...) of float32, or None
        The nearest adversarial points; the sample itself where there is none. None where samples were named or read one by
        one, or where the run was resumed.
    """

    def __init__(
        self,
        found: _kennard.Outcome,
        out: Path,
        kept: Any,
        engine: str,
        distances: NDArray[np.float64],
        points: NDArray[np.float32] | None,
    ) -> None:
        super().__init__(found, out, kept, engine)
        self.distances = distances
        self.points = points

    @property
    def median(self) -> float:
        """The distance that half of the samples are within: one of their distances, as in `summary`; may be infinite."""
        return self._within(50)

    def _within(self, percent: int) -> float:
        """The smallest distance that `percent` per cent of the samples are within: not a mean of two distances."""
        ordered = np.sort(self.distances)
        return float(ordered[max(-(-len(ordered) * percent // 100), 1) - 1]) if len(ordered) else np.inf

    def robust_at(self, eps: float) -> float:
        """The share of samples without an adversarial point within `eps`: an upper bound of robust accuracy."""
        return float(np.mean(self.distances > eps))

    def __repr__(self) -> str:
        return f"<kennard.Minimal {len(self.distances)} samples: median distance {_distance(self.median)}{self._doubt()}>"

    def _body(self) -> str:
        rows = [(f"{percent} %", _distance(self._within(percent))) for percent in (10, 25, 50, 75, 90)]
        return _page.table(("of samples are within", "distance"), rows)


def in_python(message: str) -> str:
    """A message of `summary.json` with settings as arguments, `attack='rand'`, and commands as functions, `kennard.report`."""
    # Not at the top: the package imports this module before it defines the list.
    from . import __all__ as functions

    said = re.sub(r"`([a-z_0-9]+) = ([^`]*)`", lambda found: _argument(found[1], found[2]), message)
    return re.sub(r"`kennard ([a-z]+)`", lambda found: f"`kennard.{found[1]}`" if found[1] in functions else found[0], said)


def _argument(name: str, value: str) -> str:
    """A setting with its value as Python has it: `bounds=(0, 255)`, `engine='export'`."""
    parts = [part.strip() for part in value.split(",")]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        return f"{name}={value!r}"
    return f"{name}={parts[0]}" if len(parts) == 1 else f"{name}=({', '.join(parts)})"


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


def _unmet(judged: dict[str, Any]) -> str:
    """Says that a requirement does not hold, and why, in the words of the command."""
    low, least = judged["low"], judged["least"]
    said = f"{judged['figure']} >= {least:g} does not hold"
    if low is None or low >= least:
        return f"{said}: the audit is not complete"
    # Rounded down: it is below what was asked for.
    return f"{said}: the lower end of its 95 % interval is {math.floor(low * 1e4) / 1e4:.4f}"


def _distance(size: float) -> str:
    """A distance; infinite where no point was found."""
    return f"{size:.4g}" if np.isfinite(size) else "none"


def _share(part: dict[str, Any], name: str) -> float | None:
    value = part.get(name)
    return None if value is None else float(value)
