"""Templates to pages: everything that comes from data is escaped, and no page asks for anything outside its folder."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import OutputError
from pipeline.privacy import ALLOWED_ELEMENTS, cap_age, clean_text
from pipeline.record import ElementValue, SeriesRecord

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
TIMES = f"{THIN_SPACE}\N{MULTIPLICATION SIGN}{THIN_SPACE}"


def figure(value: float | None, digits: int = 0) -> str:
    """Write a number with at most ``digits`` decimals, thousands apart, and a real minus sign."""
    if value is None:
        return MISSING
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", MINUS).replace(",", THIN_SPACE)


def product(values: Iterable[float] | None, digits: int = 0) -> str:
    """Write numbers in array order as ``a x b x c``."""
    return MISSING if values is None else TIMES.join(figure(value, digits) for value in values)


def percent(share: float | None) -> str:
    """Write a share of 1 in per cent; a share too small to show is written as less than 0.1 %."""
    if share is None:
        return MISSING
    if 0 < share < 0.0005:
        return f"<{THIN_SPACE}0.1{THIN_SPACE}%"
    return f"{figure(100 * share, 1)}{THIN_SPACE}%"


def element(value: ElementValue) -> str:
    """Write a DICOM element's value; the parts of a multi-valued one are set apart."""
    if value is None or value == "":
        return MISSING
    return " / ".join(str(part) for part in value) if isinstance(value, list) else str(value)


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

FILTERS: tuple[Callable[..., str], ...] = (element, figure, percent, product)


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
