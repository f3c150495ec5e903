"""Descriptions of an output for publishing: Croissant metadata, and a card in Markdown."""

from pipeline.card.facts import About
from pipeline.card.write import write_card

__all__ = ["About", "write_card"]
