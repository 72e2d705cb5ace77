"""The registered architectures: parts are wired here, arithmetic lives in layers."""

from typing import cast

from spacy.tokens import Doc
from thinc.api import Model, chain

from .layers import LSTM
from .layers.emissions import Decoder
from .layers.fast_ops import use_fast_products
from .linear_chain import LinearChain
from .types import Floats2d

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
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder.
    """
    return LSTM(
        width,
        bi=bidirectional,
        depth=depth,
        dropout=dropout,
        skip=skip,
        grad_clip=grad_clip,
    )


def build_lstm_tagger(
    tok2vec: Tok2Vec, encode: Encoder, decode: Decoder, nO: int | None = None
) -> Tagger:
    """Tagger (`spacy_lstm_ner.LSTMTagger.v1`): Docs -> vectors -> vectors in context
    -> scores of the tag paths.

    tok2vec (Model[List[Doc], List[Floats2d]]): A vector for each token.
    encode (Model[List[Floats2d], List[Floats2d]]): A vector that knows its context.
    decode (Model[List[Floats2d], LinearChain]): Scores of the tag paths.
    nO (int | None): Number of tags, O and two for each label; null lets the component
        set it from its labels.
    RETURNS (Model[List[Doc], LinearChain]): The tagger, with refs "tok2vec" and
        "output_layer".
    """
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
