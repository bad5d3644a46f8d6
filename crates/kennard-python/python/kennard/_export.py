"""PyTorch modules as ONNX files in memory."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from ._data import warn
from ._norms import ORDERS

# Logits of file and module may differ by this share of the largest logit.
_APART = 1e-4

# Where Python numbers depend on samples, file and module are compared at this many samples, and at points around them.
_SAMPLES = 256

# The radius of the points around samples without a threat model, as a share of the samples' range.
_SHARE = 0.03

# Warnings: codes and messages.
Notes = tuple[tuple[str, str], ...]


class Ball(NamedTuple):
    """The neighbourhood of a sample: the norm, the radius, and the smallest and the largest value of an input element."""

    norm: str
    eps: float
    bounds: tuple[float, float]


@dataclass(frozen=True)
class Traced:
    """An ONNX file of a module, and where its trace made constants of numbers.

    Attributes
    ----------
    file : bytes
    warned : list of text
        Where in its forward PyTorch warns that a trace may not be the module, as file and line.
    numbers : list of text
        Where tensors that depend on the samples are converted to Python numbers; the file has those of the first samples.
    """

    file: bytes
    warned: list[str]
    numbers: list[str]

    def since(self) -> str:
        """The end of a sentence that says why the file may have other logits than the module; empty where it may not."""
        if not self.warned:
            return ""
        return f"; its forward makes Python numbers of tensors ({_listed(self.numbers or self.warned)}), and the file keeps those of the first samples"

    def note(self, asked: int) -> tuple[str, str]:
        """A warning about figures of the file, whose logits were compared with the module's at `asked` points."""
        return "traced", (
            f"the module's forward makes Python numbers of tensors that depend on the samples ({_listed(self.numbers)}), and its ONNX "
            f"file keeps those of the first samples; the logits of both are the same at {asked} points, samples and their "
            "surroundings, and may differ elsewhere: figures and proofs are of the file"
        )


def exported(module: Any, x: NDArray[np.float32], *, trainable: bool = False, output: Any = None) -> bytes:
    """The bytes of an ONNX file of a module, its batch free; arguments and errors as of :func:`traced`."""
    return traced(module, x, trainable=trainable, output=output).file


def traced(module: Any, x: NDArray[np.float32], *, trainable: bool = False, output: Any = None) -> Traced:
    """An ONNX file of a module, its batch free.

    Parameters
    ----------
    module : torch.nn.Module
        From samples (n, ...) to logits (n, K).
    x : array (n, ...) of float32
        Samples, for their shape.
    trainable : bool
        Keep normalisations as they are, and weights under the module's own names, so that it can be trained further. Which
        are trained is written into the file: the parameters that require gradients, and no buffer.
    output : callable, str or int, optional
        What takes the logits out of what it returns.

    Raises
    ------
    ValueError
        When PyTorch cannot export it, or parameters that the logits depend on are not in the file.
    """
    import torch

    from ._module import check_lazy, logits_of, several_inputs

    check_lazy(module)
    samples = torch.from_numpy(np.array(x[:2]))
    try:
        # A copy, so that mode and device of the caller's module stay.
        module = copy.deepcopy(module).eval().to("cpu", torch.float32)
        with torch.no_grad():
            returned = module(samples.clone())
    except Exception as error:
        raise ValueError(f"PyTorch cannot export it to ONNX: {_first_line(error)}{several_inputs(error)}") from error
    found = logits_of(returned, output)
    if found is not returned or not isinstance(module, torch.jit.ScriptModule):
        # The file has the logits alone, and no input for arguments with defaults; weights keep their names. Scripts keep their
        # forward.
        forward = module.forward
        module.forward = lambda given: logits_of(forward(given), output)
    weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    learning = _learning(module, samples) if trainable else []
    try:
        if trainable:
            _tell_apart(module, weights)
        file = io.BytesIO()
        with _silent() as heard:
            # The newer exporter needs packages of its own, and does not keep the names of weights.
            torch.onnx.export(
                module,
                (samples,),
                file,  # type: ignore[arg-type]
                dynamo=False,
                input_names=["input"],
                output_names=["logits"],
                dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
                do_constant_folding=not trainable,
                training=torch.onnx.TrainingMode.PRESERVE if trainable else torch.onnx.TrainingMode.EVAL,
            )
    except Exception as error:  # PyTorch's exporter raises many kinds.
        raise ValueError(f"PyTorch cannot export it to ONNX: {_first_line(error)}") from error
    warned = [*dict.fromkeys(f"{w.filename}:{w.lineno}" for w in heard if w.category.__name__ == "TracerWarning")]
    numbers = _numbers(module, samples, warned) if warned else []
    made = _with_weights(file.getvalue(), weights, learning) if trainable else file.getvalue()
    return Traced(made, warned, numbers)


def _numbers(module: Any, samples: Any, warned: list[str]) -> list[str]:
    """Where tensors that depend on the samples become Python numbers; where PyTorch warns, if that cannot be followed."""
    from ._watch import numbers_of

    try:
        return numbers_of(module, samples.clone())
    except Exception:  # whatever a foreign module does where it is watched
        return warned


def _listed(places: list[str]) -> str:
    return ", ".join(places[:3]) + (", …" if len(places) > 3 else "")


@contextmanager
def _silent() -> Iterator[list[warnings.WarningMessage]]:
    """Keeps the exporter's warnings to itself, and the exporter from printing whole graphs where it fails: what matters is in the
    exception."""
    import torch

    enable = getattr(torch._C, "_jit_set_onnx_log_enabled", None)
    with warnings.catch_warnings(record=True) as heard, ExitStack() as patches:
        warnings.simplefilter("always")
        if enable is not None:
            enable(False)
            # The exporter switches its log on each time.
            patches.enter_context(mock.patch.object(torch._C, "_jit_set_onnx_log_enabled", lambda _: None))
        yield heard


def _learning(module: Any, samples: Any) -> list[list[str]]:
    """The parameters that require gradients and that the logits depend on, each with all names that it has."""
    import torch

    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("model: none of its parameters requires a gradient, so that there is nothing to train")
    with torch.enable_grad():
        logits = module(samples.clone())
    found = torch.autograd.grad(logits.sum(), parameters, allow_unused=True) if logits.requires_grad else []
    return [names[id(parameter)] for parameter, slope in zip(parameters, found) if slope is not None]


def _tell_apart(module: Any, weights: dict[str, Any]) -> None:
    """Gives every weight numbers of its own: those that are equal would be exported as one tensor, and trained as one. What
    is in no `state_dict` stays, since nothing brings it back."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and name in weights:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


def _with_weights(file: bytes, weights: dict[str, Any], learning: list[list[str]]) -> bytes:
    """The file with these weights, by their names, and with the names of those that are trained."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError("training a module needs the package onnx; install it with pip install onnx") from error
    model = onnx.load_from_string(file)
    there = {tensor.name for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].numpy(), tensor.name))
    lost = [names[0] for names in learning if not there.intersection(names)]
    if lost:
        raise ValueError(
            f"model: PyTorch's exporter hides the parameters {', '.join(lost[:5])} in others, so that they cannot be trained; "
            "train it in PyTorch, with the losses of kennard.torch"
        )
    entry = model.metadata_props.add()
    entry.key, entry.value = "kennard.trained", "\n".join(name for names in learning for name in names if name in there)
    made: bytes = model.SerializeToString()
    return made


def disagreement(made: Traced, module: Any, x: NDArray[np.float32], ball: Ball | None = None) -> tuple[float, int]:
    """The largest difference between the logits of a file and of a live module, as a share of the largest logit, and at how many
    points: eight samples at once; where a trace may not be the module, samples one by one too; and where Python numbers are made
    of what depends on them, more samples and points around them."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(made.file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def apart(points: NDArray[np.float32]) -> float:
        found = np.asarray(session.run(None, {name: points})[0])
        own = module.answered(points).reshape(found.shape)
        if module.double:
            # The largest logit of each sample is subtracted from the module's.
            found = found - found.max(1, keepdims=True)
        return float(np.abs(found - own).max() / max(float(np.abs(own).max()), 1e-30))

    batches = [np.array(x[:8])]
    if made.warned:
        singly = [x[:2]]
        if made.numbers:
            some = np.array(x[np.unique(np.linspace(0, len(x) - 1, _SAMPLES).astype(int))])
            singly = [some, *around(some, module, ball or _default_ball(x))]
        batches += [np.array(point[None]) for points in singly for point in points]
    worst, asked = 0.0, 0
    for points in batches:
        worst, asked = max(worst, apart(points)), asked + len(points)
        if not worst <= _APART:
            break
    return worst, asked


def around(x: NDArray[np.float32], module: Any, ball: Ball) -> list[NDArray[np.float32]]:
    """Points (n, ...) at the ends of balls around samples: all elements larger, or smaller, at random corners, and along the gradient
    of the difference of the two largest logits."""
    random = np.random.default_rng(0)
    ones = np.ones_like(x)
    signs = np.where(random.random(x.shape) < 0.5, -1, 1)
    directions = [ones, signs, random.uniform(-1, 1, x.shape)]
    # No such direction where the module cannot be differentiated.
    with suppress(Exception):
        directions.append(_slope(x, module, ball.norm))
    found = []
    for direction in directions:
        flat = direction.reshape(len(x), -1).astype(np.float64)
        size = np.linalg.norm(flat, ORDERS[ball.norm], axis=1, keepdims=True)
        step = (ball.eps * flat / np.maximum(size, 1e-30)).reshape(x.shape).astype(np.float32)
        found += [np.clip(x + step, *ball.bounds).astype(np.float32), np.clip(x - step, *ball.bounds).astype(np.float32)]
    return found


def _slope(x: NDArray[np.float32], module: Any, norm: str) -> NDArray[np.float32]:
    """The direction in which the difference of the two largest logits grows fastest, in a norm."""
    z, kept = module.forward(x.reshape(-1))
    logits = z.reshape(len(x), -1)
    slopes = np.zeros_like(logits)
    order = np.argsort(-logits, 1)
    np.put_along_axis(slopes, order[:, 1:2], -1, 1)
    np.put_along_axis(slopes, order[:, :1], 1, 1)
    gradient: NDArray[np.float32] = module.backward(kept, slopes.reshape(-1)).reshape(len(x), -1)
    if norm == "l1":
        largest = np.abs(gradient).argmax(1)[:, None]
        gradient = np.where(np.arange(gradient.shape[1]) == largest, gradient, 0)
    return (np.sign(gradient) if norm == "linf" else gradient).reshape(x.shape)


def _default_ball(x: NDArray[np.float32]) -> Ball:
    """A ball where no threat model is given: its radius is a share of the samples' range."""
    low, high = float(x.min()), float(x.max())
    return Ball("linf", _SHARE * max(high - low, 1e-6), (low, high))


def agreeing(module: Any, x: NDArray[np.float32], *, output: Any = None) -> bytes:
    """The bytes of an ONNX file of a module that has the same logits; warns where it may have others elsewhere.

    Raises
    ------
    ValueError
        When PyTorch cannot export it, the file has other logits, or the module is refused as every other call refuses it.
    """
    from ._module import TorchModule

    live = TorchModule(module, x, output=output)
    made = traced(module, x, output=output)
    try:
        apart, asked = disagreement(made, live, x)
    except Exception as error:  # whatever a foreign graph may do to a runtime
        raise ValueError(f"model: ONNX Runtime cannot run the ONNX file that PyTorch makes of it: {_first_line(error)}") from error
    if apart > _APART:
        raise ValueError(
            f"model: its ONNX file has other logits, by {apart:.1e} of the largest, so it is not the module's graph"
            f"{made.since()}{half(live.dtype)}"
        )
    if made.numbers:
        warn(made.note(asked)[1])
    return made.file


def chosen(
    engine: str, module: Any, live: Any, x: NDArray[np.float32], *, rough: bool = False, ball: Ball | None = None
) -> tuple[Any, str, Notes]:
    """A module as a live model or as a file, as `engine` asks for; which of them and why, and warnings about that.

    Parameters
    ----------
    engine : {"live", "export", "auto"}
    module : torch.nn.Module or callable
    live : TorchModule
        The same, live.
    x : array (N, ...) of float32
    rough : bool
        Whether attacks are to search in a precision that PyTorch has, and the runtime of files has not.
    ball : Ball, optional
        The ball around each sample, in which the file must have the module's logits too.
    """
    if engine == "live":
        return live, "live: PyTorch computes", ()
    reason = _unfit(engine, module, live, rough)
    if reason is None:
        try:
            made = traced(module, x, output=live.output)
            if engine == "auto" and made.numbers:
                return live, f"live: PyTorch computes, since an ONNX file may have other logits{made.since()}", ()
            apart, asked = disagreement(made, live, x, ball)
            if apart <= _APART:
                where = f"{asked} points" if made.numbers else f"{min(len(x), 8)} samples"
                said = f"export: an ONNX file of the module computes; at {where} its logits are the module's to {apart:.1e} of the largest"
                return made.file, said, ((made.note(asked),) if made.numbers else ())
            reason = f"its ONNX file has other logits, by {apart:.1e} of the largest{made.since()}{half(live.dtype)}"
        except Exception as error:  # whatever a foreign graph may do to an exporter or a runtime
            reason = _first_line(error)
    if engine == "export":
        raise ValueError(f"engine: the module cannot be exported to ONNX: {reason}; audits, packets and smoothing take it live, engine='live'")
    return live, f"live: PyTorch computes, since {reason}", ()


def half(dtype: Any) -> str:
    """The end of a sentence about a module that computes in half precision; empty for others."""
    if dtype.itemsize >= 4:
        return ""
    name = str(dtype).removeprefix("torch.")
    return f"; the module is {name} and its file float32: give copy.deepcopy(model).float()"


def _unfit(engine: str, module: Any, live: Any, rough: bool) -> str | None:
    import torch

    if not isinstance(module, torch.nn.Module):
        return "a function is no module that PyTorch exports"
    if live.passes > 1:
        return "the model answers at random"
    if live.autocast is not None:
        return "autocast= is for PyTorch's own passes"
    if engine == "auto" and rough:
        return "search_precision='bf16' takes PyTorch, or a file on runtime='openvino'"
    if engine == "auto" and live._device.type != "cpu":
        return f"the module is on {live._device}, where PyTorch is fast"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
