"""From files to Docs and back."""
