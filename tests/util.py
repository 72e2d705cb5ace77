"""Oracles: the same answers as the package's, found another way.

Numeric gradients by central differences, every tag path by enumeration, and PyTorch's
recurrent networks. Each of them stands here once.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from thinc.api import Model, fix_random_seed

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.chains.linear_chain import LinearChain

# Of the check of a gradient in a large array.
_N_DIRECTIONS = 8

# By the number of gates that the output feeds: PyTorch's parameters, ours, and which of
# our gates are PyTorch's, in its order.
_TO_TORCH = {
    1: {"weight_ih": ("Wx", [0]), "weight_hh": ("Wh", [0]), "bias_ih": ("b", [0])},
    # GRU. PyTorch's: r, z, n. Ours: n, r, z of the input, r, z, a of the output.
    3: {
        "weight_ih": ("Wx", [1, 2, 0]),
        "weight_hh": ("Wh", [0, 1, 2]),
        "bias_ih": ("b", [1, 2, 0]),
        "bias_hh": ("b", [1, 2, 3]),
    },
    # LSTM. PyTorch's: i, f, g (our c~), o. Ours: o, i, f, c~.
    4: {
        "weight_ih": ("Wx", [1, 2, 3, 0]),
        "weight_hh": ("Wh", [1, 2, 3, 0]),
        "bias_ih": ("b", [1, 2, 3, 0]),
    },
}


def relative_error(found: Any, expected: Any) -> float:
    """Largest absolute difference, as a part of the largest absolute value expected.
    Infinite if only zeros are expected: comparing zeros shows nothing."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    largest = np.abs(expected).max()
    return float(np.abs(found - expected).max() / largest) if largest else np.inf


def derivatives(
    loss: Callable[[], float], array: Any, gradient: Any, eps: float
) -> tuple[Any, Any]:
    """Derivatives of a loss along directions in an array that the loss reads: by a
    gradient, and by central differences.  (D,), (D,)

    The directions are the axes of a small array, and random ones in a large array. A
    random direction has a part along each axis, no two of them of the same length:
    each wrong element of the gradient shows. Infinite elements stay as they are; their
    gradient must be 0.

    Two differences, of steps eps and 2 eps, cancel the error of order eps ** 2
    (Richardson): the step may be large, so that float32 rounding matters little.
    """
    assert gradient.shape == array.shape
    finite = np.isfinite(array)
    assert not gradient[~finite].any()
    n = int(finite.sum())
    directions = np.eye(n)
    if n > _N_DIRECTIONS:
        rng = np.random.default_rng(n)
        directions = rng.choice([-1, 1], (_N_DIRECTIONS, n))
        directions = directions * rng.uniform(0.5, 1.5, directions.shape) / n**0.25
    values = array[finite]

    def difference(direction: Any, step: float) -> float:
        array[finite] = values + step * direction
        above = loss()
        array[finite] = values - step * direction
        below = loss()
        array[finite] = values
        return (above - below) / (2 * step)

    numeric = [
        (4 * difference(d, eps) - difference(d, 2 * eps)) / 3 for d in directions
    ]
    return directions @ gradient[finite].astype("float64"), np.array(numeric)


def gradient_error(
    loss: Callable[[], float], array: Any, gradient: Any, eps: float
) -> float:
    """Relative error of a gradient of a loss against central differences."""
    return relative_error(*derivatives(loss, array, gradient, eps))


def gradient_errors(
    model: Model[Any, Any],
    X: list[Any],
    loss: Callable[[Any], tuple[float, Any]],
    eps: float = 3e-2,
) -> dict[str, float]:
    """Relative error of the gradient of each parameter, and of the input, against
    central differences. Random choices (dropout) are the same in all runs.

    model (Model): The model; its gradients are overwritten.
    X (List[Floats2d]): The input, float32.
    loss (Callable): From the output to a number and its gradient.
    """

    def run() -> tuple[Any, Callable[[Any], Any]]:
        fix_random_seed(0)
        return model(X, is_train=True)

    def value() -> float:
        return loss(run()[0])[0]

    Y, backprop = run()
    zero_gradients(model)
    dX = backprop(loss(Y)[1])
    of_inputs = [derivatives(value, x, dx, eps) for x, dx in zip(X, dX, strict=True)]
    errors = {"X": relative_error(*map(np.concatenate, zip(*of_inputs, strict=True)))}
    for name, node, key in parameters(model):
        # Read before the loss runs again; the array is the model's own.
        found = node.get_grad(key).copy()
        errors[name] = gradient_error(value, node.get_param(key), found, eps)
    return errors


def parameters(model: Model[Any, Any]) -> list[tuple[str, Model[Any, Any], str]]:
    """Name, node and key of each parameter below a model."""
    return [
        (f"{i}.{node.name}.{key}", node, key)
        for i, node in enumerate(model.walk())
        for key in node.param_names
        if node.has_param(key)
    ]


def zero_gradients(model: Model[Any, Any]) -> None:
    """Forget the gradients of all parameters."""
    for _, node, key in parameters(model):
        node.set_grad(key, np.zeros_like(node.get_param(key)))


def random_sum(seed: int = 0) -> Callable[[list[Any]], tuple[float, list[Any]]]:
    """A loss: the output's elements summed with random weights."""

    def loss(Y: list[Any]) -> tuple[float, list[Any]]:
        rng = np.random.default_rng(seed)
        R = [rng.standard_normal(y.shape).astype("f") for y in Y]
        total = sum((y * r).sum(dtype="d") for y, r in zip(Y, R, strict=True))
        return float(total), R

    return loss


def random_vectors(lengths: list[int], width: int, seed: int = 0) -> list[Any]:
    """A sequence of normal random vectors for each length."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, width)).astype("f") for n in lengths]


class AllPaths:
    """Every tag path of one sequence; sums over paths are sums over a list.

    paths (ndarray): The tags of each path.  (P, T)
    scores (ndarray): Their scores, float64.  (P,)
    probs (ndarray): Their probabilities.  (P,)
    log_z (float): Log of the summed exponentials of the scores.
    """

    def __init__(self, emit: Any, transitions: Any):
        n_tokens, n_tags = emit.shape
        self.n_tags = n_tags
        paths = list(product(range(n_tags), repeat=n_tokens))
        self.paths = np.array(paths, dtype=int).reshape(len(paths), n_tokens)
        self.scores = _path_scores(self.paths, emit, *score_arrays(transitions))
        self.log_z = float(np.logaddexp.reduce(self.scores))
        self.probs = np.exp(self.scores - self.log_z)

    def prob(self, holds: Callable[[list[int]], bool]) -> float:
        """Probability of the paths for which something holds."""
        return sum(
            p for path, p in zip(self.paths.tolist(), self.probs, strict=True)
            if holds(path)
        )  # fmt: skip

    def log_z_within(self, allowed: Any) -> float:
        """Log of the sum over the paths that keep to allowed tags.  (T, N)"""
        columns = np.arange(self.paths.shape[1])
        keeps = allowed[columns, self.paths].all(axis=1)
        return float(np.logaddexp.reduce(self.scores[keeps], initial=-np.inf))

    def marginals(self) -> Any:
        """Probability of each tag at each token.  (T, N)"""
        marginals = np.zeros((self.paths.shape[1], self.n_tags))
        tokens = np.arange(self.paths.shape[1])
        np.add.at(marginals, (tokens, self.paths), self.probs[:, None])
        return marginals

    def expected_transitions(self) -> Any:
        """Expected number of transitions from tag [row] to tag [column].  (N, N)"""
        transitions = np.zeros((self.n_tags, self.n_tags))
        pairs = self.paths[:, :-1], self.paths[:, 1:]
        np.add.at(transitions, pairs, self.probs[:, None])
        return transitions


def path_score(path: Any, emit: Any, transitions: Any) -> float:
    """Score of one tag path; 0 for an empty one."""
    paths = np.asarray(path, dtype=int)[None]
    return float(_path_scores(paths, emit, *score_arrays(transitions))[0])


def score_arrays(transitions: Any) -> tuple[Any, Any, Any]:
    """Scores of transitions from tag [row] to tag [column], of starts and of ends."""
    if isinstance(transitions, LearnedTransitions):
        return transitions.arrays
    n_tags = transitions.n_tags
    scores, start = np.zeros((n_tags, n_tags)), np.zeros(n_tags)
    for inside in range(2, n_tags, 2):
        start[inside] = -np.inf
        for tag in range(n_tags):
            if tag not in (inside - 1, inside):
                scores[tag, inside] = -np.inf
    return scores, start, np.zeros(n_tags)


def as_learned(chain: LinearChain) -> LinearChain:
    """A chain of the BIO rules, with the rules as a matrix of scores."""
    return LinearChain(
        chain.emit, chain.lengths, LearnedTransitions(*score_arrays(chain.transitions))
    )


def _path_scores(paths: Any, emit: Any, transition: Any, start: Any, end: Any) -> Any:
    """Score of each path, float64.  (P, T) -> (P,)"""
    if not paths.shape[1]:
        return np.zeros(len(paths))
    scores = emit[np.arange(paths.shape[1]), paths].sum(axis=1, dtype="d")
    scores += transition[paths[:, :-1], paths[:, 1:]].sum(axis=1, dtype="d")
    return scores + start[paths[:, 0]] + end[paths[:, -1]]


def split(array: Any, lengths: Any) -> list[Any]:
    """The rows of each sequence."""
    return np.split(array, np.cumsum(lengths)[:-1]) if len(lengths) else []


def all_paths(chain: LinearChain) -> list[AllPaths]:
    """Every path of each sequence of a chain."""
    return [
        AllPaths(emit, chain.transitions) for emit in split(chain.emit, chain.lengths)
    ]


def gradient_arrays(chain: Any) -> dict[str, Any]:
    """The arrays of a chain that have a gradient, or of a gradient."""
    arrays = {"emit": chain.emit}
    if isinstance(chain.transitions, LearnedTransitions):
        names = ("transition", "start", "end")
        arrays.update(zip(names, chain.transitions.arrays, strict=True))
    return arrays


def random_chain(lengths, n_tags, *, seed=0, scale=1.0, dtype="float64"):
    """A chain of normal random scores, transitions included."""
    rng = np.random.default_rng(seed)

    def scores(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    lengths = np.array(lengths, dtype=int)
    emit = scores(int(lengths.sum()), n_tags)
    shapes = (n_tags, n_tags), (n_tags,), (n_tags,)
    learned = LearnedTransitions(*(scores(*shape) for shape in shapes))
    return LinearChain(emit, lengths, learned)


def bio_chain(lengths, n_tags, *, seed=0, scale=1.0):
    """A chain of normal random scores of tags, by the BIO rules alone."""
    chain = random_chain(lengths, n_tags, seed=seed, scale=scale, dtype="f")
    return LinearChain(chain.emit, chain.lengths, BioTransitions(n_tags))


def fresh(chain):
    """The same chain without what its transitions have computed from their scores."""
    if isinstance(chain.transitions, BioTransitions):
        return chain
    learned = LearnedTransitions(*chain.transitions.arrays)
    return LinearChain(chain.emit, chain.lengths, learned)


def extreme_chain():
    """A sequence of 10,000 tokens with scores of +-1e4."""
    rng = np.random.default_rng(0)

    def scores(shape):
        return rng.integers(-10_000, 10_001, shape).astype("f")

    emit, learned = (
        scores((10_000, 3)),
        LearnedTransitions(*map(scores, [(3, 3), 3, 3])),
    )
    return LinearChain(emit, np.array([10_000]), learned)


def reduce_forward(chain, add):
    """The forward recursion in long double, one state per tag at a time."""
    emit, transition, start, end = (
        np.asarray(a, dtype=np.longdouble)
        for a in (chain.emit, *score_arrays(chain.transitions))
    )
    state = start + emit[0]
    for row in emit[1:]:
        state = add.reduce(state[:, None] + transition, axis=0) + row
    return add.reduce(state + end)


def torch_recurrent(layers: list[Model[Any, Any]]) -> Any:
    """PyTorch's network with the weights of a stack of our layers; both of its biases
    add up to ours."""
    torch = pytest.importorskip("torch", reason="needs the extra `torch`")
    nI, nO, nD = (layers[0].get_dim(name) for name in ("nI", "nO", "nD"))
    nH = nO // nD
    kinds = {
        "lstm_layer": torch.nn.LSTM,
        "gru_layer": torch.nn.GRU,
        "rnn_layer": partial(
            torch.nn.RNN,
            nonlinearity=getattr(layers[0].attrs["cell"], "activation", None),
        ),
    }
    build = kinds[layers[0].name]
    network = build(nI, nH, len(layers), bidirectional=nD == 2)
    with torch.no_grad():
        for key, param in network.named_parameters():
            if key.startswith("bias_hh"):
                param.zero_()
        for i, layer in enumerate(layers):
            for key, array in torch_arrays(layer.get_param, i).items():
                getattr(network, key).copy_(torch.from_numpy(array))
                if key.startswith("bias_hh"):
                    getattr(network, key)[: 2 * nH] = 0  # that of r and z is in bias_ih
    return network


def torch_arrays(get: Callable[[str], Any], depth: int) -> dict[str, Any]:
    """A layer's parameters, or their gradients, in PyTorch's names and order."""
    n_gates, nD = get("Wh").shape[:2]
    arrays = {}
    for name, (key, gates) in _TO_TORCH[n_gates].items():
        for d, suffix in zip(range(nD), ("", "_reverse"), strict=False):
            by_gate = get(key)[gates, d]
            ordered = (
                by_gate.reshape(-1)
                if key == "b"
                else np.concatenate(by_gate.swapaxes(1, 2))
            )
            arrays[f"{name}_l{depth}{suffix}"] = np.ascontiguousarray(ordered)
    return arrays
