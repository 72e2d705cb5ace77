"""The reader that mixes gold data with the texts that a teacher has labelled."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry

from ...checks import check_at_least, check_choice
from ...component.lessons import Lesson, answer_of, set_lesson
from ...errors import Errors
from ..annotate.output import missing_files
from ..files import find_files

TARGETS = ("soft", "hard")

Reader = Callable[[Language], Iterable[Example]]


@registry.readers("spacy_lstm_ner.DistillCorpus.v1")
class DistillCorpus:
    """Iterate over gold Examples, and over Examples of the texts that `label` has
    labelled, evenly mixed. A component `lstm_ner` learns from each as its `Lesson`
    says; other components see the entities.

    silver (Union[str, Path]): The folder of the labelled texts, or one of its files.
        One file at a time is in memory.
    gold (Optional[Callable]): The reader of the gold data; None: there is none.
    targets (str): "soft" learns the teacher's distribution over tag paths, "hard" its
        entities.
    temperature (float): Of soft targets, for teacher and student (see `cross_entropy`).
    trust (float): Of hard targets: the tokens of entities with a lower score are not
        annotated. Entities of teachers without scores have 1.
    gold_weight, silver_weight (float): Factors of the losses.
    limit (int): Number of labelled texts. 0: all, as in spaCy's readers.
    RAISES ValueError: If a setting is out of its range (L048, L100, L243).
    """

    def __init__(
        self,
        silver: str | Path,
        *,
        gold: Reader | None = None,
        targets: str = "soft",
        temperature: float = 1.0,
        trust: float = 0.0,
        gold_weight: float = 1.0,
        silver_weight: float = 1.0,
        limit: int = 0,
    ) -> None:
        check_choice("targets", targets, TARGETS)
        check_at_least(
            0, gold_weight=gold_weight, silver_weight=silver_weight, limit=limit
        )
        if not (temperature > 0 and 0 <= trust <= 1):
            message = Errors.L243.format(temperature=temperature, trust=trust)
            raise ValueError(message)
        self.silver = Path(silver)
        self.gold = gold
        self.targets = targets
        self.trust = trust
        self.limit = limit
        self._of_gold = Lesson(weight=gold_weight)
        self._of_silver = Lesson(weight=silver_weight, temperature=temperature)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield examples.

        nlp (Language): The student's pipeline.
        YIELDS (Example): Gold and labelled texts, evenly mixed.
        RAISES ValueError: If there are no labelled texts (L244), if a part of them is
            missing (L245), or if a text has no answer (L246) or no distribution (L247).
        """
        files = self._files()
        gold = [] if self.gold is None else list(self.gold(nlp))
        for eg in gold:
            set_lesson(eg, self._of_gold)
        n_silver = sum(len(DocBin().from_disk(path)) for path in files)
        n_silver = min(n_silver, self.limit or n_silver)
        silver = islice(self._examples(files, nlp), n_silver)
        n_gold = len(gold)
        for i, eg in enumerate(gold):
            yield eg
            done, due = i * n_silver // n_gold, (i + 1) * n_silver // n_gold
            yield from islice(silver, due - done)
        yield from silver

    def _files(self) -> list[Path]:
        files = find_files(self.silver, [".spacy"])
        if not files:
            raise ValueError(Errors.L244.format(path=self.silver))
        missing = missing_files(self.silver)
        if missing:
            n_files = len(files) + len(missing)
            message = Errors.L245.format(
                path=self.silver, n=len(missing), n_files=n_files
            )
            raise ValueError(message)
        return files

    def _examples(self, files: Iterable[Path], nlp: Language) -> Iterator[Example]:
        for path in files:
            for reference in DocBin().from_disk(path).get_docs(nlp.vocab):
                spaces = [bool(token.whitespace_) for token in reference]
                words = [token.text for token in reference]
                predicted = Doc(nlp.vocab, words=words, spaces=spaces)
                eg = Example(predicted, reference)
                self._teach(eg, path)
                yield eg

    def _teach(self, eg: Example, path: Path) -> None:
        """Set the lesson of a labelled text, and forget unsure entities."""
        doc = eg.reference
        answer = answer_of(doc)
        if answer is None:
            raise ValueError(Errors.L246.format(path=path, text=doc.text[:50]))
        lesson = replace(self._of_silver, known=answer.labels)
        if self.targets == "soft":
            if answer.paths is None:
                raise ValueError(Errors.L247.format(path=path, text=doc.text[:50]))
            lesson = replace(lesson, paths=answer.paths)
        else:
            pairs = zip(doc.ents, answer.scores, strict=True)
            unsure = [ent for ent, score in pairs if score < self.trust]
            doc.set_ents([], missing=unsure, default="unmodified")
        set_lesson(eg, lesson)
