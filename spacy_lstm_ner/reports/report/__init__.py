"""What does a model get wrong, and why? Figures, and a page that shows each error.

- `predict` lets a pipeline find entities, and pairs them with the gold ones by the rule
  of `pairs`. `cases` lists each entity with what became of it.
- `run` counts the cases: `scores` by the groups of `groups`, `semeval`, with intervals
  by `bootstrap`; `figures` has all figures of one model.
- `html` writes the page, with `tables` and `charts`; `data` is what its script reads.
"""

from .entities import Answers, Entity, Found, Text
from .predict import predict
from .run import Report, make_report

__all__ = ["Answers", "Entity", "Found", "Report", "Text", "make_report", "predict"]
