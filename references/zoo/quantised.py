"""What deployment makes of models: quantised, optimised, of half precision. The gradient of quantised arithmetic is that of the real
numbers it stands for, so it is held to the direction of the gradient of the network before."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from torch import nn

from . import attention
from .case import Case, derivative, export, function_of, graph, model, node, pixels
from .modules import Apply, Net, Residual, norm

SHAPE = (3, 6, 6)
CLOSE = {"cosine": 0.98}


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        norm(8),
        nn.ReLU(),
        Residual(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 2),
    )
    return Net(body, 8).eval()


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 5), Apply(lambda x: 10 * x))
    return net.eval()


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (convolutional, SHAPE),
    "dense": (perceptron, (12,)),
    "vit": (lambda: attention.net("vit"), SHAPE),
}


class Reader(CalibrationDataReader):
    def __init__(self, samples: np.ndarray):
        self.left = iter([{"x": samples[i : i + 2]} for i in range(0, len(samples), 2)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def through(file: bytes, change: Callable[[str, str], None]) -> bytes:
    """What a tool makes of a file, on disk."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(file)
        logging.disable(logging.WARNING)
        change(str(given), str(made))
        logging.disable(logging.NOTSET)
        return made.read_bytes()


def answers(file: bytes, batch: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """ONNX Runtime's, of the file as it is."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    return lambda x: np.float64(session.run(None, {session.get_inputs()[0].name: x})[0])


def static(
    name: str, net: str, apart: float = 0.05, close: dict[str, float] = CLOSE, **settings
) -> None:
    @model(name)
    def made() -> Case:
        make, shape = NETS[net]
        module, x = make(), pixels(*shape)
        file = through(export(module, *shape), lambda a, b: quantize_static(a, b, Reader(x), **settings))
        return Case(file, x, answers(file), gradient=gradient_of(module), within=close, apart=apart)


def gradient_of(module: nn.Module) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda x, y: derivative(function_of(module), x, y)


INT8, UINT8 = QuantType.QInt8, QuantType.QUInt8
# Rounded activations may stand on the other side of a kink than the network's before.
KINKS = {"cosine": 0.75}
static("qdq", "conv", close=KINKS, activation_type=UINT8, weight_type=INT8)
static("qdq_channels", "conv", close=KINKS, activation_type=INT8, weight_type=INT8, per_channel=True)
static("qdq_int16", "conv", close=KINKS, activation_type=QuantType.QInt16, weight_type=INT8)
static("qdq_uint16", "conv", close=KINKS, activation_type=QuantType.QUInt16, weight_type=UINT8)
static("qdq_int16_dense", "dense", activation_type=QuantType.QInt16, weight_type=INT8)
static("qoperator", "conv", close=KINKS, quant_format=QuantFormat.QOperator, activation_type=UINT8, weight_type=INT8)
static(
    "qoperator_channels",
    "conv",
    close=KINKS,
    quant_format=QuantFormat.QOperator,
    activation_type=UINT8,
    weight_type=INT8,
    per_channel=True,
)
static("qoperator_dense", "dense", quant_format=QuantFormat.QOperator, activation_type=UINT8, weight_type=INT8)
static("qdq_dense", "dense", activation_type=UINT8, weight_type=INT8)
static("qdq_vit", "vit", close={"cosine": 0.9}, apart=0.2, activation_type=UINT8, weight_type=INT8)


def dynamic(name: str, net: str, **settings) -> None:
    @model(name)
    def made() -> Case:
        make, shape = NETS[net]
        module = make()
        file = through(export(module, *shape), lambda a, b: quantize_dynamic(a, b, **settings))
        # Ranges are those of the whole batch: answers are of one sample at a time.
        one = answers(file)
        each = lambda x: np.concatenate([one(x[i : i + 1]) for i in range(len(x))])
        return Case(file, pixels(*shape), each, gradient=gradient_of(module), within={"cosine": 0.95}, apart=0.1)


dynamic("dynamic_dense", "dense", weight_type=UINT8)
dynamic("dynamic_dense_signed", "dense", weight_type=INT8, per_channel=True)
dynamic("dynamic_conv", "conv", weight_type=UINT8)
dynamic("dynamic_vit", "vit", weight_type=UINT8)


def halves(*shape: int) -> np.ndarray:
    return pixels(*shape).astype(np.float16).astype(np.float32)


def half(name: str, net: str, **settings) -> None:
    @model(name)
    def made() -> Case:
        from onnxruntime.transformers.float16 import convert_float_to_float16

        make, shape = NETS[net]
        module = make()
        file = convert_float_to_float16(onnx.load_from_string(export(module, *shape)), **settings).SerializeToString()
        return Case(file, halves(*shape), function_of(module), within={"relative": 0.03}, apart=0.02)


half("half_conv", "conv", keep_io_types=False)
half("half_conv_float_ends", "conv", keep_io_types=True)
half("half_dense", "dense", keep_io_types=False)
half("half_vit", "vit", keep_io_types=True)


@model("half_module")
def half_module() -> Case:
    """A module of half precision, exported as it is."""
    torch.manual_seed(0)
    net = Net(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 2)), 6).eval()
    file = export(net.half(), *SHAPE, kind=torch.float16)
    return Case(file, halves(*SHAPE), function_of(net), within={"relative": 0.03}, apart=0.02)


@model("bfloat16")
def bfloat16() -> Case:
    """Weights of bfloat16 behind casts."""
    r = np.random.default_rng(8)
    w = (6 * r.normal(size=(12, 4))).astype(np.float32)
    w = (w.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    tensor = onnx.helper.make_tensor("b", TensorProto.BFLOAT16, w.shape, w.flatten().tolist())
    made = onnx.load_from_string(graph([node("Cast", "b", "w", to=TensorProto.FLOAT), node("MatMul", "x w", "y")], ["N", 12]))
    made.graph.initializer.append(tensor)
    return Case(made.SerializeToString(), pixels(12), lambda x: np.float64(x) @ np.float64(w))


@model("weights_of_4_bits")
def weights_of_4_bits() -> Case:
    """Signed weights in blocks of 4, with a scale each, and unsigned ones with a zero point each."""
    r = np.random.default_rng(9)
    signed, unsigned = r.integers(-8, 8, (12, 6)), r.integers(0, 16, (6, 4))
    scales = [r.uniform(0.1, 0.4, shape).astype(np.float32) for shape in ((3, 6), (4,))]
    zeros = r.integers(4, 12, 4)
    nodes = [
        node("DequantizeLinear", "a s", "v", axis=0, block_size=4),
        node("DequantizeLinear", "b t z", "w", axis=1),
        node("MatMul", "x v", "h"),
        node("Tanh", "h", "k"),
        node("MatMul", "k w", "y"),
    ]
    made = onnx.load_from_string(graph(nodes, ["N", 12], {"s": scales[0], "t": scales[1]}, opset=21, out=["N", 4]))
    made.ir_version = 10
    kinds = {"a": (signed, TensorProto.INT4), "b": (unsigned, TensorProto.UINT4), "z": (zeros, TensorProto.UINT4)}
    for name, (values, kind) in kinds.items():
        made.graph.initializer.append(onnx.helper.make_tensor(name, kind, values.shape, values.flatten().tolist()))
    v = signed * np.repeat(np.float64(scales[0]), 4, 0)
    w = (unsigned - zeros) * np.float64(scales[1])
    return Case(made.SerializeToString(), pixels(12), lambda x: np.tanh(np.float64(x) @ v) @ w)


def optimised(name: str, net: str, level: str) -> None:
    @model(name)
    def made() -> Case:
        make, shape = NETS[net]
        module = make()

        def change(given: str, made: str) -> None:
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
            options.optimized_model_filepath = made
            options.log_severity_level = 4
            onnxruntime.InferenceSession(given, options, ["CPUExecutionProvider"])

        return Case(through(export(module, *shape), change), pixels(*shape), function_of(module))


for _net in NETS:
    optimised(f"basic_{_net}", _net, "BASIC")
    optimised(f"extended_{_net}", _net, "EXTENDED")


@model("layout_conv")
def layout_conv() -> Case:
    """All of the optimiser: convolutions of blocked channels, which are for one processor."""
    module = convolutional()

    def change(given: str, made: str) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = made
        options.log_severity_level = 4
        onnxruntime.InferenceSession(given, options, ["CPUExecutionProvider"])

    words = ["com.microsoft.nchwc::Conv"]
    return Case(
        through(export(module, *SHAPE), change),
        pixels(*SHAPE),
        function_of(module),
        refused={"grad": words, "audit": words, "bound": words},
    )


@model("fused_vit")
def fused_vit() -> Case:
    """By ONNX Runtime's optimiser of transformers: attention, its softmax and normalisations in one node each."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    module = attention.net("vit")

    def change(given: str, made: str) -> None:
        options = FusionOptions("vit")
        optimize_model(
            given, model_type="vit", num_heads=2, hidden_size=8, optimization_options=options, opt_level=0
        ).save_model_to_file(made)

    return Case(through(export(module, *SHAPE), change), pixels(*SHAPE), function_of(module))
