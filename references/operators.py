"""Writes crates/kennard-graph/tests/operators.json: what operators give, by ONNX Runtime.

    python references/operators.py

Each case is one node. It is run with a batch of 2 and of 3 images: from the two shapes of an output follows
its shape for any batch, which must not contradict ONNX's own shape inference. The values of the run with 2
images are stored where constant folding, or a runtime after simplification, is to reproduce them.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).parent
OPSET = 21
BATCHES = (2, 3)
TYPES = {
    "f32": np.float32, "f64": np.float64, "f16": np.float16, "i64": np.int64,
    "i32": np.int32, "i8": np.int8, "u8": np.uint8, "bool": np.bool_,
}
NAMES = {np.dtype(t): name for name, t in TYPES.items()}
MAX = np.iinfo(np.int64).max
MIN = np.iinfo(np.int64).min


class Data:
    """An input of the graph. In the shape, "N" is the batch and "2N" twice the batch."""

    def __init__(self, shape, dtype="f32", low=-2.0, high=2.0):
        self.shape, self.dtype, self.low, self.high = shape, dtype, low, high

    def array(self, batch, rng):
        dims = [d if isinstance(d, int) else int(d[:-1] or 1) * batch for d in self.shape]
        if self.dtype == "bool":
            return rng.random(dims) < 0.5
        values = rng.uniform(self.low, self.high, dims)
        # Few digits keep the file small and exact in half precision.
        return (np.round(values * 16) / 16).astype(TYPES[self.dtype])


def ints(*values):
    return np.array(values, np.int64)


def floats(*values):
    return np.array(values, np.float32)


def scalar(value, dtype="i64"):
    return np.array(value, TYPES[dtype])


X = Data(["N", 3, 8, 7])
ROWS = Data(["N", 6])
I = Data(["N", 3, 6, 5])
L = Data(["N", 3, 6, 2])
CASES = []


def case(op, *inputs, outputs=1, fold=False, run=False, **attributes):
    """With `fold` or `run` the values are stored too: for folding, or for a runtime after simplification."""
    CASES.append((op, inputs, outputs, attributes, {"fold": fold, "run": run}))


def elementwise():
    for op in ["Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Exp", "Reciprocal", "Relu", "Sigmoid", "Tanh",
               "Sin", "Cos", "Identity"]:
        case(op, ROWS, fold=True)
    for op in ["Neg", "Abs", "Sign"]:
        case(op, Data(["N", 2], "i64", -9, 9), fold=True)
    case("Sqrt", Data(["N", 3], low=0, high=4), fold=True)
    case("Log", Data(["N", 3], low=0.1, high=4), fold=True)
    case("Sqrt", Data(["N", 3], "f16", 0, 4), fold=True)
    for op in ["Erf", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSigmoid", "HardSwish",
               "Gelu", "Mish", "ThresholdedRelu", "Softmax", "LogSoftmax", "Hardmax", "Atan", "Shrink", "IsNaN"]:
        case(op, ROWS)
    for op in ["Add", "Sub", "Mul", "Div", "Min", "Max"]:
        case(op, ROWS, Data([6], low=0.5), fold=True)
        case(op, Data(["N", 1, 3]), Data([4, 1], low=0.5), fold=True)
        case(op, Data(["N", 3], "i64", -9, 9), Data(["N", 1], "i64", 1, 5), fold=True)
        case(op, Data(["N", 3], "i32", -9, 9), Data([3], "i32", 1, 5), fold=True)
    case("Add", Data(["N", 3], "f16"), Data(["N", 3], "f16"), fold=True)
    case("Mul", Data(["N", 3], "f64"), Data([], "f64"), fold=True)
    case("Pow", Data(["N", 3], low=0.1), floats(2.5), fold=True)
    case("Pow", ROWS, scalar(2, "i64"), fold=True)
    case("Pow", Data(["N", 3], "i64", -5, 5), scalar(3), fold=True)
    case("Mod", Data(["N", 3], "i64", -9, 9), ints(3, -3, 4), fold=True)
    case("Mod", Data(["N", 3], "i64", -9, 9), ints(3, -3, 4), fmod=1, fold=True)
    case("Mod", ROWS, scalar(0.75, "f32"), fmod=1, fold=True)
    case("Sum", ROWS, Data([6]), Data(["N", 1]), fold=True)
    case("Max", ROWS, Data([6]), Data(["N", 1]), fold=True)
    case("Max", ROWS, fold=True)
    case("Mean", ROWS, Data([6]))
    case("PRelu", X, Data([3, 1, 1]))
    for op in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
        case(op, ROWS, scalar(0.5, "f32"), fold=True)
        case(op, Data(["N", 4], "i64", -2, 2), Data([4], "i64", -2, 2), fold=True)
    case("Equal", Data(["N", 4], "bool"), Data([4], "bool"), fold=True)
    for op in ["And", "Or", "Xor"]:
        case(op, Data(["N", 4], "bool"), Data([4], "bool"), fold=True)
    case("Not", Data(["N", 4], "bool"), fold=True)
    case("Where", Data(["N", 1], "bool"), ROWS, scalar(1.5, "f32"), fold=True)
    case("Clip", ROWS, scalar(-1, "f32"), scalar(1, "f32"), fold=True)
    case("Clip", ROWS, None, scalar(1, "f32"), fold=True)
    for to in ["f64", "f16", "i64", "i32", "bool"]:
        case("Cast", ROWS, to=helper.np_dtype_to_tensor_dtype(np.dtype(TYPES[to])), fold=True)
    for to in ["f32", "f16", "i32", "i8", "u8", "bool"]:
        case("Cast", Data(["N", 3], "i64", 0, 99), to=helper.np_dtype_to_tensor_dtype(np.dtype(TYPES[to])), fold=True)
    case("Cast", Data(["N", 4], "bool"), to=TensorProto.FLOAT, fold=True)
    case("CastLike", Data(["N", 4], "bool"), scalar(0, "f64"), fold=True)
    case("Dropout", ROWS, outputs=2)
    case("CumSum", ROWS, scalar(1))
    case("Trilu", Data(["N", 3, 4]), fold=True)
    case("Trilu", Data(["N", 3, 4]), scalar(-1), upper=0, fold=True)


def convolutions():
    case("Conv", I, Data([4, 3, 3, 3]), run=True)
    case("Conv", X, Data([4, 3, 3, 3]), Data([4]), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    case("Conv", X, Data([4, 3, 3, 2]), pads=[0, 1, 2, 1], strides=[2, 3])
    case("Conv", X, Data([4, 3, 3, 3]), dilations=[2, 3])
    case("Conv", I, Data([6, 1, 3, 3]), group=3, auto_pad="SAME_UPPER", strides=[2, 2], run=True)
    case("Conv", I, Data([4, 3, 4, 3]), auto_pad="SAME_LOWER", strides=[3, 1], run=True)
    case("Conv", I, Data([4, 3, 4, 3]), auto_pad="VALID", strides=[2, 1], run=True)
    case("Conv", I, Data([4, 3, 1, 2]), auto_pad="SAME_UPPER", strides=[4, 3], run=True)
    case("Conv", Data(["N", 2, 9]), Data([3, 2, 4]), strides=[2])
    case("Conv", Data(["N", 2, 5, 6, 7]), Data([3, 2, 1, 2, 3]), strides=[1, 2, 2], pads=[0, 1, 1, 0, 1, 1])
    # The weight gradient: the batch in the place of the channels.
    case("Conv", Data([3, "N", 8, 7]), Data([4, "N", 6, 5]))
    case("ConvTranspose", X, Data([3, 4, 3, 3]))
    case("ConvTranspose", X, Data([3, 4, 3, 3]), strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 2])
    case("ConvTranspose", X, Data([3, 2, 3, 3]), strides=[2, 2], dilations=[2, 1], group=3)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], output_shape=[12, 11], run=True)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], output_shape=[12, 11], auto_pad="SAME_UPPER", run=True)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], auto_pad="SAME_UPPER", run=True)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], auto_pad="SAME_LOWER", run=True)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], auto_pad="VALID", run=True)
    case("ConvTranspose", I, Data([3, 4, 3, 3]), strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0], run=True)
    case("ConvTranspose", Data(["N", 3, 5]), Data([3, 2, 4]), strides=[3])
    case("ConvInteger", Data(["N", 3, 8, 7], "u8", 0, 9), Data([4, 3, 3, 3], "u8", 0, 9), strides=[2, 1])
    case("QLinearConv", Data(["N", 3, 8, 7], "u8", 0, 9), scalar(0.5, "f32"), scalar(1, "u8"),
         Data([4, 3, 3, 3], "i8", -9, 9), scalar(0.5, "f32"), scalar(0, "i8"), scalar(0.5, "f32"), scalar(0, "u8"))


def pools():
    for op, outputs in [("MaxPool", 2), ("AveragePool", 1), ("LpPool", 1)]:
        run = op != "LpPool"  # which rten lacks
        case(op, I, kernel_shape=[2, 3], run=run)
        case(op, X, outputs=outputs, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        case(op, I, kernel_shape=[3, 2], strides=[3, 2], auto_pad="SAME_UPPER", run=run)
        case(op, I, kernel_shape=[3, 2], strides=[3, 2], auto_pad="SAME_LOWER", run=run)
        case(op, I, kernel_shape=[2, 2], strides=[4, 3], auto_pad="SAME_UPPER", ceil_mode=1, run=run)
        case(op, X, outputs=outputs, kernel_shape=[3, 2], strides=[2, 2], auto_pad="VALID")
        case(op, Data(["N", 2, 9]), outputs=outputs, kernel_shape=[4], strides=[2])
        for length in range(2, 10):
            for kernel, stride, begin, end in [(2, 2, 0, 0), (3, 2, 1, 1), (2, 3, 0, 1), (1, 2, 0, 0), (2, 4, 1, 1), (3, 2, 0, 0)]:
                if op != "LpPool":
                    case(op, Data(["N", 2, length]), outputs=outputs, kernel_shape=[kernel], strides=[stride],
                         pads=[begin, end], ceil_mode=1)
        case(op, Data(["N", 2, 9]), outputs=outputs, kernel_shape=[3], dilations=[2], strides=[2])
    for op in ["GlobalAveragePool", "GlobalMaxPool"]:
        case(op, X)
        case(op, Data(["N", 2, 9]))


def products():
    case("MatMul", ROWS, Data([6, 4]), fold=True)
    case("MatMul", Data([6]), Data([6, 4]), fold=True)
    case("MatMul", ROWS, Data([6]), fold=True)
    case("MatMul", Data([6]), Data([6]), fold=True)
    case("MatMul", Data(["N", 1, 3, 4]), Data([5, 4, 2]), fold=True)
    case("MatMul", Data([5, 3, 4]), Data([4]), fold=True)
    case("MatMul", Data([4]), Data(["N", 4, 2]), fold=True)
    case("MatMul", Data(["N", 3, 4], "f64"), Data(["N", 4, 2], "f64"), fold=True)
    case("Gemm", ROWS, Data([6, 4]), Data([4]), fold=True)
    case("Gemm", ROWS, Data([4, 6]), Data(["N", 1]), transB=1, alpha=0.5, beta=2.0, fold=True)
    case("Gemm", Data([6, "N"]), Data([6, 4]), transA=1, fold=True)
    case("MatMulInteger", Data(["N", 6], "u8", 0, 9), Data([6, 4], "i8", -9, 9))
    case("QLinearMatMul", Data(["N", 6], "u8", 0, 9), scalar(0.5, "f32"), scalar(1, "u8"), Data([6, 4], "i8", -9, 9),
         scalar(0.5, "f32"), scalar(0, "i8"), scalar(0.5, "f32"), scalar(0, "u8"))
    for equation, *operands in [
        ("ij,jk->ik", ROWS, Data([6, 4])),
        ("ij,jk", ROWS, Data([6, 4])),
        ("bij,bjk->bik", Data(["N", 3, 4]), Data(["N", 4, 2])),
        ("...ij,...jk->...ik", Data(["N", 5, 3, 4]), Data([5, 4, 2])),
        ("b...->...b", Data(["N", 5, 3])),
        ("bqhd, bkhd -> bhqk", Data(["N", 5, 2, 3]), Data(["N", 4, 2, 3])),
        ("ij->", ROWS),
        ("ii->i", Data([4, 4])),
        ("cba", Data(["N", 5, 3])),
    ]:
        case("Einsum", *operands, equation=equation)


def normalizations():
    c = Data([3], low=0.5)
    case("BatchNormalization", X, c, c, c, c)
    case("BatchNormalization", X, c, c, c, c, outputs=3, training_mode=1)
    case("BatchNormalization", ROWS, *[Data([6], low=0.5)] * 4)
    case("InstanceNormalization", X, c, c)
    case("LayerNormalization", X, Data([7]), Data([7]))
    case("LayerNormalization", X, Data([3, 8, 7]), outputs=3, axis=1)
    case("LayerNormalization", X, Data([8, 7]), outputs=3, axis=-2)
    case("GroupNormalization", Data(["N", 4, 5]), Data([4]), Data([4]), num_groups=2)
    case("LRN", X, size=3)
    case("LpNormalization", X)
    case("MeanVarianceNormalization", X)


def reductions():
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
               "ReduceSumSquare"]:
        case(op, L, ints(2, 3), fold=True)
        case(op, Data(["N", 3, 4]), ints(-1), keepdims=0, fold=True)
        case(op, ROWS, fold=True)
        case(op, ROWS, noop_with_empty_axes=1, fold=op not in ["ReduceL1", "ReduceL2", "ReduceSumSquare"])
        case(op, Data([3, "N"]), ints(1), keepdims=0, fold=True)
    for op in ["ReduceSum", "ReduceMax", "ReduceProd", "ReduceMin"]:
        case(op, Data(["N", 3], "i64", 1, 5), ints(1), fold=True)
    case("ReduceLogSum", Data(["N", 3], low=0.5), ints(1), fold=True)
    case("ReduceLogSumExp", X, ints(1, 3))
    case("ArgMax", X, axis=1)
    case("ArgMin", X, axis=-1, keepdims=0)
    case("TopK", ROWS, ints(2), outputs=2)
    case("TopK", X, ints(3), outputs=2, axis=1, largest=0)


def layouts():
    case("Reshape", L, ints(0, -1), fold=True)
    case("Reshape", L, ints(-1, 2), fold=True)
    case("Reshape", L, ints(-1, 36), fold=True)
    case("Reshape", L, ints(0, 3, -1), fold=True)
    case("Reshape", L, ints(3, -1), fold=True)
    case("Reshape", Data(["2N", 6]), ints(-1, 2, 6), fold=True)
    case("Reshape", Data([0, 3]), ints(3, 0, 2), allowzero=1, fold=True)
    case("Reshape", Data([4, 6]), ints(2, -1, 3), fold=True)
    case("Reshape", Data([1]), np.zeros(0, np.int64), fold=True)
    for axis in range(-3, 5):
        case("Flatten", L, axis=axis, fold=True)
    case("Squeeze", Data(["N", 1, 3, 1]), fold=True)
    case("Squeeze", Data(["N", 1, 3, 1]), ints(-1), fold=True)
    case("Unsqueeze", ROWS, ints(0, -1), fold=True)
    case("Unsqueeze", ROWS, ints(2, 1), fold=True)
    case("Transpose", L, fold=True)
    case("Transpose", L, perm=[0, 2, 3, 1], fold=True)
    case("Concat", ROWS, Data(["N", 2]), axis=1, fold=True)
    case("Concat", L, L, L, axis=-3, fold=True)
    case("Concat", ROWS, Data(["2N", 6]), axis=0, fold=True)
    case("Concat", ROWS, Data([4, 6]), axis=0, fold=True)
    case("Split", L, outputs=3, axis=1, num_outputs=3, fold=True)
    case("Split", Data(["N", 7]), outputs=3, axis=1, num_outputs=3, fold=True)
    case("Split", L, ints(1, 3, 2), outputs=3, axis=2, fold=True)
    case("Split", Data(["2N", 3]), outputs=2, num_outputs=2, fold=True)
    for starts, ends, steps in [
        ((1,), (5,), (1,)), ((-3,), (MAX,), (1,)), ((-1,), (MIN,), (-1,)), ((5,), (1,), (-2,)), ((1,), (100,), (3,)),
        ((5,), (2,), (1,)), ((0,), (-1,), (1,)), ((-100,), (3,), (2,)), ((100,), (-100,), (-3,)), ((3,), (3,), (1,)),
    ]:
        case("Slice", L, ints(*starts), ints(*ends), ints(2), ints(*steps), fold=True)
    case("Slice", L, ints(0, 1), ints(MAX, 3), fold=True)
    case("Slice", L, ints(-1, -1), ints(MIN, MIN), ints(2, -1), ints(-1, -1), fold=True)
    case("Slice", L, ints(0), ints(MAX), ints(0), fold=True)
    case("Slice", L, ints(-1), ints(MIN), ints(0), ints(-1), fold=True)
    case("Slice", L, ints(1), ints(3), ints(-1), fold=True)
    case("Slice", Data([7, 2]), ints(1), ints(6), None, ints(2), fold=True)
    case("Pad", L, ints(0, 0, 1, 2, 0, 0, 3, 4), fold=True)
    case("Pad", L, ints(0, 0, 1, -1, 0, 1, -3, 4), scalar(1.5, "f32"), fold=True)
    case("Pad", L, ints(1, 2, 3, 0), scalar(0.5, "f32"), ints(-1, 1), fold=True)
    for mode in ["edge", "reflect", "wrap"]:
        case("Pad", L, ints(0, 0, 1, 1, 0, 0, 3, 0), mode=mode, fold=True)
    case("Pad", Data(["N", 3], "i64"), ints(0, 1, 0, 1), scalar(7), fold=True)
    case("Expand", Data(["N", 1, 3]), ints(4, 1), fold=True)
    case("Expand", Data([3, 1]), ints(2, 3, 4), fold=True)
    case("Expand", ROWS, ints(1, 1), fold=True)
    case("Expand", Data([]), ints(2, 3), fold=True)
    case("Tile", ROWS, ints(2, 3), fold=True)
    for mode in ["DCR", "CRD"]:
        case("DepthToSpace", Data(["N", 8, 2, 3]), blocksize=2, mode=mode, fold=True)
    case("SpaceToDepth", Data(["N", 2, 4, 6]), blocksize=2, fold=True)
    case("Resize", X, None, floats(1, 1, 2, 2))
    case("Resize", X, None, floats(1, 1, 0.6, 1.7), mode="linear")
    case("Resize", X, None, None, ints(2, 3, 5, 9))
    case("Resize", X, None, None, ints(5, 9), axes=[2, 3])
    case("Resize", X, None, floats(1.5, 0.5), axes=[2, 3])
    case("Resize", X, None, None, ints(16, 9), axes=[2, 3], keep_aspect_ratio_policy="not_larger")
    case("Resize", X, None, None, ints(16, 9), axes=[2, 3], keep_aspect_ratio_policy="not_smaller")
    case("GridSample", X, Data(["N", 4, 5, 2]))


def shapes():
    case("Shape", X)
    case("Shape", X, start=1)
    case("Shape", X, start=-2, end=-1)
    case("Shape", X, start=3, end=1)
    case("Size", X)
    case("ConstantOfShape", ints(2, 3), fold=True)
    case("ConstantOfShape", ints(4), fold=True, value=numpy_helper.from_array(ints(7)))
    case("ConstantOfShape", np.zeros(0, np.int64), fold=True, value=numpy_helper.from_array(np.array([True])))
    case("Range", scalar(1), scalar(10), scalar(3), fold=True)
    case("Range", scalar(10), scalar(1), scalar(-4), fold=True)
    case("Range", scalar(3), scalar(1), scalar(1), fold=True)
    case("Range", scalar(0.5, "f32"), scalar(3, "f32"), scalar(0.75, "f32"), fold=True)
    case("EyeLike", Data([3, 4]), k=1)
    case("RandomUniformLike", ROWS)
    case("Gather", L, scalar(1), axis=1, fold=True)
    case("Gather", L, np.array([[0, -1], [2, 1]]), axis=2, fold=True)
    case("Gather", ROWS, np.array([1, 0], np.int32), axis=-1, fold=True)
    case("GatherElements", ROWS, Data(["N", 2], "i64", 0, 5), axis=1)
    case("GatherND", X, np.array([[0, 1], [1, 2]]))
    case("GatherND", X, Data(["N", 2], "i64", 0, 2), batch_dims=1)
    case("ScatterElements", ROWS, Data(["N", 2], "i64", 0, 5), Data(["N", 2]), axis=1)
    case("ScatterND", ROWS, np.array([[0], [1]]), Data([2, 6]))
    case("OneHot", Data(["N"], "i64", 0, 9), scalar(10), floats(0, 1))
    case("OneHot", Data(["N", 3], "i64", 0, 4), ints(5), floats(0, 1), axis=1)
    case("NonZero", ROWS)


def quantizations():
    case("QuantizeLinear", ROWS, scalar(0.125, "f32"), scalar(3, "u8"), fold=True)
    case("QuantizeLinear", ROWS, scalar(0.0125, "f32"), scalar(-3, "i8"), fold=True)
    case("QuantizeLinear", ROWS, scalar(0.25, "f32"), fold=True)
    case("QuantizeLinear", L, floats(0.1, 0.2, 0.3), np.array([1, 2, 3], np.int8), fold=True)
    case("DequantizeLinear", Data(["N", 6], "u8", 0, 255), scalar(0.1, "f32"), scalar(3, "u8"), fold=True)
    case("DequantizeLinear", Data([3, 4], "i8", -128, 127), floats(0.1, 0.2, 0.3), axis=0, fold=True)
    case("DequantizeLinear", Data([3, 4], "i8", -128, 127), Data([3, 2], low=0.1), Data([3, 2], "i8", -3, 3),
         axis=1, block_size=2, fold=True)
    case("DequantizeLinear", Data([5], "i32", -1000, 1000), scalar(0.1, "f32"), fold=True)
    case("DynamicQuantizeLinear", ROWS, outputs=3)


def model_of(op, inputs, outputs, attributes, dims):
    """The node as a model; data inputs with the extents that `dims` gives."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    while names and not names[-1]:
        names.pop()
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], **attributes)
    fed = [
        helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(np.dtype(TYPES[x.dtype])), dims(x))
        for i, x in enumerate(inputs) if isinstance(x, Data)
    ]
    constants = [numpy_helper.from_array(x, f"x{i}") for i, x in enumerate(inputs) if isinstance(x, np.ndarray)]
    made = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], op, fed, made, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def run(model, feeds):
    typed = onnx.shape_inference.infer_shapes(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(typed.SerializeToString(), options)
        return session.run(None, feeds)
    except Exception as error:
        print(f"  {model.graph.node[0].op_type}: reference evaluator, as ONNX Runtime says {str(error)[:120]}")
        return ReferenceEvaluator(model).run(None, feeds)


def extent(two, three):
    """The extent for any batch from those for 2 and 3 images: a number, or a text as in Data."""
    if two == three:
        return int(two)
    assert two % 2 == 0 and two // 2 * 3 == three, (two, three)
    return f"{two // 2 if two > 2 else ''}N"


def check_inferred(model, name, shapes):
    """ONNX's shape inference, where it knows extents, must say the same."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    kind = {v.name: v.type.tensor_type for v in graph.output}[name]
    if not kind.HasField("shape"):
        return
    assert len(kind.shape.dim) == len(shapes[0]), (model.graph.node[0], kind.shape, shapes)
    for d, two, three in zip(kind.shape.dim, *shapes):
        if d.HasField("dim_value"):
            assert two == three == d.dim_value, (model.graph.node[0], kind.shape, shapes)


def stored(array):
    data = None
    if array.dtype == np.bool_ or array.dtype.kind in "iu":
        data = [int(v) for v in array.ravel()]
    else:
        data = [float(str(v)) for v in array.ravel()]  # the shortest text that gives it back
    return {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data": data}


def record(op, inputs, outputs, attributes, use):
    runs = []
    for batch in BATCHES:
        rng = np.random.default_rng(len(CASES))
        arrays = [x.array(batch, rng) if isinstance(x, Data) else x for x in inputs]
        feeds = {f"x{i}": a for i, a in enumerate(arrays) if isinstance(inputs[i], Data)}
        model = model_of(op, inputs, outputs, attributes, lambda x: [d if isinstance(d, int) else None for d in x.shape])
        runs.append((arrays, run(model, feeds)))
    symbolic = model_of(op, inputs, outputs, attributes, lambda x: x.shape)
    ys = []
    for i, (two, three) in enumerate(zip(runs[0][1], runs[1][1])):
        two, three = np.asarray(two), np.asarray(three)
        data_dependent = op == "NonZero"
        # ONNX's inference counts windows that begin behind the data, unlike its own definition and the runtimes.
        if not data_dependent and not attributes.get("ceil_mode"):
            check_inferred(symbolic, f"y{i}", (two.shape, three.shape))
        try:
            shape = None if data_dependent else [extent(a, b) for a, b in zip(two.shape, three.shape)]
        except AssertionError:
            shape = None
        y = {"dtype": NAMES[two.dtype], "shape": shape}
        if any(use.values()):
            y["value"] = stored(two)
        ys.append(y)
    xs = []
    for x, array in zip(inputs, runs[0][0]):
        if x is None:
            xs.append(None)
        elif isinstance(x, Data):
            xs.append({"dtype": x.dtype, "shape": list(x.shape)} | ({"value": stored(array)} if any(use.values()) else {}))
        else:
            xs.append({"value": stored(array)})
    def attribute(v):
        return {"tensor": stored(numpy_helper.to_array(v))} if isinstance(v, TensorProto) else v
    return {"op": op, "attributes": {k: attribute(v) for k, v in attributes.items()}, "inputs": xs,
            "outputs": ys} | use


if __name__ == "__main__":
    for family in [elementwise, convolutions, pools, products, normalizations, reductions, layouts, shapes,
                   quantizations]:
        family()
    records = [json.dumps(record(*c)) for c in CASES]
    path = HERE.parent / "crates/kennard-graph/tests/operators.json"
    path.write_text("[\n" + ",\n".join(records) + "\n]\n")
    print(f"{len(records)} cases, {path.stat().st_size} bytes")
