"""``report:`` of the configuration."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ReportOptions:
    """Whether a report is written, and with what in it."""

    enabled: bool = True
    pictures: bool = True
    animations: Literal["webp", "gif", "none"] = "none"


@dataclass(frozen=True)
class PictureRequest:
    """The folder that a worker draws a series' pictures into, while its volume passes, and with what in it."""

    folder: str
    animations: Literal["webp", "gif", "none"] = "none"
