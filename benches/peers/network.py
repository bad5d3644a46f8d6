"""An ONNX classifier as a PyTorch user would have it: float32, one nn.Module per layer, eager.

What depends only on shapes is computed once; padding that surrounds an image evenly goes into the
convolution after it; ReLU works in place where nothing else reads its input.
"""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "references"))
import onnx_torch  # noqa: E402


class Network(nn.Module):
    """Logits [n, classes] of images [n, C, H, W]; weights need no gradient."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        self.image = onnx_torch.image_name(graph)
        self.output = graph.output[0].name
        dims = next(i for i in graph.input if i.name == self.image).type.tensor_type.shape.dim
        self.input_shape = [d.dim_value for d in dims[1:]]
        self.fixed_batch = dims[0].dim_value or None
        values = onnx_torch.run(graph, torch.zeros(self.fixed_batch or 2, *self.input_shape))
        self.layers = nn.ModuleList()
        self.steps: list[tuple[Callable[..., Tensor], list[str], str]] = []
        varying = {self.image}
        readers = Counter(name for node in graph.node for name in node.input)
        padding: dict[str, tuple[str, int]] = {}  # padded value -> its source and the even padding
        for node in graph.node:
            inputs, output = list(node.input), node.output[0]
            if node.op_type == "Shape" or not varying & set(inputs):
                continue  # a constant; the shapes used are those of one image, never of the batch
            varying.add(output)
            attributes = onnx_torch.attributes(node, torch.float32)
            if node.op_type == "Pad" and (even := even_padding(values[inputs[1]])) and readers[output] == 1:
                padding[output] = inputs[0], even
                continue
            source, extra = padding.get(inputs[0], (inputs[0], 0))
            layer = module(node.op_type, attributes, [values.get(i) for i in inputs], extra, readers[source] == 1)
            if layer is not None:
                self.layers.append(layer)
                self.steps.append((layer, [source], output))
            else:
                function = call(node, attributes, values, varying)
                self.steps.append((function, [i for i in inputs if i in varying], output))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        values = {self.image: image}
        for function, inputs, output in self.steps:
            values[output] = function(*(values[i] for i in inputs))
        return values[self.output]


def even_padding(pads: Tensor) -> int | None:
    """p if the pads are p on every side of the two last of four axes."""
    p = pads.tolist()
    return p[2] if p == [0, 0, p[2], p[2]] * 2 else None


def module(op: str, a: dict, values: list[Tensor], extra: int, alone: bool) -> nn.Module | None:
    """The layer of a node, or None where it is a plain function."""
    x = values[0]
    match op:
        case "Conv":
            weight, bias = values[1], values[2] if len(values) > 2 else None
            left, right, top, bottom = onnx_torch.spatial_pads(x, list(weight.shape[2:]), a)
            groups = a.get("group", 1)
            layer = nn.Conv2d(weight.shape[1] * groups, weight.shape[0], weight.shape[2:], a.get("strides", 1),
                              (top + extra, left + extra), a.get("dilations", 1), groups, bias is not None)
            layer.weight.data = weight
            if bias is not None:
                layer.bias.data = bias
            if (left, top) == (right, bottom):
                return layer
            layer.padding = (0, 0)
            return nn.Sequential(nn.ZeroPad2d([p + extra for p in (left, right, top, bottom)]), layer)
        case "Gemm" if a.get("transB") and not a.get("transA") and a.get("alpha", 1) == a.get("beta", 1) == 1:
            layer = nn.Linear(*values[1].shape[::-1])
            layer.weight.data, layer.bias.data = values[1], values[2]
            return layer
        case "BatchNormalization":
            layer = nn.BatchNorm2d(x.shape[1], a.get("epsilon", 1e-5))
            layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var = values[1:]
            return layer
        case "MaxPool" if a.get("auto_pad", b"NOTSET") == b"NOTSET":
            top, left, bottom, right = a.get("pads", [0] * 4)
            if (top, left) == (bottom, right):
                return nn.MaxPool2d(a["kernel_shape"], a.get("strides", 1), (top, left))
        case "AveragePool":
            return nn.AvgPool2d(a["kernel_shape"], a.get("strides", 1))
        case "Relu":
            return nn.ReLU(inplace=alone)
        case "Flatten" if a.get("axis", 1) == 1:
            return nn.Flatten()
    return None


def call(node: onnx.NodeProto, attributes: dict, values: dict[str, Tensor],
         varying: set[str]) -> Callable[..., Tensor]:
    """The operator with its constant inputs bound (integers as Python lists, so that no call converts them)."""
    operator = onnx_torch.OPERATORS[node.op_type]
    bound = [None if name in varying or not name else values[name] for name in node.input]
    bound = [v.tolist() if v is not None and v.dtype == torch.int64 and v.ndim else v for v in bound]
    positions = [i for i, name in enumerate(node.input) if name in varying]

    def apply(*tensors: Tensor) -> Tensor:
        arguments = list(bound)
        for position, value in zip(positions, tensors):
            arguments[position] = value
        return operator(attributes, *arguments)

    return apply
