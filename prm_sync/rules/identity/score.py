"""From reasons to a probability, and the weights behind it: set by hand, or learned from a reviewer's decisions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prm_sync.rules.identity.reasons import NAMES, Weights

Floats = npt.NDArray[np.float64]


def vector(weights: Weights) -> Floats:
    return np.array([weights.of.get(name, 0.0) for name in NAMES])


def score(features: npt.NDArray[np.uint8], weights: Weights) -> Floats:
    """Probability that the records of each pair are one."""
    # Not `@`: for a sum over few columns the threads of a BLAS cost more than they save, and its order of summation
    # depends on how many rows there are; a pair's score is to depend on its two records alone.
    odds: npt.NDArray[np.float32] = np.einsum("ij,j->i", features, vector(weights), dtype=np.float32, casting="unsafe")
    return 1.0 / (1.0 + np.exp(-(odds + np.float32(weights.base)).astype(np.float64)))


def train(
    features: npt.NDArray[np.uint8], decisions: npt.NDArray[np.bool_], *, prior: Weights, strength: float = 1.0,
    steps: int = 50,
) -> Weights:  # fmt: skip
    """Logistic regression by Newton's method, drawn towards `prior`: what no decision speaks of keeps its weight.

    `strength`: how many decisions it takes to move a weight away from the prior's, roughly.
    """
    x = np.column_stack([np.ones(len(features)), features.astype(np.float64)])
    y = decisions.astype(np.float64)
    start = np.r_[prior.base, vector(prior)]

    def loss(w: Floats) -> float:
        odds = x @ w
        return float((np.logaddexp(0, odds) - y * odds).sum() + 0.5 * strength * ((w - start) ** 2).sum())

    w = start.copy()
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + strength * (w - start)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + strength * np.eye(len(w))
        move = np.linalg.solve(curvature, gradient)
        while np.abs(move).max() > 1e-6 and loss(w - move) > loss(w):
            move /= 2
        w -= move
        if np.abs(move).max() < 1e-6:
            break
    return Weights(float(w[0]), dict(zip(NAMES, w[1:].tolist(), strict=True)))
