"""The recursion along sequences: what the tokens before tell a token about its tag.

The forward recursion, the backward recursion and Viterbi's are one (Goodman 1999: they
differ in the semiring). The message into the first token is given. The message into
each later token is a product: of the message into the token before plus the scores of
that token, with the transitions. All sequences of a batch advance one token per step.

`Product.run` is that recursion. `LogProduct` runs it on scaled exponentials (Rabiner
1989) if no number can underflow.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from ..packing import Packing, by_step
from ..types import FloatsXd
from .arrays import UNDERFLOW, less_top
from .transitions import Transitions


class Product(ABC):
    """Makes messages: the product of a semiring.

    xp (module): NumPy or CuPy.
    """

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    @abstractmethod
    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The messages that tokens send.

        scores (FloatsXd): Log scores of their tags: the message into the token plus its
            own scores.  (D, K, N)
        RETURNS (FloatsXd): (D, K, N)
        """

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens.

        emit (FloatsXd): Log scores of D runs side by side, in the packed order.
            (D, T, N)
        packing (Packing): The layout.
        incoming (FloatsXd): The messages into the first tokens.  (D, B, N)
        RETURNS (FloatsXd): In the packed order.  (D, T, N)
        """
        messages = self._xp.empty_like(emit)
        messages[:, : packing.n_first] = incoming
        before = 0
        for start, end in packing.steps():
            if start:
                senders = slice(before, before + end - start)
                scores = messages[:, senders] + emit[:, senders]
                messages[:, start:end] = self(scores)
            before = start
        return messages


class MaxProduct(Product):
    """The highest score of a path to each tag (Viterbi 1967).

    transitions (Transitions): The transitions, on the device.
    """

    def __init__(self, xp: Any, transitions: Transitions) -> None:
        super().__init__(xp)
        self._transitions = transitions

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The scores of the best paths through tokens to the tags behind."""
        return self._transitions.best(scores[0])[None]


class LogProduct(Product):
    """The log sum over the paths to each tag.

    transitions (Transitions): The transitions, on the device.
    backwards (List[bool]): For each of D runs whether it is the backward recursion.
    """

    def __init__(
        self, xp: Any, transitions: Transitions, backwards: list[bool]
    ) -> None:
        super().__init__(xp)
        self._transitions = transitions
        self._multiply = transitions.multiplier(backwards)
        self._products = [
            transitions.backward if is_backward else transitions.forward
            for is_backward in backwards
        ]

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The log sums through tokens to the tags behind."""
        sums = self._xp.empty_like(scores)
        for i, product in enumerate(self._products):
            sums[i] = product(scores[i])
        return sums

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens, on exponentials if nothing can underflow."""
        messages = None
        if emit.size:
            messages = self._run_on_exponentials(emit, packing, incoming)
        return super().run(emit, packing, incoming) if messages is None else messages

    def _run_on_exponentials(
        self, emit: FloatsXd, packing: Packing, incoming: FloatsXd
    ) -> FloatsXd | None:
        """The messages, by the exponentials of the scores less the highest score of
        each row. Sums are scaled anew after so many steps as they cannot underflow in;
        None if that is not even one."""
        xp, transitions = self._xp, self._transitions
        tops, below, spread = less_top(xp, emit)
        first_tops, first, first_spread = less_top(xp, incoming)
        # How far a step may move sums apart, and how far it may raise them.
        per_step = spread + transitions.spread + math.log(emit.shape[-1])
        n_lasting = int(UNDERFLOW / 2 / per_step) if per_step else len(packing.rows)
        if not n_lasting or first_spread > UNDERFLOW / 2:
            return None
        exp_emit = xp.exp(below, out=below)
        n_first = packing.n_first
        sums, at_token = xp.empty_like(emit), xp.empty_like(emit[:, :n_first])
        # Log of the factor that scales each row, first by itself, then summed up.
        log_scales = xp.empty_like(tops)
        log_scales[:, :n_first] = first_tops
        previous = tops[:, xp.asarray(packing.previous)]
        log_scales[:, n_first:] = previous + transitions.top
        xp.exp(first, out=sums[:, :n_first])
        multiply, multiply_transitions = xp.multiply, self._multiply
        before: Any = None  # the step before
        emit_before, log_scale_before = before, before
        step = 0
        for start, end, n in packing.runs:
            rows, product = slice(start, end), at_token[:, :n]
            scales = by_step(log_scales[:, rows, None], n)[..., 0]
            if start:
                before, emit_before = before[:, :n], emit_before[:, :n]
                scales[0] += log_scale_before[:, :n]
            for now, emit_now, scale in zip(
                by_step(sums[:, rows], n),
                by_step(exp_emit[:, rows], n),
                scales,
                strict=True,
            ):
                if before is not None:
                    multiply(before, emit_before, out=product)
                    multiply_transitions(product, out=now)
                    step += 1
                    if step % n_lasting == 0 and not _rescale(xp, now, scale):
                        return None
                before, emit_before = now, emit_now
            scales[:] = xp.cumsum(scales, axis=0)
            log_scale_before = scales[-1]
        xp.log(sums, out=sums)
        sums += log_scales[..., None]
        return sums


def _rescale(xp: Any, sums: FloatsXd, log_scales: FloatsXd) -> bool:
    """Divide sums by the highest sum of their row, in place.

    RETURNS (bool): Whether all positive sums are far from underflow then.
    """
    highest = _positive(xp, sums.max(axis=-1))
    sums /= highest[..., None]
    log_scales += xp.log(highest)
    return bool(_positive(xp, sums).min() >= math.exp(-UNDERFLOW / 2))


def _positive(xp: Any, sums: Any) -> Any:
    """The sums with 1 for 0."""
    return xp.where(sums > 0, sums, 1.0)
