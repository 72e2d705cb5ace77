"""The textbook course: measurements, padding, and a generated corpus."""
