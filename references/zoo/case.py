"""What a model of the zoo is: a file, samples, and what is expected of Kennard."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

SAMPLES, WRONG, SHOWN = 8, 2, 2
RELATIVE = {"relative": 1e-3}


@dataclass
class Case:
    """`options` say what the file leaves open, to every command; `audit` are those of audits alone. `logits` is the model in double
    precision, by another program, from samples to one number for each class; without it there is no gradient to compare with. `refused`
    has, by command, the words of a refusal: every word must be there. `note` says why an expectation is not what one would wish."""

    model: bytes
    samples: np.ndarray
    logits: Callable[[np.ndarray], np.ndarray] | None = None
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    within: dict[str, float] = field(default_factory=lambda: dict(RELATIVE))
    # Whether `kennard grad` takes the probabilities that the file returns for logits: no softmax closes it.
    raw: bool = False
    classes: int | None = None
    options: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    attack: str = "pgd"
    runtimes: list[str] = field(default_factory=lambda: ["rten", "onnxruntime"])
    refused: dict[str, list[str]] = field(default_factory=dict)
    says: dict[str, list[str]] = field(default_factory=dict)
    # Of models that compute with few bits: how far apart the runtimes' margins may be, in parts of the largest.
    apart: float = 1e-3
    note: str = ""


MODELS: dict[str, tuple[Callable[[], Case], str]] = {}


def model(name: str, needs: str = "") -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Enters a model: a function without arguments. What it `needs` are modules whose lack is no fault."""

    def enter(make: Callable[[], Case]) -> Callable[[], Case]:
        assert name not in MODELS, name
        MODELS[name] = (make, needs)
        return make

    return enter


def pixels(*shape: int, count: int = 40, seed: int = 0) -> np.ndarray:
    """Samples away from 0 and 1, so that no small step is clipped."""
    return np.random.default_rng(seed).uniform(0.2, 0.8, (count, *shape)).astype(np.float32)


# PyTorch's modules.


def function_of(module: torch.nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """The module in double precision."""
    import copy

    double = copy.deepcopy(module).double().eval()

    def logits(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return double(torch.from_numpy(np.asarray(x, np.float64))).numpy()

    logits.module = double  # type: ignore[attr-defined]
    return logits


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    top = logits.max(1, keepdims=True)
    return (top + np.log(np.exp(logits - top).sum(1, keepdims=True)))[:, 0] - logits[np.arange(len(labels)), labels]


def slopes(logits: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of the cross-entropy, element by element."""
    x = np.asarray(x, np.float64)
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape[1:]):
        sides = []
        for sign in (step, -step):
            moved = x.copy()
            moved[(slice(None), *at)] += sign
            sides.append(cross_entropy(logits(moved), y))
        gradient[(slice(None), *at)] = (sides[0] - sides[1]) / (2 * step)
    return gradient


def derivative(logits: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """PyTorch's own in double precision, held against central differences along random directions; where the function is no
    module, central differences alone."""
    module = getattr(logits, "module", None)
    if module is None:
        return slopes(logits, x, y)
    at = torch.from_numpy(np.asarray(x, np.float64)).requires_grad_()
    torch.nn.functional.cross_entropy(module(at), torch.from_numpy(y), reduction="sum").backward()
    gradient = at.grad.numpy()
    generator, step = np.random.default_rng(1), 1e-6
    for _ in range(3):
        way = generator.standard_normal(x.shape)
        sides = [cross_entropy(logits(x + sign * way), y) for sign in (step, -step)]
        along = (gradient * way).reshape(len(x), -1).sum(1)
        error = np.abs((sides[0] - sides[1]) / (2 * step) - along).max() / np.abs(along).max()
        if not error <= 1e-5:
            raise ArithmeticError(f"PyTorch's gradient is {error:.1e} from central differences: a kink, or a fault")
    return gradient


def export(
    module: torch.nn.Module,
    *shape: int,
    dynamo: bool = False,
    batch: int | None = None,
    kind: torch.dtype = torch.float32,
    others: tuple[torch.Tensor, ...] = (),
    **settings,
) -> bytes:
    """A file by the old exporter or the new one; the batch is open, or fixed."""
    module = module.eval()
    x = torch.full((batch or 2, *shape), 0.5).to(kind)
    settings = {"input_names": ["x"], "output_names": ["y"], **settings}
    if batch is None and "dynamic_axes" not in settings and "dynamic_shapes" not in settings:
        if dynamo:
            settings["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
        else:
            settings["dynamic_axes"] = {"x": {0: "batch"}, "y": {0: "batch"}}
    if not dynamo:
        settings.setdefault("opset_version", 17)
    file = io.BytesIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        if dynamo:
            program = torch.onnx.export(module, (x, *others), dynamo=True, verbose=False, **settings)
            program.save(file)
        else:
            torch.onnx.export(module, (x, *others), file, dynamo=False, **settings)
        logging.disable(logging.NOTSET)
    return file.getvalue()


# Graphs of files.


def graph(
    nodes: list[onnx.NodeProto],
    shape: list[int | str | None],
    constants: dict[str, np.ndarray] | None = None,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    out: list[int | str | None] | None = None,
    outputs: list[onnx.ValueInfoProto] | None = None,
    inputs: list[onnx.ValueInfoProto] | None = None,
) -> bytes:
    """A model of nodes from `x` to `y`."""
    helper = onnx.helper
    made = helper.make_graph(
        nodes,
        "zoo",
        inputs or [helper.make_tensor_value_info("x", kind, shape)],
        outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    imports = [helper.make_opsetid(d, v) for d, v in [("", opset), ("com.microsoft", 1), ("ai.onnx.ml", 3), ("zoo.own", 1)]]
    used = {"", *(node.domain for node in nodes)}
    imports = [i for i in imports if i.domain in used]
    return helper.make_model(made, opset_imports=imports, ir_version=8, producer_name="zoo").SerializeToString()


def node(op: str, inputs: str, outputs: str, domain: str = "", **attributes) -> onnx.NodeProto:
    """Names of inputs and outputs with blanks between; `-` is none."""
    names = ["" if i == "-" else i for i in inputs.split()]
    return onnx.helper.make_node(op, names, outputs.split(), name=f"{op}_{outputs.split()[0]}", domain=domain, **attributes)


def doubled(file: bytes) -> onnx.ModelProto:
    """The model in double precision: constants, inputs and outputs, casts and subgraphs."""
    made = onnx.load_from_string(file)

    def walk(g: onnx.GraphProto) -> None:
        for tensor in g.initializer:
            widen(tensor)
        for value in [*g.input, *g.output, *g.value_info]:
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                value.type.tensor_type.elem_type = TensorProto.DOUBLE
        for n in g.node:
            for a in n.attribute:
                if a.name in ("to", "dtype", "output_datatype") and a.i == TensorProto.FLOAT:
                    a.i = TensorProto.DOUBLE
                if a.type == onnx.AttributeProto.TENSOR:
                    widen(a.t)
                if a.type == onnx.AttributeProto.GRAPH:
                    walk(a.g)

    def widen(tensor: onnx.TensorProto) -> None:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    walk(made.graph)
    return made


def evaluator(file: bytes, output: str = "y", batch: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """The file in double precision, by the onnx package's reference evaluator; sample by sample where the batch is fixed at one."""
    session = ReferenceEvaluator(doubled(file))

    def logits(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        parts = [x] if batch is None else [x[i : i + batch] for i in range(0, len(x), batch)]
        return np.concatenate([np.asarray(session.run([output], {"x": part})[0]) for part in parts])

    return logits
