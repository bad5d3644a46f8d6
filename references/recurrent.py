"""Recurrent layers as PyTorch computes them in double precision: outputs, and gradients of a weighted sum of them.

    python references/recurrent.py > crates/kennard-graph/tests/recurrent.json

Weights are in ONNX's layout: [D, G·H, I], [D, G·H, H], biases [D, 2·G·H]; gates in its order.
"""

import json

import torch

T, N, I, H = 3, 2, 3, 2
ORDER = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}  # input, output, forget, cell; update, reset, new


def gates(weight: torch.Tensor, kind: str) -> torch.Tensor:
    return torch.cat([weight.chunk(len(ORDER[kind]))[i] for i in ORDER[kind]])


def case(kind: str, bidirectional: bool, relu: bool) -> dict:
    extra = {"nonlinearity": "relu"} if relu else {}
    layer = getattr(torch.nn, kind)(I, H, bidirectional=bidirectional, **extra).double()
    suffixes = ["_l0", "_l0_reverse"][: 1 + bidirectional]

    def stacked(*names: str) -> torch.Tensor:
        parts = [torch.cat([gates(getattr(layer, name + s), kind) for name in names]) for s in suffixes]
        return torch.stack(parts).detach()

    x = torch.randn(T, N, I, dtype=torch.float64, requires_grad=True)
    every, last = layer(x)
    every = every.reshape(T, N, len(suffixes), H).transpose(1, 2)
    states = last if kind == "LSTM" else (last,)
    outputs = [every, *states]
    weights = [torch.randn_like(y) for y in outputs]
    sum((w * y).sum() for w, y in zip(weights, outputs)).backward()
    lists = lambda tensors: [t.detach().flatten().tolist() for t in tensors]
    return {
        "kind": kind,
        "bidirectional": bidirectional,
        "relu": relu,
        "x": x.flatten().tolist(),
        "W": stacked("weight_ih").flatten().tolist(),
        "R": stacked("weight_hh").flatten().tolist(),
        "B": stacked("bias_ih", "bias_hh").flatten().tolist(),
        "outputs": lists(outputs),
        "weights": lists(weights),
        "gradient": x.grad.flatten().tolist(),
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    kinds = [("LSTM", False), ("GRU", False), ("RNN", False), ("RNN", True)]
    print(json.dumps([case(kind, both, relu) for kind, relu in kinds for both in (False, True)]))
