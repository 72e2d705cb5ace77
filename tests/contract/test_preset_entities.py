"""A ruler before the recognizer: its entities stay as they are, and nothing else in the
text suffers from them.

Each test is the situation of a thread of spaCy's tracker, in texts of our own.
"""

from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from .helpers import (
    FACTORY,
    assert_same_results,
    assert_sound,
    clone,
    initialized,
    make_example,
    make_nlp,
    phrases_of,
    scores_of,
    tiny_model,
    train,
    trained,
)

Ents = dict[str, str]

COMPANIES = (
    "Bluefin Ltd opened a bakery beside Maple Ridge Ltd . "
    "Flour for Hale Ltd comes from a mill that Norma Hale runs in Oslo ."
)
COMPANIES_ENTS = {
    "Bluefin Ltd": "ORG",
    "Maple Ridge Ltd": "ORG",
    "Hale Ltd": "ORG",
    "Norma Hale": "PER",
    "Oslo": "GPE",
}
COMPANY_NAMES = [name for name, label in COMPANIES_ENTS.items() if label == "ORG"]
COMPANY_PATTERN = [
    {"TEXT": {"REGEX": r"^[A-Z][a-z]+$"}, "OP": "+"},
    {"TEXT": {"REGEX": r"^(Ltd|Inc)$"}},
]

STOVES = (
    "Early last spring Ivo Lindt sold solar cooking stoves to Rhea Moss in Lima . "
    "Months later Andean Press heard that villages near Quito want many more ."
)
STOVES_ENTS = {
    "Ivo Lindt": "PER",
    "Rhea Moss": "PER",
    "Lima": "GPE",
    "Andean Press": "ORG",
    "Quito": "GPE",
}

#: A French text, as in the thread, in which quantities stand before other entities.
MARKET = (
    "Elle a vendu 12 pommes à Luc Morel . Les 3 chats dorment chez Anna . "
    "Hier 20 grands sacs sont partis pour Lyon ."
)
QUANTITIES = {
    "12 pommes": "QUANTITY",
    "3 chats": "QUANTITY",
    "20 grands sacs": "QUANTITY",
}
OTHERS_AT_THE_MARKET = {"Luc Morel": "PER", "Anna": "PER", "Lyon": "GPE"}
TO_THE_END_OF_THE_SENTENCE = {
    "12 pommes à Luc Morel .": "QUANTITY",
    "3 chats dorment chez Anna .": "QUANTITY",
    "20 grands sacs sont partis pour Lyon .": "QUANTITY",
}
QUANTITY_PATTERN = [
    {"LIKE_NUM": True},
    {"LOWER": "grands", "OP": "*"},
    {"LOWER": {"IN": ["pommes", "chats", "sacs"]}},
]

DECODERS = ["LogSoftmax", "CRF"]


def model_with(decoder: str) -> dict[str, Any]:
    """The tiny model with another decoder."""
    decode = {"@layers": f"spacy_lstm_ner.{decoder}.v1"}
    return {**tiny_model(), "decode": decode}


@pytest.fixture(scope="module", params=DECODERS)
def plain(request) -> Language:
    """A pipeline without a ruler that finds all entities of the English texts."""
    fix_random_seed(0)
    nlp = make_nlp(model=model_with(request.param))
    texts = [(COMPANIES, COMPANIES_ENTS), (STOVES, STOVES_ENTS)]
    return trained(nlp, [make_example(nlp, *each) for each in texts])


@pytest.fixture(scope="module", params=DECODERS)
def greedy(request) -> Language:
    """A pipeline that runs quantities on to the end of the sentence.

    One example in three has them right, so the model knows what else there could be.
    """
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY, config={"model": model_with(request.param)})
    wrong = make_example(nlp, MARKET, TO_THE_END_OF_THE_SENTENCE)
    right = make_example(nlp, MARKET, {**QUANTITIES, **OTHERS_AT_THE_MARKET})
    examples = [wrong, wrong, right]
    train(initialized(nlp, examples), examples, steps=60)
    assert phrases_of(nlp(MARKET)) == TO_THE_END_OF_THE_SENTENCE
    return nlp


def with_ruler(nlp: Language, label: str, *patterns: Any) -> Language:
    """A copy of a pipeline with a ruler before the recognizer."""
    nlp = clone(nlp)
    ruler = nlp.add_pipe("entity_ruler", before=FACTORY)
    ruler.add_patterns(
        [{"label": label, "pattern": pattern, "id": "rule"} for pattern in patterns]
    )
    return nlp


def overwriting(nlp: Language) -> Language:
    """A copy of a pipeline whose recognizer ignores entities that are already there."""
    config = nlp.config.copy()
    config["components"][FACTORY]["overwrite"] = True
    return spacy.util.load_model_from_config(config).from_bytes(nlp.to_bytes())


def assert_ruled(doc: Doc, preset: Ents, predicted: Ents) -> None:
    """The Doc has both kinds of entities and no other, those of the ruler with its id
    and without a confidence, the predicted ones with theirs, in the span group too."""
    assert_sound(doc)
    assert phrases_of(doc) == {**preset, **predicted}
    assert len(doc.ents) == len(preset) + len(predicted)
    for ent in doc.ents:
        if ent.text in preset:
            assert ent.ent_id_ == "rule"
            assert ent._.confidence is None
        else:
            assert ent.ent_id_ == ""
            assert 0 < ent._.confidence <= 1
    group = doc.spans["lstm_ner"]
    assert {span.text: span.label_ for span in group} == predicted
    found = [ent._.confidence for ent in doc.ents if ent.text in predicted]
    assert scores_of(doc) == found


@pytest.mark.parametrize("label", ["COMPANY", "ORG", "PER"])
def test_entities_beside_those_of_a_regex_rule_do_not_go_missing(plain, label):
    """explosion/spaCy #3775: with a ruler for company names before the recognizer, a
    person later in the text, with a name that is part of a company's, was lost."""
    assert phrases_of(plain(COMPANIES)) == COMPANIES_ENTS
    doc = with_ruler(plain, label, COMPANY_PATTERN)(COMPANIES)
    companies = dict.fromkeys(COMPANY_NAMES, label)
    assert_ruled(doc, companies, {"Norma Hale": "PER", "Oslo": "GPE"})


@pytest.mark.parametrize("label", ["GADGET", "GPE"])
@pytest.mark.parametrize(
    "phrases",
    [
        ["stoves"],
        ["cooking stoves"],
        ["sold solar cooking stoves to"],
        ["Early last spring"],
        ["Early"],
        ["villages near", "many more"],
        ["want many more ."],
        ["Early", "solar cooking stoves", "to", "Months later", "heard that villages"],
    ],
    ids=", ".join,
)
def test_recognizer_goes_on_after_an_entity_of_several_tokens(plain, label, phrases):
    """explosion/spaCy #4229: after an entity of the ruler that had several tokens
    nothing more was labelled; one of a single token did no harm."""
    assert phrases_of(plain(STOVES)) == STOVES_ENTS
    nlp = with_ruler(plain, label, *phrases)
    preset = dict.fromkeys(phrases, label)
    assert_ruled(nlp(STOVES), preset, STOVES_ENTS)
    texts = [COMPANIES, STOVES, "", STOVES, COMPANIES]
    for doc in nlp.pipe(texts, batch_size=len(texts)):
        if doc.text == STOVES:
            assert_ruled(doc, preset, STOVES_ENTS)
        else:
            assert_ruled(doc, {}, COMPANIES_ENTS if doc.text else {})


@pytest.mark.parametrize("label", ["QUANTITY", "AMOUNT"])
@pytest.mark.parametrize("has_sentences", [False, True])
def test_entities_are_not_extended_to_the_end_of_the_sentence(
    greedy, label, has_sentences
):
    """explosion/spaCy #4678: the recognizer let the ruler's quantities run on to the
    end of their sentences. Here it would, and knows the label; the quantities stay as
    they are, and what it covered by that comes to light."""
    nlp = with_ruler(greedy, label, QUANTITY_PATTERN)
    if has_sentences:
        nlp.add_pipe("sentencizer", first=True)
    docs = nlp.pipe([MARKET, "", MARKET])
    for doc in filter(len, docs):
        assert doc.has_annotation("SENT_START") == has_sentences
        assert not has_sentences or len(list(doc.sents)) == 3
        assert_ruled(doc, dict.fromkeys(QUANTITIES, label), OTHERS_AT_THE_MARKET)


@pytest.mark.parametrize("label", ["QUANTITY", "AMOUNT"])
def test_entity_of_the_ruler_across_a_sentence_start(greedy, label):
    """explosion/spaCy #4678, where the two disagree: the entity is neither cut at the
    end of its sentence nor extended to the end of the next."""
    nlp = with_ruler(greedy, label, "Luc Morel . Les 3 chats", "12 pommes")
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp(MARKET)
    preset = {"12 pommes": label, "Luc Morel . Les 3 chats": label}
    run_on = "20 grands sacs sont partis pour Lyon ."
    assert_ruled(doc, preset, {"Anna": "PER", run_on: "QUANTITY"})


def test_entity_on_which_both_agree_is_the_rulers(plain):
    """explosion/spaCy #3775: a rule for what the recognizer finds anyway."""
    doc = with_ruler(plain, "PER", "Norma Hale")(COMPANIES)
    others = {name: ent for name, ent in COMPANIES_ENTS.items() if ent != "PER"}
    assert_ruled(doc, {"Norma Hale": "PER"}, others)


def test_blocked_tokens_beside_entities_of_the_ruler(plain):
    """explosion/spaCy #4229, with tokens on which no entity may stand: neither they
    nor the ruler's entities stop the rest from being found."""
    nlp = with_ruler(plain, "GADGET", "solar cooking stoves")
    doc = nlp.get_pipe("entity_ruler")(nlp.make_doc(STOVES))
    words = [token.text for token in doc]
    blocked = [doc[i : i + 1] for i in map(words.index, ["Lindt", "Lima"])]
    doc.set_ents([], blocked=blocked, default="unmodified")
    doc = nlp.get_pipe(FACTORY)(doc)
    free = {"Ivo": "PER", "Rhea Moss": "PER", "Andean Press": "ORG", "Quito": "GPE"}
    assert phrases_of(doc) == {"solar cooking stoves": "GADGET", **free}
    assert {span.text: span.label_ for span in doc.spans["lstm_ner"]} == free
    assert all(token.ent_type == 0 for span in blocked for token in span)
    assert all(token.ent_iob_ == "B" for span in blocked for token in span)


@pytest.mark.parametrize("label", ["COMPANY", "ORG", "PER"])
def test_overwrite_gives_what_there_is_without_a_ruler(plain, label):
    """explosion/spaCy #3775: the way out for those who want the model's entities."""
    patterns = [COMPANY_PATTERN, "solar cooking stoves", "Moss in Lima", "Quito"]
    nlp = overwriting(with_ruler(plain, label, *patterns))
    texts = [COMPANIES, STOVES]
    assert_same_results(nlp, plain, texts)
    for doc, same in zip(nlp.pipe(texts), plain.pipe(texts), strict=True):
        assert {ent.ent_id_ for ent in doc.ents} == {""}
        iob = ["ENT_IOB", "ENT_TYPE"]
        numpy.testing.assert_array_equal(doc.to_array(iob), same.to_array(iob))
        assert all(ent._.confidence is not None for ent in doc.ents)


@pytest.mark.parametrize("label", ["QUANTITY", "AMOUNT"])
def test_what_a_rule_leaves_of_an_entity_is_found(greedy, label):
    """explosion/spaCy #3775, where a rule cuts into what the recognizer would find:
    the parts before and behind are predicted for themselves."""
    doc = with_ruler(greedy, label, "chats")(MARKET)
    run_on = {
        phrase: ent
        for phrase, ent in TO_THE_END_OF_THE_SENTENCE.items()
        if "chats" not in phrase
    }
    assert_ruled(doc, {"chats": label}, {"3": "QUANTITY", "Anna": "PER", **run_on})
