"""The model card: a README that says what a pipeline is, with metadata for the hub."""

from .measured import Measured, measure
from .page import MARK, Card, render_card

__all__ = ["MARK", "Card", "Measured", "measure", "render_card"]
