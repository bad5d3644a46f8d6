"""What inputs and outputs may be: open axes, one number, several, probabilities, integers, a batch that the file fixes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import nn

from .case import Case, evaluator, export, function_of, graph, model, node, pixels
from .modules import Apply, Net

SHAPE = (3, 6, 6)


def plain(classes: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return Net(nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 6, 2)), 6, classes)


def two_classes(module: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Logits 0 and z of a module that returns z."""
    return function_of(nn.Sequential(module, Apply(lambda z: torch.cat([torch.zeros_like(z), z], 1))))


class Centred(nn.Module):
    """A logit of both signs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain(1)
        with torch.no_grad():
            self.middle = float(self.net(torch.from_numpy(pixels(*SHAPE))).median())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4 * (self.net(x) - self.middle)


def put(name: str, make: Callable[[], Case]) -> None:
    model(name)(make)


for _dynamo in (False, True):
    _end = "_new" if _dynamo else ""

    def _enter(name: str, make: Callable[[bool], Case], dynamo: bool = _dynamo, end: str = _end) -> None:
        model(name + end, needs="onnxscript" if dynamo else "")(lambda: make(dynamo))

    def open_size(dynamo: bool) -> Case:
        net = plain()
        dim = torch.export.Dim
        ways = (
            {"dynamic_shapes": ({0: dim("n"), 2: dim("h", min=4), 3: dim("w", min=4)},)}
            if dynamo
            else {"dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}}
        )
        return Case(
            export(net, *SHAPE, dynamo=dynamo, **ways), pixels(*SHAPE), function_of(net), options=["--input-shape", "3,6,6"]
        )

    def fixed_one(dynamo: bool) -> Case:
        net = plain()
        return Case(export(net, *SHAPE, dynamo=dynamo, batch=1), pixels(*SHAPE), function_of(net))

    def fixed_four(dynamo: bool) -> Case:
        net = plain()
        return Case(export(net, *SHAPE, dynamo=dynamo, batch=4), pixels(*SHAPE), function_of(net))

    def softmax(dynamo: bool) -> Case:
        net = plain()
        return Case(export(nn.Sequential(net, nn.Softmax(1)), *SHAPE, dynamo=dynamo), pixels(*SHAPE), function_of(net))

    def log_softmax(dynamo: bool) -> Case:
        net = plain()
        return Case(export(nn.Sequential(net, nn.LogSoftmax(-1)), *SHAPE, dynamo=dynamo), pixels(*SHAPE), function_of(net))

    def logit(dynamo: bool) -> Case:
        net = Centred()
        return Case(export(net, *SHAPE, dynamo=dynamo), pixels(*SHAPE), two_classes(net), says={"audit": ["one number"]})

    def sigmoid(dynamo: bool) -> Case:
        net = Centred()
        return Case(export(nn.Sequential(net, nn.Sigmoid()), *SHAPE, dynamo=dynamo), pixels(*SHAPE), two_classes(net))

    def sigmoid_flat(dynamo: bool) -> Case:
        net = Centred()
        file = export(nn.Sequential(net, nn.Sigmoid(), nn.Flatten(0)), *SHAPE, dynamo=dynamo)
        return Case(file, pixels(*SHAPE), two_classes(net))

    for _name, _make in {
        "open_size": open_size,
        "fixed_one": fixed_one,
        "fixed_four": fixed_four,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "logit": logit,
        "sigmoid": sigmoid,
        "sigmoid_flat": sigmoid_flat,
    }.items():
        _enter(_name, _make)


def nodes() -> tuple[list, dict[str, np.ndarray]]:
    """Conv, Relu, mean, Gemm: a graph by hand."""
    r = np.random.default_rng(3)
    constants = {"k": r.normal(size=(4, 3, 3, 3)), "w": 3 * r.normal(size=(4, 5)), "b": r.normal(size=5)}
    made = [
        node("Conv", "x k", "c"),
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f w b", "y"),
    ]
    return made, {name: value.astype(np.float32) for name, value in constants.items()}


@model("open_question_marks")
def open_question_marks() -> Case:
    """Axes of the batch, the channels, the height and the width that share one name."""
    made, constants = nodes()
    file = graph(made, ["?", "?", "?", "?"], constants, out=["?", 5])
    return Case(file, pixels(*SHAPE), evaluator(file), options=["--input-shape", "3,6,6"])


@model("open_features")
def open_features() -> Case:
    r = np.random.default_rng(4)
    constants = {"w": 6 * r.normal(size=(7, 4)).astype(np.float32), "b": r.normal(size=4).astype(np.float32)}
    file = graph([node("MatMul", "x w", "m"), node("Add", "m b", "a"), node("Tanh", "a", "y")], [None, None], constants)
    return Case(file, pixels(7), evaluator(file), options=["--input-shape", "7"])


@model("regression")
def regression() -> Case:
    """One number of any size, which is no class."""
    r = np.random.default_rng(4)
    file = graph(
        [node("LinearRegressor", "x", "y", "ai.onnx.ml", coefficients=r.normal(size=4).tolist(), intercepts=[3.0])],
        ["N", 4],
        out=["N", 1],
    )
    words = ["LinearRegressor_y"]
    return Case(file, pixels(4), refused={"grad": words, "audit": ["regression", *words], "bound": words})


@model("several_outputs")
def several_outputs() -> Case:
    """Logits beside a map of features: only one output has their shape."""
    made, constants = nodes()
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in [("r", ["N", 4, 4, 4]), ("y", ["N", 5])]]
    file = graph(made, ["N", 3, 6, 6], constants, outputs=outputs)
    return Case(file, pixels(*SHAPE), evaluator(file))


@model("two_heads")
def two_heads() -> Case:
    """Two outputs that may both be logits: one must be named."""
    made, constants = nodes()
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in [("f", ["N", 4]), ("y", ["N", 5])]]
    file = graph(made, ["N", 3, 6, 6], constants, outputs=outputs)
    return Case(file, pixels(*SHAPE), evaluator(file), options=["--output", "y"])


@model("two_heads_unsaid")
def two_heads_unsaid() -> Case:
    case = two_heads()
    words = ["`f`", "`y`", "--output"]
    return Case(case.model, case.samples, classes=5, refused={"grad": words, "audit": words, "bound": words})


def two_inputs_file() -> bytes:
    made, constants = nodes()
    made[-1] = node("Gemm", "f w b", "z")
    made += [node("Mul", "z t", "y")]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in [("t", [1]), ("x", ["N", 3, 6, 6])]]
    return graph(made, [], constants, inputs=inputs)


@model("two_inputs")
def two_inputs() -> Case:
    """A temperature beside the samples, held at a number."""
    one = evaluator(graph(*[nodes()[0], ["N", 3, 6, 6], nodes()[1]]))
    return Case(two_inputs_file(), pixels(*SHAPE), lambda x: 1.5 * one(x), options=["--input", "x", "--hold", "t=1.5"])


@model("two_inputs_unsaid")
def two_inputs_unsaid() -> Case:
    words = ["`t`", "`x`", "--input"]
    return Case(two_inputs_file(), pixels(*SHAPE), classes=5, refused={"grad": words, "audit": words, "bound": words})


@model("bytes_normalised")
def bytes_normalised() -> Case:
    """Pixels of 8 bits, normalised in the graph: attacks move in floats."""
    made, constants = nodes()
    made[0] = node("Conv", "n k", "c")
    constants |= {"m": np.float32([[[124.0]], [[116.0]], [[104.0]]]), "s": np.float32([[[58.0]], [[57.0]], [[57.0]]])}
    file = graph(
        [node("Cast", "x", "i", to=TensorProto.FLOAT), node("Sub", "i m", "d"), node("Div", "d s", "n"), *made],
        ["N", 3, 6, 6],
        constants,
        kind=TensorProto.UINT8,
    )
    floats = graph([node("Sub", "x m", "d"), node("Div", "d s", "n"), *made], ["N", 3, 6, 6], constants)
    levels = np.round(255 * pixels(*SHAPE)).astype(np.uint8)
    function = evaluator(floats)
    # Data are levels as of any image; the gradient is that of the floats that stand for them.
    return Case(file, levels, function, audit=[])


@model("nhwc_bytes")
def nhwc_bytes() -> Case:
    """As TensorFlow's converter writes it: channels last, levels, transposed in the graph."""
    made, constants = nodes()
    made[0] = node("Conv", "n k", "c")
    constants |= {"s": np.float32(127.5), "o": np.float32(1)}
    front = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Div", "t s", "d"), node("Sub", "d o", "n")]
    file = graph([*front, *made], ["N", 6, 6, 3], constants)
    one = evaluator(file)
    x = pixels(*SHAPE)
    forward = lambda v: one(255 * np.transpose(v, (0, 2, 3, 1)))
    return Case(file, x, forward, within={}, audit=["--nhwc", "--input-scale", "255"])


@model("opset_7")
def opset_7() -> Case:
    """As files of 2018 are: attributes where inputs came later, broadcasting said."""
    r = np.random.default_rng(5)
    c = {
        n: r.normal(size=s).astype(np.float32)
        for n, s in {"k": (4, 3, 3, 3), "g": (4,), "b": (4,), "m": (4,), "w": (16, 5), "o": (5,)}.items()
    }
    c |= {"v": r.uniform(0.5, 1.5, 4).astype(np.float32), "shape": np.int64([-1, 16])}
    made = [
        node("Conv", "x k", "c"),
        node("BatchNormalization", "c g b m v", "n", epsilon=1e-4),
        node("Clip", "n", "l", min=-1.0, max=2.0),
        node("Pad", "l", "p", pads=[0, 0, 0, 0, 0, 0, 1, 1], mode="constant", value=0.25),
        node("AveragePool", "p", "a", kernel_shape=[2, 2], strides=[2, 2]),
        node("Upsample", "a", "u", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]),
        node("MaxPool", "u", "q", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "q shape", "f"),
        node("Dropout", "f", "e", ratio=0.5),
        node("Slice", "e", "h", axes=[1], starts=[0], ends=[16]),
        node("Gemm", "h w o", "z"),
        node("Softmax", "z", "y", axis=1),
    ]
    file = graph(made, ["N", 3, 5, 5], c, opset=7)

    def logits(x: np.ndarray) -> np.ndarray:
        t = {n: torch.from_numpy(np.float64(v)) for n, v in c.items() if n != "shape"}
        y = F.batch_norm(F.conv2d(torch.from_numpy(np.float64(x)), t["k"]), t["m"], t["v"], t["g"], t["b"], eps=1e-4).clamp(-1, 2)
        y = F.avg_pool2d(F.pad(y, (0, 1, 0, 1), value=0.25), 2)
        return (y.flatten(1) @ t["w"] + t["o"]).numpy()

    return Case(file, pixels(3, 5, 5), logits)
