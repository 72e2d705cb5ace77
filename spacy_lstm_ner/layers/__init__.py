"""The package's Thinc layers."""

from .recurrent.gru import GRU
from .recurrent.lstm import LSTM
from .recurrent.rnn import RNN

__all__ = ["GRU", "LSTM", "RNN"]
