"""All findings about annotated data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ...data.formats.docs import Losses
from .counts import PartCounts, count_parts, look_at_annotation, look_at_labels
from .findings import KINDS, Data, Finding
from .spans import look_at_limits, look_at_spans
from .strings import look_at_strings
from .texts import look_at_texts


class Check(NamedTuple):
    """The result of a check.

    parts (Dict[str, PartCounts]): What each part has.
    findings (List[Finding]): What a person should look at, in the order of `KINDS`:
        problems first.
    """

    parts: dict[str, PartCounts]
    findings: list[Finding]

    @property
    def n_problems(self) -> int:
        """Number of kinds of problems that were found."""
        return sum(finding.is_problem for finding in self.findings)

    def adding(self, findings: Iterable[Finding]) -> "Check":
        """The result with further findings, if they found anything.

        findings (Iterable[Finding]): The findings.
        """
        found = [each for each in (*self.findings, *findings) if each.count]
        order = list(KINDS)
        found.sort(key=lambda finding: order.index(finding.kind))
        return self._replace(findings=found)

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        parts = {
            part: {
                **counts._asdict(),
                "labels": {name: n._asdict() for name, n in counts.labels.items()},
            }
            for part, counts in self.parts.items()
        }
        findings = [
            {
                "kind": finding.kind,
                "problem": finding.is_problem,
                "message": finding.message,
                "count": finding.count,
                "examples": finding.examples,
            }
            for finding in self.findings
        ]
        return {"parts": parts, "findings": findings}


def check_docs(
    parts: Mapping[str, Sequence[Doc]],
    tokenize: Callable[[str], Doc],
    losses: Mapping[str, Losses] | None = None,
) -> Check:
    """Look for problems in annotated data.

    parts (Mapping[str, Sequence[Doc]]): The annotated Docs of each part, by its name.
        The first part is the one to train on.
    tokenize (Callable[[str], Doc]): The tokenizer of the pipeline to train, such as
        `nlp.make_doc`.
    losses (Optional[Mapping[str, Losses]]): What reading a part has lost, by its name.
    RETURNS (Check): Counts and findings.
    """
    data = Data(parts)
    counts = count_parts(data)
    found = [
        *look_at_labels(data, counts),
        *look_at_annotation(data),
        *look_at_limits(data, tokenize),
        *look_at_spans(data),
        *look_at_texts(data),
        *look_at_strings(data),
    ]
    by_kind = {finding.kind: finding for finding in found}
    for part, lost in (losses or {}).items():
        shown = [{"part": part, "place": each} for each in lost.misfits]
        _add(by_kind, "span_not_tokens", lost.n_misfits, shown)
        n_spaces = lost.n_trimmed + lost.n_blank
        trimmed = [{"part": part, "entities": n_spaces, "trimmed": True}]
        _add(by_kind, "white_space", n_spaces, trimmed if n_spaces else [])
    return Check(counts, []).adding(by_kind.values())


def _add(
    by_kind: dict[str, Finding], kind: str, n: int, examples: list[dict[str, Any]]
) -> None:
    found = by_kind[kind]
    by_kind[kind] = Finding(kind, found.count + n, [*found.examples, *examples])
