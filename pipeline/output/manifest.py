"""Records to manifest.parquet, manifest.csv and private/masks.parquet: one column table each, one writer."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from math import isfinite
from typing import Any

from pipeline.elements import NUMBER_VRS, kind_of
from pipeline.errors import UsageError
from pipeline.output.columns import MASK_COLUMNS
from pipeline.output.durable import remove
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table, write_csv, write_table
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, IdentifierPolicy, cap_age, clean_text
from pipeline.record import (
    LABEL_PREFIX,
    MASK_PREFIX,
    REASON_PREFIX,
    RECORD_COLUMNS,
    ColumnType,
    ElementValue,
    LabelValue,
    SeriesRecord,
    from_json,
    map_types,
)
from pipeline.vocabulary import MaskReason

DECIMAL_VRS = frozenset({"DS", "FL", "FD"})
LARGEST_INTEGER = 2**63
"""What a column of integers holds."""

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


def publish(output: OutputFolder, records: Iterable[SeriesRecord], identifiers: IdentifierPolicy = "pseudonym") -> None:
    """Write the manifest in place of the last one, sorted by series_key; nothing else decides what it shows.

    Elements that may not leave ``private/`` go to the manifest there; labels stand last.  Law: ``read_records`` gives
    back what was published (an element that is None, or does not fit its column, is as good as absent).
    """
    ordered = sorted(records, key=lambda record: record.series_key)
    extra = _extra_columns(ordered)
    public = {name: kind for name, kind in extra.items() if _is_public(name, identifiers)}
    private = {name: kind for name, kind in extra.items() if name not in public}
    columns = (
        map_types(RECORD_COLUMNS) | ELEMENT_COLUMNS | public | infer_label_columns(record.labels for record in ordered)
    )
    rows = [
        record.own_columns() | _element_cells(record, ELEMENT_COLUMNS | public) | record.labels for record in ordered
    ]
    _publish_private(output, ordered, private)
    write_table(output.manifest, columns, rows)
    write_csv(output.manifest_csv, list(columns), rows)


def read_records(output: OutputFolder) -> list[SeriesRecord]:
    """Return the records of the manifest, with the private elements for who may read them.

    Raises UsageError where there is no manifest.
    """
    if not output.manifest.exists():
        msg = f"{output.root} holds no manifest.parquet: it is no output of `ctprep run`"
        raise UsageError(msg)
    private = {row.pop("series_key"): row for row in _private_rows(output)}
    return [_record(row, private.get(row["series_key"], {})) for row in read_table(output.manifest)]


def infer_label_columns(rows: Iterable[Mapping[str, LabelValue]]) -> dict[str, ColumnType]:
    """Return the columns of rows of labels, each as wide as its widest value: text, number, integer."""
    found: dict[str, set[type]] = {}
    for name, value in chain.from_iterable(row.items() for row in rows):
        found.setdefault(name, set()).add(type(value))
    columns: dict[str, ColumnType] = {}
    for name, kinds in found.items():
        empty: ColumnType = "integer" if name.startswith(MASK_PREFIX) else "text"
        columns[name] = next((_WIDTHS[kind] for kind in _WIDTHS if kind in kinds), empty)
    return columns


def _is_public(keyword: str, identifiers: IdentifierPolicy) -> bool:
    return keyword in ALLOWED_ELEMENTS or (identifiers == "keep" and keyword in KEPT_IDENTIFIERS)


def _extra_columns(records: list[SeriesRecord]) -> dict[str, ColumnType]:
    """Return the elements beyond the fixed ones, in order of keyword: lists where any value is one."""
    has_lists: dict[str, bool] = {}
    for keyword, value in chain.from_iterable(record.elements.items() for record in records):
        if keyword not in ELEMENT_COLUMNS and value is not None:
            has_lists[keyword] = has_lists.get(keyword, False) or isinstance(value, list)
    return {keyword: _element_type(keyword, is_list=is_list) for keyword, is_list in sorted(has_lists.items())}


def _element_type(keyword: str, *, is_list: bool) -> ColumnType:
    """Return what a column holds by its element's VR: numbers where that is one of numbers, else text."""
    kind = kind_of(keyword)
    vr = kind.vr if kind else ""
    if vr in NUMBER_VRS - DECIMAL_VRS:
        return "integers" if is_list else "integer"
    if vr in DECIMAL_VRS:
        return "numbers" if is_list else "number"
    return "texts" if is_list else "text"


def _element_cells(record: SeriesRecord, columns: Mapping[str, ColumnType]) -> dict[str, Any]:
    cells = {keyword: _fitted(record.elements.get(keyword), kind) for keyword, kind in columns.items()}
    age = cells.get("PatientAge")
    return cells | ({"PatientAge": cap_age(age)} if isinstance(age, str) else {})


def _publish_private(output: OutputFolder, records: list[SeriesRecord], columns: Mapping[str, ColumnType]) -> None:
    if not columns:
        remove(output.private_manifest)
        return
    rows = [_element_cells(record, columns) | {"series_key": record.series_key} for record in records]
    write_table(output.private_manifest, {"series_key": "text", **columns}, rows, private=True)


def _private_rows(output: OutputFolder) -> list[dict[str, Any]]:
    is_there = output.is_private_readable and output.private_manifest.exists()
    return read_table(output.private_manifest) if is_there else []


def _record(row: Mapping[str, Any], private: Mapping[str, Any]) -> SeriesRecord:
    own = {name: row[name] for name in RECORD_COLUMNS if name in row}
    labels = {name: value for name, value in row.items() if name.startswith(LABEL_PREFIX)}
    beside = own.keys() | labels.keys()
    elements = {name: value for name, value in (dict(row) | dict(private)).items() if name not in beside}
    known = {name: value for name, value in elements.items() if value is not None}
    return from_json(own | {"elements": known, "labels": labels})


def _fitted(value: ElementValue, kind: ColumnType) -> Any:
    """Return the value as its column holds it, None where it does not fit: text in a number, several in a single."""
    if not kind.endswith("s"):
        return None if isinstance(value, list) else _FITS[kind](value)
    values = value if isinstance(value, list) else [value]
    fitted = [_FITS[kind.removesuffix("s")](item) for item in values]
    return None if None in fitted else fitted


def _as_text(value: Any) -> str | None:
    return None if value is None else clean_text(str(value))


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

_WIDTHS: dict[type, ColumnType] = {str: "text", float: "number", int: "integer"}


def publish_masks(output: OutputFolder, records: Iterable[SeriesRecord], unlinked: Iterable[Mapping[str, Any]]) -> None:
    """Write private/masks.parquet in place of the last one; without any row there is none."""
    rows: list[Mapping[str, Any]] = [
        row | {"series_key": record.series_key} for record in records for row in record.masks
    ]
    rows += unlinked
    if rows:
        write_table(output.masks, map_types(MASK_COLUMNS), sorted(rows, key=_order), private=True)
    else:
        remove(output.masks)


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["mask"], row["path"], row.get("series_key") or "", row.get("number") or 0, row.get("region") or ""


def count_mask_reasons(records: Iterable[SeriesRecord]) -> dict[str, dict[MaskReason, int]]:
    """Return for each mask that was asked for how many series have it, or why they have none."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for column, value in record.labels.items():
            if column.startswith(REASON_PREFIX) and value in set(MaskReason):
                counts.setdefault(column.removeprefix(REASON_PREFIX), Counter())[str(value)] += 1
    return {name: {one: found[one] for one in MaskReason if found[one]} for name, found in sorted(counts.items())}
