"""The BIO rules as scores of transitions: a mask that no training can wash out."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...tags import may_follow, tag_names

Scores = NDArray[np.float32]


@cache
def bio_moves(n_tags: int) -> tuple[Scores, Scores]:
    """Score 0 for a transition that the BIO rules allow, -inf for one that they forbid.

    n_tags (int): Number of tags, in the order of `bio.tag_names`: 2 per label and O.
    RETURNS (Tuple[ndarray, ndarray]): Scores of moving from tag [row] to tag [column],
        (N, N), and of starting with a tag, (N,); read-only, as callers share them.
    """
    tags = tag_names([str(i) for i in range(n_tags // 2)])
    start = np.where([may_follow("O", tag) for tag in tags], 0.0, -np.inf)
    transition = np.where(
        [[may_follow(a, b) for b in tags] for a in tags], 0.0, -np.inf
    )
    scores = transition.astype("f"), start.astype("f")
    for array in scores:
        array.flags.writeable = False
    return scores
