"""The census: what each element holds, over all files, as counts that add up."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal

from pipeline.elements import Observation
from pipeline.output.database import pack, unpack

MOST_VALUES = 10_000
"""So many distinct values are counted exactly; of more, those with the smallest hashes are (a bottom-k sketch)."""
HASHES = 1 << 64


@dataclass
class ValueCounts:
    """Counts by value, and ``n``, the count of everything.

    The count of a value that is kept is exact, however the tally came about: a value among the smallest hashes of the
    whole is among those of each part.  Law: adding up parts gives the same in any order.
    """

    n: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    most: int = MOST_VALUES
    largest_hash: int | None = None

    def add(self, value: str, n: int = 1) -> None:
        """Count a value ``n`` times."""
        self.n += n
        if self.largest_hash is None or value in self.counts or _hash(value) <= self.largest_hash:
            self.counts[value] = self.counts.get(value, 0) + n
            if len(self.counts) > 2 * self.most:
                self.trim()

    def merge(self, other: "ValueCounts") -> None:
        """Add another tally's counts."""
        self.n += other.n
        for value, n in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + n
        if other.largest_hash is not None or len(self.counts) > 2 * self.most:
            self.largest_hash = min(self.largest_hash or HASHES, other.largest_hash or HASHES)
            self.trim()

    def trim(self) -> None:
        """Drop all but the values with the smallest hashes, where there are too many."""
        if len(self.counts) <= self.most and self.largest_hash is None:
            return
        hashed = sorted((_hash(value), value) for value in self.counts)
        limit = HASHES if self.largest_hash is None else self.largest_hash
        kept = [(number, value) for number, value in hashed if number <= limit][: self.most]
        self.largest_hash = kept[-1][0] if len(kept) == self.most else limit
        self.counts = {value: self.counts[value] for _, value in kept}

    @property
    def n_cut(self) -> int:
        """How many of the counted are of values that were not kept."""
        return self.n - sum(self.counts.values())

    @property
    def n_unique(self) -> int:
        """How many distinct values there are: exactly, or estimated from the hashes (within about one in a hundred)."""
        if not self.n_cut or self.largest_hash is None:
            return len(self.counts)
        return max(len(self.counts) + 1, round((len(self.counts) - 1) * HASHES / self.largest_hash))

    def most_common(self, n: int) -> list[tuple[str, int]]:
        """Return the most frequent of the kept values, equally frequent ones by the alphabet."""
        return sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]


def _hash(value: str) -> int:
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


Owner = tuple[str, str, str]
"""The keys of a patient, a study and a series."""

Level = Literal["cohort", "patient", "study", "series", "none"]


@dataclass
class ElementCounts:
    """What one element holds.

    ``by_series`` has the canonical value of each series in which it is always the same, as long as that is so of all;
    ``varies`` is True from the first series in which it is not.
    """

    tags: set[str] = field(default_factory=set)
    vrs: set[str] = field(default_factory=set)
    n_files: int = 0
    n_empty: int = 0
    raw: ValueCounts = field(default_factory=ValueCounts)
    canonical: ValueCounts = field(default_factory=ValueCounts)
    n_numbers: int = 0
    least: float = float("inf")
    largest: float = float("-inf")
    by_series: dict[str, str] = field(default_factory=dict)
    varies: bool = False

    def add(self, one: Observation, series: str, n: int) -> None:
        """Count an observation made in ``n`` files of a series."""
        self.tags.add(one.tag)
        self.vrs.add(one.vr)
        self.n_files += n
        self._note(series, one.canonical)
        if not one.canonical:
            self.n_empty += n
            return
        self.raw.add(one.raw, n)
        self.canonical.add(one.canonical, n)
        if (number := one.number) is not None:
            self.n_numbers += n
            self.least, self.largest = min(self.least, number), max(self.largest, number)

    def merge(self, other: "ElementCounts") -> None:
        """Add another part's counts."""
        self.tags |= other.tags
        self.vrs |= other.vrs
        self.n_files += other.n_files
        self.n_empty += other.n_empty
        self.raw.merge(other.raw)
        self.canonical.merge(other.canonical)
        self.n_numbers += other.n_numbers
        self.least, self.largest = min(self.least, other.least), max(self.largest, other.largest)
        if other.varies:
            self._give_up()
        for series, value in other.by_series.items():
            self._note(series, value)

    def _note(self, series: str, value: str) -> None:
        if not self.varies and self.by_series.setdefault(series, sys.intern(value)) != value:
            self._give_up()

    def _give_up(self) -> None:
        self.varies = True
        self.by_series.clear()

    def trim(self) -> None:
        """Bring both tallies within their bounds."""
        self.raw.trim()
        self.canonical.trim()

    def constant_within(self, owners: Mapping[str, tuple[str, str]]) -> Level:
        """Return the largest group within which all files that have the element agree."""
        if self.varies:
            return "none"
        levels: tuple[tuple[Level, Iterable[str]], ...] = (
            ("cohort", ("" for _ in self.by_series)),
            ("patient", (owners[series][0] for series in self.by_series)),
            ("study", (owners[series][1] for series in self.by_series)),
        )
        for level, groups in levels:
            if _agree(zip(groups, self.by_series.values(), strict=True)):
                return level
        return "series"

    @property
    def mean(self) -> float | None:
        """The mean over files, of the kept values; None where not every value is one number."""
        if not self.n_numbers or self.n_numbers != self.canonical.n:
            return None
        counts = self.canonical.counts
        return sum(float(value) * counts[value] for value in sorted(counts)) / sum(counts.values())


def _agree(pairs: Iterable[tuple[str, str]]) -> bool:
    """Report whether each group comes with one value only."""
    values: dict[str, str] = {}
    return all(values.setdefault(group, value) == value for group, value in pairs)


@dataclass
class Census:
    """Counts over files, by keyword; ``owners`` holds the patient and the study of each series.

    Law: adding up the parts of a cohort gives the same for any parts in any order.
    """

    n_files: int = 0
    elements: dict[str, ElementCounts] = field(default_factory=dict)
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)

    def count(self, pool: Sequence[Observation], files: Iterable[tuple[Owner, Iterable[int]]]) -> None:
        """Count files, each given by its owner and the places of its observations in ``pool``."""
        by_series: dict[str, list[Iterable[int]]] = defaultdict(list)
        for (patient, study, series), seen in files:
            self.n_files += 1
            self._know(series, (patient, study))
            by_series[series].append(seen)
        for series, lists in by_series.items():
            for place, n in Counter(chain.from_iterable(lists)).items():
                for one in pool[place].with_parts():
                    self._of(one.keyword).add(one, series, n)

    def merge(self, other: "Census") -> None:
        """Add another part of the cohort."""
        self.n_files += other.n_files
        for series, owner in other.owners.items():
            self._know(series, owner)
        for keyword, counts in other.elements.items():
            self._of(keyword).merge(counts)

    def trim(self) -> "Census":
        """Return the census with every tally within its bounds: from here on, equal censuses are equal."""
        for counts in self.elements.values():
            counts.trim()
        return self

    def constant_within(self, keyword: str) -> Level:
        """Return the largest group within which an element is always the same."""
        return self.elements[keyword].constant_within(self.owners)

    def _know(self, series: str, owner: tuple[str, str]) -> None:
        # Of a series that several claim, the alphabet decides: the order of files shall not.
        self.owners[series] = min(self.owners.get(series, owner), owner)

    def _of(self, keyword: str) -> ElementCounts:
        counts = self.elements.get(keyword)
        if counts is None:
            counts = self.elements[keyword] = ElementCounts()
        return counts


def pack_census(census: Census) -> bytes:
    """Return a census as a cell of the database."""
    elements = {keyword: _pack_element(counts) for keyword, counts in census.elements.items()}
    return pack([census.n_files, elements, census.owners])


def unpack_census(packed: bytes) -> Census:
    """Return the census that `pack_census` was given; raises DamageError where a bit of it is another."""
    n_files, elements, owners = unpack(packed)
    counts = {keyword: _unpack_element(one) for keyword, one in elements.items()}
    return Census(n_files, counts, {series: (patient, study) for series, (patient, study) in owners.items()})


def _pack_element(one: ElementCounts) -> list[Any]:
    values = {name: getattr(one, name) for name in _PLAIN}
    return [values, one.tags, one.vrs, *(_pack_values(counts) for counts in (one.raw, one.canonical))]


def _pack_values(values: ValueCounts) -> list[Any]:
    return [values.n, values.counts, values.largest_hash]


def _unpack_element(packed: list[Any]) -> ElementCounts:
    values, tags, vrs, raw, canonical = packed
    return ElementCounts(
        tags=set(tags), vrs=set(vrs), raw=_unpack_values(raw), canonical=_unpack_values(canonical), **values
    )


def _unpack_values(packed: list[Any]) -> ValueCounts:
    n, counts, largest_hash = packed
    return ValueCounts(n, counts, largest_hash=largest_hash)


_PLAIN = ("n_files", "n_empty", "n_numbers", "least", "largest", "by_series", "varies")
"""The fields of an element's counts that are plain JSON values."""
