"""Audits on many machines, with Ray."""

from __future__ import annotations

import inspect
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from . import _calls, _data, _kennard, _prepare
from ._classifiers import is_classifier
from ._models import classes, is_module
from ._random import AnswersAtRandom
from ._result import Result

__all__ = ["audit"]

# How often progress is asked for, in seconds.
_TICK = 0.5
# Where a machine is lost, its worker may live on for a while; its successor waits for this many seconds at most.
_PATIENCE = 300.0
_PHASES = ("clean pass", "preparing bounds", "bounds", "radii", "attacks", "packets")

# For each shard and each of its phases, what is done, and of how much.
Heard = dict[int, dict[str, tuple[int, int]]]


def audit(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    num_shards: int,
    out: str | os.PathLike[str],
    resume: bool = False,
    num_cpus: float = 1,
    num_gpus: float = 0,
    max_retries: int = 3,
    progress: bool | Callable[[str, int, int], None] = True,
    **options: Any,
) -> Result:
    """Measures what :func:`kennard.audit` measures, in parts that the machines of a Ray cluster work on.

    The table of samples is the same, byte for byte, as that of one machine. Samples are kept in `out` as they finish: a
    worker that dies costs those that it had not finished, and another goes on from there.

    Parameters
    ----------
    model, x, y
        As in :func:`kennard.audit`. Samples and live models go to the machines once each. A path or the name of a data
        set must mean the same on every machine.
    num_shards : int
        In how many parts the samples are divided; each is a task. Several for each worker balance the load.
    out : path
        The directory of the run, on storage that all machines see. The parts are in `shards` there.
    resume : bool
        Go on with the run that was interrupted there.
    num_cpus, num_gpus : float
        What a task takes of its machine; for files `threads` is `num_cpus` unless it is given.
    max_retries : int
        How often a part is begun again after its worker died.
    progress : bool or callable
        Whether to show how far it is; or what is called with what is done, how much of it, and of how much.
    **options
        Everything else that :func:`kennard.audit` takes, but for `shard`, `require` and `eot`.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together.
    KennardError
        When a worker died more than `max_retries` times, or something else goes wrong.
    KeyboardInterrupt
        After ctrl-C; what was finished is kept in `out`.
    """
    if num_shards < 1:
        raise ValueError(f"num_shards: {num_shards}; give at least 1")
    for name in ("shard", "require"):
        if options.get(name) is not None:
            raise ValueError(f"{name}: a run in parts does not take it; num_shards divides, and requirements are of the whole")
    if options.get("eot") is not None:
        raise ValueError(
            "eot: audits of models that answer at random cannot be resumed, as parts have to be; use kennard.audit on one machine"
        )
    own = inspect.signature(_calls.audit).parameters
    settings = {name: value for name, value in options.items() if name not in own}
    words = {name: options[name] for name in ("norm", "eps", "attack") if name in options}
    checked = _prepare.options("audit", settings, **words)
    _kennard.check_audit(json.dumps(checked))
    _check_mode(model)
    options.setdefault("threads", _prepare.Threads(max(1, int(num_cpus))))
    parts = _divided(Path(out), num_shards, resume)
    if callable(model) and not is_module(model) and not is_classifier(model) and hasattr(x, "detach"):
        # A function of tensors, which the machines get samples for as arrays.
        from ._module import _Function

        model = _Function(model).eval()
    if x is not None and not isinstance(x, str):
        known = classes(model)
        frame = x if _data.frame_of(x) else None
        x, y = _data.collected(x, y, known, checked.get("bounds"))
        # A table keeps its columns.
        x = x if frame is None else frame
        # The parts map labels to their places themselves.
        y = y if known is None else known[y]
    shared = ray.put((model, x, y, options))
    tally: Any = ray.remote(_Tally).options(num_cpus=0, max_restarts=-1, scheduling_strategy=_here()).remote()
    task = ray.remote(_work)
    running = {}
    for number, part in enumerate(parts, 1):
        needs = {"name": f"kennard {number} of {num_shards}", "num_cpus": num_cpus, "num_gpus": num_gpus}
        placed = task.options(max_retries=max_retries, **needs)
        running[placed.remote(shared, str(part), number, num_shards, tally)] = number
    _await(running, num_shards, tally, _prepare.hearer(progress))
    ray.kill(tally)
    return Result(_kennard.merge([*parts], Path(out).absolute()), Path(out))


# What to do about a model that answers at random.
_AT_RANDOM = "call model.eval() first, or, where it is meant to answer at random, kennard.audit, which takes eot=20, on one machine"


def _check_mode(model: Any) -> None:
    """Refuses a module in training mode, before tasks that would all fail."""
    if is_module(model):
        from ._module import check_mode

        try:
            check_mode(model, None)
        except AnswersAtRandom as error:
            raise ValueError(f"{error.args[0]}; {_AT_RANDOM}") from None


def _divided(out: Path, num_shards: int, resume: bool) -> list[Path]:
    """The directories of the parts. Their parent is made here and not by workers: a worker that does not see it has not the
    same storage."""
    _prepare.check_directory(out)
    parent = out.absolute() / "shards"
    if not resume and (out / "manifest.json").exists():
        raise ValueError(f"out: {out} holds a run; give resume=True to go on with it, or another directory")
    there = {part.name for part in parent.iterdir()} if parent.is_dir() else set()
    names = [f"{number}-of-{num_shards}" for number in range(1, num_shards + 1)]
    if there and not resume:
        raise ValueError(f"out: {parent} holds parts of a run; give resume=True to go on with it, or remove it to begin anew")
    if others := sorted(there - set(names)):
        raise ValueError(f"num_shards: {parent} holds the part {others[0]}; divide as that run did, or remove it to begin anew")
    parent.mkdir(parents=True, exist_ok=True)
    return [parent / name for name in names]


def _here() -> NodeAffinitySchedulingStrategy:
    """Places a task on this machine, whose loss ends the run anyway; on another one where this machine takes no tasks."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


class _Tally:
    """Hears from all workers how far they are."""

    def __init__(self) -> None:
        self._heard: Heard = {}

    def hear(self, number: int, what: str, done: int, total: int) -> None:
        self._heard.setdefault(number, {})[what] = (done, total)

    def heard(self) -> Heard:
        return self._heard


def _work(shared: tuple[Any, Any, Any, dict[str, Any]], part: str, number: int, of: int, tally: Any) -> None:
    """One part of the run, on some machine."""
    model, x, y, options = shared
    if not Path(part).parent.is_dir():
        raise ValueError(
            f"out: {Path(part).parent} is not there on the machine {socket.gethostname()}; give a directory on "
            "storage that all machines see"
        )
    last = 0.0

    def hear(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _TICK or done >= total:
            last = time.monotonic()
            tally.hear.remote(number, what, done, total)

    begin = time.monotonic()
    while True:
        try:
            # What an earlier worker finished is there.
            _calls.audit(model, x, y, out=part, resume=True, shard=f"{number}/{of}", progress=hear, **options)
            return
        except _kennard.InUse:
            if time.monotonic() - begin > _PATIENCE:
                raise
            time.sleep(1)


def _await(running: dict[Any, int], num_shards: int, tally: Any, hear: Callable[[str, int, int], None] | None) -> None:
    """Waits for all parts; the first that fails ends the others."""
    told, task = None, next(iter(running))
    try:
        while running:
            ready, _ = ray.wait([*running], timeout=_TICK)
            for task in ready:
                ray.get(task)
                del running[task]
            now = _far(_heard(tally), set(running.values())) if hear else None
            if hear and now and now != told:
                hear(*now)
                told = now
    except KeyboardInterrupt:
        _cancel(running, patience=0)
        raise KeyboardInterrupt("interrupted; what was finished is kept in out, and resume=True goes on") from None
    except ray.exceptions.RayTaskError as error:
        failed = running[task]
        _cancel(running)
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, AnswersAtRandom):
            cause = ValueError(f"{cause.args[0]}; {_AT_RANDOM}")
        cause.add_note(f"in part {failed} of {num_shards}") if hasattr(cause, "add_note") else None
        raise cause from None
    except ray.exceptions.RayError as error:
        failed = running[task]
        _cancel(running)
        raise _kennard.KennardError(
            f"part {failed} of {num_shards} was not finished, for its worker died; resume=True goes on ({error})"
        ) from None
    except BaseException:
        # What the caller's progress function raised, for example.
        _cancel(running)
        raise


def _heard(tally: Any) -> Heard:
    """The progress of all parts; nothing where the process that collects it was lost: the run goes on without progress."""
    try:
        heard: Heard = ray.get(tally.heard.remote(), timeout=10 * _TICK)
    except ray.exceptions.RayError:
        return {}
    return heard


def _far(heard: Heard, running: set[int]) -> tuple[str, int, int] | None:
    """The phase that the slowest part is in, what is done of it, and of how much; parts that have not reported are left out."""
    places = [max(_PHASES.index(what) for what in heard[number]) for number in running if number in heard]
    if not heard:
        return None
    phase = _PHASES[min(places)] if places else max((w for h in heard.values() for w in h), key=_PHASES.index)
    totals = {number: phases[phase] for number, phases in heard.items() if phase in phases}
    over = {n for n, phases in heard.items() if n not in running or max(map(_PHASES.index, phases)) > _PHASES.index(phase)}
    done = sum(total if number in over else done for number, (done, total) in totals.items())
    return phase, done, sum(total for _, total in totals.values())


def _cancel(running: dict[Any, int], patience: float = 2.0) -> None:
    """Ends what runs, as ctrl-C does, so that workers keep what they finished.

    Parts that fail, fail together, and Ray aborts the process where a task is cancelled that is just ending: for `patience`
    seconds they may end by themselves.
    """
    if not running:
        return
    left = [*running]
    try:
        _, left = ray.wait(left, num_returns=len(left), timeout=patience)
    finally:
        # After ctrl-C too.
        for task in left:
            ray.cancel(task, force=False)
    if left:
        ray.wait(left, num_returns=len(left), timeout=30)
