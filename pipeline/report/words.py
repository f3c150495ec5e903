"""How the page writes figures: the template's filters."""

from collections.abc import Iterable

from pipeline.record import ElementValue

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
