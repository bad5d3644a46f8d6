"""Norms by their names."""

from __future__ import annotations

import math
from typing import Literal

Norm = Literal["linf", "l2", "l1"]

# The norms of balls, with their orders as NumPy and PyTorch have them.
ORDERS: dict[str, float] = {"linf": math.inf, "l2": 2, "l1": 1}

# The same by their orders, and l0, in which only smallest perturbations are sought.
NAMES: dict[float, str] = {**{order: name for name, order in ORDERS.items()}, 0: "l0"}
