"""PyTorch modules as ONNX files in memory."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

# Logits of the file and of the module that differ by more than this share of the largest are not the same model's.
_APART = 1e-4


def exported(module: Any, x: NDArray[np.float32], *, trainable: bool = False, output: Any = None) -> bytes:
    """The bytes of an ONNX file of a module, its batch free.

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

    from ._module import check_lazy, logits_of

    check_lazy(module)
    samples = torch.from_numpy(np.array(x[:2]))
    try:
        # A copy, so that neither mode nor place of the caller's changes.
        module = copy.deepcopy(module).eval().to("cpu", torch.float32)
        with torch.no_grad():
            plain = isinstance(module(samples.clone()), torch.Tensor)
    except Exception as error:
        raise ValueError(f"PyTorch cannot export it to ONNX: {_first_line(error)}") from error
    forward = module.forward
    if not plain or callable(output):
        # The file has the logits alone, and weights keep their names.
        module.forward = lambda *given: logits_of(forward(*given), output)
    weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    learning = _learning(module, samples) if trainable else []
    try:
        if trainable:
            _tell_apart(module, weights)
        file = io.BytesIO()
        with _silent():
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
    return _with_weights(file.getvalue(), weights, learning) if trainable else file.getvalue()


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps the exporter from warning, and from printing whole graphs where it fails: what matters is in the exception."""
    import torch

    enable = getattr(torch._C, "_jit_set_onnx_log_enabled", None)
    with warnings.catch_warnings(), ExitStack() as patches:
        warnings.simplefilter("ignore")
        if enable is not None:
            enable(False)
            # The exporter switches its log on each time.
            patches.enter_context(mock.patch.object(torch._C, "_jit_set_onnx_log_enabled", lambda _: None))
        yield


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


def disagreement(file: bytes, module: Any, x: NDArray[np.float32]) -> float:
    """The largest difference between the logits of a file and of a live module at samples, as a share of the largest logit."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    points = np.array(x[:8])
    found = np.asarray(session.run(None, {session.get_inputs()[0].name: points})[0])
    own = module.answered(points).reshape(found.shape)
    if module.double:
        # Its logits come counted from the largest.
        found = found - found.max(1, keepdims=True)
    return float(np.abs(found - own).max() / max(float(np.abs(own).max()), 1e-30))


def agreeing(module: Any, x: NDArray[np.float32], *, output: Any = None) -> bytes:
    """The bytes of an ONNX file of a module that has the same logits.

    Raises
    ------
    ValueError
        When PyTorch cannot export it, the file has other logits, or the module is refused as every other call refuses it.
    """
    from ._module import TorchModule

    live = TorchModule(module, x, output=output)
    file = exported(module, x, output=output)
    try:
        apart = disagreement(file, live, x)
    except Exception as error:  # whatever a foreign graph may do to a runtime
        raise ValueError(f"model: ONNX Runtime cannot run the ONNX file that PyTorch makes of it: {_first_line(error)}") from error
    if apart > _APART:
        raise ValueError(f"model: its ONNX file has other logits, by {apart:.1e} of the largest, so it is not the module's graph")
    return file


def chosen(engine: str, module: Any, live: Any, x: NDArray[np.float32], *, rough: bool = False) -> tuple[Any, str]:
    """A module as the engine that is asked for, and which it is and why.

    Parameters
    ----------
    engine : {"live", "export", "auto"}
    module : torch.nn.Module or callable
    live : TorchModule
        The same, live.
    x : array (N, ...) of float32
    rough : bool
        Whether attacks are to search in a precision that PyTorch has, and the runtime of files has not.
    """
    if engine == "live":
        return live, "live: PyTorch computes"
    reason = _unfit(engine, module, live, rough)
    if reason is None:
        try:
            file = exported(module, x, output=live.output)
            apart = disagreement(file, live, x)
            if apart <= _APART:
                return file, (
                    f"export: an ONNX file of the module computes; at {min(len(x), 8)} samples its logits are the module's to "
                    f"{apart:.1e} of the largest"
                )
            reason = f"its ONNX file has other logits, by {apart:.1e} of the largest"
        except Exception as error:  # whatever a foreign graph may do to an exporter or a runtime
            reason = _first_line(error)
    if engine == "export":
        raise ValueError(f"engine: the module cannot be exported to ONNX: {reason}; audits, packets and smoothing take it live, engine='live'")
    return live, f"live: PyTorch computes, since {reason}"


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
