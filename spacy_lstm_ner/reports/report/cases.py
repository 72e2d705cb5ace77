"""Each gold and each predicted entity with what became of it: the cases that all
figures count."""

from typing import NamedTuple

from .entities import Answers, Entity, Found
from .pairs import INVENTED, MISSED, UNJUDGED


class Case(NamedTuple):
    """A pair of entities, or one without partner.

    text (int): The number of the text, from 0.
    kind (str): One of `pairs.KINDS`.
    gold (Optional[Entity]): The gold entity; None if the other is invented.
    found (Optional[Found]): The predicted entity; None if the gold one is missed.
    """

    text: int
    kind: str
    gold: Entity | None
    found: Found | None


def cases_of(answers: Answers) -> list[Case]:
    """The cases of a model at its own settings, by text. Predicted entities on tokens
    without annotation are left out.

    answers (Answers): What the model finds.
    """
    cases = []
    for i, (text, found) in enumerate(zip(answers.texts, answers.found, strict=True)):
        partners = {}
        for each in found:
            if each.kind == UNJUDGED or not answers.is_kept(each):
                continue
            if each.gold is None:
                cases.append(Case(i, INVENTED, None, each))
            else:
                partners[each.gold] = each
        for j, gold in enumerate(text.gold):
            partner = partners.get(j)
            kind = MISSED if partner is None else partner.kind
            cases.append(Case(i, kind, gold, partner))
    return cases
