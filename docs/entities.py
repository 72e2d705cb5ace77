"""Draw the entities that a pipeline finds in texts, with their confidences, as SVG.

    python docs/entities.py training/demo-default/model-calibrated docs/entities.svg \
        "Sharon flew to Miami last Friday." ...

The picture has a background of its own, so it is readable on light and dark pages.
"""

import argparse
from collections.abc import Iterator
from html import escape
from pathlib import Path

import spacy
from spacy.tokens import Doc

# Width of a character of a monospaced font, and heights, in pixels.
CHAR, LINE, PAD = 9.0, 62, 18
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# Okabe and Ito's colors, which color-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a trained pipeline with lstm_ner")
    parser.add_argument("output", type=Path, help=".svg")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    args = parser.parse_args()
    docs = list(spacy.load(args.model).pipe(args.texts))
    args.output.write_text(draw(docs), encoding="utf8", newline="\n")


def draw(docs: list[Doc]) -> str:
    """Draw Docs, one on a line.

    docs (List[Doc]): The Docs, with entities.
    RETURNS (str): The SVG.
    """
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    colors = {label: COLORS[i % len(COLORS)] for i, label in enumerate(labels)}
    width = max(len(doc.text) for doc in docs) * CHAR + 2 * PAD
    height = len(docs) * LINE + PAD
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" font-family="{FONT}" role="img">',
        "<title>Entities with their confidences</title>",
        f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#f8f8f6"/>',
    ]
    for i, doc in enumerate(docs):
        lines += draw_doc(doc, PAD + i * LINE, colors)
    return "\n".join([*lines, "</svg>\n"])


def draw_doc(doc: Doc, top: float, colors: dict[str, str]) -> Iterator[str]:
    """Draw the boxes, confidences and words of a Doc.

    doc (Doc): The Doc.
    top (float): Where its line begins.
    colors (Dict[str, str]): The color of each label.
    YIELDS (str): Elements of SVG.
    """
    for ent in doc.ents:
        color = colors[ent.label_]
        x, w = PAD + ent.start_char * CHAR - 1, len(ent.text) * CHAR + 2
        note = f"{ent.label_} {ent._.confidence:.2f}"
        yield (
            f'<rect x="{x:.1f}" y="{top}" width="{w:.1f}" height="27" rx="5" '
            f'fill="{color}" fill-opacity="0.16" stroke="{color}"/>'
        )
        for share, opacity in ((1, 0.25), (ent._.confidence, 1)):
            yield (
                f'<rect x="{x:.1f}" y="{top + 30}" width="{w * share:.1f}" '
                f'height="4" fill="{color}" fill-opacity="{opacity}"/>'
            )
        yield text(note, x + w / 2, top + 47, 11.5, "#333333", anchor="middle")
    for token in doc:
        if not token.is_space:
            x = PAD + token.idx * CHAR
            yield text(token.text, x, top + 19, 15, "#1a1a1a", len(token) * CHAR)


def text(
    words: str,
    x: float,
    y: float,
    size: float,
    color: str,
    width: float | None = None,
    anchor: str = "start",
) -> str:
    """A piece of text.

    words (str): The text.
    x, y (float): Where it stands.
    size (float): Size of the font.
    color (str): Its color.
    width (Optional[float]): Stretch it to this width, in fonts of any kind.
    anchor (str): What of it is at `x`: "start" or "middle".
    RETURNS (str): An element of SVG.
    """
    fit = "" if width is None else f' textLength="{width:.1f}"'
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
        f'text-anchor="{anchor}"{fit}>{escape(words)}</text>'
    )


if __name__ == "__main__":
    main()
