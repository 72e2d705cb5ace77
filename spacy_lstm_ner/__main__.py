"""Runs the command line: `python -m spacy_lstm_ner`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
