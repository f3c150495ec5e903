"""A series' record: one row of the manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.geometry import Zyx
from pipeline.vocabulary import FileStatus, Reason, SeriesWarning, Status, Verdict

ElementValue = str | float | int | list[str] | list[float] | list[int] | None
"""The value of a DICOM element, as the manifest holds it."""

LabelValue = str | float | int | None
"""The value of a label, as a table gave it."""

LABEL_PREFIX = "label_"
"""Begins the name of every label's column, so that none is taken for another."""

MASK_PREFIX, REASON_PREFIX = f"{LABEL_PREFIX}mask_", f"{LABEL_PREFIX}reason_"
"""Begin the names of the two columns of a mask: how many voxels it has, and why it is there or not."""


NO_COLUMNS = ("elements", "labels", "masks")
"""Parts of a record that are no columns of their own."""


@dataclass(frozen=True, kw_only=True)
class SeriesRecord:
    """Everything the manifest says of one series; columns that do not apply are None.

    Geometry is in array order z, y, x.  HU columns describe the source, padding left out, before steps.  ``masks`` are
    rows of private/masks.parquet: they hold names of regions, which are free text, and paths.
    """

    series_key: str
    status: Status
    reason: Reason | None = None
    warnings: tuple[SeriesWarning, ...] = ()
    detail: str | None = None
    qc: str | None = None
    qc_why: str | None = None
    patient: str | None = None
    study: str | None = None
    study_day: int | None = None
    n_files: int = 0
    n_slices: int | None = None
    geometry: Verdict | None = None
    shape_in: Zyx[int] | None = None
    spacing_in_mm: Zyx[float] | None = None
    slice_thickness_mm: float | None = None
    coverage_share: float | None = None
    tilt_deg: float | None = None
    obliquity_deg: float | None = None
    span_mm: float | None = None
    orientation: str | None = None
    shape: tuple[int, ...] | None = None
    spacing_mm: Zyx[float] | None = None
    dtype: str | None = None
    store: str | None = None
    store_bytes: int | None = None
    sha256: str | None = None
    content_hash: str | None = None
    hu_min: float | None = None
    hu_max: float | None = None
    hu_mean: float | None = None
    hu_std: float | None = None
    hu_p01: float | None = None
    hu_p05: float | None = None
    hu_p50: float | None = None
    hu_p95: float | None = None
    hu_p99: float | None = None
    hu_air_peak: float | None = None
    noise_hu: float | None = None
    body_share: float | None = None
    metal_share: float | None = None
    padding_share: float | None = None
    interpolated_share: float | None = None
    fov_truncated_share: float | None = None
    blank_slices: int | None = None
    repeated_slices: int | None = None
    kernel_class: str | None = None
    split: str | None = None
    fingerprint: str | None = None
    config_hash: str | None = None
    code_version: str | None = None
    duration_s: float | None = None
    peak_memory_mb: float | None = None
    finished_at: str | None = None
    elements: dict[str, ElementValue] = field(default_factory=dict)
    labels: dict[str, LabelValue] = field(default_factory=dict)
    masks: tuple[dict[str, Any], ...] = ()

    def own_columns(self) -> dict[str, Any]:
        """Return the columns that every record has, in order, without the DICOM elements, the labels and the masks."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in NO_COLUMNS}

    def columns(self) -> dict[str, Any]:
        """Return the record as one flat row: its own columns, the DICOM elements under their keywords, the labels."""
        return self.own_columns() | self.elements | self.labels


@dataclass(frozen=True)
class SliceOutcome:
    """What became of one slice; ``z_index`` is its plane in the source stack, None where it was not used."""

    path: str
    frame: int | None
    status: FileStatus
    reason: Reason | None = None
    position_mm: float | None = None
    offset_mm: tuple[float, float] | None = None
    z_index: int | None = None


def to_json(record: SeriesRecord) -> dict[str, Any]:
    """Return what ``json`` can write; law: ``from_json(to_json(record)) == record``, through text as well."""
    return record.own_columns() | {name: getattr(record, name) for name in NO_COLUMNS}


def from_json(fields: Mapping[str, Any]) -> SeriesRecord:
    """Return the record that ``to_json`` told of; absent columns take their defaults.

    Raises KeyError or ValueError for a word outside the vocabulary, TypeError for an unknown column.
    """
    return SeriesRecord(**{name: _told(name, value) for name, value in fields.items()})


_NOUNS: dict[str, Callable[[Any], Any]] = {
    "status": Status,
    "reason": lambda code: Reason[code],
    "warnings": lambda codes: tuple(SeriesWarning[code] for code in codes),
    "geometry": Verdict,
    "shape_in": lambda values: Zyx(*values),
    "spacing_in_mm": lambda values: Zyx(*values),
    "shape": tuple,
    "spacing_mm": lambda values: Zyx(*values),
    "elements": dict,
    "labels": dict,
    "masks": lambda rows: tuple(map(dict, rows)),
}
"""What a column's plain JSON value becomes again."""


def _told(name: str, value: Any) -> Any:
    return value if value is None or name not in _NOUNS else _NOUNS[name](value)
