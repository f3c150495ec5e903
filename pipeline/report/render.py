"""Templates to pages: everything that comes from data is escaped, and no page asks for anything outside its folder."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import OutputError
from pipeline.privacy import ALLOWED_ELEMENTS, cap_age, clean_text
from pipeline.record import ElementValue, SeriesRecord
from pipeline.report import words


def public(record: SeriesRecord) -> SeriesRecord:
    """Return the record with the allowed elements alone, their text made harmless and a great age capped."""
    elements = {name: _shown(name, value) for name, value in record.elements.items() if name in ALLOWED_ELEMENTS}
    return replace(record, elements=elements)


def _shown(keyword: str, value: ElementValue) -> ElementValue:
    if isinstance(value, list):
        return [clean_text(str(part)) for part in value]
    if not isinstance(value, str):
        return value
    return cap_age(value) if keyword == "PatientAge" else clean_text(value)


SITE = Path(__file__).parent / "site"

FILTERS: tuple[Callable[..., str], ...] = (words.element, words.figure, words.percent, words.product)


def render(template: str, **values: Any) -> bytes:
    """Return a page."""
    page = environment(SITE).get_template(template).render(**values)
    return page.encode("utf-8", errors="replace")  # text from a header may hold half a surrogate pair


def put(path: Path, content: bytes) -> None:
    """Write a file that can be made again: not forced to disk, or ten thousand pages would take minutes.

    Raises OutputError where the system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        msg = f"cannot write {path.name} of the report: {error.strerror or error}"
        raise OutputError(msg) from error


@cache
def environment(folder: Path) -> Environment:
    """Return what fills the templates of a folder: everything that comes from data is escaped."""
    filled = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filled.filters |= {filter_.__name__: filter_ for filter_ in FILTERS}
    return filled
