"""Operators that ONNX's reference evaluator computes wrongly, or only in single precision."""

import math

import numpy as np
from onnx.reference.op_run import OpRun


def erf(x):
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def standardized(x, axes, epsilon):
    centered = x - np.mean(x, axes, keepdims=True)
    return centered / np.sqrt(np.mean(centered**2, axes, keepdims=True) + epsilon)


class Erf(OpRun):
    """Single precision."""

    def _run(self, x):
        return (erf(x),)


class Gelu(OpRun):
    """Single precision."""

    def _run(self, x, approximate=None):
        if approximate == "tanh":
            return (x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),)
        return (x / 2 * (1 + erf(x / np.sqrt(2))),)


class AffineGrid(OpRun):
    """Single precision."""

    def _run(self, theta, size, align_corners=None):
        axes = [np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in size[2:]]
        points = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:])], -1)
        return (np.einsum("...j,nij->n...i", points, theta).astype(theta.dtype),)


class GridSample(OpRun):
    """Single precision, and for cubic borders something else than ONNX Runtime and PyTorch."""

    def _run(self, x, grid, align_corners=None, mode=None, padding_mode=None):
        size = np.array(x.shape[:1:-1])  # width, height, …
        low, high = (0 * size, size - 1.0) if align_corners else (0 * size - 0.5, size - 0.5)

        def reflected(p):
            q = np.mod(p - low, 2 * (high - low))
            return low + np.minimum(q, 2 * (high - low) - q)

        def pad(p):
            p = reflected(p) if padding_mode == "reflection" else p
            return p if padding_mode == "zeros" else np.clip(p, 0, size - 1)

        def kernel(t):
            t, a = abs(t), -0.75
            if mode == "linear":
                return max(0.0, 1 - t)
            if t <= 1:
                return (a + 2) * t**3 - (a + 3) * t**2 + 1
            return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

        y = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
        for n, *at in np.ndindex(*grid.shape[:-1]):
            u = grid[n, *at].astype(np.float64)
            p = low + (u + 1) / 2 * (high - low)
            p = p if mode == "cubic" else pad(p)
            first = np.rint(p) if mode == "nearest" else np.floor(p)
            lowest, reach = {"nearest": (0, 1), "linear": (0, 2), "cubic": (-1, 4)}[mode]
            for step in np.ndindex(*[reach] * len(size)):
                tap = first + lowest + step
                weight = 1.0 if mode == "nearest" else np.prod([kernel(d) for d in p - tap])
                tap = pad(tap) if mode == "cubic" else tap
                if np.all((tap >= 0) & (tap <= size - 1)):
                    y[n, :, *at] += weight * x[n, :, *tap[::-1].astype(int)]
        return (y,)


class GroupNormalization(OpRun):
    """Single precision."""

    def _run(self, x, scale, bias, epsilon=None, num_groups=None, stash_type=None):
        normalized = standardized(x.reshape(x.shape[0], num_groups, -1), 2, epsilon).reshape(x.shape)
        channels = (-1,) + (1,) * (x.ndim - 2)
        return (normalized * scale.reshape(channels) + bias.reshape(channels),)


class LRN(OpRun):
    """Fills only as many channels as there are samples."""

    def _run(self, x, alpha=None, beta=None, bias=None, size=None):
        before, after = (size - 1) // 2, size // 2
        squares = np.stack(
            [np.sum(x[:, max(0, c - before) : c + after + 1] ** 2, 1) for c in range(x.shape[1])], 1
        )
        return (x / (bias + alpha / size * squares) ** beta,)


class MeanVarianceNormalization(OpRun):
    """Single precision."""

    def _run(self, x, axes=None):
        axes = tuple(axes)
        return ((x - np.mean(x, axes, keepdims=True)) / (np.std(x, axes, keepdims=True) + 1e-9),)


class LpNormalization(OpRun):
    """No absolute value where p is 1."""

    def _run(self, x, axis=None, p=None):
        return (x / np.linalg.norm(x, p, axis, keepdims=True),)


class GlobalMaxPool(OpRun):
    """Wrong for anything but images."""

    def _run(self, x):
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class MaxPool(OpRun):
    """Wrong with the auto_pad SAME_LOWER."""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None,
             storage_order=None, strides=None):  # fmt: skip
        n = x.ndim - 2
        size, taps = np.array(x.shape[2:]), np.array(kernel_shape)
        dilations, strides = (np.array(given or [1] * n) for given in (dilations, strides))
        span = dilations * (taps - 1) + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            extent = -(-size // strides)
            margin = np.maximum((extent - 1) * strides + span - size, 0)
            before = margin // 2 if auto_pad == "SAME_UPPER" else margin - margin // 2
        else:
            before, after = np.array(pads or [0] * 2 * n).reshape(2, n)
            room = size + before + after - span
            extent = (-(-room // strides) if ceil_mode else room // strides) + 1
            extent -= (extent - 1) * strides >= size + before
        beyond = np.maximum((extent - 1) * strides + span - size - before, 0)
        margins = [(0, 0), (0, 0), *zip(before, beyond)]
        padded = np.pad(x, margins, constant_values=-np.inf)
        windows = [padded[:, :, *(slice(d * t, d * t + s * (e - 1) + 1, s)
                                  for d, t, s, e in zip(dilations, tap, strides, extent))]
                   for tap in np.ndindex(*taps)]  # fmt: skip
        return (np.maximum.reduce(windows),)


class GatherElements(OpRun):
    """Refuses indices that cover only the beginning of the other axes."""

    def _run(self, x, indices, axis=None):
        axis = axis % x.ndim
        begin = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(indices.shape))
        return (np.take_along_axis(x[begin], indices, axis),)


class Pad(OpRun):
    """Refuses negative margins, which cut."""

    def _run(self, x, pads, value=None, axes=None, mode=None):
        axes = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes]
        margins = [(0, 0)] * x.ndim
        for i, axis in enumerate(axes):
            margins[axis] = (int(pads[i]), int(pads[len(pads) // 2 + i]))
        kept = [slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, margins)]
        margins = [(max(0, a), max(0, b)) for a, b in margins]
        constant = {"constant_values": 0 if value is None else value} if mode == "constant" else {}
        return (np.pad(x[tuple(kept)], margins, mode, **constant).astype(x.dtype),)


class ConvTranspose(OpRun):
    """Wrong for groups and for a named output shape."""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None,
             output_padding=None, output_shape=None, pads=None, strides=None):  # fmt: skip
        n = x.ndim - 2
        size, taps = np.array(x.shape[2:]), np.array(w.shape[2:])
        dilations, strides = (np.array(given or [1] * n) for given in (dilations, strides))
        full = strides * (size - 1) + dilations * (taps - 1) + 1
        longest = full + np.array(output_padding or [0] * n)
        if output_shape or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            extent = np.array(output_shape or size * strides)
            margin = np.maximum(longest - extent, 0)
            before = margin // 2 if auto_pad == "SAME_UPPER" else margin - margin // 2
        else:
            before, after = np.array(pads or [0] * 2 * n).reshape(2, n)
            extent = longest - before - after
        channels = w.shape[1]
        y = np.zeros((x.shape[0], group * channels, *np.maximum(full, before + extent)), x.dtype)
        for g, (part, weights) in enumerate(zip(np.split(x, group, axis=1), np.split(w, group))):
            for tap in np.ndindex(*taps):
                at = (slice(d * t, d * t + s * (e - 1) + 1, s) for d, t, s, e in zip(dilations, tap, strides, size))
                product = np.einsum("nc...,cm->nm...", part, weights[:, :, *tap])
                y[:, g * channels : (g + 1) * channels, *at] += product
        y = y[:, :, *(slice(a, a + e) for a, e in zip(before, extent))]
        return (y if b is None else y + b.reshape(-1, *[1] * n),)


OPERATORS = [
    AffineGrid, ConvTranspose, Erf, Gelu, GridSample, GroupNormalization, LRN, MeanVarianceNormalization, LpNormalization, GatherElements, GlobalMaxPool, MaxPool, Pad,
]
