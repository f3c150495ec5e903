"""What an element is: an observation of its value, its canonical reading, and its place in the CT Image IOD."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import NamedTuple

NUMBER_VRS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "US or SS"})
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""What DS and IS may hold (DICOM PS3.5 section 6.2)."""
MOST_PARTS = 16
"""An element of more values is counted as a whole only: it is a table, not a few numbers that mean something each."""
SEPARATOR = "\\"
LARGEST_EXACT = 1 << 53
"""Whole numbers up to here are written without a decimal point; beyond, floats skip some."""


class Observation(NamedTuple):
    r"""One element as one file has it; ``raw`` is its value as written, values parted by a backslash.

    ``canonical`` is the same for all spellings of one value.  ``has_parts`` where the element may have several values.
    """

    tag: str
    keyword: str
    vr: str
    raw: str
    canonical: str
    has_parts: bool = False

    @property
    def number(self) -> float | None:
        """The value, where it is one number."""
        if self.vr not in NUMBER_VRS or not DECIMAL.fullmatch(self.canonical):
            return None
        return float(self.canonical)

    def with_parts(self) -> Iterator["Observation"]:
        """Yield the observation, then one for each of its values: ``ImageType[1]``, ``ImageType[2]`` ..."""
        yield self
        if not (self.has_parts and self.raw):
            return
        raw, canonical = self.raw.split(SEPARATOR), self.canonical.split(SEPARATOR)
        if len(raw) <= MOST_PARTS:
            for n, parts in enumerate(zip(raw, canonical, strict=True), start=1):
                yield Observation(self.tag, f"{self.keyword}[{n}]", self.vr, *parts)


def canonical(raw: str, vr: str) -> str:
    """Return the one spelling of a value: 1, 1.0 and 1.000000 are one number, -0 is 0, and padding is no text."""
    read = _canonical_number if vr in NUMBER_VRS else str.strip
    return SEPARATOR.join(read(part) for part in raw.split(SEPARATOR))


def _canonical_number(part: str) -> str:
    text = part.strip(" \0")
    if not DECIMAL.fullmatch(text):
        return text
    value = float(text) + 0.0  # -0.0 + 0.0 is 0.0
    return str(int(value)) if value.is_integer() and abs(value) < LARGEST_EXACT else repr(value)


@dataclass(frozen=True)
class ElementKind:
    """An element's place in the CT Image IOD (DICOM PS3.3 table A.3-1): module, its usage M, C or U, and type."""

    tag: str
    vr: str
    module: str
    usage: str
    type: str

    @property
    def is_required(self) -> bool:
        """True where every CT image must have a value; those inside a sequence depend on it."""
        return self.usage == "M" and self.type == "1" and "." not in self.tag


def kind_of(keyword: str) -> ElementKind | None:
    """Return an element's place, None for one that the IOD does not name; a part has the place of the whole."""
    return _table().get(keyword.partition("[")[0])


def list_required_elements() -> dict[str, ElementKind]:
    """Return the elements that every CT image must have."""
    return {keyword: kind for keyword, kind in _table().items() if kind.is_required}


@cache
def _table() -> dict[str, ElementKind]:
    text = files("pipeline").joinpath("ct_image_elements.tsv").read_text("ascii")
    rows = csv.DictReader(StringIO(text), delimiter="\t")
    return {row.pop("keyword"): ElementKind(**row) for row in rows}
