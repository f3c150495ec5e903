"""The differences of two DICOM files or two series, element by element, as they are written."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.dicom.files.listing import ListedElement, Listing, list_elements
from pipeline.errors import UsageError
from pipeline.limits import Limits
from pipeline.report.render import environment
from pipeline.sources.files import FoundFile
from pipeline.sources.folders import InputOptions, find_files
from pipeline.vocabulary import Reason

Value = str | tuple[str | None, ...]
"""One text, or the texts that an element has within a series, in order; None where a file lacks the element."""

NO_ELEMENTS = frozenset({Reason.UNREADABLE, Reason.NOT_DICOM, Reason.LIMIT})

MOST_SHOWN = 4
"""Of the texts that an element has within a series, so many are shown."""


@dataclass(frozen=True)
class Difference:
    """An element that is not the same on both sides; a side is None where it lacks the element."""

    tag: str
    name: str
    a: Value | None
    b: Value | None


@dataclass(frozen=True)
class ElementComparison:
    """Every difference, in order of tag; ``notes`` tell which files were not, or not wholly, read."""

    differences: tuple[Difference, ...]
    n_files_a: int
    n_files_b: int
    notes: tuple[str, ...] = ()

    @property
    def only_a(self) -> tuple[Difference, ...]:
        """The elements that B lacks."""
        return tuple(found for found in self.differences if found.b is None)

    @property
    def only_b(self) -> tuple[Difference, ...]:
        """The elements that A lacks."""
        return tuple(found for found in self.differences if found.a is None)

    @property
    def different(self) -> tuple[Difference, ...]:
        """The elements that both have."""
        return tuple(found for found in self.differences if found.a is not None and found.b is not None)


def compare(a: Path, b: Path) -> ElementComparison:
    """Compare two files, or the files below two folders; law: ``compare(x, x)`` finds nothing.

    Raises UsageError where a side cannot be read or holds no DICOM.
    """
    one, other = _read(a, "A"), _read(b, "B")
    both = one.places | other.places
    values = ((name, one.value(name), other.value(name)) for name in sorted(both, key=lambda name: both[name].place))
    differences = (Difference(both[name].tag, name, *pair) for name, *pair in values if pair[0] != pair[1])
    return ElementComparison(tuple(differences), one.n_files, other.n_files, (*one.notes, *other.notes))


def format_value(value: Value) -> str:
    """Return a side of a difference as a person reads it."""
    if isinstance(value, str):
        return value or "(empty)"
    shown = "; ".join("(absent)" if text is None else text or "(empty)" for text in value[:MOST_SHOWN])
    more = "; ..." if len(value) > MOST_SHOWN else ""
    return f"varies ({len(value)} values): {shown}{more}"


@dataclass
class _Side:
    """What the files of one side hold: where each element first stood, and how often it has which text."""

    label: str
    n_files: int = 0
    n_others: int = 0
    places: dict[str, ListedElement] = field(default_factory=dict)
    counts: defaultdict[str, defaultdict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    broken: list[str] = field(default_factory=list)

    def add(self, found: FoundFile) -> None:
        """Take a file in; one that is no DICOM, or only lists others, is counted and no more."""
        try:
            listing = None if found.refusal else list_elements(found, Limits())
        except OSError:
            listing = None
        if listing is None or (listing.refusal and listing.refusal[0] in NO_ELEMENTS) or _is_directory(listing):
            self.n_others += 1
            return
        self.n_files += 1
        self.broken += [": ".join(listing.refusal)] if listing.refusal else []
        for name, element in listing.elements.items():
            self.places.setdefault(name, element)
            self.counts[name][element.value] += 1

    def value(self, name: str) -> Value | None:
        """Return an element's text, or its texts where it varies."""
        counts = self.counts.get(name)
        if counts is None:
            return None
        texts = sorted(counts, key=_order)
        if sum(counts.values()) < self.n_files:
            return None, *texts
        return texts[0] if len(texts) == 1 else tuple(texts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not, or not wholly, read."""
        others = (
            [f"{self.label}: left out {self.n_others} without readable DICOM, or DICOMDIR"] if self.n_others else []
        )
        broken = (
            [f"{self.label}: {len(self.broken)} read in part, the first for {self.broken[0]}"] if self.broken else []
        )
        return (*others, *broken)


def _read(path: Path, label: str) -> _Side:
    side = _Side(label)
    for found in _files(path):
        side.add(found)
    if not side.n_files:
        msg = f"{label} holds no DICOM that can be read; allowed are a DICOM file and the folder of a series"
        raise UsageError(msg)
    return side


def _files(path: Path) -> Iterator[FoundFile]:
    if path.is_dir():
        yield from find_files(InputOptions((str(path),)))
    elif path.is_file():
        yield FoundFile.of(str(path), path.stat())


def _is_directory(listing: Listing) -> bool:
    """Tell whether a file is the DICOMDIR of a medium (PS3.10 section 8)."""
    return "DirectoryRecordSequence" in listing.elements


def _order(text: str) -> tuple[float, str]:
    """Sort numbers by their value, and all else behind them."""
    try:
        number = float(text)
    except ValueError:
        return float("inf"), text
    return number if number == number else float("inf"), text  # noqa: PLR0124  not a number differs from itself


TEMPLATES = Path(__file__).parent


def difference_page(compared: ElementComparison, a: str, b: str) -> str:
    """Return the page; ``a`` and ``b`` name the sides, and everything that comes from data is escaped."""
    page = environment(TEMPLATES).get_template("difference.html.j2")
    return page.render(compared=compared, a=a, b=b, format_value=format_value)
