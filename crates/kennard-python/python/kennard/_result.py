"""What an audit found."""

from __future__ import annotations

import html
import json
import os
import shutil
from pathlib import Path
from typing import Any

from . import _kennard


class Result:
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
    """

    def __init__(self, outcome: _kennard.Outcome, out: Path, kept: Any = None) -> None:
        self.summary: dict[str, Any] = json.loads(outcome.summary)
        self.samples = outcome
        self.out = out
        self._kept = kept

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
        return [f"{warning['code']}: {warning['message']}" for warning in self.summary["warnings"]]

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page of the run, one HTML file that holds all it shows."""
        path = Path(path)
        page = self.out / "report.html"
        if page.exists():
            shutil.copyfile(page, path)
        else:
            _kennard.report([self.out], path)
        return path

    def __repr__(self) -> str:
        parts = [f"clean {_percent(self.clean_accuracy)}"]
        if self.summary.get("robust"):
            parts.append(f"robust {_percent(self.robust_accuracy)}")
        if self.interval:
            parts.append(f"[{100 * self.interval[0]:.2f}, {100 * self.interval[1]:.2f}]")
        return f"<kennard.Result {self.summary['total']} samples: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        clean, robust = self.summary["clean"], self.summary.get("robust")
        rows = [("clean", clean.get("accuracy"), clean.get("interval"))]
        rows += [(a["name"], a.get("robust_accuracy"), a.get("interval")) for a in self.summary["attacks"]]
        if robust and len(self.summary["attacks"]) != 1:
            rows.append(("robust", robust.get("robust_accuracy"), robust.get("interval")))
        lines = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_percent(share)}</td>"
            f"<td>{'' if ends is None else f'{100 * ends[0]:.2f} – {100 * ends[1]:.2f} %'}</td></tr>"
            for name, share, ends in rows
        )
        notes = "".join(f"<p>{html.escape(warning)}</p>" for warning in self.warnings)
        return f"<table><tr><th></th><th>accuracy</th><th>95 % interval</th></tr>{lines}</table>{notes}"


def _share(part: dict[str, Any], name: str) -> float | None:
    value = part.get(name)
    return None if value is None else float(value)


def _percent(share: float | None) -> str:
    return "pending" if share is None else f"{100 * share:.2f} %"
