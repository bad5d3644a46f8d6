"""The box packets of a plane network, by another implementation in double precision.

    python references/plane.py

Needs NumPy and onnx. Evaluates fixtures/plane_moons.onnx (2-32-32-2, tanh) and its gradient by hand and
integrates with NumPy's Gauss-Legendre rule; crates/kennard/tests/suite/plane.rs compares with what it prints.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

FIXTURES = Path(__file__).parent.parent / "fixtures"
ORDER = 400


def network(path: Path):
    """Points [n, 2] to `z1 - z0` [n] and its gradient [n, 2]."""
    w = {t.name: numpy_helper.to_array(t).astype(float) for t in onnx.load(path).graph.initializer}

    def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.tanh(x @ w["gemm1.weight"].T + w["gemm1.bias"])
        second = np.tanh(first @ w["gemm2.weight"].T + w["gemm2.bias"])
        out = w["gemm3.weight"][1] - w["gemm3.weight"][0]
        z = second @ out + w["gemm3.bias"][1] - w["gemm3.bias"][0]
        back = ((1 - second**2) * out) @ w["gemm2.weight"]
        return z, ((1 - first**2) * back) @ w["gemm1.weight"]

    return evaluate


def loss(evaluate, x: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """The cross-entropy `ln(1 + exp u)`, `u = z_other - z_label`, and its gradient."""
    z, dz = evaluate(x)
    sign = 1 if label == 0 else -1
    u = sign * z
    return np.logaddexp(0, u), (sign / (1 + np.exp(-u)))[:, None] * dz


def main() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    nodes, weights = (nodes + 1) / 2, weights / 2
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel()
    evaluate = network(FIXTURES / "plane_moons.onnx")
    for label in (0, 1):
        l, dl = loss(evaluate, grid, label)
        norm = weight @ l**2
        for i in (0, 1):
            x = grid[:, i]
            mean = weight @ (x * l**2) / norm
            sigma_x = np.sqrt(weight @ ((x - mean) ** 2 * l**2) / norm)
            slope = weight @ (l * dl[:, i]) / norm
            sigma_p = np.sqrt(weight @ dl[:, i] ** 2 / norm - slope**2)
            boundary = 0.0
            for end, outward in ((0.0, -1.0), (1.0, 1.0)):
                face = np.insert(nodes[:, None], i, end, axis=1)
                boundary += outward * (end - mean) * (weights @ loss(evaluate, face, label)[0] ** 2) / norm
            print(f"({label}, {i}, [{sigma_x:.10f}, {sigma_p:.10f}, {boundary:.10f}]),  ln norm {np.log(norm):.8f}")


if __name__ == "__main__":
    main()
