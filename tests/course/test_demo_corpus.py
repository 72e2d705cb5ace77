"""The demo corpus: what its parts share, and that its annotation fits its tokens."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import spacy

from spacy_lstm_ner.course.demo_corpus import (
    LABELS,
    SIZES,
    Sentence,
    generate,
    unseen_share,
    write_corpus,
)
from spacy_lstm_ner.course.demo_corpus.generate import part_of, tokenize
from spacy_lstm_ner.course.demo_corpus.names import NAMES
from spacy_lstm_ner.course.demo_corpus.templates import CLAUSES, PHRASES
from spacy_lstm_ner.data.tag_schemes import to_tags
from spacy_lstm_ner.tags import TokenSpan

Corpus = dict[str, list[Sentence]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return write_corpus(folder)


def test_parts_share_no_name_and_no_template():
    for texts in (*NAMES.values(), *CLAUSES.values()):
        owned = Counter(part_of(text) for text in set(texts))
        assert set(owned) == {"train", "dev", "test"}
        assert owned["train"] > owned["dev"] + owned["test"]


def test_name_with_two_roles_has_one_part(corpus: Corpus):
    roles = Counter(name for names in NAMES.values() for name in set(names))
    assert roles["Washington"] > 1
    assert roles["Ford"] > 1
    held_out = {name for name in roles if part_of(name) != "train" and " " not in name}
    shared = {"a", *held_out} & {word for phrase in PHRASES.values() for word in phrase}
    words = {
        " ".join(sentence.words[span.start : span.end])
        for sentence in corpus["train"]
        for span in sentence.spans
    }
    assert not (held_out - shared) & words


def test_names_are_stripped_and_listed_once():
    for kind, names in NAMES.items():
        assert all(name and name == name.strip() for name in names), kind
        repeated = [name for name, n in Counter(names).items() if n > 1]
        assert not repeated, kind


def test_most_entities_of_dev_and_test_are_unseen(corpus: Corpus):
    for part in ("dev", "test"):
        assert unseen_share(corpus["train"], corpus[part]) > 0.7, part


def test_unseen_share_counts_strings():
    train = [Sentence(("Ann", "left"), _spans((0, 1, "per")))]
    test = [
        Sentence(
            ("In", "Ann", ",", "New", "York"), _spans((1, 2, "geo"), (3, 5, "geo"))
        )
    ]
    assert unseen_share(train, test) == 0.5
    assert unseen_share(train, []) == 0


def test_sizes_and_labels(corpus: Corpus):
    assert {part: len(sentences) for part, sentences in corpus.items()} == SIZES
    for sentences in corpus.values():
        counts = Counter(span.label for sent in sentences for span in sent.spans)
        assert set(counts) == set(LABELS)
        assert min(counts.values()) >= 40


def test_sentences_are_of_many_shapes(corpus: Corpus):
    for sentences in corpus.values():
        assert len({sent.words for sent in sentences}) == len(sentences)
        assert any(not sent.spans for sent in sentences)
        assert any(len(sent.spans) > 5 for sent in sentences)
        assert any(sent.spans[:1] and sent.spans[0].start == 0 for sent in sentences)
        assert any(
            left.end == right.start
            for sent in sentences
            for left, right in zip(sent.spans, sent.spans[1:], strict=False)
        )
        lengths = {span.end - span.start for sent in sentences for span in sent.spans}
        assert {1, 2, 3, 4} <= lengths


def test_slots_are_filled_and_sentences_well_formed(corpus: Corpus):
    for sent in (sent for sentences in corpus.values() for sent in sentences):
        text = " ".join(sent.words)
        assert not set("{}|") & set(text), text
        assert "  " not in text
        assert ", ," not in text, text
        assert ", ." not in text, text
        assert sent.words[-1] in (".", "?")
        assert not text[0].islower()


def test_every_symbol_is_defined_and_used():
    rules = {
        **PHRASES,
        **NAMES,
        **{f"clause.{group}": CLAUSES[group] for group in CLAUSES},
    }
    slots = {
        piece.partition("}")[0]
        for alternatives in rules.values()
        for alternative in alternatives
        for piece in alternative.split("{")[1:]
    }
    symbols = {slot for slot in slots if "|" not in slot}
    assert symbols <= {*rules, "clause"}
    unused = set(PHRASES) | set(NAMES) - symbols
    assert unused - symbols == {"sentence"}


def test_tokens_are_those_of_the_tokenizer(corpus: Corpus):
    nlp = spacy.blank("en")
    for sent in (sent for sentences in corpus.values() for sent in sentences):
        doc = nlp.make_doc(" ".join(sent.words))
        assert tuple(token.text for token in doc) == sent.words


def test_example_of_the_readme_is_learnable_but_not_there(corpus: Corpus):
    assert part_of("Sharon") == part_of("Miami") == "train"
    words = ("Sharon", "flew", "to", "Miami", "last", "Friday", ".")
    assert not any(
        sent.words == words for sentences in corpus.values() for sent in sentences
    )


def test_generation_is_deterministic(corpus: Corpus):
    assert list(generate("dev", 20)) == corpus["dev"][:20]
    assert list(generate("dev", 20, seed=1)) != corpus["dev"][:20]
    text = "\n".join(" ".join(sent.words) for sent in generate("test", 50))
    assert (
        hashlib.md5(text.encode("utf8")).hexdigest()
        == "03101f4e3b79e0dc563dd3be447e6d08"
    )


def test_files_are_conll(folder: Path, corpus: Corpus):
    lines = (folder / "test.conll").read_text(encoding="utf8").split("\n")
    assert lines[-1] == ""
    first = corpus["test"][0]
    tags = to_tags(first.spans, len(first.words))
    n = len(first.words)
    assert lines[:n] == [
        f"{word}\t{tag}" for word, tag in zip(first.words, tags, strict=True)
    ]
    assert lines[n] == ""
    assert sum(not line for line in lines) == SIZES["test"]


def test_entity_within_a_token_is_an_error():
    with pytest.raises(ValueError, match=r"L200.*'Yorks'.*'Yorkshire'"):
        tokenize(spacy.blank("en"), "Yorkshire", [(0, 5, "geo")])


def _spans(*spans: tuple[int, int, str]):
    return tuple(TokenSpan(*span) for span in spans)
