"""Checks the gradient graphs that `cargo test -p kennard-graph --test rules` writes.

    python check_rules.py FOLDER [PREFIX]

For each case: every gradient graph is valid ONNX; in double precision, by ONNX's reference evaluator, it
computes what the case computes, and the gradient agrees with central differences along random directions,
both to 1e-6; and ONNX Runtime, in single precision, agrees with double precision to 1e-4. Errors are
relative to the largest entry, or to 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from reference_operators import OPERATORS

OBJECTIVE = "objective"
DIRECTIONS = 6
STEP = 1e-5
EXACT, SINGLE = 1e-6, 1e-4

Values = dict[str, np.ndarray]


def read_values(point: dict) -> Values:
    def array(v: dict) -> np.ndarray:
        data = v["floats"] if v["floats"] is not None else v["ints"]
        dtype = np.float64 if v["floats"] is not None else tensor_dtype_to_np_dtype(v["dtype"])
        return np.array(data, dtype).reshape(v["shape"])

    return {name: array(v) for name, v in point["values"].items()}


def fed(model: onnx.ModelProto, values: Values) -> Values:
    """The model's inputs, in its precision."""
    inputs = {i.name: tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    return {name: values[name].astype(dtype) for name, dtype in inputs.items()}


def reference(model: onnx.ModelProto, values: Values) -> Values:
    names = [o.name for o in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model, new_ops=OPERATORS).run(None, fed(model, values))))


def runtime(model: onnx.ModelProto, values: Values) -> Values:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [o.name for o in model.graph.output]
    return dict(zip(names, session.run(None, fed(model, values))))


def error(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    return float(np.max(np.abs(a - b), initial=0) / max(1, np.max(np.abs(b), initial=0)))


def check(folder: Path, name: str) -> dict[str, float]:
    """The largest errors of a case."""
    point = json.loads((folder / f"{name}.json").read_text())
    values, wrt = read_values(point), point["wrt"]

    def load(what: str) -> onnx.ModelProto:
        model = onnx.load(folder / f"{name}.{what}.onnx")
        onnx.checker.check_model(model, full_check=True)
        return model

    function = onnx.load(folder / f"{name}.function.f64.onnx")
    differences = []
    generator = np.random.default_rng(0)
    for _ in range(DIRECTIONS):
        direction = {w: generator.standard_normal(values[w].shape) for w in wrt}
        at = [{**values, **{w: values[w] + h * direction[w] for w in wrt}} for h in (STEP, -STEP)]
        plus, minus = (float(reference(function, v)[OBJECTIVE]) for v in at)
        differences.append((direction, (plus - minus) / (2 * STEP)))

    objective = reference(function, values)[OBJECTIVE]
    errors = {"forward": 0.0, "differences": 0.0, "onnxruntime": 0.0}
    for kind in ("gradient", "gradient-free"):
        exact = reference(load(f"{kind}.f64"), values)
        errors["forward"] = max(errors["forward"], error(exact[OBJECTIVE], objective))
        gradient = {w: exact[f"gradient/{w}"] for w in wrt}
        for w in wrt:
            assert gradient[w].shape == values[w].shape, f"the gradient of {w} has shape {gradient[w].shape}"
        scale = max(1, *(np.max(np.abs(g), initial=0) for g in gradient.values()))
        for direction, difference in differences:
            along = sum(float(np.sum(direction[w] * gradient[w])) for w in wrt)
            errors["differences"] = max(errors["differences"], abs(along - difference) / scale)
        single = runtime(load(f"{kind}.f32"), values)
        worst = max(error(single[output], exact[output]) for output in exact)
        errors["onnxruntime"] = max(errors["onnxruntime"], worst)
    return errors


def main() -> None:
    folder = Path(sys.argv[1])
    prefix = sys.argv[2] if len(sys.argv) > 2 else ""
    names = sorted(p.stem for p in folder.glob(f"{prefix}*.json"))
    if not names:
        sys.exit(f"no cases in {folder}; run `cargo test -p kennard-graph --test rules` first")
    failed = 0
    for name in names:
        try:
            errors = check(folder, name)
            # Written so that NaN fails.
            exact = max(errors["forward"], errors["differences"])
            good = exact <= EXACT and errors["onnxruntime"] <= SINGLE
            message = ", ".join(f"{what} {size:.1e}" for what, size in errors.items())
        except Exception as e:  # whatever a runtime throws: report it and go on
            good, message = False, f"{type(e).__name__}: {e}".split("\n")[0]
        if not good:
            failed += 1
            print(f"FAILED {name}: {message}")
    print(f"{len(names) - failed} of {len(names)} derivatives are right")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
