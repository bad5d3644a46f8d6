"""The examples in the documentation of the package run as they stand, from the root of the repository."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import kennard

MODULES = [name for _, name, _ in pkgutil.iter_modules(kennard.__path__, "kennard.") if "__main__" not in name]


@pytest.mark.parametrize("name", ["kennard", *MODULES])
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(Path(__file__).resolve().parents[3])
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} needs what is not installed: {error}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_public_functions_have_examples() -> None:
    """Each call says what it takes, returns and raises, and shows itself at work."""
    for name in ("attack", "audit", "bound", "calibrate", "certify", "grad", "minimal", "report", "smooth", "train", "uncertainty"):
        text = getattr(kennard, name).__doc__
        assert "Returns" in text and "Examples" in text and ">>>" in text, name
    for name in kennard.__all__:
        assert getattr(kennard, name).__doc__ or name == "__version__", name
