"""``report:`` of the configuration."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ReportOptions:
    """Whether a report is written, and with what in it."""

    enabled: bool = True
    pictures: bool = True
    animations: Literal["webp", "gif", "none"] = "webp"
