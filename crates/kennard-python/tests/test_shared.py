"""Published networks as live modules; `references/live_agreement.py` and `drop_in.py` do this for all of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import kennard

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
SHARED = Path(os.environ.get("KENNARD_SHARED", "no-such-place"))
if not (SHARED / "models").is_dir():
    pytest.skip("published networks are not tested: KENNARD_SHARED has none", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "references"))


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0), ("l1", 5.0)])
def test_module_export_and_file_agree(norm: str, eps: float) -> None:
    """The same clean accuracy; robust accuracies that differ by one of the images at most."""
    from live_agreement import exported, module_of, samples

    path, count = SHARED / "models/wong_mnist_eps0.1.onnx", 6
    x, y, _ = samples(path.stem, count)
    module = module_of(path)
    arguments: dict[str, Any] = {"norm": norm, "eps": eps, "attack": "standard", "packet_samples": 0, "progress": False}
    found = [
        kennard.audit(module, x, y, batch_size=count, **arguments),
        kennard.audit(exported(module, x.shape[1:]), x, y, runtime="onnxruntime", **arguments),
        kennard.audit(path, x, y, **arguments),
    ]
    assert len({result.clean_accuracy for result in found}) == 1
    robust = [result.robust_accuracy for result in found]
    assert max(robust) - min(robust) <= 1 / count + 1e-9, robust  # type: ignore[type-var,operator]


def test_verdicts_are_those_of_the_reference() -> None:
    """Kennard's class in place of the reference's, on images that the reference was run on."""
    if not (SHARED / "reference/autoattack.csv").exists():
        pytest.skip("verdicts of the reference are not compared: KENNARD_SHARED has none")
    from drop_in import compare, within

    row = {"model": "wong_fashion_eps0.1", "norm": "linf", "eps": "0.1"}
    _, robust, reference, _ = compare(row, 16)
    assert within(robust, reference, 16) and 0 < reference < 16
