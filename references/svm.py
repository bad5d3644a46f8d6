"""Support vector machines: operators of `ai.onnx.ml` as ONNX Runtime computes them, and trained ones as scikit-learn does.

    python references/svm.py > crates/kennard-graph/tests/svm.json

The first are machines of random vectors, with the scores and labels of ONNX Runtime; the others were trained on iris and breast
cancer and exported by skl2onnx, with the decision function and the labels of scikit-learn itself.
"""

import json
import warnings

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.svm import SVC, NuSVC

RNG = np.random.default_rng(0)
FEATURES = 4


def session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def case(classes: int, kernel: str, likely: bool) -> dict:
    counts = [int(n) for n in RNG.integers(2, 5, classes)]
    vectors, pairs = sum(counts), classes * (classes - 1) // 2
    attributes = {
        "classlabels_ints": list(range(3, 3 + classes)),
        "coefficients": RNG.normal(size=(classes - 1) * vectors).tolist(),
        "kernel_params": [0.7, 0.3, 3.0],
        "kernel_type": kernel,
        "post_transform": "NONE",
        "rho": (0.3 * RNG.normal(size=pairs)).tolist(),
        "support_vectors": RNG.normal(size=vectors * FEATURES).tolist(),
        "vectors_per_class": counts,
    }
    if likely:
        attributes |= {"prob_a": (-1 - RNG.random(pairs)).tolist(), "prob_b": RNG.normal(size=pairs).tolist()}
    node = helper.make_node("SVMClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        # What follows may count on the columns as they are.
        [node, helper.make_node("Neg", ["scores"], ["y"])],
        "svm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [6, FEATURES])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, None), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    x = RNG.normal(size=(6, FEATURES)).astype(np.float32)
    labels, y = session(model).run(["label", "y"], {"x": x})
    return {
        "name": f"{classes} {kernel}{' likely' * likely}", "model": model.hex(), "x": x.flatten().tolist(),
        "shape": list(x.shape), "y": y.flatten().tolist(), "labels": labels.tolist(),
    }


def trained(name: str, data, machine) -> dict:
    """A machine's answers to 30 samples that it was not trained on."""
    x, y = data.data[:, :FEATURES], data.target
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    x, y = [array[np.random.default_rng(1).permutation(len(array))] for array in (x, y)]
    machine.fit(x[30:], y[30:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(machine, x[:1], options={id(machine): {"zipmap": False}}, target_opset=17)
    x = x[:30]
    decision = machine.decision_function(x)
    return {
        "name": name, "model": model.SerializeToString().hex(), "x": x.flatten().tolist(), "shape": list(x.shape),
        "y": np.asarray(decision).flatten().tolist(), "labels": machine.predict(x).tolist(),
    }


def main() -> dict:
    kernels = ("LINEAR", "POLY", "RBF", "SIGMOID")
    cases = [case(classes, kernel, False) for classes in (2, 3, 4) for kernel in kernels]
    cases += [case(2, kernel, True) for kernel in kernels]
    iris, cancer = load_iris(), load_breast_cancer()
    machines = [trained(f"iris {kernel}", iris, SVC(kernel=kernel)) for kernel in ("linear", "rbf", "poly", "sigmoid")]
    machines += [trained("iris ovo", iris, SVC(decision_function_shape="ovo"))]
    machines += [trained(f"cancer {kernel}", cancer, NuSVC(nu=0.3, kernel=kernel)) for kernel in ("linear", "rbf")]
    return {"cases": cases, "trained": machines}


if __name__ == "__main__":
    print(json.dumps(main()))
