"""From vectors to distributions over tag paths."""
