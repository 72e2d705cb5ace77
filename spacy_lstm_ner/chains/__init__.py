"""Distributions over tag paths: mathematics on plain arrays."""
