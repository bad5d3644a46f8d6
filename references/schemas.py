"""Writes crates/kennard-graph/src/onnx/operators.txt: what the `onnx` package says of the standard's operators.

    python schemas.py

One line per operator and version: name, first operator set, inputs (s: one that must be there, ?: one that may be left
out, *: any number), the least number of inputs, the least and the largest number of outputs, and the attributes with
their types (i f s t g p: integer, float, text, tensor, graph, type; capitals: lists of them; !: must be there). An operator that
a version withdraws has `-` for its inputs.
"""

from pathlib import Path

from onnx import defs

OLDEST = 7
MANY = 2**31 - 1
Option = defs.OpSchema.FormalParameterOption
Type = defs.OpSchema.AttrType
LETTERS = {
    Type.INT: "i", Type.FLOAT: "f", Type.STRING: "s", Type.TENSOR: "t", Type.GRAPH: "g", Type.TYPE_PROTO: "p",
    Type.INTS: "I", Type.FLOATS: "F", Type.STRINGS: "S", Type.TENSORS: "T", Type.GRAPHS: "G", Type.TYPE_PROTOS: "P",
    Type.SPARSE_TENSOR: "x", Type.SPARSE_TENSORS: "X",
}  # fmt: skip
OPTIONS = {Option.Single: "s", Option.Optional: "?", Option.Variadic: "*"}


def line(schema: defs.OpSchema) -> str:
    if schema.deprecated:
        return f"{schema.name} {schema.since_version} -"
    inputs = "".join(OPTIONS[p.option] for p in schema.inputs) or "0"
    most = "*" if schema.max_output == MANY else schema.max_output
    attributes = sorted(schema.attributes.values(), key=lambda a: a.name)
    words = [f"{a.name}:{LETTERS[a.type]}{'!' if a.required else ''}" for a in attributes]
    numbers = [schema.min_input, schema.min_output, most]
    return " ".join(map(str, [schema.name, schema.since_version, inputs, *numbers, *words]))


def main() -> None:
    schemas = [s for s in defs.get_all_schemas_with_history() if s.domain == ""]
    newest_old = {s.name: max(t.since_version for t in schemas if t.name == s.name and t.since_version <= OLDEST)
                  for s in schemas if s.since_version <= OLDEST}  # fmt: skip
    kept = [s for s in schemas if s.since_version >= newest_old.get(s.name, 0)]
    kept.sort(key=lambda s: (s.name, s.since_version))
    path = Path(__file__).parent.parent / "crates/kennard-graph/src/onnx/operators.txt"
    path.write_text("".join(f"{line(s)}\n" for s in kept))
    print(f"{len(kept)} lines")


if __name__ == "__main__":
    main()
