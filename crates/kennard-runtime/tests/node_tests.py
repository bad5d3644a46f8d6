"""Writes the operator tests of the `onnx` package to a directory, for tests/node_tests.rs.

    python node_tests.py DIRECTORY

One directory a test: model.onnx, input_0.pb …, output_0.pb … Tests on anything but tensors are left out.
"""

import sys
from pathlib import Path

import numpy
import onnx
from onnx import numpy_helper

numpy.random.seed(0)
from onnx.backend.test.loader import load_node_model_tests  # noqa: E402


def save(tensor, name, path):
    if not isinstance(tensor, onnx.TensorProto):
        tensor = numpy_helper.from_array(numpy.asarray(tensor), name)
    tensor.name = name
    path.write_bytes(tensor.SerializeToString())


def main():
    root = Path(sys.argv[1])
    written = left_out = 0
    for case in load_node_model_tests():
        graph = case.model.graph
        ports = [*graph.input, *graph.output]
        if not all(port.type.HasField("tensor_type") for port in ports):
            left_out += 1
            continue
        for i, (inputs, outputs) in enumerate(case.data_sets):
            directory = root / (case.name if i == 0 else f"{case.name}_{i}")
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "model.onnx").write_bytes(case.model.SerializeToString())
            for kind, values, names in ("input", inputs, graph.input), ("output", outputs, graph.output):
                for j, value in enumerate(values):
                    save(value, names[j].name, directory / f"{kind}_{j}.pb")
            written += 1
    print(f"{written} tests of onnx {onnx.__version__}; {left_out} without tensors left out")


if __name__ == "__main__":
    main()
