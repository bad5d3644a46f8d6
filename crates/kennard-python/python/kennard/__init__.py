"""How accurate a classifier is, how robust it is, and how easily it is fooled.

>>> import kennard
>>> result = kennard.audit("model.onnx", x, y, eps=8 / 255)  # doctest: +SKIP
>>> result.robust_accuracy  # doctest: +SKIP
0.512
"""

from . import _runtimes
from ._autoattack import AutoAttack
from ._calls import Attacked, attack, audit, report
from ._certificates import Certified, Smoothed, bound, certify, smooth
from ._kennard import InUse, KennardError, __version__
from ._measure import Calibration, Uncertainty, calibrate, uncertainty
from ._minimal import minimal
from ._random import Verified
from ._result import Minimal, Result
from ._tracker import Tracker
from ._train import Trained, grad, train

_runtimes.choose()

__all__ = [
    "Attacked",
    "AutoAttack",
    "Calibration",
    "Certified",
    "InUse",
    "KennardError",
    "Minimal",
    "Result",
    "Smoothed",
    "Tracker",
    "Trained",
    "Uncertainty",
    "Verified",
    "__version__",
    "attack",
    "audit",
    "bound",
    "calibrate",
    "certify",
    "grad",
    "minimal",
    "report",
    "smooth",
    "train",
    "uncertainty",
]
