"""Reading CoNLL-style files."""

import logging
from collections import Counter

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config_from_str, load_model_from_config, registry

from spacy_lstm_ner.data.conll import ConllCorpus

NAME = "spacy_lstm_ner.ConllCorpus.v1"
nlp = spacy.blank("xx")


@pytest.fixture
def read(tmp_path):
    """Reads the examples of a file with the given content."""

    def read(content: str | bytes, **settings) -> list[Example]:
        path = tmp_path / "file.conll"
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        return list(ConllCorpus(path, **settings)(nlp))

    return read


def words(examples):
    return [[token.text for token in eg.reference] for eg in examples]


def ents(example):
    return [(ent.start, ent.end, ent.label_) for ent in example.reference.ents]


def iobs(example):
    return [token.ent_iob for token in example.reference]


# Real corpora


# Sentences, tokens and entities of the files that differ most, counted with awk: the
# sentences are the runs of lines that are neither blank nor -DOCSTART-, their lines the
# tokens; an entity is a B- (in wikigold an I- after a line without the same tag).
COUNTS = {
    "btc/f.conll": (2000, 35427, 4376),  # words of blanks, and with blanks
    "wikigold/wikigold.conll": (1696, 39007, 3558),  # blanks between columns
    "wnut17/dev.conll": (1009, 15733, 836),  # words with a byte order mark
}


def scheme_of(name):
    return "IOB1" if name.startswith("wikigold") else "IOB2"


@pytest.mark.no_cover
@pytest.mark.parametrize("name", COUNTS)
def test_corpora_are_read_without_loss(corpora, name, caplog):
    """Every word and every type of a tag stays; nothing is repaired or joined."""
    examples = list(ConllCorpus(corpora / name, scheme=scheme_of(name))(nlp))
    tokens = [token for eg in examples for token in eg.reference]
    n_ents = sum(len(eg.reference.ents) for eg in examples)
    assert (len(examples), len(tokens), n_ents) == COUNTS[name]
    lines = (corpora / name).read_bytes().decode().split("\n")
    rows = [
        line.rsplit("\t" if "\t" in line else " ", 1)
        for line in lines
        if line.strip() and not line.startswith("-DOCSTART-")
    ]
    assert [t.text for t in tokens] == [word.strip(" ") or " " for word, _ in rows]
    assert [t.ent_type_ for t in tokens] == [tag[2:] for _, tag in rows]
    assert caplog.records == []


@pytest.mark.no_cover
def test_wikigold_has_145_articles(corpora, caplog):
    path = corpora / "wikigold" / "wikigold.conll"
    examples = list(ConllCorpus(path, scheme="IOB1", docs="document")(nlp))
    assert len(examples) == 145
    assert sum(len(eg.reference) for eg in examples) == 39007
    assert sum(len(list(eg.reference.sents)) for eg in examples) == 1696
    assert sum(len(eg.reference.ents) for eg in examples) == 3558
    assert caplog.records == []


# Lines and columns


def test_sentences_end_at_lines_of_blanks(read):
    examples = read("\n\na O\nb O\n\n \n\nc O\n\t\nd O\n \t \r\ne O\n\n\n")
    assert words(examples) == [["a", "b"], ["c"], ["d"], ["e"]]


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n", "-DOCSTART- O\n\n", "\ufeff"])
@pytest.mark.parametrize("docs", ["sentence", "document"])
def test_a_file_without_tokens_has_no_examples(read, content, docs):
    assert read(content, docs=docs) == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(read, end, last, start):
    lines = ["EU\tB-ORG", "said\tO", "", "Peter\tB-PER", "Blackburn\tI-PER"]
    examples = read(start + end.join(lines) + (end if last else ""))
    assert words(examples) == [["EU", "said"], ["Peter", "Blackburn"]]
    assert [ents(eg) for eg in examples] == [[(0, 1, "ORG")], [(0, 2, "PER")]]


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\xa0\ufeff")
@pytest.mark.parametrize("separator", ["\t", " "])
def test_only_line_feeds_end_lines(read, character, separator):
    tokens = ["a", f"b{character}c", character, "d"]
    examples = read("".join(f"{token}{separator}O\n" for token in tokens))
    assert words(examples) == [tokens]


def test_tokens_of_blanks_are_tokens(read):
    examples = read("a\tB-X\n\tI-X\n \tO\nke s\tO\n\U0001f618 \tO\n\n\tB-X\n")
    assert words(examples) == [["a", " ", " ", "ke s", "\U0001f618"], [" "]]
    assert [ents(eg) for eg in examples] == [[(0, 2, "X")], [(0, 1, "X")]]
    assert words([Example(eg.reference, eg.predicted) for eg in examples]) == words(
        examples
    )


def test_tokens_that_look_like_comments_are_tokens(read):
    content = "#BREAKINGNEWS\tO\n#\tO\n# 1\tO\n"
    assert words(read(content)) == [["#BREAKINGNEWS", "#", "# 1"]]
    for comment in ("#", "# "):
        assert words(read(content, comment=comment)) == words(read(content))
    # Not even these are tokens without a doubt: a comment may look like one.
    content = "#win B-X\n# a b\n# newdoc\n# text = I met O\nx O\n#\n#\tO\n"
    assert words(read(content, comment="#")) == [["#win", "x", "#"]]
    content = "# a\tx\n#win\tNN\tB-X\n# b\n#\tNN\t-\n# id\tO\n"
    assert words(read(content + "x\tNN\tO\n", comment="#")) == [["#win", "#", "x"]]


def test_comments_are_skipped_on_demand(read):
    content = "# id 7\tsplit=train\n# text = a b\na\tB-X\n# inside\nb\tI-X\n"
    examples = read(content, comment="# ")
    assert words(examples) == [["a", "b"]]
    assert ents(examples[0]) == [(0, 2, "X")]
    with pytest.raises(
        ValueError,
        match=r"L115.*line 4: found 2 columns.*set comment",
    ):
        read(content)


def test_columns(read):
    content = "EU NNP I-NP B-ORG\nrejects VBZ I-VP O\n"
    assert ents(read(content)[0]) == [(0, 1, "ORG")]
    (example,) = read(content, word_column=1, tag_column=2, scheme="IOB1")
    assert words([example]) == [["NNP", "VBZ"]]
    assert ents(example) == [(0, 1, "NP"), (1, 2, "VP")]
    content = "1\tB-PER\tAnna  Maria\n2\tO\tsaid\n"
    (example,) = read(content, word_column=-1, tag_column=1)
    assert words([example]) == [["Anna  Maria", "said"]]
    assert ents(example) == [(0, 1, "PER")]


def test_separators(read):
    assert words(read("a  O\n b   O \n")) == [["a", "b"]]
    assert words(read("a b\tO\nc O\n")) == [["a b", "c"]]
    (example,) = read("a;B-X\n;I-X\n", separator=";")
    assert words([example]) == [["a", " "]]
    assert ents(example) == [(0, 2, "X")]


def test_labels_may_have_any_characters(read):
    (example,) = read("a\tB-JOB-NAME\nb\tI-JOB-NAME\nc\tB-O\nd\tB-B-X\ne\tB-a,b\n")
    assert ents(example) == [
        (0, 2, "JOB-NAME"),
        (2, 3, "O"),
        (3, 4, "B-X"),
        (4, 5, "a,b"),
    ]


def test_the_first_of_joined_tags_counts(read, caplog):
    (example,) = read("a\tB-X,O\nb\tI-X,B-Y\nc\tO,B-X\nd\tO\n")
    assert ents(example) == [(0, 2, "X")]
    assert iobs(example) == [3, 1, 2, 2]
    assert "file.conll: took the first of several tags at 3 of 4 tokens" in caplog.text


# Documents


DOCUMENTS = """\
a B-X

b I-X
c O

-DOCSTART- -X- O O

-DOCSTART- -X- O O
d B-X
-DOCSTART-
-DOCSTARTS- O
"""


def test_one_doc_per_sentence(read):
    examples = read(DOCUMENTS)
    assert words(examples) == [["a"], ["b", "c"], ["d"], ["-DOCSTARTS-"]]
    assert not examples[1].reference.has_annotation("SENT_START")


def test_one_doc_per_document(read):
    examples = read(DOCUMENTS, docs="document")
    assert words(examples) == [["a", "b", "c"], ["d"], ["-DOCSTARTS-"]]
    reference = examples[0].reference
    assert [token.is_sent_start for token in reference] == [True, True, False]
    assert ents(examples[0]) == [(0, 1, "X"), (1, 2, "X")]
    assert not examples[0].predicted.has_annotation("SENT_START")


def test_a_file_without_documents_is_one(tmp_path):
    for name in ("1.conll", "2.conll"):
        (tmp_path / name).write_text("a O\n\nb O\n")
    examples = list(ConllCorpus(tmp_path, docs="document")(nlp))
    assert words(examples) == [["a", "b"], ["a", "b"]]


# Annotation


def test_predicted_docs_have_the_tokens_and_no_annotation(read):
    (example,) = read("don't\tO\n New York \tB-LOC\n\tO\n")
    assert [t.text for t in example.predicted] == [t.text for t in example.reference]
    assert list(example.alignment.x2y.lengths) == [1, 1, 1]
    assert not example.predicted.has_annotation("ENT_IOB")
    assert example.reference.has_unknown_spaces
    assert example.get_aligned_ner() == ["O", "U-LOC", "O"]


def test_tokens_without_annotation(read):
    (example,) = read("a\t-\nb\tB-X\nc\tO\nd\t-\n")
    assert iobs(example) == [0, 3, 2, 0]
    assert example.get_aligned_ner() == [None, "U-X", "O", None]
    (example,) = read("a\t-\n")
    assert iobs(example) == [0]


def test_no_entity_continues_after_an_unknown_tag(read, caplog):
    (example,) = read("a\tB-X\nb\t-\nc\tI-X\n")
    assert iobs(example) == [3, 0, 3]
    assert "repaired 1 of 3 tags" in caplog.text


def test_schemes(read):
    for scheme, tags in (
        ("IOB1", "I-X B-X O I-Y I-Y"),
        ("IOB2", "B-X B-X O B-Y I-Y"),
        ("BILUO", "U-X U-X O B-Y L-Y"),
        ("BILUO", "S-X S-X O B-Y E-Y"),
    ):
        content = "".join(f"w\t{tag}\n" for tag in tags.split())
        (example,) = read(content, scheme=scheme, invalid="error")
        assert ents(example) == [(0, 1, "X"), (1, 2, "X"), (3, 5, "Y")]


def test_repairs_are_logged_once_per_file(tmp_path, caplog):
    for name in ("1.conll", "2.conll", "3.conll"):
        (tmp_path / name).write_text("a I-X\nb I-Y\n\nc O\n")
    (tmp_path / "3.conll").write_text("a B-X\n")
    corpus = ConllCorpus(tmp_path)
    assert len(list(corpus(nlp))) == len(list(corpus(nlp))) == 5
    assert caplog.messages == [
        f"{tmp_path / name}: repaired 2 of 3 tags, which are invalid in the scheme IOB2"
        for name in ("1.conll", "2.conll")
    ]
    assert {(r.name, r.levelno) for r in caplog.records} == {
        ("spacy.lstm_ner", logging.WARNING)
    }


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r")
            ),
            min_size=1,
        )
    )
)
def test_no_token_is_lost(tmp_path_factory, sentences):
    path = tmp_path_factory.getbasetemp() / "property.conll"
    content = "\n".join(
        "".join(f"{token}\tO\n" for token in tokens) for tokens in sentences
    )
    path.write_bytes(b"\xef\xbb\xbf" + content.encode())
    expected = [[token.strip(" ") or " " for token in tokens] for tokens in sentences]
    expected = [tokens for tokens in expected if tokens != ["-DOCSTART-"]]
    if not any("-DOCSTART-" in tokens for tokens in expected):
        assert words(ConllCorpus(path)(nlp)) == expected


# Files


def test_folders_are_read_in_order_with_their_subfolders(tmp_path):
    files = ["b.conll", "a.iob", "sub/c.tsv", "sub/deep/d.TXT"]
    others = ["e.md", ".hidden/f.conll"]
    for file in files + others:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.stem} O\n")
    assert words(ConllCorpus(str(tmp_path))(nlp)) == [["a"], ["b"], ["c"], ["d"]]
    paths = [tmp_path / "e.md", str(tmp_path / "sub")]
    assert words(ConllCorpus(paths)(nlp)) == [["e"], ["c"], ["d"]]


@pytest.mark.parametrize("path", [None, [], ""])
def test_no_path(path):
    with pytest.raises(ValueError, match=r"L110.*None.*--paths.train"):
        ConllCorpus(path)


def test_a_path_that_does_not_exist(tmp_path):
    path = tmp_path / "nothing.conll"
    with pytest.raises(
        ValueError, match=r"L111.*does not exist.*create the file"
    ) as info:
        list(ConllCorpus([path])(nlp))
    assert str(path) in str(info.value)


def test_a_folder_without_files(tmp_path):
    (tmp_path / "train.spacy").touch()
    with pytest.raises(ValueError, match=r"L112.*\.conll, \.iob, \.tsv, \.txt") as info:
        list(ConllCorpus(tmp_path)(nlp))
    assert str(tmp_path) in str(info.value)


def test_limit_counts_docs_over_all_files(tmp_path):
    for name in ("1.conll", "2.conll"):
        (tmp_path / name).write_text("a O\n\nb O\n")
    for limit, n_examples in ((0, 4), (1, 1), (3, 3), (9, 4)):
        assert len(list(ConllCorpus(tmp_path, limit=limit)(nlp))) == n_examples
    assert len(list(ConllCorpus(tmp_path, limit=1, docs="document")(nlp))) == 1


def test_augmenters_yield_variants(read):
    def twice(nlp, example):
        yield example
        yield example

    examples = read("Anna B-PER\n\nBerta B-PER\n", augmenter=twice, limit=1)
    assert words(examples) == [["Anna"], ["Anna"]]


# What cannot be read


@pytest.mark.parametrize(
    ("content", "settings", "line", "parts"),
    [
        ("a\tO\nb\n", {"separator": "\t"}, 2, ["L114", "found 1 col", "'b'", "-1"]),
        ("a O\nb\n", {"separator": " "}, 2, ["L115", "found 1 col", "between ' '"]),
        ("Rome O\nNew York O\n", {"separator": " "}, 2, ["L115", "found 3", "tabs"]),
        ('a,O\n"1,000",O\n', {"separator": ","}, 2, ["L115", "found 3", "',' in"]),
        ("a\tO\n", {"word_column": -3}, 1, ["L114", "column -3"]),
        ("a\n", {}, 1, ["L114", "'a'", "word_column, tag_column and separator"]),
        ("a\tO\n", {"word_column": 2}, 1, ["L114", "found 2 column", "column 2"]),
        ("a\tO\n", {"tag_column": -3}, 1, ["L114", "column -3"]),
        ("a\tO\n", {"word_column": 1}, 1, ["L114", "column 1"]),
        ("a O\n\nNew York O\n", {}, 3, ["L115", "found 3", "expected 2", "tabs"]),
        ("a x O\n\nb\n", {}, 3, ["L115", "found 1 col", "expected 3", "comment"]),
        ("a O\n\nb X-PER\n", {}, 3, ["L116", "'X-PER'", "'b X-PER'", "'B-PER'"]),
        ("a\tO\nb\t\n", {}, 2, ["L116", "found ''"]),
        ("a\tB-\n", {}, 1, ["L116", "'B-'"]),
        ("a\tO,x\n", {}, 1, ["L116", "'O,x'"]),
        ("a\tO\rb\tO\rc\tO", {}, 1, ["L117", "carriage return", "tr"]),
        ("a\tO\n\nb\tO\nc\tU-X\n", {}, 4, ["L118", "L102", "U-X", "IOB2", "scheme"]),
        (
            "a\tO\n\nb\tO\nc\tI-X\n",
            {"invalid": "error"},
            4,
            ["L118", "L103", "'I-X'", "expected 'B-X'", '"repair"'],
        ),
    ],
)
def test_unreadable_lines_are_named(read, content, settings, line, parts):
    with pytest.raises(ValueError, match=f"file.conll, line {line}: ") as info:
        read(content, **settings)
    for part in parts:
        assert part in str(info.value)


def test_bytes_that_are_not_utf8_are_named(read):
    with pytest.raises(
        ValueError, match=r"L113.*line 3: byte 0xfc is not UTF-8.*iconv"
    ):
        read("a O\n\nMünchen B-LOC\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"line 1: byte 0xff.*iconv -f utf-16"):
        read("a O\n".encode("utf-16"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "bio"}, "L100.*'scheme' is 'bio'.*IOB2"),
        ({"invalid": "drop"}, "L100.*'invalid' is 'drop'.*repair"),
        ({"docs": "file"}, "L100.*'docs' is 'file'.*sentence.*document"),
        ({"separator": ""}, "L119.*'separator' is empty"),
        ({"comment": ""}, "L119.*'comment' is empty"),
        ({"limit": -1}, "L120.*'limit' is -1"),
    ],
)
def test_settings_without_meaning(read, settings, message):
    with pytest.raises(ValueError, match=message):
        read("a O\n", **settings)


# In a config of spaCy


CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["ner"]

[components]

[components.ner]
factory = "ner"

[corpora]

[corpora.train]
@readers = "spacy_lstm_ner.ConllCorpus.v1"
path = ${paths.train}
limit = 2

[corpora.train.augmenter]
@augmenters = "spacy.lower_case.v1"
level = 1.0

[corpora.dev]
@readers = "spacy_lstm_ner.ConllCorpus.v1"
path = ["FILE", "FILE"]
word_column = 0
tag_column = 1
separator = "\\t"
scheme = "BILUO"
invalid = "error"
docs = "document"
comment = "# "

[training]
max_steps = 2
eval_frequency = 1
"""
CONTENT = "Anna\tU-PER\n \tO\nlives\tO\nin\tO\nMiami\tU-LOC\n\nYes\tO\n\nNo\tO\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "file.conll"
    path.write_text(CONTENT)
    config = load_config_from_str(CONFIG.replace("FILE", str(path)))
    config["corpora"]["train"]["scheme"] = "BILUO"
    config["paths"]["train"] = str(path)
    return config


def test_the_registry_resolves_the_corpora(config):
    corpora = registry.resolve(config.interpolate()["corpora"])
    assert isinstance(corpora["train"], ConllCorpus)
    variants = words(corpora["train"](nlp))
    assert ["anna", " ", "lives", "in", "miami"] in [
        [w.lower() for w in ws] for ws in variants
    ]
    assert len(words(corpora["dev"](nlp))) == 2
    assert registry.readers.get(NAME) is ConllCorpus


def test_a_config_without_a_path_says_what_to_do(config):
    config["paths"]["train"] = None
    with pytest.raises(ValueError, match=r"L110.*--paths\.train"):
        registry.resolve(config.interpolate()["corpora"])


def test_spacys_ner_trains_from_the_config(config):
    nlp = init_nlp(load_model_from_config(config, auto_fill=True).config)
    _, path = train(nlp)
    assert path is None
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")


def test_spacys_ner_updates_on_entities_with_blank_tokens(read):
    examples = read("a\tB-X\n\tI-X\n\tO\nb\tB-X\n\n\tB-X\n\nc\t-\nd\tO\n \tB-X\n")
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner")
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(2):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["ner"] > 0
    counts = Counter(ent.label_ for eg in examples for ent in eg.reference.ents)
    assert counts == {"X": 4}
