"""Finds where a module's forward makes Python numbers of tensors that depend on the samples: a trace makes them constants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# The methods of tensors that return their numbers as something other than tensors.
_CONVERSIONS = frozenset(
    {"__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__", "__contains__", "item", "tolist", "numpy"}
)

_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


class _Watch(TorchFunctionMode):
    """Follows what is computed from a tensor, and notes where it is converted to Python numbers."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        # The tensors are kept alive, so that no other tensor gets the address of one of them.
        self._known = {id(given): given}
        self.places: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        depends = any(id(part) in self._known for part in _tensors((args, kwargs)))
        name = getattr(func, "__name__", "")
        if depends and name in _CONVERSIONS:
            place = _place()
            if place not in self.places:
                self.places.append(place)
        found = func(*args, **kwargs)
        if depends:
            # Methods that work in place change their first argument.
            changed = args[:1] if name.endswith("_") or name == "__setitem__" else ()
            for tensor in _tensors((found, changed, kwargs.get("out"))):
                self._known[id(tensor)] = tensor
        return found


def _tensors(given: Any) -> Iterator[Any]:
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, (list, tuple)):
        for part in given:
            yield from _tensors(part)
    elif isinstance(given, dict):
        for part in given.values():
            yield from _tensors(part)


def _place() -> str:
    """The line of the caller's own code that is running, as file and line."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def numbers_of(module: Any, samples: torch.Tensor) -> list[str]:
    """The places in a module's forward, as file and line, where Python numbers are made of tensors that depend on `samples`."""
    watch = _Watch(samples)
    with torch.no_grad(), watch:
        module(samples)
    return watch.places
