"""The vanishing-gradient lab: measures how far back in time a network learns.

The gradient of the loss L of a tagger at token t reaches the output h_{t-k} through the
outputs between them, by the chain rule::

    dL/dh_{t-k} = dL/dh_t * dh_t/dh_{t-1} * ... * dh_{t-k+1}/dh_{t-k}

If each factor shrinks the gradient, it shrinks exponentially with k, and the network
can't learn from token t-k (Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013).
The factors, with f' the derivative of the activation at step t (a gradient is a row,
multiplied from the left):

RNN (tanh)
    diag(f') Wh^T. f' = 1 - h_t^2 is below 1, and near 0 if the unit is saturated. Wh is
    orthogonal before training and changes no norm, so f' alone makes the gradient
    vanish. Inputs near zero would hide this, because tanh is nearly linear there.
identity RNN (ReLU, Le et al. 2015)
    diag(f') Wh^T, but f' is 1 for active units and 0 for others, and Wh is the identity
    before training. The gradient of active units passes unchanged.
RNN with clipping
    The same factors; then each element is cut to [-limit, limit]. Clipping prevents
    exploding gradients and does not help against vanishing ones. At the limit of 25 it
    never acts here, so the lines are the same.
RNN with skips
    The output of each layer is F(x) + x: a path of factor 1 through the layers, not
    through time. From step to step the gradient passes F, with the factors of the RNN.
GRU
    diag(z_t), the update gate, on the direct path, and a path through the gates and
    Wh^T. z_t is 0.5 before training, so the direct path fades faster than the LSTM's.
LSTM
    Along the cell, c_t = f_t * c_{t-1} + i_t * c~_t, the direct path has the factor
    diag(f_t), the forget gate: no matrix and no derivative of tanh. Near 1 it keeps the
    gradient. A second path goes through the gates and Wh^T. The bias of the forget gate
    sets its first value: sigmoid(1) = 0.73.

A trained LSTM has learned its forget gates. The few words around a name tell its type,
so the gradient shrinks on this task. A second experiment therefore has a task that
needs the word of 40 steps ago and nothing else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import (
    Adam,
    Model,
    Softmax,
    chain,
    fix_random_seed,
    list2ragged,
    reduce_last,
)

from ..architectures import (
    Tagger,
    build_gru_encoder,
    build_lstm_encoder,
    build_lstm_tagger,
    build_rnn_encoder,
    build_word_char_embed,
)
from ..chains.linear_chain import Gradient, LinearChain
from ..component.gold import UNKNOWN, gold_tags
from ..component.lstm_ner import LSTMNer
from ..data.conll import ConllCorpus
from ..errors import Errors
from ..layers.common import Encoder
from ..layers.decoders import LogSoftmax
from ..layers.recurrent.layer import hidden_gradients
from ..tags import TagSet
from ..types import Floats2d
from .padding import masked_accuracy

N_STEPS = 50  # back from the token of the loss
RECALL_STEPS = 40  # from the recalled word to the end of the text
WIDTH = 64  # of word vectors and outputs
# Two, so that no network fails only because of its learning rate.
LEARN_RATES = (0.001, 0.003)
_TEXTS_PER_UPDATE = 8
_RECALLS_PER_UPDATE = 32
_MAX_PROBES = 200

MakeEncoder = Callable[[], Encoder]


class Decay(NamedTuple):
    """The gradients of one tagger.

    before, after (List[float]): Median of |dL/dh_{t-k}| / |dL/dh_t| for k = 0, 1, ...,
        before and after training.
    accuracy (float): Share of tokens with the right tag in the texts of the
        measurement, which the tagger was not trained on.
    """

    before: list[float]
    after: list[float]
    accuracy: float


class Probe(NamedTuple):
    """A text up to the token of the loss.

    doc (Doc): The text; it ends with this token.
    tag (int): The number of the token's right tag.
    """

    doc: Doc
    tag: int


def gradient_encoders(width: int = WIDTH) -> dict[str, MakeEncoder]:
    """The networks of `measure_gradients` by name, all from left to right.

    width (int): Width of the outputs.
    RETURNS (Dict[str, Callable[[], Model]]): Each makes an encoder.
    """
    settings: Any = {"width": width, "bidirectional": False}
    return {
        "RNN": lambda: build_rnn_encoder(**settings),
        "RNN, clipping": lambda: build_rnn_encoder(**settings, grad_clip=25.0),
        "RNN, skips": lambda: build_rnn_encoder(**settings, depth=2, skip=True),
        "identity RNN": lambda: build_rnn_encoder(
            **settings, activation="relu", init="identity"
        ),
        "GRU": lambda: build_gru_encoder(**settings),
        "LSTM": lambda: build_lstm_encoder(**settings),
    }


def recall_encoders(width: int = WIDTH) -> dict[str, MakeEncoder]:
    """The networks of `measure_recall` by name.

    Two of them are LSTMs. With the usual bias of the forget gate, 1, a cell keeps
    0.73^40 of its value in 40 steps, four millionths; with 3 it keeps 0.95^40, one
    seventh.

    width (int): Width of the outputs.
    RETURNS (Dict[str, Callable[[], Model]]): Each makes an encoder.
    """
    settings: Any = {"width": width, "bidirectional": False}
    makers = gradient_encoders(width)
    return {
        **{name: makers[name] for name in ("RNN", "identity RNN", "GRU")},
        "LSTM, forget bias 1": makers["LSTM"],
        "LSTM, forget bias 3": lambda: build_lstm_encoder(**settings, forget_bias=3.0),
    }


def measure_gradients(
    corpus: Path,
    *,
    encoders: Mapping[str, MakeEncoder] | None = None,
    updates: int,
    seed: int = 0,
    n_steps: int = N_STEPS,
    on_update: Callable[[], object] = lambda: None,
) -> dict[str, Decay]:
    """Train a tagger for each encoder and measure how the gradient of its loss at one
    token fades on its way back in time.

    A tagger has hashed words, the encoder, and dense and log-softmax. All taggers are
    trained with the same texts, by Adam at 0.001 without dropout. Sentences are joined,
    in the order of the corpus, until there are enough steps. The last fifth of the
    texts, at most 200, is for the measurement, with one token each.

    corpus (Path): A file that `ConllCorpus` reads.
    encoders (Optional[Mapping[str, Callable]]): By name; None: `gradient_encoders`.
    updates (int): Number of updates, with 8 joined texts each.
    seed (int): Seed of the weights, the order of the texts, and the choice of tokens.
    n_steps (int): Number of steps back in time.
    on_update (Callable[[], object]): Called after each update.
    RETURNS (Dict[str, Decay]): The gradients, by name.
    RAISES ValueError: If there are fewer than two such texts (L212) or no entities
        (L220), and as of `ConllCorpus`.
    """
    examples = _joined(corpus, n_steps)
    n_probes = min(_MAX_PROBES, 1 + len(examples) // 5)
    train, held_out = examples[:-n_probes], examples[-n_probes:]
    decays = {}
    for name, make in (encoders or gradient_encoders()).items():
        fix_random_seed(seed)
        encode = make()
        ner = _make_tagger(examples, encode)
        rng = np.random.default_rng(seed)
        probes = _draw_probes(held_out, ner.labels, n_steps, rng)
        before = gradient_decay(ner.model, encode, probes, n_steps)
        _train(ner, train, updates, rng, on_update)
        after = gradient_decay(ner.model, encode, probes, n_steps)
        accuracy = _tag_accuracy(ner, held_out)
        decays[name] = Decay(before.tolist(), after.tolist(), accuracy)
    return decays


def gradient_decay(
    tagger: Tagger, encode: Encoder, probes: Sequence[Probe], n_steps: int
) -> NDArray[np.float64]:
    """The median over texts of |dL/dh_{t-k}| / |dL/dh_t|.

    tagger, encode, probes, n_steps: See `hidden_gradient_norms`.
    RETURNS (ndarray): For k = 0, 1, ..., n_steps.  (n_steps + 1,)
    """
    norms = hidden_gradient_norms(tagger, encode, probes, n_steps)
    # A tag with probability 1 has no gradient that could fade.
    norms = norms[norms[:, 0] > 0]
    ratios: NDArray[np.float64] = np.median(norms / norms[:, :1], axis=0)
    return ratios


def hidden_gradient_norms(
    tagger: Tagger, encode: Encoder, probes: Sequence[Probe], n_steps: int
) -> NDArray[np.float64]:
    """|dL/dh_{t-k}|, where L = -log P(tag of t) and h is the output of the first
    recurrent layer, by the backpropagation through time of training.

    tagger (Model[List[Doc], LinearChain]): From `build_lstm_tagger`. Neither its
        weights nor their gradients change.
    encode (Model[List[Floats2d], List[Floats2d]]): Its encoder, of one direction and
        without dropout.
    probes (Sequence[Probe]): Texts of more than `n_steps` tokens each. t is the last.
    n_steps (int): Number of steps back in time.
    RETURNS (ndarray): For each text and k = 0, 1, ..., n_steps.  (B, n_steps + 1)
    """
    X: Any = tagger.get_ref("tok2vec").predict([probe.doc for probe in probes])
    Y = encode.predict(X)
    # A copy, because backpropagation adds to the gradients of the weights.
    scores, backprop = tagger.get_ref("output_layer").copy()(Y, is_train=True)
    dY: Any = backprop(_gradient_at_last(scores, [probe.tag for probe in probes]))
    norms = np.linalg.norm(hidden_gradients(encode, X, dY), axis=1)
    last = np.cumsum([len(x) for x in X]) - 1
    steps_back: NDArray[np.float64] = norms[last[:, None] - np.arange(n_steps + 1)]
    return steps_back.astype("float64")


def measure_recall(
    *,
    encoders: Mapping[str, MakeEncoder] | None = None,
    n_steps: int = RECALL_STEPS,
    n_classes: int = 8,
    updates: int,
    learn_rates: Sequence[float] = LEARN_RATES,
    seed: int = 0,
    on_update: Callable[[], object] = lambda: None,
) -> dict[str, dict[float, float]]:
    """Train networks to recall the first word of a text at its end.

    Words are random vectors with variance 1, as wide as the outputs. The first word is
    one of `n_classes`, each of the others one of 8 distractors. The last output of the
    encoder goes into a dense layer and a softmax. All networks are trained by Adam on
    the same new texts, 32 per update.

    encoders (Optional[Mapping[str, Callable]]): By name; None: `recall_encoders`.
    n_steps (int): From the first word to the last.
    n_classes (int): Number of first words; chance is right in 1 / n_classes.
    updates (int): Updates of each network.
    learn_rates (Sequence[float]): Each network is trained once at each rate.
    seed (int): Seed of weights and texts.
    on_update (Callable[[], object]): Called after each update.
    RETURNS (Dict[str, Dict[float, float]]): By name and learning rate, the accuracy on
        1,000 texts that were not seen in training.
    """
    makers = encoders or recall_encoders()
    return {
        name: {
            rate: _recall_accuracy(
                make, n_steps, n_classes, updates, rate, seed, on_update
            )
            for rate in learn_rates
        }
        for name, make in makers.items()
    }


def _joined(corpus: Path, n_steps: int) -> list[Example]:
    """Sentences, joined to texts with an annotated token after `n_steps` tokens."""
    nlp = spacy.blank("xx")
    texts: list[Example] = []
    parts: list[Doc] = []
    for eg in ConllCorpus(corpus)(nlp):
        parts.append(eg.reference)
        if sum(map(len, parts)) > n_steps:
            reference = Doc.from_docs(parts)
            predicted = Doc(nlp.vocab, words=[token.text for token in reference])
            text, parts = Example(predicted, reference), []
            labels = TagSet({ent.label_ for ent in reference.ents})
            if (gold_tags([text], labels)[0][n_steps:] != UNKNOWN).any():
                texts.append(text)
    if len(texts) < 2:
        message = Errors.L212.format(path=corpus, n=len(texts), n_steps=n_steps)
        raise ValueError(message)
    if not any(eg.reference.ents for eg in texts):
        raise ValueError(Errors.L220.format(path=corpus))
    return texts


def _make_tagger(examples: Sequence[Example], encode: Encoder) -> LSTMNer:
    """An initialized recognizer with this encoder."""
    attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
    embed = build_word_char_embed(WIDTH, attrs, rows=[2000, 500, 500, 500])
    tagger = build_lstm_tagger(embed, encode, LogSoftmax(), window=None)
    ner = LSTMNer(examples[0].predicted.vocab, tagger, "lstm_ner")
    ner.initialize(lambda: examples)
    return ner


def _draw_probes(
    examples: Iterable[Example],
    labels: Sequence[str],
    n_steps: int,
    rng: np.random.Generator,
) -> list[Probe]:
    """A random annotated token of each text, after `n_steps` tokens."""
    probes = []
    examples = list(examples)
    for eg, tags in zip(examples, gold_tags(examples, TagSet(labels)), strict=True):
        t = int(rng.choice(n_steps + np.flatnonzero(tags[n_steps:] != UNKNOWN)))
        words = [token.text for token in eg.predicted[: t + 1]]
        probes.append(Probe(Doc(eg.predicted.vocab, words=words), int(tags[t])))
    return probes


def _train(
    ner: LSTMNer,
    examples: Sequence[Example],
    updates: int,
    rng: np.random.Generator,
    on_update: Callable[[], object],
) -> None:
    optimizer = Adam(LEARN_RATES[0], L2=0.0)
    for _ in range(updates):
        batch = rng.choice(len(examples), size=_TEXTS_PER_UPDATE)
        ner.update([examples[i] for i in batch], sgd=optimizer)
        on_update()


def _tag_accuracy(ner: LSTMNer, examples: Sequence[Example]) -> float:
    """Share of tokens whose right tag has the highest score by itself."""
    scores = ner.model.predict([eg.predicted for eg in examples]).emit
    flat = np.concatenate(gold_tags(examples, ner.tag_set))
    return masked_accuracy(scores, flat, flat != UNKNOWN) or 0.0


def _gradient_at_last(scores: LinearChain, tags: Sequence[int]) -> Gradient:
    """The gradient of the sum over sequences of -log P(tag of the last token), with
    respect to the tokens' log-probabilities."""
    last = np.cumsum(scores.lengths)[scores.lengths > 0] - 1
    gradient = Gradient(np.zeros_like(scores.emit))
    gradient.emit[last, list(tags)] = -1.0
    return gradient


def _recall_accuracy(
    make: MakeEncoder,
    n_steps: int,
    n_classes: int,
    updates: int,
    learn_rate: float,
    seed: int,
    on_update: Callable[[], object],
) -> float:
    fix_random_seed(seed)
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_classes + 8, WIDTH)).astype("f")

    def draw(n: int) -> tuple[list[Floats2d], NDArray[np.intp]]:
        classes = rng.integers(n_classes, size=n)
        others = rng.integers(n_classes, len(vectors), size=(n, n_steps))
        return list(vectors[np.column_stack([classes, others])]), classes

    test, right = draw(1000)
    encode = make()
    model: Model[list[Floats2d], Floats2d] = chain(
        encode, list2ragged(), reduce_last(), Softmax(n_classes)
    )
    model.initialize(X=test[:1])
    optimizer = Adam(learn_rate, L2=0.0)
    for _ in range(updates):
        X, classes = draw(_RECALLS_PER_UPDATE)
        Y, backprop = model.begin_update(X)
        backprop((Y - np.eye(n_classes, dtype="f")[classes]) / len(X))
        model.finish_update(optimizer)
        on_update()
    return float((model.predict(test).argmax(axis=1) == right).mean())
