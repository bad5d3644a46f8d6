"""What must be refused, by the name of the node, in every command."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from .case import Case, graph, model, node, pixels
from .ends import nodes

SHAPE = (3, 6, 6)


def everywhere(*words: str) -> dict[str, list[str]]:
    return {command: list(words) for command in ("grad", "audit", "bound")}


@model("unknown_operator")
def unknown_operator() -> Case:
    """An operator of a domain of one's own in the middle."""
    made, constants = nodes()
    made[1] = node("Wobble", "c", "r", "zoo.own", strength=2.0)
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])]
    file = graph(made, ["N", 3, 6, 6], constants, outputs=outputs)
    words = ("Wobble_r", "Wobble")
    return Case(file, pixels(*SHAPE), classes=5, refused=everywhere(*words), says={"inspect": list(words)})


@model("unknown_in_standard")
def unknown_in_standard() -> Case:
    """A name that the standard does not have."""
    made, constants = nodes()
    made[1] = node("Rleu", "c", "r")
    file = graph(made, ["N", 3, 6, 6], constants, outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])])
    words = ["Rleu_r", "Rleu"]
    return Case(file, pixels(*SHAPE), classes=5, refused=everywhere(*words), says={"inspect": words})


@model("unknown_contrib")
def unknown_contrib() -> Case:
    """An operator of com.microsoft that no rule knows."""
    made, constants = nodes()
    made[1] = node("Inverse", "c", "r", "com.microsoft")
    file = graph(made, ["N", 3, 6, 6], constants, outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])])
    words = ["Inverse_r", "Inverse"]
    return Case(file, pixels(*SHAPE), classes=5, refused=everywhere(*words), says={"inspect": words})


@model("dynamic_lstm")
def dynamic_lstm() -> Case:
    """A recurrent layer that quantises what goes through it."""
    r = np.random.default_rng(0)
    constants = {
        "w": r.integers(-9, 9, (1, 4, 20)).astype(np.int8),
        "r": r.integers(-9, 9, (1, 5, 20)).astype(np.int8),
        "s": np.full(1, 0.1, np.float32),
        "z": np.zeros(1, np.int8),
        "a": np.array([0]),
    }
    made = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("DynamicQuantizeLSTM", "t w r - - - - - s z s z", "all last", "com.microsoft", hidden_size=5),
        node("Squeeze", "last a", "y"),
    ]
    file = graph(made, ["N", 3, 4], constants, outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])])
    words = ["DynamicQuantizeLSTM_all", "DynamicQuantizeLSTM"]
    return Case(file, pixels(3, 4), classes=5, refused=everywhere(*words), says={"inspect": words})


@model("no_gradient")
def no_gradient() -> Case:
    """An operator of the standard without a rule: the accuracy and square work, pgd names the node."""
    made, constants = nodes()
    made.insert(1, node("Det", "c", "d"))
    constants["axes"] = np.int64([2, 3])
    made[2] = node("Unsqueeze", "d axes", "r")
    file = graph(made, ["N", 3, 6, 6], constants, out=["N", 5])
    words = ["Det_d", "Det"]
    return Case(file, pixels(*SHAPE), classes=5, refused=everywhere(*words), says={"inspect": words})
