"""Word vectors from raw text: CBOW and skip-gram, trained by gensim.

Both learn a vector for each word from its context words, by negative sampling
(Mikolov et al. 2013, Distributed Representations of Words and Phrases and their
Compositionality). Needs the extra `word2vec`.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc

from ..checks import check_at_least
from ..errors import Errors
from .replacing import replacing

MODELS: tuple[str, ...] = ("cbow", "skipgram")


def train_word2vec(
    docs: Iterable[Doc],
    output: Path,
    *,
    model: str = "skipgram",
    width: int = 100,
    window: int = 5,
    min_count: int = 2,
    epochs: int = 20,
    seed: int = 0,
    on_epoch: Callable[[], object] = lambda: None,
) -> int:
    """Train vectors of lower-cased words and write them in the text format that
    `spacy init vectors` reads. One thread, so the same seed gives the same vectors.

    docs (Iterable[Doc]): The texts. Tokens with blanks are left out.
    output (Path): The file: the number of words and the width, then a word and its
        vector per line.
    model (str): "cbow" predicts a word from the mean of its context words; "skipgram"
        predicts each context word from the word.
    width (int): Width of the vectors.
    window (int): Greatest distance of context words on each side. The distance is drawn
        from 1 to `window` for each word, so near words count more.
    min_count (int): Words that occur less often are left out.
    epochs (int): Passes over the texts.
    seed (int): Seed of the initial weights and of all random draws.
    on_epoch (Callable[[], object]): Called after each pass over the texts.
    RETURNS (int): The number of words that have a vector.
    RAISES ImportError (L210): If gensim is not installed.
    RAISES ValueError: If a setting is not positive (L048), or if no word occurs often
        enough (L211).
    """
    check_at_least(1, width=width, window=window, min_count=min_count, epochs=epochs)
    try:
        from gensim.models import word2vec as gensim  # noqa: PLC0415
        from gensim.models.callbacks import CallbackAny2Vec  # noqa: PLC0415
    except ImportError as err:
        raise ImportError(Errors.L210) from err

    class Epoch(CallbackAny2Vec):
        def on_epoch_end(self, model: object) -> None:
            on_epoch()

    # gensim ignores the rest of a longer sentence.
    sentences = list(_split(docs, gensim.MAX_WORDS_IN_BATCH))
    trained = gensim.Word2Vec(
        vector_size=width,
        window=window,
        min_count=min_count,
        sg=int(model == "skipgram"),
        seed=seed,
        workers=1,
    )
    trained.build_vocab(sentences)
    if not len(trained.wv):
        raise ValueError(
            Errors.L211.format(n=sum(map(len, sentences)), min_count=min_count)
        )
    trained.train(
        sentences,
        total_examples=len(sentences),
        epochs=epochs,
        callbacks=[Epoch()],
    )
    with replacing(output) as new:
        trained.wv.save_word2vec_format(str(new))
    return len(trained.wv)


def _split(docs: Iterable[Doc], size: int) -> Iterator[list[str]]:
    """Yield the words of texts, in pieces of at most this size."""
    for doc in docs:
        words = [word for t in doc if [word := t.text.lower()] == word.split()]
        for start in range(0, len(words), size):
            yield words[start : start + size]
