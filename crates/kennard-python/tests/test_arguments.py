"""What docstrings say of arguments is what the calls take."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard
from kennard import _kennard

# The functions that take options of a command, and which.
COMMANDS = {
    name: {"minimal": "audit"}.get(name, name)
    for name in ("attack", "audit", "bound", "calibrate", "certify", "grad", "minimal", "smooth", "train", "uncertainty")
}


def documented(function: Any) -> dict[str, str]:
    """The parameters of a docstring by their names, each with its whole text; none where it has no such section."""
    text = inspect.getdoc(function) or ""
    _, _, section = text.partition("Parameters\n----------\n")
    section = re.split(r"\n\n[A-Z][a-z]+\n-+\n", section)[0]
    entries = re.split(r"^(?=\S)", section, flags=re.MULTILINE)
    return {name: entry for entry in entries if entry for name in entry.splitlines()[0].split(" : ")[0].split(", ")}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_documented_is_taken(name: str) -> None:
    function, known = getattr(kennard, name), _kennard.option_names(COMMANDS[name])
    parameters = documented(function)
    assert parameters or name == "attack"
    own = inspect.signature(function).parameters
    assert [other for other in parameters if other not in own and other not in known and other != "**options"] == []
    # `warnings` are of the result.
    options = {*re.findall(r"(?<![`:])`([a-z_]+)`(?!`)", parameters.get("**options", ""))} - {"warnings"}
    assert options <= {*known}, options - {*known}
    assert not {*known} & {"json", "quiet", "config"}


@pytest.mark.parametrize(("name", "argument"), [("grad", "loss"), ("bound", "method"), ("bound", "norm")])
def test_choices_are_all_documented(path: Path, name: str, argument: str) -> None:
    with pytest.raises((ValueError, kennard.KennardError)) as caught:
        # Past the check of norms that all calls have, which knows more of them.
        getattr(kennard, name)(path, **{argument: "l0" if argument == "norm" else "no-such"})
    _, _, known = str(caught.value).partition("known are ")
    listed = re.findall(r'"([a-z0-9-]+)"', documented(getattr(kennard, name))[argument].splitlines()[0])
    assert len(listed) > 2 and {*known.split(", ")} == {*listed}, str(caught.value)


def test_bounds_are_of_the_ends_that_are_named() -> None:
    """A file with an open shape, a second input and a second output; the bounds of a linear function have a closed form."""
    ort, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    random = np.random.default_rng(4)
    weight = random.normal(size=(5, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["u"]),
        helper.make_node("Mul", ["s", "ones"], ["t"]),
        helper.make_node("Add", ["u", "t"], ["z"]),
        helper.make_node("Neg", ["z"], ["other"]),
    ]
    graph = helper.make_graph(
        nodes, "ends",
        [helper.make_tensor_value_info("x", 1, ["n", "d"]), helper.make_tensor_value_info("s", 1, [1])],
        [helper.make_tensor_value_info("other", 1, ["n", 3]), helper.make_tensor_value_info("z", 1, ["n", 3])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([1, 0, 0], np.float32), "ones")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = kennard.bound(
        model.SerializeToString(), method="intervals", input="x", input_shape=[5], hold={"s": 2.0}, output="z"
    )
    session = ort.InferenceSession(file)
    x = random.random((4, 5), dtype=np.float32)
    lower, upper = x - np.float32(0.1), x + np.float32(0.2)
    spec = np.broadcast_to(np.array([[1, 0, 0], [1, -1, 0]], dtype=np.float32), (4, 2, 3))
    names = [entry.name for entry in session.get_inputs()]
    below = session.run(["bound/lower"], dict(zip(names, (lower, upper, spec))))[0]
    rows = spec[0].astype(np.float64) @ weight.astype(np.float64).T
    exact = lower @ np.maximum(rows, 0).T + upper @ np.minimum(rows, 0).T + 2
    apart = exact - below
    # Intervals know nothing of what two logits have in common: their difference alone is lower than it need be.
    assert (apart >= 0).all() and (apart[:, 0] < 1e-4).all()
    with pytest.raises((ValueError, kennard.KennardError), match="output"):
        kennard.bound(model.SerializeToString(), input="x", input_shape=[5], hold={"s": 2.0})


def test_commands_are_named_as_functions() -> None:
    from kennard._result import in_python

    for name in (*COMMANDS, "report"):
        if name != "minimal":
            assert in_python(f"`kennard {name}`") == f"`kennard.{name}`" and name in kennard.__all__
    for name in ("inspect", "merge", "watch"):
        assert in_python(f"`kennard {name}`") == f"`kennard {name}`" and name not in kennard.__all__
