"""The registered architectures: parts are wired here, arithmetic lives in layers."""

from collections.abc import Callable
from typing import Any, Literal, cast

from spacy.tokens import Doc
from thinc.api import Dropout, HashEmbed, Maxout, Model, chain, concatenate

from .chains.linear_chain import LinearChain
from .checks import check_at_least
from .errors import Errors
from .layers import GRU, LSTM, RNN
from .layers.common import Encoder
from .layers.decoders import Decoder
from .layers.recurrent.rnn import Activation, Init
from .layers.small_ops import use_small_ops
from .layers.windows import with_windows
from .layers.words.characters import CharCNN, CharLSTM
from .layers.words.clusters import Clusters
from .layers.words.distinct import (
    CACHE_BYTES,
    Embed,
    Tok2Vec,
    lexical_attrs,
    per_lexeme,
)
from .layers.words.spacy_embed import on_words, read_attrs
from .layers.words.vectors import QuantizedVectors, WordVectors
from .layers.words.vocabulary import WordIndex
from .types import Floats2d, Ints2d

Tagger = Model[list[Doc], LinearChain]


# The registered encoders list the settings of `StackSettings`, because a config is
# checked against their signatures.
def build_lstm_encoder(
    width: int,
    depth: int = 1,
    bidirectional: bool = True,
    dropout: float | None = None,
    skip: bool = False,
    grad_clip: float | None = None,
    input_dropout: float | None = None,
    output_dropout: float | None = None,
    recurrent_dropout: float = 0.0,
    forget_bias: float = 1.0,
) -> Encoder:
    """LSTM encoder (`spacy_lstm_ner.LSTMEncoder.v1`): a vector in context for each
    token. It can replace `spacy.MaxoutWindowEncoder.v2` in any pipeline.

    width (int): Width of the output, both directions together.
    bidirectional (bool): Read each sequence in both directions.
    forget_bias (float): Initial bias of the forget gate.
    Other settings: see `StackSettings`.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder.
    """
    return _encoder(LSTM, **locals())


def build_gru_encoder(
    width: int,
    depth: int = 1,
    bidirectional: bool = True,
    dropout: float | None = None,
    skip: bool = False,
    grad_clip: float | None = None,
    input_dropout: float | None = None,
    output_dropout: float | None = None,
    recurrent_dropout: float = 0.0,
) -> Encoder:
    """GRU encoder (`spacy_lstm_ner.GRUEncoder.v1`): fewer gates than the LSTM, and no
    cell. Settings: see `build_lstm_encoder`."""
    return _encoder(GRU, **locals())


def build_rnn_encoder(
    width: int,
    depth: int = 1,
    bidirectional: bool = True,
    dropout: float | None = None,
    skip: bool = False,
    grad_clip: float | None = None,
    input_dropout: float | None = None,
    output_dropout: float | None = None,
    recurrent_dropout: float = 0.0,
    activation: Activation = "tanh",
    init: Init = "orthogonal",
) -> Encoder:
    """Plain recurrent encoder (`spacy_lstm_ner.RNNEncoder.v1`), whose gradients vanish
    or explode; less so with "relu" and "identity" (Le et al. 2015).

    activation, init (str): See `RNN`. Other settings: see `build_lstm_encoder`.
    """
    return _encoder(RNN, **locals())


def _encoder(
    layer: Callable[..., Encoder], width: int, bidirectional: bool, **settings: Any
) -> Encoder:
    return layer(width, bi=bidirectional, **settings)


def build_word_char_embed(
    width: int,
    attrs: list[str],
    rows: list[int],
    char_width: int = 0,
    include_static_vectors: bool = False,
    word_dropout: float = 0.0,
    fine_tune_vectors: bool = False,
    char_kind: Literal["lstm", "cnn"] = "lstm",
    cache_bytes: int = CACHE_BYTES,
    rare_dropout: float | None = 0.0,
    word_table: str | None = None,
    clusters: str | None = None,
) -> Tok2Vec:
    """Embedding of words (`spacy_lstm_ner.WordCharEmbed.v1`): hashed lexical
    attributes, characters and static vectors, mixed by a maxout layer; each distinct
    word of a batch is embedded once.

    width (int): Width of the output, and of the table of each attribute.
    attrs (List[str]): Lexical attributes, such as NORM, PREFIX, SUFFIX, SHAPE.
    rows (List[int]): Rows of the table of each attribute.
    char_width (int): Width of the vector of a word's characters; 0 for none.
    include_static_vectors (bool): Use the vectors of the vocab. A word without one is
        looked up in lower case, and then with zeros for digits.
    word_dropout (float): Probability with which a token's word is hidden in training.
    fine_tune_vectors (bool): Learn an offset for the vector of each word that is seen
        in training.
    word_table (str | None): Quantized word vectors: "packaged" for those that come with
        the package (English; none for other languages), or a file that the command
        `quantize` has made. Read at initialization, saved with the model.
    clusters (str | None): File of clusters of words, which the command `clusters`
        makes. Each has a learned vector. Read at initialization, saved with the model.
    char_kind (str): "lstm" or "cnn" (a convolution) reads the characters.
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    rare_dropout (float | None): A number r. In training, an attribute is hidden with
        the probability r / (r + n), where n is the number of times its value occurs in
        the training texts. None: 3 if words have vectors, else 0.3.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding. Prediction hides values
        that training has not seen: of all attributes if `rare_dropout` is positive, of
        those that identify a word if `word_dropout` is.
    RAISES ValueError: If a setting is out of its range (L040, L041, L044, L046, L047,
        L048, L049, L055).
    """
    check_at_least(1, width=width, **{f"rows[{i}]": n for i, n in enumerate(rows)})
    check_at_least(0, char_width=char_width, cache_bytes=cache_bytes)
    if fine_tune_vectors and not include_static_vectors and word_table is None:
        raise ValueError(Errors.L055)
    parts: list[Embed] = []
    # Layers with a rate of 0.0 get that of the training loop before each step.
    if len(rows) == len(attrs) and attrs:
        tables: list[Model[Ints2d, Floats2d]] = [
            HashEmbed(width, n, column=i, seed=8 + i, dropout=0.0)
            for i, n in enumerate(rows)
        ]
        parts.append(chain(lexical_attrs(), concatenate(*tables)))
    if char_width:
        parts.append(chain(_characters(char_width, char_kind), Dropout()))
    if include_static_vectors:
        parts.append(chain(WordVectors(width, fine_tune=fine_tune_vectors), Dropout()))
    if word_table is not None:
        quantized = QuantizedVectors(width, word_table, fine_tune=fine_tune_vectors)
        parts.append(chain(quantized, Dropout()))
    if clusters is not None:
        parts.append(chain(Clusters(width, clusters), Dropout()))
    if len(rows) != len(attrs) or not parts:
        raise ValueError(Errors.L044.format(rows=rows, attrs=attrs))
    mix = Maxout(width, nP=3, dropout=0.0, normalize=True)
    features = concatenate(*parts) if len(parts) > 1 else parts[0]
    embed = cast(Embed, chain(features, mix))
    embed.set_dim("nO", width)
    return per_lexeme(
        embed,
        attrs,
        word_dropout=word_dropout,
        rare_dropout=rare_dropout,
        cache_bytes=cache_bytes,
    )


def build_char_embed(
    width: int,
    kind: Literal["lstm", "cnn"] = "lstm",
    cache_bytes: int = CACHE_BYTES,
) -> Tok2Vec:
    """Embedding of words by their characters alone (`spacy_lstm_ner.CharEmbed.v1`).

    width (int): Width of the output; even for an LSTM, both directions together.
    kind (str): "lstm" or "cnn" (a convolution) reads the characters.
    cache_bytes (int): See `WordCharEmbed.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding.
    RAISES ValueError: If a setting is out of its range (L048, L049).
    """
    check_at_least(1, width=width)
    check_at_least(0, cache_bytes=cache_bytes)
    return per_lexeme(_characters(width, kind), attrs=[], cache_bytes=cache_bytes)


def build_word_index_embed(
    width: int,
    attrs: list[str],
    min_freq: int = 2,
) -> Tok2Vec:
    """The textbook's embedding (`spacy_lstm_ner.WordIndexEmbed.v1`): each word of the
    training corpus has a number, each number a learned vector. All other words share
    the number of <UNK>, or have one for each shape.

    The component `lstm_ner` counts the words of the whole corpus at initialization. A
    shared tok2vec component gets only ten sample texts from spaCy; then their words are
    the vocabulary, and a warning is logged.

    width (int): Width of the vectors.
    attrs (List[str]): Forms of a word. ["ORTH"]: as it is written; ["LOWER"]: in lower
        case. ["ORTH", "SHAPE"]: a word without a number has the number of its shape,
        such as <Xxxxx>; if that has none either, the number of <UNK>.
    min_freq (int): Least number of occurrences of a word with its own number. At 1,
        nothing trains the vector of <UNK>; from 2 on, rarer words do.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding. The functions
        `vocabulary` and `word_numbers` of its module show the numbers.
    RAISES ValueError: If an attribute is unknown or there is none (L041), or if
        `min_freq` is not positive (L048).
    """
    return WordIndex(width, attrs=attrs, min_freq=min_freq)


def build_per_lexeme(embed: Tok2Vec, cache_bytes: int = CACHE_BYTES) -> Tok2Vec:
    """Wrapper (`spacy_lstm_ner.PerLexeme.v1`): embeds each distinct word of a batch
    once, and keeps the vectors from batch to batch in prediction.

    embed (Model[List[Doc], List[Floats2d]]): Gives each token a vector that depends on
        this token alone: `spacy.MultiHashEmbed.v2` or `spacy.CharacterEmbed.v2`.
    cache_bytes (int): See `WordCharEmbed.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): The same vectors.
    """
    return per_lexeme(on_words(embed), read_attrs(embed), cache_bytes=cache_bytes)


def _characters(width: int, kind: Literal["lstm", "cnn"]) -> Embed:
    if kind == "lstm" and width % 2:
        raise ValueError(Errors.L049.format(width=width))
    return {"lstm": CharLSTM, "cnn": CharCNN}[kind](width)


def build_lstm_tagger(
    tok2vec: Tok2Vec,
    encode: Encoder,
    decode: Decoder,
    nO: int | None = None,
    window: int | None = 512,
    overlap: int = 64,
) -> Tagger:
    """Tagger (`spacy_lstm_ner.LSTMTagger.v1`): Docs -> vectors -> vectors in context
    -> scores of the tag paths.

    tok2vec (Model[List[Doc], List[Floats2d]]): A vector for each token.
    encode (Model[List[Floats2d], List[Floats2d]]): A vector in context.
    decode (Model[List[Floats2d], LinearChain]): Scores of the tag paths.
    nO (int | None): Number of tags, O and two for each label; null lets the component
        set it from its labels.
    window (int | None): Longer texts are encoded in windows of this many tokens, in
        parallel; null encodes them in one piece.
    overlap (int): Tokens of context on either side of a window.
    RETURNS (Model[List[Doc], LinearChain]): The tagger, with refs "tok2vec" and
        "output_layer".
    RAISES ValueError (L045): If a window is not longer than its context.
    """
    encode = with_windows(encode, window, overlap)
    model = cast(Tagger, chain(tok2vec, encode, decode))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", decode)
    model.attrs["resize_output"] = resize_output
    use_small_ops(model)
    if nO is not None:
        resize_output(model, nO)
    return model


def resize_output(model: Tagger, nO: int) -> None:
    """Grow a tagger's decoder; the weights of its tags stay.

    model (Model[List[Doc], LinearChain]): The tagger.
    nO (int): New number of tags. With fewer than before, the decoder has no weights.
    """
    decode = model.get_ref("output_layer")
    if decode.has_dim("nO") is None:
        decode.set_dim("nO", nO)
    elif decode.get_dim("nO") != nO:
        grown = decode.attrs["grow"](decode, nO)
        model.layers[model.layers.index(decode)] = grown
        model.set_ref("output_layer", grown)
    model.set_dim("nO", nO, force=True)
