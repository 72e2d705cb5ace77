"""Embeddings of words."""
