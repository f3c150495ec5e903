"""Where the masks of one series may lie."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MaskSource:
    """A series' mask of one name: a NIfTI file, or DICOM objects of which one may speak of the series."""

    name: str
    kind: Literal["NIFTI", "SEG", "RTSTRUCT"]
    paths: tuple[str, ...]
    roi: str | None = None
