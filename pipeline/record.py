"""A series' record, one row of the manifest, and the table of its columns: name, type, unit and meaning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

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

ColumnType = Literal["text", "path", "integer", "number", "boolean", "texts", "integers", "numbers", "value_counts"]
"""What a column holds: a value or null, or a list of values; ``value_counts`` is a list of {value, count}.

A ``path`` is text; one whose name is no UTF-8 is written as a file URI (RFC 8089), and read back as the path it was.
"""

UNITS = {"mm": "mm", "hu": "HU", "deg": "degree", "s": "s", "ns": "ns", "mb": "MB", "bytes": "byte", "day": "day"}
"""The unit that a word of a column's name stands for."""


@dataclass(frozen=True)
class Column:
    """A column of a table, and what it means in a sentence."""

    name: str
    type: ColumnType
    meaning: str

    @property
    def unit(self) -> str | None:
        """The unit that the last or the first word of the name stands for, None for a column without."""
        words = self.name.split("_")
        return UNITS.get(words[-1]) or UNITS.get(words[0])


NO_COLUMNS = ("elements", "labels", "masks")
"""Parts of a record that are no columns of their own."""


@dataclass(frozen=True, kw_only=True)
class SeriesRecord:
    """Everything the manifest says of one series; columns that do not apply are None.

    Each column has its meaning beside its type: ``RECORD_COLUMNS`` is made from both.
    Geometry is in array order z, y, x.  HU columns describe the source, padding left out, before steps.  ``masks`` are
    rows of private/masks.parquet: they hold names of regions, which are free text, and paths.
    """

    series_key: Annotated[
        str, "Key of the series: 20 hex digits, a keyed hash of SeriesInstanceUID, stable between runs."
    ]
    status: Annotated[Status, "Outcome for the series: ok, rejected, failed or excluded."]
    reason: Annotated[Reason | None, "Why there is no store; null for ok."] = None
    present: Annotated[bool, "Whether the series' files were in the input at the last run."] = True
    warnings: Annotated[tuple[SeriesWarning, ...], "What is worth knowing of the series; never null."] = ()
    detail: Annotated[str | None, "Figures that belong to the reason."] = None
    qc: Annotated[str | None, "ok, or look: a person should see the series."] = None
    qc_why: Annotated[str | None, "Every rule that asks for a look."] = None
    patient: Annotated[str | None, "Key of the patient."] = None
    study: Annotated[str | None, "Key of the study."] = None
    study_day: Annotated[int | None, "Days since the patient's first study."] = None
    n_files: Annotated[int, "Files, or frames of a multi-frame object, that belong to the series."] = 0
    n_slices: Annotated[int | None, "Planes of the source stack after repair, interpolated ones included."] = None
    geometry: Annotated[
        Verdict | None, "Verdict on the places of the slices: regular, tilted, uneven, gap, duplicate, single or none."
    ] = None
    shape_in: Annotated[Zyx[int] | None, "Voxels of the source along z, y, x."] = None
    spacing_in_mm: Annotated[
        Zyx[float] | None, "Spacing of the source along z, y, x, of positions along the normal, not of SliceThickness."
    ] = None
    slice_thickness_mm: Annotated[float | None, "SliceThickness of the first slice."] = None
    coverage_share: Annotated[
        float | None, "Share of the way from the first slice to the last that lies within a slice."
    ] = None
    tilt_deg: Annotated[
        float | None, "Angle between the slices' normal and the way positions advance, signed; 0 when upright."
    ] = None
    obliquity_deg: Annotated[float | None, "Angle between the slices' axes and the nearest patient axes."] = None
    span_mm: Annotated[float | None, "Distance from the first slice to the last, along the normal."] = None
    orientation: Annotated[str | None, "Sides of the patient towards which the stored x, y, z grow, such as LPS."] = (
        None
    )
    shape: Annotated[tuple[int, ...] | None, "Voxels of the stored array along z, y, x; with channels c first."] = None
    spacing_mm: Annotated[Zyx[float] | None, "Spacing of the stored array along z, y, x."] = None
    dtype: Annotated[str | None, "Type of the stored numbers."] = None
    store: Annotated[str | None, "Path of the Zarr v3 group, relative to this folder; null unless ok."] = None
    store_bytes: Annotated[int | None, "Bytes of all files of the store."] = None
    sha256: Annotated[
        str | None, "SHA-256 over the store's sorted relative paths, each followed by NUL and the file's bytes."
    ] = None
    content_hash: Annotated[str | None, "Hash of the source's HU: equal for series with the same pixels."] = None
    hu_min: Annotated[float | None, "Lowest HU of the source."] = None
    hu_max: Annotated[float | None, "Highest HU of the source."] = None
    hu_mean: Annotated[float | None, "Mean HU of the source."] = None
    hu_std: Annotated[float | None, "Standard deviation of the source's HU."] = None
    hu_p01: Annotated[float | None, "1st percentile of the source's HU."] = None
    hu_p05: Annotated[float | None, "5th percentile of the source's HU."] = None
    hu_p50: Annotated[float | None, "Median of the source's HU."] = None
    hu_p95: Annotated[float | None, "95th percentile of the source's HU."] = None
    hu_p99: Annotated[float | None, "99th percentile of the source's HU."] = None
    hu_air_peak: Annotated[float | None, "Most frequent HU of air."] = None
    noise_hu: Annotated[float | None, "Standard deviation of the noise in soft tissue."] = None
    body_share: Annotated[float | None, "Share of voxels above -300 HU."] = None
    metal_share: Annotated[float | None, "Share of voxels above 3000 HU."] = None
    padding_share: Annotated[float | None, "Share of voxels that are not valid: padding, or outside the scan."] = None
    interpolated_share: Annotated[float | None, "Share of planes that a repair interpolated."] = None
    fov_truncated_share: Annotated[
        float | None, "Share of the body's outline that runs along the edge of the image."
    ] = None
    blank_slices: Annotated[int | None, "Slices of one value, or without a valid voxel."] = None
    repeated_slices: Annotated[int | None, "Slices equal to the one before."] = None
    kernel_class: Annotated[
        str | None, "smooth, medium or sharp, from ConvolutionKernel; null for a name that is not known."
    ] = None
    split: Annotated[str | None, "train, validation or test; decided by patient."] = None
    fingerprint: Annotated[str | None, "Keyed hash over the slices' UIDs and stored pixels."] = None
    config_hash: Annotated[str | None, "Hash of what of the configuration can change a voxel."] = None
    code_version: Annotated[str | None, "Version of ctprep that wrote the store."] = None
    duration_s: Annotated[float | None, "Time that the series took."] = None
    peak_memory_mb: Annotated[float | None, "Most memory that the process held."] = None
    finished_at: Annotated[str | None, "When the series was finished, UTC."] = None
    elements: dict[str, ElementValue] = field(default_factory=dict)
    labels: dict[str, LabelValue] = field(default_factory=dict)
    masks: tuple[dict[str, Any], ...] = ()

    def own_columns(self) -> dict[str, Any]:
        """Return the columns that every record has, in order, without the DICOM elements, the labels and the masks."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in NO_COLUMNS}

    def columns(self) -> dict[str, Any]:
        """Return the record as one flat row: its own columns, the DICOM elements under their keywords, the labels."""
        return self.own_columns() | self.elements | self.labels


def by_name(*columns: Column) -> dict[str, Column]:
    """Return a table of columns, in their order."""
    return {column.name: column for column in columns}


def map_types(columns: Mapping[str, Column]) -> dict[str, ColumnType]:
    """Return the type of each column, as a table is written with."""
    return {name: column.type for name, column in columns.items()}


_VALUES: dict[type, ColumnType] = {
    str: "text",
    Status: "text",
    Reason: "text",
    Verdict: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
}
_LISTS: dict[type, ColumnType] = {SeriesWarning: "texts", int: "integers", float: "numbers"}


def _column(name: str, annotation: Any) -> Column:
    """Return the column of a field, its type as tables store it."""
    kind = annotation.__origin__
    if NoneType in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) in {tuple, Zyx}:
        return Column(name, _LISTS[get_args(kind)[0]], annotation.__metadata__[0])
    return Column(name, _VALUES[kind], annotation.__metadata__[0])


RECORD_COLUMNS = by_name(
    *(_column(name, annotation) for name, annotation in SeriesRecord.__annotations__.items() if name not in NO_COLUMNS)
)
"""A record's own columns, in the manifest's order."""


@dataclass(frozen=True)
class SliceOutcome:
    """What became of one slice; ``z_index`` is its plane in the source stack, None where it was not used.

    ``status`` is None where the pixels of its series were not read yet.
    """

    path: str
    frame: int | None
    status: FileStatus | None
    reason: Reason | None = None
    position_mm: float | None = None
    offset_mm: tuple[float, float] | None = None
    z_index: int | None = None


def to_json(record: SeriesRecord) -> dict[str, Any]:
    """Return what ``json`` can write; law: ``from_json(to_json(record)) == record``, through text as well."""
    return record.own_columns() | {name: getattr(record, name) for name in NO_COLUMNS}


def from_json(fields: Mapping[str, Any]) -> SeriesRecord:
    """Return the record that ``to_json`` wrote; absent columns take their defaults.

    Raises KeyError or ValueError for a word outside the vocabulary, TypeError for an unknown column.
    """
    return SeriesRecord(**{name: _restore(name, value) for name, value in fields.items()})


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


def _restore(name: str, value: Any) -> Any:
    return value if value is None or name not in _NOUNS else _NOUNS[name](value)
