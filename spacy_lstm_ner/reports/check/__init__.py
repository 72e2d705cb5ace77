"""Is annotated data sound? Counts per label, and findings that a person should look at.

- `findings` has what a finding is, and the list of its kinds.
- `counts` counts texts, tokens and labels, and finds what is missing or rare.
- `spans` looks at each entity, `texts` at repeated texts, `strings` at the same words
  with other labels or with none.
- `doubts` asks a model which annotation is improbable, `folds` models that have not
  learned from the texts that they judge.
"""

from ..recognizers import raw_doc
from .findings import KINDS, Data, Finding, Kind, Text
from .run import Check, check_docs

__all__ = ["KINDS", "Check", "Data", "Finding", "Kind", "Text", "check_docs", "raw_doc"]
