"""Files that the commands read."""

from pathlib import Path

import pytest
import spacy
from contract.helpers import add_tiny, make_example, make_nlp, trained
from spacy.tokens import DocBin
from thinc.api import fix_random_seed

from spacy_lstm_ner.data.conll import ConllCorpus

from .helpers import TEXTS, TRAIN, Files, dev_examples

CONLL = "Sharon\tB-per\nflew\tO\nto\tO\nMiami\tI-geo\n\nNo\tO\n<b>\tB-eve&co\n"


@pytest.fixture
def conll(tmp_path: Path) -> Path:
    path = tmp_path / "train.conll"
    path.write_text(CONLL, encoding="utf8")
    return path


@pytest.fixture
def data(conll: Path, tmp_path: Path) -> Path:
    """The texts of `conll` in spaCy's format."""
    path = tmp_path / "new" / "train.spacy"
    path.parent.mkdir()
    docs = [eg.reference for eg in ConllCorpus(conll)(spacy.blank("xx"))]
    DocBin(docs=docs).to_disk(path)
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("recognizers")
    names = ("ner", "two", "plain", "dev.spacy", "raw.spacy")
    files = Files(*(folder / name for name in names))
    fix_random_seed(0)
    nlp = trained(make_nlp(), [make_example(make_nlp(), *each) for each in TRAIN])
    nlp.to_disk(files.ner)
    DocBin(docs=[eg.reference for eg in dev_examples(nlp)]).to_disk(files.dev)
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(files.raw)
    add_tiny(nlp, "late")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "PER", "pattern": name} for name in ("Dora", "Ada")])
    nlp.to_disk(files.two)
    spacy.blank("xx").to_disk(files.plain)
    return files
