"""What of a record may stand in a report: the report lies outside ``private/``, whatever the manifest keeps."""

from dataclasses import replace

from pipeline.privacy import ALLOWED_ELEMENTS, capped_age, cleaned
from pipeline.record import ElementValue, SeriesRecord


def public(record: SeriesRecord) -> SeriesRecord:
    """Return the record with the allowed elements alone, their text made harmless and a great age capped."""
    elements = {name: _shown(name, value) for name, value in record.elements.items() if name in ALLOWED_ELEMENTS}
    return replace(record, elements=elements)


def _shown(keyword: str, value: ElementValue) -> ElementValue:
    if isinstance(value, list):
        return [cleaned(str(part)) for part in value]
    if not isinstance(value, str):
        return value
    return capped_age(value) if keyword == "PatientAge" else cleaned(value)
