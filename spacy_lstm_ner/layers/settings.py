"""What a layer takes from its config."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of a layer, among its attributes. When a saved model is loaded, those of
    the config count: Thinc saves numbers and texts, and would put them in their place,
    but no objects like this one."""
