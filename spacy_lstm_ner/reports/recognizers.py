"""The recognizer of a pipeline, the Docs that it gets, and what comes of them."""

from collections.abc import Callable, Iterable, Iterator

from spacy.language import Language
from spacy.tokens import Doc

from ..component.lstm_ner import LSTMNer
from ..errors import Errors


def find_recognizer(nlp: Language, name: str | None) -> tuple[str, LSTMNer]:
    """The recognizer of a pipeline.

    nlp (Language): The pipeline.
    name (Optional[str]): Name of the component; None: the only recognizer.
    RETURNS (Tuple[str, LSTMNer]): Its name and the component.
    RAISES ValueError (L206): If there is none, or several and no name.
    """
    found = {n: pipe for n, pipe in nlp.pipeline if isinstance(pipe, LSTMNer)}
    names = [name] if name in found else list(found) if name is None else []
    if len(names) != 1:
        asked = "the only one" if name is None else repr(name)
        raise ValueError(
            Errors.L206.format(asked=asked, pipes=nlp.pipe_names, names=list(found))
        )
    return names[0], found[names[0]]


def docs_before(nlp: Language, name: str, texts: Iterable[str | Doc]) -> Iterator[Doc]:
    """Process texts with the components before a recognizer.

    nlp (Language): The pipeline.
    name (str): Name of the recognizer.
    texts (Iterable[Union[str, Doc]]): The texts.
    YIELDS (Doc): The Docs that the recognizer gets.
    """
    later = nlp.pipe_names[nlp.pipe_names.index(name) :]
    return nlp.pipe(texts, disable=later)


def raw_doc(doc: Doc, tokenize: Callable[[str], Doc]) -> Doc:
    """A Doc without annotation, as spaCy's reader makes it of an annotated one: a Doc
    of which the spaces are not known keeps its tokens.

    doc (Doc): The annotated Doc.
    tokenize (Callable[[str], Doc]): The tokenizer of the pipeline.
    """
    if doc.has_unknown_spaces:
        return Doc(doc.vocab, words=[token.text for token in doc])
    return tokenize(doc.text)


def docs_behind(nlp: Language, name: str, docs: Iterable[Doc]) -> Iterator[Doc]:
    """Process Docs with the components behind a recognizer.

    nlp (Language): The pipeline.
    name (str): Name of the recognizer.
    docs (Iterable[Doc]): The Docs, with the entities of the recognizer.
    YIELDS (Doc): The Docs as the whole pipeline gives them.
    """
    earlier = nlp.pipe_names[: nlp.pipe_names.index(name) + 1]
    return nlp.pipe(docs, disable=earlier)
