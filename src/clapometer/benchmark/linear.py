"""A linear probe: logistic regression on frozen vectors."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from clapometer.benchmark.result import Numbers

PENALTIES = tuple(10.0**power for power in range(1, -7, -1))
"""Weights of half the squared length of the coefficients beside the mean loss of a clip; the strongest first."""
_ITERATIONS = 1000


class Linear:
    """Multinomial logistic regression, or one of its own for each tag, on standardised vectors.

    Nothing in it is random: the loss is convex, and L-BFGS starts at zero.

    Args:
        vectors: (clips, dimension).
        truth: (clips, labels), 1 where a clip has a label.
        penalty: see `PENALTIES`.
        tags: whether a clip has several labels.
        start: a fit with another penalty, from which this one begins.
    """

    def __init__(
        self, vectors: Numbers, truth: Numbers, penalty: float, *, tags: bool, start: Linear | None = None
    ) -> None:
        self.mean = vectors.mean(axis=0)
        # A direction in which training vectors do not differ tells nothing.
        self.spread = np.where((spread := vectors.std(axis=0)) > 1e-9, spread, np.inf)
        x = (vectors - self.mean) / self.spread
        shape = x.shape[1] + 1, truth.shape[1]
        first = np.zeros(shape) if start is None else start.coefficients

        def loss(flat: Numbers) -> tuple[float, Numbers]:
            whole = flat.reshape(shape)
            logits = x @ whole[:-1] + whole[-1]
            value, slope = _tags(logits, truth) if tags else _classes(logits, truth)
            gradient = np.vstack([x.T @ slope + penalty * whole[:-1], slope.sum(axis=0)])
            return value + penalty * float((whole[:-1] ** 2).sum()) / 2, gradient.ravel()

        options = {"maxiter": _ITERATIONS, "ftol": 1e-10, "gtol": 1e-7}
        found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
        self.coefficients: Numbers = found.x.reshape(shape)

    def scores(self, vectors: Numbers) -> Numbers:
        """(clips, labels): logits."""
        x = (vectors - self.mean) / self.spread
        return np.asarray(x @ self.coefficients[:-1] + self.coefficients[-1])


def _classes(logits: Numbers, truth: Numbers) -> tuple[float, Numbers]:
    """Mean cross-entropy, and its slope by the logits."""
    high = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - high)
    total = powers.sum(axis=1, keepdims=True)
    value = float((np.log(total[:, 0]) + high[:, 0] - (logits * truth).sum(axis=1)).mean())
    return value, (powers / total - truth) / len(logits)


def _tags(logits: Numbers, truth: Numbers) -> tuple[float, Numbers]:
    """Mean over clips of the summed binary cross-entropies, and its slope by the logits."""
    value = float((np.logaddexp(0, logits) - truth * logits).sum(axis=1).mean())
    return value, (np.exp(-np.logaddexp(0, -logits)) - truth) / len(logits)
