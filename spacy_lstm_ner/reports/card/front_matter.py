"""The metadata of a model card: YAML between `---`, read by the Hugging Face hub.

The fields are described at https://huggingface.co/docs/hub/model-cards; tasks and
metrics have the names that spacy-huggingface-hub gives them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Licenses by the hub's identifiers. It refuses others, except "other" with a name.
_LICENSES = frozenset(
    re.findall(
        r"\S+",
        """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause
    bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
    cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0
    cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
    ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0 isc
    lgpl lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail
    osl-3.0 pddl postgresql unlicense wtfpl zlib
    """,
    )
)


def metadata_of(
    name: str, dataset: str, meta: Mapping[str, Any], scores: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata of a pipeline.

    name (str): Its name on the card.
    dataset (str): Name of the texts that the scores are from.
    meta (Mapping[str, Any]): As of `nlp.meta`.
    scores (Mapping[str, Any]): Has `ents_p`, `ents_r` and `ents_f`.
    """
    lang = meta["lang"]
    names = (
        ("Precision", "precision", "ents_p"),
        ("Recall", "recall", "ents_r"),
        ("F Score", "f_score", "ents_f"),
    )
    return {
        "tags": ["spacy", "token-classification"],
        "language": ["multilingual" if lang == "xx" else lang],
        **_license(meta.get("license") or ""),
        "library_name": "spacy",
        "pipeline_tag": "token-classification",
        "model-index": [
            {
                "name": name,
                "results": [
                    {
                        "task": {"name": "NER", "type": "token-classification"},
                        "dataset": {"name": dataset, "type": _slug(dataset)},
                        "metrics": [
                            {
                                "name": f"NER {title}",
                                "type": kind,
                                "value": float(scores[key]),
                            }
                            for title, kind, key in names
                        ],
                    }
                ],
            }
        ],
    }


def _license(text: str) -> dict[str, str]:
    """The license by the hub's identifier; {} if there is none."""
    found = "-".join(text.lower().split()).removeprefix("gnu-")
    if not found or found in _LICENSES:
        return {"license": found} if found else {}
    return {"license": "other", "license_name": _slug(found)}


def _slug(text: str) -> str:
    """A name as an identifier: small letters, digits, points and hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unnamed"


def front_matter(data: Mapping[str, Any]) -> str:
    """Write metadata as YAML between two lines `---`.

    Strings are quoted: YAML 1.1, which the hub's client reads, takes the language `no`
    for false.

    >>> print(front_matter({"language": ["no"], "index": [{"name": "a", "f": 1.5}]}))
    ---
    language:
      - "no"
    index:
      - name: "a"
        f: 1.5
    ---

    data (Mapping[str, Any]): Strings, floats, lists and mappings of them. Keys need no
        quotes.
    """
    return "\n".join(["---", *_lines(data), "---"])


def _lines(value: Any) -> Iterator[str]:
    """The lines of a list or a mapping."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(each, (str, float)):
                yield f"{key}: {_scalar(each)}"
            else:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(each))
        return
    for each in value:
        lines = [_scalar(each)] if isinstance(each, (str, float)) else _lines(each)
        for i, line in enumerate(lines):
            yield f"  {line}" if i else f"- {line}"


def _scalar(value: str | float) -> str:
    if isinstance(value, float):
        # No exponents, which need a point in YAML 1.1.
        return f"{value:.10f}".rstrip("0") + ("0" if value == int(value) else "")
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(char: str) -> str:
    """A character in double quotes. Lone surrogates cannot be written."""
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"
