"""Live PyTorch modules."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._data import first_batch, in_batches, single
from ._held import modules_in
from ._identity import PLAIN, answers, attributes
from ._random import AnswersAtRandom, check_repeatable, fingerprint

__all__ = ["TorchModule"]

# Lower precisions that passes may be computed in.
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchModule:
    """A module as the engine sees it: logits, and the input gradient of any function of them.

    Parameters
    ----------
    module : torch.nn.Module or callable
        From samples (n, ...) to logits (n, K), in evaluation mode; or a function of tensors that PyTorch can
        differentiate.
    x : array (N, ...) of float32
        Samples, the first of which are tried.
    device : torch.device or str, optional
        Where it computes; where its weights are by default.
    output : callable, str or int, optional
        What takes the logits out of what it returns.
    eot : int, optional
        The passes that every answer and every gradient is the mean of, for a module that answers at random.
    autocast : {"bfloat16", "float16"}, optional
        The precision of passes, except for the final check of each point, which is made in the module's own.
    random : bool
        Whether the attacks average over random answers themselves.
    batch : int, optional
        How many samples it gets at once, also in the trial.

    Raises
    ------
    ValueError
        When the module is in training mode, answers at random without `eot`, its weights are elsewhere, it does not take
        the samples, or what it returns are no logits.
    """

    library = "torch"
    differentiable = True
    workers = 1

    def __init__(
        self,
        module: torch.nn.Module | Callable[[torch.Tensor], Any],
        x: NDArray[np.float32],
        device: torch.device | str | None = None,
        output: Callable[[Any], torch.Tensor] | str | int | None = None,
        eot: int | None = None,
        autocast: str | None = None,
        random: bool = False,
        batch: int | None = None,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            module = _Function(module).eval()
        check_mode(module, eot)
        check_lazy(module)
        # Also where the module was made from a function elsewhere.
        held = Held(module.function, module.held, eot) if isinstance(module, _Function) else None
        weights = [*module.parameters(), *module.buffers()]
        self._device = _device(weights, device)
        # PyTorch has a default device for each thread, and passes run in other threads.
        self._default = torch.empty(0).device
        if autocast is not None and autocast not in _AUTOCAST:
            raise ValueError(f"autocast: {autocast!r} is unknown; give 'bfloat16' or 'float16', or leave it out")
        self.autocast = autocast
        self._module = module
        self._shape = x.shape[1:]
        self.output = output
        self.dtype = next((w.dtype for w in weights if w.dtype.is_floating_point), torch.float32)
        self.version = torch.__version__
        self.label = module.label if isinstance(module, _Function) else type(module).__name__
        self.parameters = sum(weight.numel() for weight in module.parameters())
        self.sha256, in_sight = _identity(module, _digest(module))
        self._weights = _kept(module)
        marks = _marks(module)
        buffers = _kept(module, module.state_dict().keys() - marks)
        self.passes = eot or 1
        repeatable = eot is None and not random
        self._batch = batch
        first = first_batch(x, batch)
        with torch.no_grad():
            with nullcontext() if held is None else held.watched():
                logits = self._tried(self._tensor(first.copy()))
            self._check_not_written(marks)
            _check_still(_changed(buffers, _kept(module, buffers)))
            self.classes = int(logits.shape[1])
            self.double = logits.dtype == torch.float64
            if repeatable:
                # A copy each time: a module may work in place.
                check_repeatable(lambda: self.untouched(first.copy().reshape(-1)))
        before = attributes(_parts(module), fully=not repeatable)
        self._begun = self._lasting(first, resized=batch is None)
        self._check_not_written(marks)
        _check_still(_changed(buffers, _kept(module, buffers)))
        if repeatable and (held is not None or not in_sight):
            # A function, or a module without weights, can be told from another only by its answers.
            self.sha256 = fingerprint(self.label, x, self.answered)
        else:
            said = answers(self.answered, self._shape, self.dtype) if repeatable else b""
            # What passes change, a count of them or a mean of the last batch, does not tell modules apart.
            lasting = sorted(before.items() & attributes(_parts(module), fully=not repeatable).items())
            self.sha256 = hashlib.sha256(repr((self.sha256, lasting, said)).encode()).hexdigest()

    @property
    def searching(self) -> TorchModule | None:
        """The same module in bfloat16, for passes of searches; None where it computes in `autocast` already."""
        if self.autocast is not None:
            return None
        twin = copy.copy(self)
        twin.autocast = "bfloat16"
        return twin

    def _tried(self, x: torch.Tensor) -> torch.Tensor:
        """The logits in a first trial on some samples."""
        try:
            found = self._module(x)
        except Exception as error:
            said = f"{type(error).__name__}: {str(error).rstrip('.')}"
            cure = several_inputs(error) or ". Give samples as it was trained on, in channels, height, width"
            raise ValueError(
                f"model, x: the module fails at samples of shape {tuple(x.shape)} ({x.dtype}, on {x.device}): {said}{cure}"
            ) from error
        if isinstance(found, torch.Tensor) and self.output is not None and not callable(self.output):
            raise ValueError(
                f"output: the module returns one tensor, so there is nothing that {self.output!r} could name; leave it out"
            )
        try:
            return self._checked(found, x)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                f"output: it fails at the {type(found).__name__} that the module returns: {type(error).__name__}: {error}"
            ) from error

    def answered(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n, K) at points (n, ...), computed in batches of the size that the module takes."""
        return in_batches(lambda batch: self.untouched(batch.reshape(-1)).reshape(len(batch), -1), points, self._batch)

    def check_unchanged(self) -> None:
        """Raises a ValueError where weights have changed since the beginning, including those that are not saved in files."""
        check_same(_changed(self._weights, _kept(self._module)) + _changed(self._begun, _hidden(self._module)))

    def _check_not_written(self, marks: dict[str, tuple[int, int]]) -> None:
        """Refuses a module whose parameters were written to since `marks` were taken, and have other values."""
        now = _marks(self._module)
        written = {name for name, mark in marks.items() if now.get(name) != mark}
        before = {name: digest for name, digest in self._weights.items() if name in written}
        if before:
            _check_still(_changed(before, _kept(self._module, before)), "parameter")

    def _lasting(self, first: NDArray[np.float32], resized: bool) -> dict[str, str]:
        """Digests of tensors that are not saved in files and that passes must not change, after passes of the samples `first`."""
        other = np.repeat(first[:1], len(first) + resized, 0)
        before = _hidden(self._module)
        once, twice = self._hidden_after(other), self._hidden_after(other)
        _check_still(_changed(once, twice))
        # A tensor that changes with the size of a batch, and not with each pass, is not a weight but a cache or a mask.
        return {name: digest for name, digest in twice.items() if before.get(name) == digest}

    def _hidden_after(self, samples: NDArray[np.float32]) -> dict[str, str]:
        # A module that does not take this size of batch fails, which matters only in real passes.
        with suppress(Exception), torch.no_grad():
            self._module(self._tensor(samples.copy()))
        return _hidden(self._module)

    def fitting(self) -> int | None:
        """How many samples fit a GPU's memory at once, a power of two from 32 to 1024; None elsewhere.

        One pass with its gradient of 32 samples is measured, and a quarter of the whole memory is used, so that a resumed
        run on the same kind of GPU has the same batches.
        """
        if self._device.type != "cuda":
            return None
        count = 32
        points = np.zeros(count * int(np.prod(self._shape)), dtype=np.float32)
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        z, kept = self.forward(points)
        self.backward(kept, np.zeros_like(z))
        each = max(torch.cuda.max_memory_allocated(self._device) - before, 1) / count
        total = torch.cuda.get_device_properties(self._device).total_memory
        while count < 1024 and 2 * count * each < total / 4:
            count *= 2
        return count

    def _tensor(self, points: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(points).reshape(-1, *self._shape)
        return tensor.to(self._device, self.dtype, non_blocking=True)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_AUTOCAST[self.autocast])

    def _at_home(self) -> AbstractContextManager[Any]:
        """Sets the devices that were current where the module was taken."""
        entered = ExitStack()
        if self._default.type != "cpu":
            entered.enter_context(self._default)
        if self._device.type == "cuda":
            entered.enter_context(torch.cuda.device(self._device))
        return entered

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._checked(self._module(x), x)

    def _checked(self, returned: Any, x: torch.Tensor) -> torch.Tensor:
        """The logits in what the module returned for samples."""
        found = logits_of(returned, self.output)
        if found.ndim != 2 or len(found) != len(x):
            raise ValueError(
                f"model: it returned a tensor of shape {tuple(found.shape)} for {len(x)} samples; a classifier returns "
                "logits of shape (n, classes)"
            )
        return found

    def untouched(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d), in the module's own precision."""
        # Not torch.inference_mode(): a module may keep a tensor that it makes, and a gradient may go through it later.
        with self._at_home(), torch.no_grad():
            return _scores(self._logits(self._tensor(points)))

    def outputs(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n·K) at points (n·d)."""
        with self._at_home(), torch.no_grad(), self._precision():
            return _scores(self._logits(self._tensor(points)))

    def forward(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], Any]:
        """The logits (n·K) at points (n·d), and what `backward` needs."""
        with self._at_home(), torch.enable_grad(), self._precision():
            x = self._tensor(points).requires_grad_(True)
            # A module may work in place, which PyTorch does not allow on a leaf that requires a gradient.
            z = self._logits(x.clone())
        return _scores(z), (x, z)

    def backward(self, kept: Any, slopes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input gradient (n·d) of a function whose derivative with respect to the logits is `slopes` (n·K)."""
        x, z = kept
        cotangent = torch.from_numpy(slopes).reshape(z.shape).to(z.device, z.dtype)
        if not z.requires_grad:
            return np.zeros(x.numel(), dtype=np.float32)
        with self._at_home():
            (gradient,) = torch.autograd.grad(z, x, cotangent, allow_unused=True)
        return np.zeros(x.numel(), dtype=np.float32) if gradient is None else _flat(gradient)


class _Function(torch.nn.Module):
    """A function as a module without weights of its own; `held` are the modules found in it, which keep their modes."""

    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        # In a list, so that they are not among its submodules.
        self.held = modules_in(function)
        self.function = function
        self.label = getattr(function, "__qualname__", type(function).__name__)

    def forward(self, x: torch.Tensor) -> Any:
        """What the function returns."""
        return self.function(x)


class Held:
    """Modules that a function computes with.

    Parameters
    ----------
    function : callable
    modules : list of torch.nn.Module
        The modules found in the function, whether it uses them or not.
    eot : int, optional
        As of :class:`TorchModule`.

    Raises
    ------
    ValueError
        When it is a method of one in training mode.
    """

    def __init__(self, function: Any, modules: list[torch.nn.Module], eot: int | None) -> None:
        self._modules = modules
        self._eot = eot
        self._error: ValueError | None = None
        for module in modules:
            if module is getattr(function, "__self__", None):
                check_mode(module, eot)
        self._weights = self._kept()

    def _kept(self) -> dict[str, str]:
        several = enumerate(self._modules)
        return {f"{number}: {name}": digest for number, part in several for name, digest in _kept(part).items()}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Refuses modules that the function runs in training mode, before they do."""
        with ExitStack() as hooks:
            for module in self._modules:
                if not self._refused(module):
                    continue
                for part in module.modules():
                    with suppress(Exception):  # not every kind of module has hooks
                        hook = part.register_forward_pre_hook(lambda *_, module=module: self._check(module))
                        hooks.callback(hook.remove)
            self._error = None
            try:
                yield
            except Exception:
                if self._error is not None:
                    raise self._error from None
                raise

    def _refused(self, module: torch.nn.Module) -> bool:
        try:
            check_mode(module, self._eot)
        except ValueError:
            return True
        return False

    def _check(self, module: torch.nn.Module) -> None:
        try:
            check_mode(module, self._eot)
        except ValueError as error:
            self._error = error
            raise

    def check_still(self) -> None:
        """Raises a ValueError where weights or buffers changed with the first pass."""
        _check_still(_changed(self._weights, self._kept()))

    def check_unchanged(self) -> None:
        """Raises a ValueError where weights or buffers have changed since the beginning."""
        check_same(_changed(self._weights, self._kept()))


def logits_of(found: Any, output: Callable[[Any], torch.Tensor] | str | int | None) -> torch.Tensor:
    """The logits in what a module returns.

    Raises
    ------
    ValueError
        When there is nothing of that name, or `output` does not say which of several things the logits are.
    """
    if callable(output):
        found = output(found)
    elif output is not None and not isinstance(found, torch.Tensor):
        found = _part(found, output)
    elif hasattr(found, "logits"):
        found = found.logits
    if not isinstance(found, torch.Tensor):
        names = f" with {sorted(found)}" if isinstance(found, dict) else ""
        raise ValueError(
            f"output: the module returns a {type(found).__name__}{names}, not a tensor; name what the logits are, for "
            "example output='logits' or output=lambda out: out[0]"
        )
    if found.is_complex():
        raise ValueError(
            f"model: it returned complex numbers ({str(found.dtype).removeprefix('torch.')}), and logits are real; say how they are "
            "made of these, output=lambda z: z.abs() for instance, or z.real"
        )
    return found


def several_inputs(error: Exception) -> str:
    """The end of a sentence about the error of a module that takes more than samples; empty for other errors."""
    if not (isinstance(error, TypeError) and "missing" in str(error) and "argument" in str(error)):
        return ""
    return (
        ". A classifier takes samples alone: give a function of them, lambda x: model(x, mask) for instance; where a file is made of "
        "it, a module with such a forward"
    )


def _part(found: Any, output: str | int) -> Any:
    """The entry, or else the attribute, of what a module returns."""
    try:
        return found[output]
    except (TypeError, KeyError, IndexError):
        if isinstance(output, str) and hasattr(found, output):
            return getattr(found, output)
    there = f" with {sorted(map(str, found))}" if isinstance(found, dict) else ""
    raise ValueError(
        f"output: the module returns a {type(found).__name__}{there}, which has no {output!r}; name what the logits are, or "
        "give a function that takes them out"
    )


def _identity(module: torch.nn.Module, weights: str) -> tuple[str, bool]:
    """A digest of a module, and whether it has weights to make one from: also of buffers that are not saved in files, and of
    the weights of modules in lists that PyTorch does not see."""
    digest = hashlib.sha256(weights.encode())
    more = _more(module)
    for name, weight in more:
        _add(digest, name, weight)
    return (digest.hexdigest() if more else weights), bool(module.state_dict() or more)


def _digest(module: torch.nn.Module) -> str:
    """A digest of the tensors that are saved in files."""
    digest = hashlib.sha256()
    for name, weight in sorted(module.state_dict().items()):
        _add(digest, name, weight)
    return digest.hexdigest()


def _kept(module: torch.nn.Module, names: Collection[str] | None = None) -> dict[str, str]:
    """Digests of the tensors that are saved in files, by name; where `names` are given, of these only."""
    kept = module.state_dict().items()
    return {name: _alone(name, weight) for name, weight in kept if names is None or name in names}


def _marks(module: torch.nn.Module) -> dict[str, tuple[int, int]]:
    """The address of each parameter and how often it was written to, by name; writing through `data` changes neither."""
    return {name: _mark(weight) for name, weight in module.named_parameters(remove_duplicate=False)}


def _mark(weight: torch.Tensor) -> tuple[int, int]:
    try:
        place = weight.data_ptr()
    except RuntimeError:  # sparse ones have none
        place = 0
    return place, 0 if weight.is_inference() else weight._version


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The names whose digests have changed."""
    return [name for name, digest in before.items() if now.get(name) != digest]


def _more(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """The buffers that are not saved in files, and the weights of modules that PyTorch does not register."""
    kept = module.state_dict()
    more = [(name, buffer) for name, buffer in module.named_buffers() if name not in kept]
    for number, part in enumerate(_unseen(module)):
        more += [(f"{number}: {name}", weight) for name, weight in sorted(part.state_dict().items())]
    return more


def _hidden(module: torch.nn.Module) -> dict[str, str]:
    """Digests of the tensors of :func:`_more`, by name."""
    return {name: _alone(name, weight) for name, weight in _more(module)}


def _alone(name: str, weight: Any) -> str:
    digest = hashlib.sha256()
    _add(digest, name, weight)
    return digest.hexdigest()


def _parts(module: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    """The modules in a module, and in those that PyTorch does not register, by name."""
    more = [(f"{number}: {name}", part) for number, other in enumerate(_unseen(module)) for name, part in other.named_modules()]
    return [*module.named_modules(), *more]


def _unseen(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The modules in plain lists, tuples and dictionaries of a module's attributes."""
    known = {id(part) for part in module.modules()}
    found: list[torch.nn.Module] = []
    left = [module]
    while left:
        for part in left.pop(0).modules():
            for name, value in vars(part).items():
                held = value.values() if isinstance(value, dict) else value
                if name in vars(PLAIN) or not isinstance(value, (list, tuple, dict)):
                    continue
                new = [other for other in held if isinstance(other, torch.nn.Module) and id(other) not in known]
                known.update(id(inner) for other in new for inner in other.modules())
                found += new
                left += new
    return found


def _add(digest: Any, name: str, weight: Any) -> None:
    """Adds a weight to a digest; weights of quantised layers may be pairs, and quantised tensors."""
    digest.update(name.encode())
    if isinstance(weight, (tuple, list)):
        for number, part in enumerate(weight):
            _add(digest, str(number), part)
    elif isinstance(weight, torch.Tensor):
        if weight.is_quantized:
            weight = weight.dequantize()
        flat = weight.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def check_mode(module: torch.nn.Module, eot: int | None) -> None:
    """Refuses a module in training mode, and one that updates running statistics."""
    # An exported program has no modes; PyTorch replaces its eval() by a method that raises.
    if "eval" in vars(module):
        return
    # Frozen programs have none either.
    if eot is None and getattr(module, "training", False):
        raise AnswersAtRandom(
            "model: the module is in training mode, in which dropout and batch normalisation answer otherwise",
            "call model.eval() first, or, where it is meant to answer at random, give eot=20 to kennard.audit, attack or "
            "uncertainty",
        )
    counting = [
        name
        for name, part in module.named_modules()
        if getattr(part, "training", False) and getattr(part, "track_running_stats", False)
    ]
    if counting:
        raise ValueError(
            f"model: {', '.join(counting[:3])} would count the audit's batches into its running statistics; call model.eval(), "
            "and .train() of the parts alone that are to answer at random"
        )


def check_lazy(module: torch.nn.Module) -> None:
    """Refuses a module with lazy layers, whose weights do not exist yet."""
    weights = [*module.named_parameters(), *module.named_buffers()]
    lazy = [name for name, weight in weights if torch.nn.parameter.is_lazy(weight)]
    if lazy:
        raise ValueError(f"model: it has lazy layers, without weights as yet ({_listed(lazy)}); call model(x[:1]) once")


def check_same(changed: list[str]) -> None:
    """Refuses a model whose weights have changed."""
    if changed:
        raise ValueError(
            f"model: its weights changed while it was audited ({_listed(changed)}), so the figures belong to no single model; "
            "train it before or after"
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _check_still(changed: list[str], kind: str | None = None) -> None:
    """Refuses a module that changes with every pass."""
    if changed:
        several = len(changed) > 1
        kind = kind or ("buffer" if all(": " not in name for name in changed) else "weight")
        raise ValueError(
            f"model: its {kind}{'s' if several else ''} {_listed(changed)} change{'' if several else 's'} with every pass; keep "
            f"{'them' if several else 'it'} out of forward in evaluation mode (if self.training: ...)"
        )


def _device(weights: list[torch.Tensor], device: torch.device | str | None) -> torch.device:
    chosen = weights[0].device if weights else torch.device("cpu")
    if device is not None:
        try:
            chosen = torch.device(device)
            torch.empty(0, device=chosen)
        except Exception as error:  # PyTorch's devices raise many kinds.
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"device: PyTorch cannot compute on {device!r} here ({said}); give one that it has, 'cpu' for instance, or leave it out"
            ) from error
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", torch.cuda.current_device())
    strays = {weight.device for weight in weights if weight.device.type != chosen.type}
    if strays:
        raise ValueError(
            f"device: the module has weights on {', '.join(sorted(map(str, strays)))}, not on {chosen}; call "
            f"model.to({str(chosen)!r}) first"
        )
    return chosen


def _scores(logits: torch.Tensor) -> NDArray[np.float32]:
    """Logits (n, K), flat, as the engine takes them."""
    return single(logits.detach().cpu().numpy()).reshape(-1) if logits.dtype == torch.float64 else _flat(logits)


def _flat(tensor: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().reshape(-1).numpy()
    return found
