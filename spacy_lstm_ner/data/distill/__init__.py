"""Distillation: a teacher labels raw texts, a student learns from them.

- `raw` reads the texts, in shards.
- `teachers` asks pipelines and functions, and merges the answers of several.
- `silver` writes the answers: a folder of .spacy files. An interrupted run continues.
- `corpus` is the reader that mixes them with gold data for `spacy train`.
"""

from .corpus import DistillCorpus
from .silver import Summary, label
from .teachers import Teacher

__all__ = ["DistillCorpus", "Summary", "Teacher", "label"]
