"""Shared by the commands that train: options, and the config with what they set."""

from pathlib import Path
from typing import Annotated

from spacy.cli._util import import_code, parse_config_overrides
from spacy.util import load_config
from thinc.api import Config

from .shared import Opt

# Further options override the config.
OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

MaxSteps = Annotated[
    int | None, Opt(help="Steps of a training. Default: the config's", min=1)
]
Code = Annotated[
    Path | None, Opt(help="Python file to import first, as of spacy train")
]
Gpu = Annotated[int, Opt("--gpu-id", "-g", help="GPU ID, or -1 for CPU")]
Verbose = Annotated[
    bool, Opt("--verbose", help="Show the table of each training, on stderr")
]


def load_settings(
    path: Path, overrides: list[str], max_steps: int | None, code: Path | None
) -> Config:
    """The config with the settings of the command line, not interpolated.

    path (Path): The config.
    overrides (List[str]): Further arguments, such as --training.dropout 0.2.
    max_steps (Optional[int]): Steps of a training. None: those of the config.
    code (Optional[Path]): A Python file to import first.
    """
    settings = parse_config_overrides(overrides)
    if max_steps is not None:
        settings["training.max_steps"] = max_steps
    import_code(code)
    return load_config(path, settings, interpolate=False)
