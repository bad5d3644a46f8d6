"""Operators of `com.microsoft` and `ai.onnx.ml`, as ONNX Runtime computes them.

    python references/fused.py > crates/kennard-graph/tests/fused.json

Each case is a model of one node, in hexadecimal, an input and the float output; the last ones are networks that the quantiser wrote.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

RNG = np.random.default_rng(0)


def case(
    op: str,
    domain: str,
    x: np.ndarray,
    others: list,
    output: int = 0,
    outputs: int = 1,
    place: int = 0,
    scales: tuple[int, int] | None = None,
    kind: int | None = None,
    **attributes,
) -> dict:
    """The input is at `place` among the others. Of quantised operators it and the output are brought to floats: `scales` are the places
    of its scale and zero point, where they do not follow it. To another `kind` it is cast."""
    inputs, nodes, constants = [], [], {}
    for i, value in enumerate([*others[:place], x, *others[place:]]):
        if value is None:
            inputs.append("")
        elif i == place:
            inputs.append("x")
        else:
            constants[f"k{i}"] = np.asarray(value)
            inputs.append(f"k{i}")
    levels = domain == "com.microsoft" and op.startswith("Q") and op != "QuickGelu"
    if levels or scales:
        own = [inputs[i] for i in scales or (place + 1, place + 2)]
        nodes.append(helper.make_node("QuantizeLinear", ["x", *own], ["levels"]))
        inputs[place] = "levels"
    if kind is not None:
        nodes.append(helper.make_node("Cast", ["x"], ["cast"], to=kind))
        inputs[place] = "cast"
    names = [f"y{i}" for i in range(outputs)]
    nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
    result = names[output]
    quantised = levels and not (op == "QGemm" and len(others) < 8)
    if quantised:
        scale, zero = inputs[:2] if op == "QLinearConcat" else inputs[-2:]
        nodes.append(helper.make_node("DequantizeLinear", [result, scale, zero], ["real"]))
        result = "real"
    graph = helper.make_graph(
        nodes,
        op,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid(d, v) for d, v in [("", 17), ("com.microsoft", 1), ("ai.onnx.ml", 1)]]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    label = f"{op} {attributes}" + (f" of type {kind}" if kind is not None else "")
    return told(label, model, x, answer(model, result, x))


def answer(model: bytes, output: str, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    return session.run([output], {"x": x})[0]


def told(name: str, model: bytes, x: np.ndarray, y: np.ndarray) -> dict:
    return {"name": name, "model": model.hex(), "x": x.flatten().tolist(), "shape": list(x.shape), "y": y.flatten().tolist()}


def floats(*shape: int) -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def levels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 255, shape).astype(np.uint8)


def main() -> list[dict]:
    ms, ml = "com.microsoft", "ai.onnx.ml"
    image, kernel, bias = floats(1, 2, 5, 4), floats(3, 2, 3, 3), floats(3)
    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    s, z = np.float32(0.01), np.uint8(128)
    cases = [
        case("FusedConv", ms, image, [kernel, bias], activation="Relu", **pads),
        case("FusedConv", ms, image, [kernel], activation="LeakyRelu", activation_params=[0.2], **pads),
        case("FusedConv", ms, image, [kernel, bias], activation="Clip", activation_params=[-0.5, 0.25], **pads),
        case("FusedConv", ms, image, [kernel, bias, floats(1, 3, 5, 4)], activation="Relu", **pads),
        case("FusedMatMul", ms, floats(3, 4), [floats(3, 2)], alpha=0.5, transA=1),
        case("FusedMatMul", ms, floats(2, 3, 4), [floats(2, 5, 4)], alpha=2.0, transB=1),
        case("FusedGemm", ms, floats(3, 4), [floats(4, 2), floats(2)], activation="Tanh", alpha=0.5),
        case("FusedGemm", ms, floats(3, 4), [floats(4, 2), floats(2)], activation="LeakyRelu", activation_alpha=0.3),
        case("Gelu", ms, floats(3, 4), []),
        case("BiasGelu", ms, floats(3, 4), [floats(4)]),
        case("FastGelu", ms, floats(3, 4), [floats(4)]),
        case("QuickGelu", ms, floats(3, 4), [], alpha=1.5),
        case("QGemm", ms, floats(3, 4), [s, z, levels(2, 4), s, z, np.array([300, -200], np.int32)], transB=1),
        case("QGemm", ms, floats(3, 4), [s, z, levels(4, 2), s, z, None, np.float32(0.02), z]),
        case("QLinearAdd", ms, floats(3, 4), [s, z, levels(3, 4), s, z, np.float32(0.02), z]),
        case("QLinearMul", ms, floats(3, 4), [s, z, levels(3, 4), s, z, np.float32(0.02), z]),
        case("QLinearGlobalAveragePool", ms, floats(1, 2, 3, 4), [s, z, s, z]),
        case("Scaler", ml, floats(3, 4), [], offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2.0, 3.0, 4.0]),
    ]
    cases += [case("Normalizer", ml, floats(3, 4), [], norm=norm) for norm in ("L1", "L2", "MAX")]
    weights = floats(3, 4).flatten().tolist()
    for transform in ("NONE", "SOFTMAX", "LOGISTIC"):
        linear = {"post_transform": transform, "output": 1, "outputs": 2}
        cases.append(
            case("LinearClassifier", ml, floats(5, 4), [], coefficients=weights, intercepts=[0.1, 0.2, -0.3],
                 classlabels_ints=[0, 1, 2], multi_class=1, **linear)
        )
        cases.append(
            case("LinearClassifier", ml, floats(5, 4), [], coefficients=weights[:4], intercepts=[0.1],
                 classlabels_ints=[0, 1], multi_class=0, **linear)
        )
    # As scikit-learn's converter writes two classes.
    opposite = [*weights[:4], *(-w for w in weights[:4])]
    cases.append(
        case("LinearClassifier", ml, floats(5, 4), [], coefficients=opposite, intercepts=[0.1, -0.1], output=1, outputs=2,
             classlabels_ints=[0, 1], multi_class=0, post_transform="LOGISTIC")
    )
    skip = [floats(2, 3, 4), floats(4), floats(4)]
    cases.append(case("SkipLayerNormalization", ms, floats(2, 3, 4), skip, epsilon=1e-5))
    cases.append(case("SkipLayerNormalization", ms, floats(2, 3, 4), [*skip, floats(4)], epsilon=0.01))
    cases += quantised(ms, s, z)
    cases += [case(*of_columns, **settings) for *of_columns, settings in columns(ml)]
    return cases


def quantised(ms: str, s: np.float32, z: np.uint8) -> list[dict]:
    t, u = np.float32(0.02), np.uint8(100)
    pool = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 0]}
    weights, bias = levels(4, 2), floats(2)
    scales, zeros = np.float32([0.01, 0.03]), np.uint8([120, 130])
    return [
        case("QLinearLeakyRelu", ms, floats(3, 4), [s, z, t, u], alpha=0.2),
        case("QLinearLeakyRelu", ms, floats(3, 4), [s, z, s, u]),
        case("QLinearSigmoid", ms, 4 * floats(3, 4), [np.float32(0.04), z, np.float32(1 / 256), np.uint8(0)]),
        case("QLinearAveragePool", ms, floats(1, 2, 5, 4), [s, z, t, u], count_include_pad=0, **pool),
        case("QLinearAveragePool", ms, floats(1, 2, 5, 4), [s, z, t, u], count_include_pad=1, **pool),
        case("QLinearConcat", ms, floats(2, 3), [t, u, s, z, levels(2, 4), np.float32(0.015), u], place=2, axis=1),
        case("QLinearSoftmax", ms, 2 * floats(3, 4), [t, u, np.float32(1 / 256), np.uint8(0)], axis=-1, opset=13),
        case("QLinearSoftmax", ms, 2 * floats(2, 3, 4), [t, u, np.float32(1 / 256), np.uint8(0)], axis=1, opset=13),
        case(
            "QLinearWhere", ms, floats(2, 3), [np.array([[True], [False]]), s, z, levels(2, 3), t, u, np.float32(0.03), u], place=1
        ),
        case("DynamicQuantizeMatMul", ms, floats(3, 4), [weights, s, z, bias]),
        case("DynamicQuantizeMatMul", ms, floats(3, 4), [weights, scales, zeros]),
        case("DynamicQuantizeMatMul", ms, floats(3, 4), [(weights.astype(np.int16) - 128).astype(np.int8), s, None, bias]),
        case("MatMulIntegerToFloat", ms, floats(3, 4), [weights, s, s, z, u, bias], scales=(2, 4)),
        case("MatMulIntegerToFloat", ms, floats(3, 4), [weights, s, scales, z, zeros], scales=(2, 4)),
    ]


def columns(ml: str) -> list[tuple]:
    """Pipelines of tables: their parts, also with whole numbers going in."""
    whole = np.rint(4 * floats(5, 3))
    real = floats(5, 3)
    gaps = real.copy()
    gaps[0, 1] = gaps[3, 2] = 0.5
    long = TensorProto.INT64
    weights = floats(3, 3).flatten().tolist()
    linear = {"coefficients": weights, "intercepts": [0.1, 0.2, -0.3]}
    classes = {"classlabels_ints": [0, 1, 2], "multi_class": 1, "output": 1, "outputs": 2}
    machine = {
        "coefficients": [0.5, -0.5, 0.25],
        "support_vectors": floats(3, 3).flatten().tolist(),
        "rho": [0.1],
        "vectors_per_class": [1, 2],
        "classlabels_ints": [0, 1],
        "kernel_type": "RBF",
        "kernel_params": [0.3, 0.0, 3.0],
        "output": 1,
        "outputs": 2,
    }
    scaled = {"offset": [0.1, 0.2, 0.3], "scale": [0.5, 2.0, 0.25]}
    regressors = [{}, {"post_transform": "SOFTMAX"}, {"post_transform": "LOGISTIC"}]
    return [
        *[("Scaler", ml, whole, [], {"kind": kind, **scaled}) for kind in (long, TensorProto.INT32, TensorProto.DOUBLE)],
        *[("Normalizer", ml, whole, [], {"kind": long, "norm": norm}) for norm in ("L1", "L2", "MAX")],
        ("LinearClassifier", ml, whole, [], {"kind": long, "post_transform": "SOFTMAX", **linear, **classes}),
        ("SVMClassifier", ml, whole, [], {"kind": long, **machine}),
        ("LinearRegressor", ml, real, [], {"coefficients": weights[:3], "intercepts": [0.4]}),
        *[("LinearRegressor", ml, real, [], {"targets": 3, **linear, **settings}) for settings in regressors],
        ("Binarizer", ml, real, [], {"threshold": 0.1}),
        ("FeatureVectorizer", ml, real, [floats(5, 2)], {"inputdimensions": [3, 2]}),
        ("FeatureVectorizer", ml, whole, [np.rint(9 * floats(5, 2)).astype(np.int64)], {"kind": long, "inputdimensions": [3, 2]}),
        ("Imputer", ml, gaps, [], {"replaced_value_float": 0.5, "imputed_value_floats": [7.0]}),
        ("Imputer", ml, gaps, [], {"replaced_value_float": 0.5, "imputed_value_floats": [7.0, 8.0, 9.0]}),
        ("Imputer", ml, real, [], {"replaced_value_float": float("nan"), "imputed_value_floats": [7.0, 8.0, 9.0]}),
        ("OneHotEncoder", ml, 3 * real, [], {"cats_int64s": [-2, 0, 1, 2]}),
        ("OneHotEncoder", ml, whole, [], {"kind": long, "cats_int64s": [-2, 0, 1, 2]}),
    ]


def blocks() -> list[dict]:
    """Products with blocks of integers of few bits, whole and not, with zero points and without; of 4 bits first."""
    cases = []
    for columns, zeros in ((32, False), (40, True)):
        count = -(-columns // 16)
        others = [levels(3, count, 8), np.float32(0.01) * (np.float32(1.5) + floats(3 * count))]
        others += [levels(3 * -(-count // 2))] * zeros
        case_of = case("MatMulNBits", "com.microsoft", floats(2, columns), others, K=columns, N=3, bits=4, block_size=16)
        cases.append(case_of)
    sizes = [(bits, 0, columns) for bits in (2, 8) for columns in (32, 40)]
    sizes += [(bits, 4, columns) for bits in (4, 8) for columns in (32, 40)]
    for bits, level, columns in sizes:
        count = -(-columns // 16)
        scale = np.float32(2.0**-bits * 0.16)
        others = [levels(3, count, 2 * bits), scale * (np.float32(1.5) + floats(3 * count))]
        others += [levels(3 * -(-count * bits // 8))] * (columns == 40)
        settings = {"K": columns, "N": 3, "bits": bits, "block_size": 16, "accuracy_level": level}
        cases.append(case("MatMulNBits", "com.microsoft", floats(2, columns), others, **settings))
    return cases


class Calibration(CalibrationDataReader):
    """Points for a quantiser."""

    def __init__(self) -> None:
        self.left = [floats(3, 6) for _ in range(8)]

    def get_next(self) -> dict | None:
        return {"x": self.left.pop()} if self.left else None


def written() -> list[dict]:
    """What ONNX Runtime's quantiser writes of a file whose operator set has no 4-bit integers: the standard's operators in a domain of
    its own."""
    cases = []
    for per_channel in (False, True):
        constants = {"w": floats(6, 8), "v": floats(8, 4), "b": floats(4)}
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
                helper.make_node("Tanh", ["h"], ["t"], "tanh"),
                helper.make_node("Gemm", ["t", "v", "b"], ["y"], "second"),
            ],
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 6))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, 4))],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        with TemporaryDirectory() as folder:
            place = Path(folder) / "quantised.onnx"
            quantize_static(
                model, place, Calibration(), QuantFormat.QDQ, per_channel=per_channel,
                activation_type=QuantType.QInt8, weight_type=QuantType.QInt4,
            )  # fmt: skip
            quantised = onnx.load(place)
        assert any(node.domain == "com.microsoft" for node in quantised.graph.node)
        x = floats(3, 6)
        y = answer(quantised.SerializeToString(), "y", x)
        name = f"quantize_static {'per channel' if per_channel else 'per tensor'}"
        cases.append(told(name, quantised.SerializeToString(), x, y))
    return cases


if __name__ == "__main__":
    print(json.dumps(main() + blocks() + written()))
