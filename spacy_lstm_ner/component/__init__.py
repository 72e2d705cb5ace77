"""The component `lstm_ner`: what spaCy sees."""
