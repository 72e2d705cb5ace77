"""The command line: `python -m spacy lstm-ner COMMAND`.

spaCy imports this package at the start of each of its commands (entry point group
`spacy_cli`), so it imports only what spaCy's own command line has imported, and light
modules. A command imports the rest when it runs.
"""

from . import (
    annotate,
    card,
    check,
    clusters,
    convert,
    course,
    data,
    distill,
    evaluate,
    report,
    serve,
    trials,
)
from .shared import app

__all__ = [
    "annotate",
    "app",
    "card",
    "check",
    "clusters",
    "convert",
    "course",
    "data",
    "distill",
    "evaluate",
    "report",
    "serve",
    "trials",
]
