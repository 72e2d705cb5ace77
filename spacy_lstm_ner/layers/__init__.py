"""The package's Thinc layers."""

from .lstm import LSTM

__all__ = ["LSTM"]
