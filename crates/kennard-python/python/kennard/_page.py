"""Results as notebooks show them."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

# More pictures than these, and larger pages than this, are left to the files.
_PICTURES = 12
_LARGEST = 8 << 20
_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


def target(path: str | os.PathLike[str]) -> Path:
    """A file to write.

    Raises
    ------
    ValueError
        When it is a directory, or in a directory that is not there.
    """
    found = Path(path)
    if found.is_dir():
        raise ValueError(f"path: {found} is a directory; give a file, {found / 'report.html'} for example")
    if not found.parent.is_dir():
        raise ValueError(f"path: there is no directory {found.parent}; make it first, or name a file elsewhere")
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are texts, not markup."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def notes(texts: Iterable[str]) -> str:
    """A paragraph for each text."""
    return "".join(f"<p>{html.escape(text)}</p>" for text in texts)


def pictures(directory: Path) -> str:
    """The pictures of a run."""
    files = sorted(file for file in directory.glob("*") if file.suffix in _KINDS)
    shown = ""
    for file in files[:_PICTURES]:
        data = base64.b64encode(file.read_bytes()).decode()
        name = html.escape(file.stem)
        shown += (
            f'<figure style="display:inline-block;margin:4px"><img style="max-width:320px" alt="{name}" '
            f'src="data:{_KINDS[file.suffix]};base64,{data}"><figcaption>{name}</figcaption></figure>'
        )
    return f"<div>{shown}</div>" if shown else ""


def report(directory: Path) -> str:
    """The page of a run in a frame of its own, folded away."""
    page = directory / "report.html"
    if not page.exists() or page.stat().st_size > _LARGEST:
        return ""
    inner = html.escape(page.read_text(encoding="utf-8"), quote=True)
    return (
        "<details><summary>report</summary>"
        f'<iframe sandbox="allow-scripts" style="width:100%;height:720px;border:0" srcdoc="{inner}"></iframe></details>'
    )


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "pending" if share is None else f"{100 * share:.2f} %"


def percents(ends: Sequence[float] | None) -> str:
    """An interval in per cent."""
    return "" if ends is None else f"{100 * ends[0]:.2f} – {100 * ends[1]:.2f} %"
