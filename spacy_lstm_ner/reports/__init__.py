"""Figures and pages about predictions."""
