"""How accurate a classifier is, how robust it is, and how easily it is fooled.

>>> import kennard
>>> result = kennard.audit("model.onnx", x, y, eps=8 / 255)  # doctest: +SKIP
>>> result.robust_accuracy  # doctest: +SKIP
0.512
"""

from . import _onnxruntime
from ._autoattack import AutoAttack
from ._calls import Attacked, attack, audit, report
from ._kennard import KennardError, __version__
from ._result import Result

_onnxruntime.choose()

__all__ = [
    "Attacked",
    "AutoAttack",
    "KennardError",
    "Result",
    "__version__",
    "attack",
    "audit",
    "report",
]
