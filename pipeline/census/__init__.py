"""Counts of element values over a cohort; knows no file and adds up what others observed."""

from pipeline.census.counts import Census, ElementCounts
from pipeline.census.tally import Tally
from pipeline.census.verdicts import judged
from pipeline.census.write import write_tags

__all__ = ["Census", "ElementCounts", "Tally", "judged", "write_tags"]
