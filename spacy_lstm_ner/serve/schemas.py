"""What requests and answers look like. FastAPI makes the OpenAPI description of it.

Offsets count Unicode code points, as Python does; `start` is the first character and
`end` the one behind the last.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from ..data.json_lines import for_spacy
from ..errors import Errors


def _whole(text: str) -> str:
    """Refuse lone surrogates, which are no characters."""
    if not text.isascii() and for_spacy(text) != text:
        raise ValueError(Errors.L374)
    return text


Text = Annotated[str, AfterValidator(_whole)]
Probability = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Offset = Annotated[int, Field(ge=0, strict=True)]


class _Strict(BaseModel):
    """Unknown fields are errors: a mistyped setting must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class EntitiesRequest(_Strict):
    """Texts, and settings for this request alone."""

    text: Annotated[
        Text | list[Text], Field(description="One text, or a list of texts")
    ]
    threshold: Annotated[
        Probability | None,
        Field(description="Least confidence of an entity. Default: as the pipeline"),
    ] = None
    decoding: Annotated[
        Literal["best_path", "probability"] | None,
        Field(description="How entities are chosen. Default: as the pipeline"),
    ] = None
    candidates: Annotated[
        StrictBool | Probability | None,
        Field(
            description="List the other spans too: true those that reach the "
            "threshold, a number those that reach this probability (at least 0.01). "
            "Default: as the pipeline"
        ),
    ] = None
    n_best: Annotated[
        int,
        Field(ge=0, le=20, strict=True, description="Number of readings to list"),
    ] = 0
    tokens: Annotated[
        StrictBool, Field(description="List the offsets of the tokens")
    ] = False


class LabelledSpan(_Strict):
    """A span of a text with a label."""

    start: Offset
    end: Offset
    label: Annotated[Text, Field(min_length=1, max_length=200)]


class Place(LabelledSpan):
    """A span with its characters."""

    text: str


class Entity(Place):
    """A span with its confidence: the probability of exactly this span with this label;
    null if another component than the recognizer has set it."""

    confidence: float | None


class Reading(_Strict):
    """One possible set of entities of a text, and the probability of exactly it."""

    probability: float
    entities: list[Place]


class TextEntities(_Strict):
    """What was found in one text. Lists that were not asked for are left out."""

    entities: list[Entity]
    candidates: list[Entity] | None = None
    n_best: list[Reading] | None = None
    tokens: list[tuple[int, int]] | None = None


class EntitiesAnswer(_Strict):
    """A result for each text, in the order of the request."""

    results: list[TextEntities]


class AlternativesRequest(_Strict):
    """A span of a text."""

    text: Text
    start: Offset
    end: Offset


class LabelProbability(_Strict):
    """The probability that exactly this span is an entity with a label."""

    label: str
    probability: float


class ProbablePlace(Place):
    """A span with its probability."""

    probability: float


class AlternativesAnswer(_Strict):
    """Where the probability of a span goes: `labels`, `others` and `none` sum to 1.
    `others` is that of all entities with other boundaries on these characters, `spans`
    the most probable of those."""

    start: int
    end: int
    text: str
    labels: list[LabelProbability]
    others: float
    spans: list[ProbablePlace]
    none: float


class CorrectionRequest(_Strict):
    """A text with all of its entities, as a person sees them."""

    text: Annotated[Text, Field(min_length=1)]
    spans: list[LabelledSpan]


class CorrectionAnswer(_Strict):
    """The number of texts in the file, and whether this one replaced an earlier one."""

    n_texts: int
    replaced: bool


class LabelsAnswer(_Strict):
    """The labels of the recognizer."""

    labels: list[str]


class HealthAnswer(_Strict):
    """The service is up. `status` is "stopping" after SIGTERM."""

    status: Literal["ok", "stopping"]
    pipeline: str
    version: str


class SettingsAnswer(_Strict):
    """The settings of the recognizer, and what the service accepts."""

    language: str
    decoding: str
    threshold: float
    label_thresholds: dict[str, float]
    candidates: bool
    max_chars: int
    max_texts: int
    max_bytes: int
    corrections: bool


class Problem(_Strict):
    """Why a request was refused."""

    detail: str
