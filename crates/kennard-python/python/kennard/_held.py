"""The PyTorch modules that a function computes with, as far as they can be found."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

# How many steps from the function a module may be: a wrapper in a closure of a partial function is three.
_DEEP = 4


def is_module(given: Any) -> bool:
    """Whether it is a PyTorch module; PyTorch is not imported for that."""
    return any(base.__module__.startswith("torch.nn") and base.__name__ == "Module" for base in type(given).__mro__)


def modules_in(function: Any) -> list[Any]:
    """The modules that a bound method, a closure, a partial function or an object that can be called has, and those that a
    function names as global variables, each once."""
    found: list[Any] = []
    seen: set[int] = set()
    left = [(function, 0)]
    while left:
        given, deep = left.pop(0)
        if id(given) in seen:
            continue
        seen.add(id(given))
        if is_module(given):
            found.append(given)
        elif deep < _DEEP:
            left += [(part, deep + 1) for part in _parts(given)]
    return found


def held(function: Any, eot: int | None) -> Any:
    """The modules in sight of a function of arrays, as :class:`kennard._module.Held`; None where there is none.

    Raises
    ------
    ValueError
        When it is a method of one in training mode.
    """
    modules = modules_in(function)
    if not modules:
        return None
    from ._module import Held

    return Held(function, modules, eot)


def _parts(given: Any) -> Iterator[Any]:
    """The parts of an object that may be, or hold, a module."""
    if isinstance(given, (type, types.ModuleType, types.BuiltinFunctionType, str, bytes, int, float)):
        return
    if isinstance(given, functools.partial):
        yield from (given.func, *given.args, *given.keywords.values())
    elif isinstance(given, types.MethodType):
        yield from (given.__self__, given.__func__)
    elif isinstance(given, types.FunctionType):
        yield from _of_function(given)
    elif isinstance(given, (list, tuple)):
        yield from given[:64]
    elif isinstance(given, dict):
        yield from [*given.values()][:64]
    elif hasattr(type(given), "__call__") or hasattr(given, "__dict__"):
        yield from [*getattr(given, "__dict__", {}).values()][:64]
        call = getattr(type(given), "__call__", None)
        if isinstance(call, types.FunctionType):
            yield call


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a cell may still be empty
            yield cell.cell_contents
    yield from (function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).values()
    if hasattr(function, "__wrapped__"):
        yield function.__wrapped__
    for step in dis.get_instructions(function):
        if step.opname == "LOAD_GLOBAL" and step.argval in function.__globals__:
            named = function.__globals__[step.argval]
            # Of global variables only modules and functions are followed; other objects may hold anything.
            if is_module(named) or isinstance(named, (types.FunctionType, functools.partial)):
                yield named
