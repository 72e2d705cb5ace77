"""Training data within Python scripts, as those of spaCy 2 have it: lists of pairs or
records. Nothing of a script is run."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import Warnings
from ..files import shown
from ..lines import cut
from .annotated import mismatch

logger = logging.getLogger("spacy.lstm_ner")

ENDING = ".py"


class Literal(NamedTuple):
    """A value of a list in a script.

    line (int): The number of its first line.
    value (Any): As JSON has it: tuples are lists.
    """

    line: int
    value: Any


def read_script(path: Path, text: str) -> list[Literal]:
    """The values of the lists of texts in a script. Which lists there are is logged if
    there are several, because they may be parts of a corpus.

    path (Path): The script.
    text (str): Its content.
    RETURNS (List[Literal]): The values in the order of the script; none if no list has
        a pair of a text and a dictionary, or a dictionary with a text.
    RAISES ValueError (L274): If the script is not valid Python, or a value of such a
        list is not written out.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        line = getattr(err, "lineno", None) or 1
        where = f"{path}, line {line}"
        raise mismatch(where, str(err), "valid Python") from err
    lists = list(_lists(module))
    if len(lists) > 1:
        found = ", ".join(f"{name} ({len(list_.elts)})" for name, list_ in lists)
        logger.warning(Warnings.L530.format(path=shown(path), found=found))
    return [
        Literal(element.lineno, _evaluate(element, path))
        for _, list_ in lists
        for element in list_.elts
    ]


def _lists(module: ast.Module) -> Iterator[tuple[str, ast.List | ast.Tuple]]:
    for node in ast.walk(module):
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=value)
                | ast.AnnAssign(target=ast.Name(name), value=value)
            ) if isinstance(value, ast.List | ast.Tuple):
                if any(map(_is_annotated, value.elts)):
                    yield name, value


def _is_annotated(element: ast.expr) -> bool:
    match element:
        case ast.Tuple([_, ast.Dict()]) | ast.List([_, ast.Dict()]):
            return True
        case ast.Dict(keys=keys):
            return any(isinstance(k, ast.Constant) and k.value == "text" for k in keys)
    return False


def _evaluate(element: ast.expr, path: Path) -> Any:
    try:
        return _as_json(ast.literal_eval(element))
    except (ValueError, TypeError, RecursionError) as err:
        where = f"{path}, line {element.lineno}"
        expected = "a value that is written out, without names and calls"
        raise mismatch(where, cut(ast.unparse(element)), expected) from err


def _as_json(value: Any) -> Any:
    match value:
        case list() | tuple():
            return [_as_json(each) for each in value]
        case dict():
            return {key: _as_json(each) for key, each in value.items()}
    return value
