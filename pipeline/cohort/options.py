"""``manifest.labels:`` of the configuration."""

import re
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from string import Formatter
from typing import Literal, get_args

Pseudonym = Literal["patient", "study", "series_key", "slice_key"]
Element = Literal["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
Identifier = Element | Pseudonym
"""What a table may be joined on: a DICOM element, or the pseudonym that stands for it in the manifest."""

IDENTIFIERS: tuple[str, ...] = (*get_args(Element), *get_args(Pseudonym))

FIELDS = frozenset(IDENTIFIERS) - {"SOPInstanceUID", "slice_key"}
"""What may stand in braces in the path of a NIfTI file."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""What a mask may be called: it becomes the name of an array."""


@dataclass(frozen=True)
class MaskOptions:
    """Masks of one name: NIfTI files, ``{PatientID}`` and the like put in, or DICOM objects among the inputs."""

    name: str
    nifti: str | None = None
    dicom: Literal["SEG", "RTSTRUCT"] | None = None
    roi: str | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            msg = f"name must be letters, digits, - and _, not {self.name!r}"
            raise ValueError(msg)
        if (self.nifti is None) == (self.dicom is None):
            msg = "a mask is either nifti: FILE or dicom: SEG or RTSTRUCT"
            raise ValueError(msg)
        if self.roi is not None and self.dicom is None:
            msg = "roi chooses among the segments of dicom: SEG or RTSTRUCT; a NIfTI file has no names"
            raise ValueError(msg)
        _check_pattern(self.roi)
        _check_fields(self.nifti or "")

    def files(self) -> list[str]:
        """Return every NIfTI file that there is for any series, in order."""
        parts = Formatter().parse(self.nifti or "")
        pattern = "".join(escape(text) + ("" if name is None else "*") for text, name, _, _ in parts)
        return sorted(glob(pattern))  # noqa: PTH207  the pattern may begin at the root


@dataclass(frozen=True)
class LabelOptions:
    """A CSV table and masks to join; ``column`` is the table's column that holds ``on``, if it is called otherwise."""

    csv: str | None = None
    on: Identifier = "PatientID"
    column: str | None = None
    masks: tuple[MaskOptions, ...] = ()

    def __post_init__(self) -> None:
        names = [mask.name for mask in self.masks]
        if len(set(names)) < len(names):
            msg = "masks must have names of their own"
            raise ValueError(msg)

    @property
    def table(self) -> "TableOptions | None":
        """The table alone."""
        return None if self.csv is None else TableOptions(Path(self.csv), self.on, self.column)


@dataclass(frozen=True)
class TableOptions:
    """A CSV file, what it is joined on, and the column that holds that."""

    path: Path
    on: Identifier
    column: str | None = None

    @property
    def key_column(self) -> str:
        """The column that holds what the table is joined on."""
        return self.column or self.on

    @property
    def speaks_of_slices(self) -> bool:
        """Whether its rows are about single slices."""
        return self.on in {"SOPInstanceUID", "slice_key"}


def _check_fields(path: str) -> None:
    """Refuse braces that hold anything but a known name."""
    try:
        parts = [
            (field, spec, conversion) for _, field, spec, conversion in Formatter().parse(path) if field is not None
        ]
    except ValueError as error:
        msg = f"nifti must be a path with names in braces: {error}"
        raise ValueError(msg) from error
    if any(field not in FIELDS or spec or conversion for field, spec, conversion in parts):
        msg = f"nifti knows these names in braces: {', '.join(sorted(FIELDS))}"
        raise ValueError(msg)


def _check_pattern(pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        msg = f"roi must be a regular expression: {error}"
        raise ValueError(msg) from error
