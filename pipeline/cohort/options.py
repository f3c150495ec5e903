"""``manifest:`` of the configuration: identifiers, elements, labels, masks and splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.cohort.splits import Split
from pipeline.masks.sources import MaskOptions
from pipeline.privacy import IdentifierPolicy

Pseudonym = Literal["patient", "study", "series_key", "slice_key"]
Element = Literal["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
Identifier = Element | Pseudonym
"""What a table may be joined on: a DICOM element, or the pseudonym that stands for it in the manifest."""

IDENTIFIERS: tuple[str, ...] = (*get_args(Element), *get_args(Pseudonym))


@dataclass(frozen=True)
class LabelOptions:
    """A CSV table and masks to join; ``column`` is the table's column that holds ``on``, if it has another name."""

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
    def is_about_slices(self) -> bool:
        """Whether its rows are about single slices."""
        return self.on in {"SOPInstanceUID", "slice_key"}


@dataclass(frozen=True)
class ManifestOptions:
    """``manifest:`` of the configuration."""

    identifiers: IdentifierPolicy = "pseudonym"
    tags: tuple[str, ...] = ()
    labels: LabelOptions | None = None
    split: Split | None = None
    patient_map: str | None = None
