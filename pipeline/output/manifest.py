"""Records to manifest.parquet and manifest.csv: one column table, one writer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Any, Literal

from pipeline.cohort.options import LabelOptions
from pipeline.cohort.splits import Split
from pipeline.cohort.table import columns_of
from pipeline.errors import UsageError
from pipeline.output.durable import remove
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import ColumnType, read_table, write_csv, write_table
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, capped_age, cleaned
from pipeline.record import LABEL_PREFIX, ElementValue, SeriesRecord, from_json

Identifiers = Literal["pseudonym", "keep"]
"""Whether identifiers are replaced by keyed hashes, or kept because the cohort is public already."""


@dataclass(frozen=True)
class ManifestOptions:
    """``manifest:`` of the configuration."""

    identifiers: Identifiers = "pseudonym"
    tags: tuple[str, ...] = ()
    labels: LabelOptions | None = None
    split: Split | None = None
    patient_map: str | None = None


LARGEST_INTEGER = 2**63
"""What a column of integers holds."""

RECORD_COLUMNS: dict[str, ColumnType] = {
    "series_key": "text",
    "status": "text",
    "reason": "text",
    "warnings": "texts",
    "detail": "text",
    "qc": "text",
    "qc_why": "text",
    "patient": "text",
    "study": "text",
    "study_day": "integer",
    "n_files": "integer",
    "n_slices": "integer",
    "geometry": "text",
    "shape_in": "integers",
    "spacing_in_mm": "numbers",
    "slice_thickness_mm": "number",
    "coverage_share": "number",
    "tilt_deg": "number",
    "obliquity_deg": "number",
    "span_mm": "number",
    "orientation": "text",
    "shape": "integers",
    "spacing_mm": "numbers",
    "dtype": "text",
    "store": "text",
    "store_bytes": "integer",
    "sha256": "text",
    "content_hash": "text",
    "hu_min": "number",
    "hu_max": "number",
    "hu_mean": "number",
    "hu_std": "number",
    "hu_p01": "number",
    "hu_p05": "number",
    "hu_p50": "number",
    "hu_p95": "number",
    "hu_p99": "number",
    "hu_air_peak": "number",
    "noise_hu": "number",
    "body_share": "number",
    "metal_share": "number",
    "padding_share": "number",
    "interpolated_share": "number",
    "fov_truncated_share": "number",
    "blank_slices": "integer",
    "repeated_slices": "integer",
    "kernel_class": "text",
    "split": "text",
    "fingerprint": "text",
    "config_hash": "text",
    "code_version": "text",
    "duration_s": "number",
    "peak_memory_mb": "number",
    "finished_at": "text",
}
"""A record's own columns, in the manifest's order."""

ELEMENT_COLUMNS: dict[str, ColumnType] = {
    "Modality": "text",
    "Manufacturer": "text",
    "ManufacturerModelName": "text",
    "KVP": "number",
    "XRayTubeCurrent": "number",
    "ConvolutionKernel": "texts",
    "SliceThickness": "number",
    "SpacingBetweenSlices": "number",
    "PixelSpacing": "numbers",
    "PatientPosition": "text",
    "ImageType": "texts",
    "BodyPartExamined": "text",
    "RescaleType": "text",
    "RescaleIntercept": "number",
    "RescaleSlope": "number",
    "WindowCenter": "numbers",
    "WindowWidth": "numbers",
    "BitsStored": "integer",
    "PixelRepresentation": "integer",
    "PatientSex": "text",
    "PatientAge": "text",
    "Exposure": "number",
    "ExposureTime": "number",
    "ExposureModulationType": "texts",
    "CTDIvol": "number",
    "SpiralPitchFactor": "number",
    "RevolutionTime": "number",
    "GantryDetectorTilt": "number",
    "TableHeight": "number",
    "ReconstructionDiameter": "number",
    "FilterType": "text",
    "FocalSpots": "numbers",
    "ScanOptions": "texts",
    "SoftwareVersions": "texts",
    "PixelPaddingValue": "integer",
    "BurnedInAnnotation": "text",
    "LossyImageCompression": "text",
}
"""The DICOM elements that every manifest has.  A list where the element may have several values (DICOM PS3.6)."""


def publish(output: OutputFolder, records: Iterable[SeriesRecord], identifiers: Identifiers = "pseudonym") -> None:
    """Write the manifest in place of the last one, sorted by series_key; nothing else decides what it shows.

    Elements that may not leave ``private/`` go to the manifest there; labels stand last.  Law: ``read_records`` gives
    back what was published (an element that is None, or does not fit its column, is as good as absent).
    """
    ordered = sorted(records, key=lambda record: record.series_key)
    extra = _extra_columns(ordered)
    public = {name: kind for name, kind in extra.items() if _is_public(name, identifiers)}
    private = {name: kind for name, kind in extra.items() if name not in public}
    columns = RECORD_COLUMNS | ELEMENT_COLUMNS | public | columns_of(record.labels for record in ordered)
    rows = [
        record.own_columns() | _element_cells(record, ELEMENT_COLUMNS | public) | record.labels for record in ordered
    ]
    _publish_private(output, ordered, private)
    write_table(output.manifest, columns, rows)
    write_csv(output.manifest_csv, list(columns), rows)


def read_records(output: OutputFolder) -> list[SeriesRecord]:
    """Return the records of the manifest, private elements included; raises UsageError where there is none."""
    if not output.manifest.exists():
        msg = f"{output.root} holds no manifest.parquet: it is no output of `ctprep run`"
        raise UsageError(msg)
    private = {row.pop("series_key"): row for row in _private_rows(output)}
    return [_record(row, private.get(row["series_key"], {})) for row in read_table(output.manifest)]


def _is_public(keyword: str, identifiers: Identifiers) -> bool:
    return keyword in ALLOWED_ELEMENTS or (identifiers == "keep" and keyword in KEPT_IDENTIFIERS)


def _extra_columns(records: list[SeriesRecord]) -> dict[str, ColumnType]:
    """Return the elements beyond the fixed ones, in order of keyword: text, or a list of it where any value is one."""
    kinds: dict[str, ColumnType] = {}
    for keyword, value in chain.from_iterable(record.elements.items() for record in records):
        if keyword not in ELEMENT_COLUMNS and value is not None:
            kinds[keyword] = "texts" if isinstance(value, list) else kinds.get(keyword, "text")
    return dict(sorted(kinds.items()))


def _element_cells(record: SeriesRecord, columns: Mapping[str, ColumnType]) -> dict[str, Any]:
    cells = {keyword: _fitted(record.elements.get(keyword), kind) for keyword, kind in columns.items()}
    age = cells.get("PatientAge")
    return cells | ({"PatientAge": capped_age(age)} if isinstance(age, str) else {})


def _publish_private(output: OutputFolder, records: list[SeriesRecord], columns: Mapping[str, ColumnType]) -> None:
    if not columns:
        remove(output.private_manifest)
        return
    rows = [_element_cells(record, columns) | {"series_key": record.series_key} for record in records]
    write_table(output.private_manifest, {"series_key": "text", **columns}, rows, private=True)


def _private_rows(output: OutputFolder) -> list[dict[str, Any]]:
    return read_table(output.private_manifest) if output.private_manifest.exists() else []


def _record(row: Mapping[str, Any], private: Mapping[str, Any]) -> SeriesRecord:
    own = {name: row[name] for name in RECORD_COLUMNS}
    labels = {name: value for name, value in row.items() if name.startswith(LABEL_PREFIX)}
    beside = own.keys() | labels.keys()
    elements = {name: value for name, value in (dict(row) | dict(private)).items() if name not in beside}
    told = {name: value for name, value in elements.items() if value is not None}
    return from_json(own | {"elements": told, "labels": labels})


def _fitted(value: ElementValue, kind: ColumnType) -> Any:
    """Return the value as its column holds it, None where it does not fit: text in a number, several in a single."""
    if not kind.endswith("s"):
        return None if isinstance(value, list) else _FITS[kind](value)
    values = value if isinstance(value, list) else [value]
    fitted = [_FITS[kind.removesuffix("s")](item) for item in values]
    return None if None in fitted else fitted


def _as_text(value: Any) -> str | None:
    return None if value is None else cleaned(str(value))


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def _as_integer(value: Any) -> int | None:
    number = _as_number(value)
    fits = number is not None and number.is_integer() and abs(number) < LARGEST_INTEGER
    return int(number) if fits and number is not None else None


_FITS = {"text": _as_text, "number": _as_number, "integer": _as_integer}
