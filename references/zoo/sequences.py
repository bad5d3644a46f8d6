"""Networks of sequences: recurrent layers, loops, tokens."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import nn

from .case import Case, evaluator, export, function_of, graph, model, node, pixels

STEPS, WIDTH, HIDDEN, CLASSES = 5, 3, 4, 4


class Recurrent(nn.Module):
    """`[N, T, I]`: what the layer says last, and its last state."""

    def __init__(self, kind: str, both: bool, layers: int, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.layer = getattr(nn, kind)(WIDTH, HIDDEN, layers, batch_first=True, bidirectional=both, **settings)
        self.head = nn.Linear(HIDDEN * (1 + both) + HIDDEN, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        every, state = self.layer(4 * x)
        last = state[0] if isinstance(state, tuple) else state
        return 8 * self.head(torch.cat([every[:, -1], last[-1]], 1))


def enter_recurrent(name: str, dynamo: bool, *arguments, **settings) -> None:
    @model(f"{name}_new" if dynamo else name, needs="onnxscript" if dynamo else "")
    def made() -> Case:
        net = Recurrent(*arguments, **settings)
        return Case(export(net, STEPS, WIDTH, dynamo=dynamo), pixels(STEPS, WIDTH), function_of(net))


for _kind in ("LSTM", "GRU", "RNN"):
    for _both in (False, True):
        for _dynamo in (False, True):
            _settings = {"nonlinearity": "relu"} if _kind == "RNN" and _both else {}
            enter_recurrent(f"{_kind.lower()}{'_both' * _both}", _dynamo, _kind, _both, 1 + (_kind != "RNN"), **_settings)


@model("lstm_reverse")
def lstm_reverse() -> Case:
    """By hand: backwards in time, with peepholes and a limit on the gates' inputs."""
    r = np.random.default_rng(0)
    c = {
        n: r.normal(size=s).astype(np.float32)
        for n, s in {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "P": (1, 12), "v": (4, 4)}.items()
    }
    c["v"] *= 6
    made = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("LSTM", "t W R B - - - P", "Y h", hidden_size=4, direction="reverse"),
        node("Squeeze", "h axis", "s"),
        node("MatMul", "s v", "y"),
    ]
    c["axis"] = np.int64([0])
    file = graph(made, ["N", 5, 3], c)
    return Case(file, pixels(STEPS, WIDTH), evaluator(file))


class Stateful(nn.Module):
    def __init__(self, net: Recurrent):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        every, (h1, c1) = self.net.layer(4 * x, (h, c))
        return 8 * self.net.head(torch.cat([every[:, -1], h1[-1]], 1)), h1, c1


@model("lstm_with_state")
def lstm_with_state() -> Case:
    """States as inputs: 0 unless something else is said."""
    net = Recurrent("LSTM", False, 1)

    states = torch.zeros(1, 2, HIDDEN)
    axes = {"x": {0: "n"}, "h": {1: "n"}, "c": {1: "n"}, "y": {0: "n"}}
    file = export(
        Stateful(net),
        STEPS,
        WIDTH,
        others=(states, states),
        dynamic_axes=axes,
        input_names=["x", "h", "c"],
        output_names=["y", "h1", "c1"],
    )
    return Case(file, pixels(STEPS, WIDTH), function_of(net))


def cell() -> tuple[list, dict[str, np.ndarray], object]:
    """h' = tanh(x W + h R): nodes, weights, and logits by PyTorch."""
    r = np.random.default_rng(1)
    c = {"W": r.normal(size=(3, 4)), "R": r.normal(size=(4, 4)), "V": 5 * r.normal(size=(4, 4))}
    c = {n: v.astype(np.float32) for n, v in c.items()}
    weights = {n: torch.from_numpy(v) for n, v in c.items()}

    class Cell(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            t = {n: v.to(x.dtype) for n, v in weights.items()}
            h = torch.zeros(len(x), 4, dtype=x.dtype)
            for i in range(x.shape[1]):
                h = torch.tanh(x[:, i] @ t["W"] + h @ t["R"])
            return h @ t["V"]

    return (
        [node("MatMul", "xi W", "a"), node("MatMul", "hi R", "b"), node("Add", "a b", "s"), node("Tanh", "s", "ho")],
        c,
        function_of(Cell()),
    )


@model("scan")
def scan() -> Case:
    nodes, c, logits = cell()
    value = helper.make_tensor_value_info
    body = helper.make_graph(nodes, "cell", [value("hi", 1, ["N", 4]), value("xi", 1, ["N", 3])], [value("ho", 1, ["N", 4])])
    c |= {"zero": np.zeros((1, 4), np.float32), "w0": np.zeros((3, 4), np.float32), "first": np.int64(0)}
    made = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("Gather", "t first", "t0", axis=0),
        node("MatMul", "t0 w0", "h0"),
        node("Scan", "h0 t", "h", body=body, num_scan_inputs=1),
        node("MatMul", "h V", "y"),
    ]
    return Case(graph(made, ["N", 5, 3], c), pixels(5, 3), logits)


@model("loop")
def loop() -> Case:
    nodes, c, logits = cell()
    value = helper.make_tensor_value_info
    inner = [node("Gather", "t i", "xi", axis=0), *nodes, node("Identity", "go", "on")]
    body = helper.make_graph(
        inner,
        "cell",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("hi", 1, ["N", 4])],
        [value("on", TensorProto.BOOL, []), value("ho", 1, ["N", 4])],
    )
    c |= {"w0": np.zeros((3, 4), np.float32), "first": np.int64(0), "turns": np.int64(5), "yes": np.bool_(True)}
    made = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("Gather", "t first", "t0", axis=0),
        node("MatMul", "t0 w0", "h0"),
        node("Loop", "turns yes h0", "h", body=body),
        node("MatMul", "h V", "y"),
    ]
    return Case(graph(made, ["N", 5, 3], c), pixels(5, 3), logits)


@model("loop_unknown")
def loop_unknown() -> Case:
    """A number of turns that depends on the input."""
    case = loop()
    import onnx

    made = onnx.load_from_string(case.model)
    extra = [node("ReduceMax", "x", "top", keepdims=0), node("Cast", "top", "turns", to=TensorProto.INT64)]
    for tensor in list(made.graph.initializer):
        if tensor.name == "turns":
            made.graph.initializer.remove(tensor)
    for n in reversed(extra):
        made.graph.node.insert(0, n)
    words = ["Loop_h", "Loop"]
    return Case(
        made.SerializeToString(), case.samples, classes=4, refused={w: words for w in ("inspect", "grad", "audit", "bound")}
    )


@model("branch")
def branch() -> Case:
    """An `If` over the rank of the input, as old exporters write `squeeze`."""
    r = np.random.default_rng(2)
    c = {"w": 6 * r.normal(size=(6, 4)).astype(np.float32), "one": np.int64(1), "at": np.int64([1]), "axis": np.int64([1])}
    value = helper.make_tensor_value_info
    yes = helper.make_graph([node("Squeeze", "x axis", "s1")], "yes", [], [value("s1", 1, None)])
    no = helper.make_graph([node("Identity", "x", "s2")], "no", [], [value("s2", 1, None)])
    made = [
        node("Shape", "x", "sh"),
        node("Gather", "sh at", "d"),
        node("Equal", "d one", "e"),
        node("Squeeze", "e", "cond"),
        node("If", "cond", "v", then_branch=yes, else_branch=no),
        node("Tanh", "v", "u"),
        node("MatMul", "u w", "y"),
    ]
    file = graph(made, ["N", 1, 6], c)
    twin = lambda x: np.tanh(np.float64(x)[:, 0]) @ np.float64(c["w"])
    return Case(file, pixels(1, 6), twin)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x).mean(1))


@model("tokens")
def tokens() -> Case:
    """Ids of words have no gradient."""
    words = ["token"]
    return Case(
        export(Tokens(), 6, kind=torch.long),
        np.zeros((8, 6), np.float32),
        classes=3,
        refused={"grad": words, "audit": words, "bound": ["Gather"]},
    )
