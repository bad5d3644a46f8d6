"""Runs an ONNX classifier with PyTorch, node by node, so that autograd can differentiate it.

    values = run(onnx.load(path).graph, image)   # every value of the graph, by name

One function an operator, each in the definition of https://onnx.ai/onnx/operators; only the operators
(and the attributes) of the models compared are here, anything else is an error.
"""

from collections.abc import Callable
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, numpy_helper
from torch import Tensor

Attributes = dict[str, Any]


def ints(x: Tensor | list[int]) -> list[int]:
    return x.tolist() if isinstance(x, Tensor) else x


def spatial_pads(x: Tensor, kernel: list[int], a: Attributes) -> list[int]:
    """Padding of the two spatial axes in the order of F.pad: left, right, top, bottom."""
    mode = a.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b"VALID"):
        top, left, bottom, right = a.get("pads", [0, 0, 0, 0]) if mode == b"NOTSET" else [0, 0, 0, 0]
        return [left, right, top, bottom]
    if mode != b"SAME_UPPER":
        raise NotImplementedError(mode)
    pads = []
    for size, k, stride in zip(x.shape[:1:-1], kernel[::-1], a.get("strides", [1, 1])[::-1]):
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        pads += [total // 2, total - total // 2]
    return pads


def conv(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    x = F.pad(x, spatial_pads(x, list(w.shape[2:]), a))
    return F.conv2d(x, w, b, a.get("strides", 1), 0, a.get("dilations", 1), a.get("group", 1))


def gemm(a: Attributes, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    x, w = (x.T if a.get("transA") else x), (w.T if a.get("transB") else w)
    return a.get("alpha", 1.0) * (x @ w) + a.get("beta", 1.0) * b


def max_pool(a: Attributes, x: Tensor) -> Tensor:
    if a.get("ceil_mode") or any(d != 1 for d in a.get("dilations", [])):
        raise NotImplementedError("MaxPool with ceil_mode or dilations")
    x = F.pad(x, spatial_pads(x, a["kernel_shape"], a), value=-torch.inf)
    return F.max_pool2d(x, a["kernel_shape"], a.get("strides", 1))  # ties: the first of the window


def average_pool(a: Attributes, x: Tensor) -> Tensor:
    if any(spatial_pads(x, a["kernel_shape"], a)) or a.get("ceil_mode"):
        raise NotImplementedError("AveragePool with padding")
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", 1))


def batch_normalization(a: Attributes, x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, b, eps=a.get("epsilon", 1e-5))


def divide(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def reshape(a: Attributes, x: Tensor, shape: Tensor | list[int]) -> Tensor:
    return x.reshape([x.shape[i] if s == 0 and not a.get("allowzero") else s for i, s in enumerate(ints(shape))])


def flatten(a: Attributes, x: Tensor) -> Tensor:
    return x.flatten(1) if a.get("axis", 1) == 1 else x.reshape(x.shape[:a["axis"]].numel(), -1)


def pad(a: Attributes, x: Tensor, pads: Tensor | list[int], value: Tensor | None = None) -> Tensor:
    if a.get("mode", b"constant") != b"constant" or value is not None and value != 0:
        raise NotImplementedError("Pad with anything but zeros")
    pads = ints(pads)
    pairs = list(zip(pads[:x.ndim], pads[x.ndim:]))
    return F.pad(x, [p for pair in reversed(pairs) for p in pair])


def slice_(a: Attributes, x: Tensor, starts, ends, axes=None, steps=None) -> Tensor:
    starts, ends = ints(starts), ints(ends)
    axes = range(len(starts)) if axes is None else ints(axes)
    steps = [1] * len(starts) if steps is None else ints(steps)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        size = x.shape[axis]
        start, end = (v + size if v < 0 else v for v in (start, end))
        if step > 0:
            index = [slice(None)] * x.ndim
            index[axis] = slice(max(start, 0), max(end, 0), step)
            x = x[tuple(index)]
        else:  # torch has no negative steps
            chosen = range(min(start, size - 1), max(end, -1), step)
            x = x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64))
    return x


def unsqueeze(a: Attributes, x: Tensor, axes: Tensor | list[int]) -> Tensor:
    for axis in sorted(ints(axes)):
        x = x.unsqueeze(axis)
    return x


def cast(a: Attributes, x: Tensor) -> Tensor:
    if a["to"] != TensorProto.INT64 or x.is_floating_point():
        raise NotImplementedError("Cast of anything but integers")
    return x.to(torch.int64)


def gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0)
    taken = x.index_select(axis, index.reshape(-1) % x.shape[axis])
    return taken.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1:])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Constant": lambda a: a["value"],
    "ConstantOfShape": lambda a, shape: torch.full(ints(shape), a["value"].item(), dtype=a["value"].dtype),
    "Conv": conv,
    "Div": divide,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": max_pool,
    "Mul": lambda a, x, y: x * y,
    "Neg": lambda a, x: -x,
    "Pad": pad,
    "ReduceMean": lambda a, x: x.mean(a["axes"], keepdim=bool(a.get("keepdims", 1))),
    "Relu": lambda a, x: F.relu(x),
    "Reshape": reshape,
    "Shape": lambda a, x: torch.tensor(x.shape),
    "Slice": slice_,
    "Sub": lambda a, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Unsqueeze": unsqueeze,
}


def tensor(proto: TensorProto, dtype: torch.dtype) -> Tensor:
    value = torch.from_numpy(numpy_helper.to_array(proto).copy())
    return value.to(dtype) if value.is_floating_point() else value


def attributes(node: onnx.NodeProto, dtype: torch.dtype) -> Attributes:
    read = lambda a: tensor(a.t, dtype) if a.type == a.TENSOR else onnx.helper.get_attribute_value(a)
    return {a.name: read(a) for a in node.attribute}


def weights(graph: onnx.GraphProto, dtype: torch.dtype) -> dict[str, Tensor]:
    return {w.name: tensor(w, dtype) for w in graph.initializer}


def image_name(graph: onnx.GraphProto) -> str:
    """The one input that is not an initializer."""
    stored = {w.name for w in graph.initializer}
    name, = (i.name for i in graph.input if i.name not in stored)
    return name


def run(graph: onnx.GraphProto, image: Tensor) -> dict[str, Tensor]:
    """Every value of the graph, in the floating-point type of `image`."""
    values = weights(graph, image.dtype) | {image_name(graph): image}
    for node in graph.node:
        if node.op_type not in OPERATORS:
            raise NotImplementedError(f"operator {node.op_type} (node {node.name})")
        inputs = [values[name] if name else None for name in node.input]
        values[node.output[0]] = OPERATORS[node.op_type](attributes(node, image.dtype), *inputs)
    return values
