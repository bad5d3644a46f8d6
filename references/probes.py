"""Figures that the tests of the probes compare with.

    python references/probes.py

Needs NumPy and SciPy. Prints the quantiles and the interval of crates/kennard/src/probe/backward.rs and the
minimum of the softmax probe of crates/kennard/src/probe/softmax.rs, found by SciPy's BFGS.
"""

import numpy as np
from scipy import optimize, special, stats


def distribution() -> None:
    values = np.array([0.3, -0.7, 0.11, 0.05, 0.9, -0.2, 0.33, 0.0])
    print("mean", values.mean(), "quantiles", np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]))
    error = values.std(ddof=1) / np.sqrt(len(values))
    print("interval", stats.t.interval(0.95, len(values) - 1, values.mean(), error))


def softmax() -> None:
    n, d, classes = 40, 3, 3
    j, i = np.arange(n)[:, None], np.arange(d)[None]
    x = ((j * 37 + i * 11 + j * i * 5) % 23).astype(np.float32) / np.float32(23)
    y = (x[:, 0] > 0.5).astype(int) + (x[:, 1] + x[:, 2] > 1.1)
    y = np.where(np.arange(n) % 7 == 0, np.arange(n) % 3, y)
    z = x.astype(float) - x.astype(float).mean(0)
    z /= np.sqrt((z**2).mean())

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(classes, d + 1)
        logits = z @ w[:, :d].T + w[:, d]
        log_p = logits - special.logsumexp(logits, 1, keepdims=True)
        residual = (np.exp(log_p) - np.eye(classes)[y]) / n
        gradient = np.concatenate([residual.T @ z + w[:, :d] / n, residual.sum(0)[:, None]], 1)
        return -log_p[np.arange(n), y].mean() + (w[:, :d] ** 2).sum() / (2 * n), gradient.ravel()

    found = optimize.minimize(objective, np.zeros(classes * (d + 1)), jac=True, method="BFGS",
                              options={"gtol": 1e-11, "maxiter": 10_000})
    w = found.x.reshape(classes, d + 1)
    correct = ((z @ w[:, :d].T + w[:, d]).argmax(1) == y).sum()
    print("labels", np.bincount(y), "loss", repr(found.fun), "gradient", np.abs(found.jac).max(), "correct", correct)
    print("weights", w[:, :d].tolist())


if __name__ == "__main__":
    distribution()
    softmax()
