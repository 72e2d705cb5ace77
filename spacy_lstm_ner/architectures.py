"""The registered architectures: parts are wired here, arithmetic lives in layers."""

from typing import Literal, cast

from spacy.tokens import Doc
from thinc.api import Dropout, HashEmbed, Maxout, Model, chain, concatenate

from .chains.linear_chain import LinearChain
from .checks import check_at_least
from .errors import Errors
from .layers import GRU, LSTM, RNN
from .layers.decoders.linear import Decoder
from .layers.fast_ops import use_fast_products
from .layers.recurrent.rnn import Activation, Init
from .layers.windows import with_windows
from .layers.words.characters import CharCNN, CharLSTM
from .layers.words.distinct import CACHE_BYTES, per_lexeme
from .layers.words.lexemes import Embed, lexical_attrs
from .layers.words.spacy_embed import on_words, read_attrs
from .layers.words.vectors import WordVectors
from .layers.words.vocabulary import WordIndex
from .types import Floats2d, Ints2d

Encoder = Model[list[Floats2d], list[Floats2d]]
Tok2Vec = Model[list[Doc], list[Floats2d]]
Tagger = Model[list[Doc], LinearChain]


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
    """LSTM encoder (`spacy_lstm_ner.LSTMEncoder.v1`): a vector that knows its context
    for each token. A drop-in for `spacy.MaxoutWindowEncoder.v2` in any pipeline.

    width (int): Width of the output, both directions together.
    depth (int): Number of layers.
    bidirectional (bool): Read each sequence in both directions.
    dropout (float | None): Rate of the variational dropout between layers; null takes
        the rate of the training loop.
    skip (bool): Add each layer's input to its output where their widths agree.
    grad_clip (float | None): Element-wise limit of the gradient inside
        backpropagation through time; null for none.
    input_dropout, output_dropout (float | None): Rate of the variational dropout before
        the first layer and after the last one; null: as between layers.
    recurrent_dropout (float): Rate of the variational dropout of what each layer reads
        of its own output of the step before.
    forget_bias (float): Initial bias of the forget gate: how much the cells remember
        before they have learned anything.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder.
    """
    return LSTM(
        width,
        bi=bidirectional,
        depth=depth,
        dropout=dropout,
        input_dropout=input_dropout,
        output_dropout=output_dropout,
        recurrent_dropout=recurrent_dropout,
        skip=skip,
        grad_clip=grad_clip,
        forget_bias=forget_bias,
    )


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
    """GRU encoder (`spacy_lstm_ner.GRUEncoder.v1`): with fewer gates than the LSTM, and
    no cell beside its output.

    All settings and RETURNS: As of `LSTMEncoder.v1`.
    """
    return GRU(
        width,
        bi=bidirectional,
        depth=depth,
        dropout=dropout,
        input_dropout=input_dropout,
        output_dropout=output_dropout,
        recurrent_dropout=recurrent_dropout,
        skip=skip,
        grad_clip=grad_clip,
    )


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
    """Plain recurrent encoder (`spacy_lstm_ner.RNNEncoder.v1`): the textbook's network,
    whose gradients vanish or explode. With `activation = "relu"` and
    `init = "identity"` it is the identity network, in which they need not.

    activation (str): "tanh" or "relu".
    init (str): Initial recurrent weights: "orthogonal" or "identity".
    Other settings and RETURNS: As of `LSTMEncoder.v1`.
    """
    return RNN(
        width,
        bi=bidirectional,
        depth=depth,
        dropout=dropout,
        input_dropout=input_dropout,
        output_dropout=output_dropout,
        recurrent_dropout=recurrent_dropout,
        skip=skip,
        grad_clip=grad_clip,
        activation=activation,
        init=init,
    )


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
    rare_dropout: float = 0.0,
) -> Tok2Vec:
    """Embedding of words (`spacy_lstm_ner.WordCharEmbed.v1`): hashed lexical
    attributes, characters and static vectors, mixed by a maxout layer; each distinct
    word of a batch is embedded once.

    width (int): Width of the output, and of the table of each attribute.
    attrs (List[str]): Lexical attributes, such as NORM, PREFIX, SUFFIX, SHAPE.
    rows (List[int]): Rows of the table of each attribute.
    char_width (int): Width of the vector that is made of the characters; 0: none.
    include_static_vectors (bool): Use the vectors of the vocab too, in the form of the
        word, in lower case, or with zeros for digits, whichever has one.
    word_dropout (float): Share of words that are hidden in training, so that the model
        learns to do without them.
    fine_tune_vectors (bool): Learn an offset of the vector of each word that
        training meets.
    char_kind (str): How the characters are read: "lstm" or "cnn".
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    rare_dropout (float): A number r: an attribute whose value occurs n times in the
        texts of training is hidden there with the probability r / (r + n), so that the
        model learns to do without what it will not know.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding.
    RAISES ValueError: If a setting is out of its range (L040, L041, L044, L047, L048,
        L049).
    """
    check_at_least(1, width=width, **{f"rows[{i}]": n for i, n in enumerate(rows)})
    check_at_least(0, char_width=char_width, cache_bytes=cache_bytes)
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

    width (int): Width of the output; that of an LSTM is even, both directions together.
    kind (str): How the characters are read: "lstm" or, a convolution, "cnn".
    cache_bytes (int): As of `WordCharEmbed.v1`.
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
    training corpus is a number, each number has a learned vector. All other words are
    one number, that of <UNK>, or one for each shape.

    The component `lstm_ner` counts the words of the whole corpus at initialization. A
    shared tok2vec component gets ten texts from spaCy, whose words are then the
    vocabulary, and a warning is logged.

    width (int): Width of the vectors.
    attrs (List[str]): What is numbered. ["ORTH"]: words as they are written; "LOWER":
        in lower case. ["ORTH", "SHAPE"]: a word that has no number gets that of its
        shape, such as <Xxxxx>, and only if that has none either, that of <UNK>.
    min_freq (int): How often a word occurs at least to have a number of its own. From 2
        on, the rarer ones train the vector of <UNK>; at 1, nothing does.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding. `word_index.vocabulary`
        and `word_index.word_numbers` show the numbers.
    RAISES ValueError: If an attribute is unknown or there is none (L041), or if
        `min_freq` is not positive (L048).
    """
    return WordIndex(width, attrs=attrs, min_freq=min_freq)


def build_per_lexeme(embed: Tok2Vec, cache_bytes: int = CACHE_BYTES) -> Tok2Vec:
    """Wrapper (`spacy_lstm_ner.PerLexeme.v1`) that gives an embedding each distinct
    word of a batch once, and keeps the vectors from batch to batch in prediction.

    embed (Model[List[Doc], List[Floats2d]]): Gives each token a vector that depends on
        this token alone: `spacy.MultiHashEmbed.v2` or `spacy.CharacterEmbed.v2`.
    cache_bytes (int): As of `WordCharEmbed.v1`.
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
    encode (Model[List[Floats2d], List[Floats2d]]): A vector that knows its context.
    decode (Model[List[Floats2d], LinearChain]): Scores of the tag paths.
    nO (int | None): Number of tags, O and two for each label; null lets the component
        set it from its labels.
    window (int | None): Longer texts are encoded in windows of this many tokens, so
        that they cost per token what short ones do; null: in one piece.
    overlap (int): Tokens of context on either side of a window.
    RETURNS (Model[List[Doc], LinearChain]): The tagger, with refs "tok2vec" and
        "output_layer".
    RAISES ValueError (L045): If windows are not longer than their context.
    """
    encode = with_windows(encode, window, overlap)
    model = cast(Tagger, chain(tok2vec, encode, decode))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", decode)
    model.attrs["resize_output"] = resize_output
    use_fast_products(model)
    if nO is not None:
        resize_output(model, nO)
    return model


def resize_output(model: Tagger, nO: int) -> None:
    """Give a tagger's decoder this number of tags; what it knows stays.

    model (Model[List[Doc], LinearChain]): The tagger.
    nO (int): Number of tags, not below the present one.
    """
    decode = model.get_ref("output_layer")
    if decode.has_dim("nO") is None:
        decode.set_dim("nO", nO)
    elif decode.get_dim("nO") != nO:
        grown = decode.attrs["grow"](decode, nO)
        model.layers[model.layers.index(decode)] = grown
        model.set_ref("output_layer", grown)
    model.set_dim("nO", nO, force=True)
