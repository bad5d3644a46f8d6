"""Operators of `com.microsoft` and `ai.onnx.ml`, as ONNX Runtime computes them.

    python fused.py > fused.json

Each case is a model of one node, in hexadecimal, an input and the float output.
"""

import json

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)


def case(op: str, domain: str, x: np.ndarray, others: list, output: int = 0, outputs: int = 1, **attributes) -> dict:
    """Of quantised operators the input and the output are brought to floats."""
    inputs, nodes, constants = [], [], {}
    for i, value in enumerate([x, *others]):
        if value is None:
            inputs.append("")
        elif i == 0:
            inputs.append("x")
        else:
            constants[f"k{i}"] = np.asarray(value)
            inputs.append(f"k{i}")
    levels = domain == "com.microsoft" and op.startswith("Q") and op != "QuickGelu"
    if levels:
        nodes.append(helper.make_node("QuantizeLinear", ["x", "k1", "k2"], ["levels"]))
        inputs[0] = "levels"
    names = [f"y{i}" for i in range(outputs)]
    nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
    result = names[output]
    quantised = levels and not (op == "QGemm" and len(others) < 8)
    if quantised:
        scale, zero = inputs[-2], inputs[-1]
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
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    y = session.run([result], {"x": x})[0]
    label = f"{op} {attributes}"
    return {"name": label, "model": model.hex(), "x": x.flatten().tolist(), "shape": list(x.shape), "y": y.flatten().tolist()}


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
    return cases


if __name__ == "__main__":
    print(json.dumps(main()))
