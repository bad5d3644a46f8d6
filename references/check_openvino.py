"""Which of the gradient graphs of the `onnx` package's operator tests OpenVINO does not run, or runs otherwise than ONNX Runtime.

    python check_openvino.py GRADIENTS NODE_TESTS

GRADIENTS has the graphs that crates/kennard-runtime/tests/node_tests.rs writes (`KENNARD_NODE_GRADIENTS`), NODE_TESTS the tests
themselves, whose inputs they get (`KENNARD_ONNX_NODE_TESTS`). Both runtimes compute in single precision on one thread; outputs
may differ by 1e-3, relative and absolute, as the standard's own tests allow. Needs `pip install onnx onnxruntime openvino`.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import numpy_helper

SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY", "INFERENCE_NUM_THREADS": 1}


def inputs(model: onnx.ModelProto, test: Path) -> dict[str, np.ndarray]:
    """What the test feeds, by the names of the graph."""
    given = {}
    for file in test.glob("input_*.pb"):
        tensor = onnx.load_tensor(file)
        given[tensor.name] = numpy_helper.to_array(tensor)
    return {value.name: given[value.name] for value in model.graph.input}


def by_onnxruntime(file: Path, fed: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"]).run(None, fed)


def by_openvino(core: openvino.Core, file: Path, fed: dict[str, np.ndarray]) -> list[np.ndarray]:
    model = core.compile_model(core.read_model(file), "CPU", SETTINGS)
    # A number by itself stays one.
    found = model([openvino.Tensor(np.asarray(value, order="C")) for value in fed.values()])
    return [np.array(found[i]) for i in range(len(model.outputs))]


def differ(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return True
    a, b = a.astype(np.float64), b.astype(np.float64)
    return not np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True)


def main() -> None:
    gradients, tests = map(Path, sys.argv[1:])
    core = openvino.Core()
    count: Counter[str] = Counter()
    said: dict[str, list[str]] = {"refused": [], "different": []}
    for file in sorted(gradients.glob("*.onnx")):
        name, form = file.name.removesuffix(".onnx").rsplit(".", 1)
        model = onnx.load(file)
        ends = [*model.graph.input, *model.graph.output]
        if any(end.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for end in ends):
            count["in double precision, which Kennard does not give it"] += 1
            continue
        try:
            fed = inputs(model, tests / name)
            exact = by_onnxruntime(file, fed)
        except Exception:  # types without a kernel, and inputs that are no floats
            count["not run by ONNX Runtime"] += 1
            continue
        operators = " ".join(sorted({node.op_type for node in model.graph.node}))
        try:
            found = by_openvino(core, file, fed)
        except Exception as e:  # whatever it throws: that is the question
            reason = " ".join(str(e).split())[-160:]
            said["refused"].append(f"{name} {form} [{operators}]: {reason}")
            continue
        worst = [i for i, (a, b) in enumerate(zip(exact, found)) if differ(a, b)]
        if worst:
            said["different"].append(f"{name} {form} [{operators}]: output {worst[0]}")
        else:
            count["equal"] += 1
    for what, lines in said.items():
        count[what] = len(lines)
        print(*(f"{what}: {line}" for line in lines), sep="\n")
    print(f"OpenVINO {openvino.get_version()}, ONNX Runtime {onnxruntime.__version__}: {dict(count)}")


if __name__ == "__main__":
    main()
