"""Runs the command line: `python -m spacy_lstm_ner`."""

import sys

from .cli.commands import main

sys.exit(main())
