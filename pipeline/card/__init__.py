"""What an output says of itself to those who did not make it: Croissant, and a card in Markdown."""

from pipeline.card.facts import About
from pipeline.card.write import write_card

__all__ = ["About", "write_card"]
