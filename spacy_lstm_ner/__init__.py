"""Named entity recognition for spaCy with an LSTM tagger.

Installing the package is enough: every factory, architecture, layer, scorer and
reader is found by its registered name, so nothing needs to be imported.
"""

__version__ = "0.1.0"
