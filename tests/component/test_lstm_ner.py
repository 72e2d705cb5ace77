"""What `lstm_ner` has beyond other entity recognizers, and its own errors."""

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import SGD, fix_random_seed

from spacy_lstm_ner.chains.linear_chain import Spans
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.factory import DEFAULT_MODEL

DATA = [
    ("Sharon flew to Miami last Friday.", "B-per O O B-geo B-tim I-tim O"),
    ("Does Ada Smith like Rome?", "O B-per I-per O B-geo O"),
    ("It rained.", "O O O"),
]


def make_examples(nlp: Language, data=DATA) -> list[Example]:
    examples = []
    for text, tags in data:
        reference = nlp.make_doc(text)
        ents = [tag if tag != "?" else "" for tag in tags.split()]
        reference = Doc(
            nlp.vocab,
            words=[token.text for token in reference],
            spaces=[bool(token.whitespace_) for token in reference],
            ents=ents,
        )
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def make_nlp(**settings) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("lstm_ner", config=settings)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.fixture(scope="module")
def trained_bytes() -> bytes:
    nlp = make_nlp()
    sgd = nlp.create_optimizer()
    for _ in range(30):
        nlp.update(make_examples(nlp), sgd=sgd)
    return nlp.to_bytes()


@pytest.fixture
def load(trained_bytes):
    """Loads the trained pipeline with some settings."""

    def load(**settings) -> Language:
        nlp = spacy.blank("xx")
        nlp.add_pipe("lstm_ner", config=settings)
        return nlp.from_bytes(trained_bytes)

    return load


def ents_of(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


TEXT = DATA[0][0]
EXPECTED = [("Sharon", "per"), ("Miami", "geo"), ("last Friday", "tim")]


def test_entities_and_their_confidences(load):
    doc = load()(TEXT)
    assert ents_of(doc) == EXPECTED
    scores = [ent._.confidence for ent in doc.ents]
    assert all(0.5 < score <= 1 for score in scores)
    group = doc.spans["lstm_ner"]
    assert [(span.text, span.label_) for span in group] == EXPECTED
    assert group.attrs["scores"].tolist() == scores
    assert doc[0:2]._.confidence is None


def test_confidence_is_the_probability_of_the_span(load):
    nlp = load()
    pipe = nlp.get_pipe("lstm_ner")
    doc = nlp.make_doc(TEXT)
    sums = PathSums(pipe.model.predict([doc]))
    span = Spans.of([(0, 4, 6, pipe.labels.index("tim"))])
    expected = np.exp(sums.log_prob_of_spans(span))
    assert nlp(TEXT).ents[2]._.confidence == pytest.approx(expected[0], rel=1e-6)


def test_confidence_does_not_depend_on_the_batch(load):
    nlp = load()
    texts = [text for text, _ in DATA] * 3
    alone = [[e._.confidence for e in nlp(text).ents] for text in texts]
    for batch_size in (1, 2, 9):
        docs = nlp.pipe(texts, batch_size=batch_size)
        for doc, scores in zip(docs, alone, strict=True):
            assert [e._.confidence for e in doc.ents] == pytest.approx(scores, abs=1e-5)


def test_threshold_leaves_out_what_is_less_sure(load):
    scores = sorted(ent._.confidence for ent in load()(TEXT).ents)
    between = (scores[0] + scores[1]) / 2
    assert scores[0] < between < scores[1]
    doc = load(threshold=between)(TEXT)
    assert sorted(ent._.confidence for ent in doc.ents) == pytest.approx(scores[1:])
    assert [token.ent_iob_ for token in doc if not token.ent_type_] == ["O"] * (
        len(doc) - sum(len(ent) for ent in doc.ents)
    )
    assert not load(threshold=1.0)(TEXT).ents


def test_confidence_of_the_rest_knows_what_a_ruler_found(load):
    nlp = load()
    ruler = nlp.add_pipe("entity_ruler", before="lstm_ner")
    ruler.add_patterns([{"label": "eve", "pattern": "Friday"}])
    doc = nlp(TEXT)
    assert ("Friday", "eve") in ents_of(doc)
    assert [ent._.confidence is None for ent in doc.ents][-1]
    assert ("last Friday", "tim") not in ents_of(doc)
    assert ents_of(load(overwrite=True)(doc)) == EXPECTED


def test_entities_run_across_white_space_but_do_not_end_on_it(load):
    doc = load()("Sharon flew to Miami last \n Friday. \n")
    assert ents_of(doc)[-1] == ("last \n Friday", "tim")
    for ent in doc.ents:
        assert not ent[0].is_space
        assert not ent[-1].is_space


def test_spans_key(load):
    doc = load(spans_key="mine")(TEXT)
    assert list(doc.spans) == ["mine"]
    assert doc.ents[0]._.confidence == doc.spans["mine"].attrs["scores"][0]


def test_growing_keeps_the_old_rows(load):
    nlp = load()
    pipe = nlp.get_pipe("lstm_ner")
    old = pipe.model.get_ref("output_layer")
    assert pipe.add_label("art") == 1
    assert pipe.add_label("art") == 0
    new = pipe.model.get_ref("output_layer")
    assert new.get_dim("nO") == old.get_dim("nO") + 2 == pipe.model.get_dim("nO")
    for name in ("W", "b"):
        kept = new.get_param(name)[: old.get_dim("nO")]
        assert np.array_equal(kept, old.get_param(name))
    assert new.id != old.id
    assert pipe.labels == ("geo", "per", "tim", "art")


def test_tokens_without_annotation_may_have_any_tag(load):
    nlp = load()
    known = nlp.update(make_examples(nlp, DATA[:1]))["lstm_ner"]
    tags = DATA[0][1].replace("B-tim I-tim", "? ?")
    partly = nlp.update(make_examples(nlp, [(TEXT, tags)]))["lstm_ner"]
    unknown = nlp.update(make_examples(nlp, [(TEXT, "? ? ? ? ? ? ?")]))["lstm_ner"]
    assert known > partly > unknown == 0


def test_a_doc_without_annotation_has_no_gradient_beside_others():
    nlp = make_nlp()
    pipe = nlp.get_pipe("lstm_ner")
    examples = make_examples(nlp, [DATA[0], (DATA[1][0], "? ? ? ? ? ?"), DATA[2]])
    chain, _ = pipe.model.begin_update([eg.predicted for eg in examples])
    loss, d_chain = pipe.get_loss(examples, chain)
    first, middle = len(examples[0].predicted), len(examples[1].predicted)
    assert loss > 0
    assert not d_chain.emit[first : first + middle].any()
    assert d_chain.emit[:first].any()
    assert d_chain.emit[first + middle :].any()


def test_loss_is_the_negative_log_likelihood(load):
    nlp = load()
    pipe = nlp.get_pipe("lstm_ner")
    examples = make_examples(nlp, DATA[:1])
    chain = pipe.model.predict([examples[0].predicted])
    tags = ["O"] + [f"{p}-{label}" for label in pipe.labels for p in "BI"]
    rows = range(len(chain.emit))
    gold = [tags.index(tag) for tag in DATA[0][1].split()]
    log_z = PathSums(chain).log_z[0]
    expected = log_z - chain.emit[list(rows), gold].sum(dtype="float64")
    loss, _ = pipe.get_loss(examples, chain)
    assert loss == pytest.approx(expected, abs=1e-6)


def test_rehearsal_keeps_what_was_known(load):
    new = [("Does Ada Smith play guitar?", "O ? ? O B-art O")]
    confidences = []
    for is_rehearsed in (True, False):
        nlp = load()
        nlp.get_pipe("lstm_ner").add_label("art")
        sgd = nlp.resume_training()
        for _ in range(40):
            nlp.update(make_examples(nlp, new), sgd=sgd)
            if is_rehearsed:
                losses = nlp.rehearse(make_examples(nlp), sgd=sgd)
                assert losses["lstm_ner"] > 0
        assert ("guitar", "art") in ents_of(nlp(new[0][0]))
        known = {ent.text: ent._.confidence for ent in nlp(TEXT).ents}
        confidences.append(known.get("last Friday", 0))
        if is_rehearsed:
            assert ents_of(nlp(TEXT)) == EXPECTED
    assert confidences[0] > confidences[1]


def weights_of(pipe) -> list[bytes]:
    nodes = [(n, name) for n in pipe.model.walk() for name in n.param_names]
    return [n.get_param(name).tobytes() for n, name in nodes if n.has_param(name)]


def test_nothing_to_rehearse(load):
    nlp = load()
    pipe = nlp.get_pipe("lstm_ner")
    before = weights_of(pipe)
    sgd = nlp.create_optimizer()
    assert pipe.rehearse(make_examples(nlp), sgd=sgd) == {"lstm_ner": 0.0}
    sgd = nlp.resume_training()
    empty = [Example(Doc(nlp.vocab), Doc(nlp.vocab))]
    assert pipe.rehearse(empty, sgd=sgd, losses={"x": 1}) == {"x": 1, "lstm_ner": 0}
    pipe.rehearse(make_examples(nlp))
    assert weights_of(pipe) == before


def test_scores_that_are_not_finite(load):
    nlp = load()
    layer = nlp.get_pipe("lstm_ner").model.get_ref("output_layer")
    layer.set_param("b", layer.get_param("b") * np.nan)
    with pytest.raises(ValueError, match=r"L015.*lstm_ner.*E940.*learning rate"):
        nlp.update(make_examples(nlp), sgd=SGD(0.1))


def test_wrong_setting_in_the_config():
    with pytest.raises(ValueError, match=r"L014.*1\.5"):
        spacy.blank("xx").add_pipe("lstm_ner", config={"threshold": 1.5})


@pytest.mark.parametrize("label", [9, None, ""])
def test_labels_that_are_none(label):
    pipe = spacy.blank("xx").add_pipe("lstm_ner")
    with pytest.raises(ValueError, match="L013"):
        pipe.add_label(label)


def test_no_labels_names_the_component():
    nlp = spacy.blank("xx")
    nlp.add_pipe("lstm_ner", name="mine")
    with pytest.warns(UserWarning, match=r"L504.*mine.*add_label"):
        nlp.initialize(lambda: make_examples(nlp, DATA[2:]))


@pytest.mark.parametrize("method", ["update", "rehearse"])
def test_examples_that_are_none(method):
    nlp = make_nlp()
    pipe = nlp.get_pipe("lstm_ner")
    with pytest.raises(TypeError, match=rf"E978.*LSTMNer\.{method}.*method"):
        getattr(pipe, method)(pipe.update)


def test_listener_of_another_width():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec")
    listener = {
        "@architectures": "spacy.Tok2VecListener.v1",
        "width": 48,
        "upstream": "tok2vec",
    }
    model = {
        "@architectures": "spacy_lstm_ner.LSTMTagger.v1",
        "tok2vec": listener,
        "encode": {"@architectures": "spacy_lstm_ner.LSTMEncoder.v1", "width": 32},
        "decode": {"@layers": "spacy_lstm_ner.LogSoftmax.v1"},
    }
    nlp.add_pipe("lstm_ner", config={"model": model})
    nlp.initialize(lambda: make_examples(nlp))
    with pytest.raises(ValueError, match=r"L005.*width 96.*width 48.*listener"):
        nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())


def test_learns_with_a_crf(tmp_path):
    model = {**DEFAULT_MODEL, "decode": {"@layers": "spacy_lstm_ner.CRF.v1"}}
    nlp = make_nlp(model=model)
    sgd = nlp.create_optimizer()
    for _ in range(30):
        nlp.update(make_examples(nlp), sgd=sgd)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    loaded.get_pipe("lstm_ner").add_label("art")
    for each in (nlp, loaded):
        doc = each(TEXT)
        assert ents_of(doc) == EXPECTED
        assert all(0.5 < ent._.confidence <= 1 for ent in doc.ents)


def test_initialize_without_tokens():
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("lstm_ner")
    pipe.add_label("per")
    nlp.initialize(lambda: [Example(Doc(nlp.vocab), Doc(nlp.vocab))])
    assert nlp("Some text").has_annotation("ENT_IOB")
