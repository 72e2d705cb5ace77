"""The formats in which annotation comes. Each is a file with a name and two functions:

- `looks_like(source)`: whether a file or folder has this format, which must be certain;
- `read(source)`: its texts with their spans.

To add a format, write such a file and list it in `registry`.

- `loading` reads files and folders to Docs.
- `source` parses a file once for all formats that look at it.
- `annotated` has the texts that readers yield, and their checks.
- `merging` makes one text of the annotations of several people.
- `docs` makes Docs, and counts what that loses.
- `writing` writes Docs to the formats that people go on working with.
"""

from .annotated import AnnotatedText, CharSpan
from .loading import Loaded, load_docs
from .registry import FORMATS, Format, detect
from .source import Options, Source
from .writing import write_docs

__all__ = [
    "FORMATS",
    "AnnotatedText",
    "CharSpan",
    "Format",
    "Loaded",
    "Options",
    "Source",
    "detect",
    "load_docs",
    "write_docs",
]
