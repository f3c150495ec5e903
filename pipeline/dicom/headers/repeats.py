"""Headers one after another: what the next has in common with the last is not worked out again.

The slices of a series differ in a handful of elements.  Law: in any order, each header is read as it is read alone.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, compress
from operator import itemgetter, ne
from typing import Any, Generic, NamedTuple, TypeVar

from pipeline.dicom.files.encoding import PIXEL_TAGS
from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import Flaw, Values
from pipeline.dicom.headers.parts import Reader

T = TypeVar("T")
Elements = Mapping[int, Element]

CONTENT = itemgetter(*(Element._fields.index(name) for name in ("vr", "length", "value", "items")))
"""All that an element holds; where it lies matters for pixels alone."""


class Change(NamedTuple):
    """From one header to the next; ``tags`` are of the elements that differ, in their order, None where all may."""

    before: Values
    now: Values
    tags: list[int] | None


class Latest:
    """The header that was looked at last."""

    def __init__(self) -> None:
        self._values = Values({})
        self._tags: list[int] = []
        self._content: list[Any] = []

    def change_to(self, now: Values) -> Change:
        """Go on to the next header."""
        before, tags, content = self._values, self._tags, self._content
        self._values, self._tags = now, list(now.elements)
        self._content = list(map(CONTENT, now.elements.values()))
        if (now.little_endian, self._tags) != (before.little_endian, tags):
            return Change(before, now, None)
        changed = list(compress(tags, map(ne, self._content, content)))
        return Change(before, now, changed + _moved_pixels(before.elements, now.elements))


def _moved_pixels(before: Elements, now: Elements) -> list[int]:
    return [tag for tag in PIXEL_TAGS if tag in now and now[tag].offset != before[tag].offset]


class _Follower:
    """What looks at headers one after another; their context decides how elements are read."""

    def __init__(self) -> None:
        self._seen: Values | None = None
        self._context: Hashable = None

    def _new_in(self, change: Change, context: Hashable) -> list[int] | None:
        """Return the tags of what differs from the header that this looked at last; None for all."""
        follows = change.before is self._seen and context == self._context
        self._seen, self._context = change.now, context
        return change.tags if follows else None


class Each(_Follower, Generic[T]):
    """What is made of elements one by one, each time of those that changed."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, Collection[T]] = {}

    def made_of(self, change: Change, context: Hashable, make: Callable[[Element], Collection[T]]) -> Iterator[T]:
        """Yield what comes of each element, in their order."""
        new = self._new_in(change, context)
        if new is None:
            self._made.clear()
        elements = change.now.elements
        for tag in elements if new is None else new:
            self._made[tag] = make(elements[tag])
        return chain.from_iterable(self._made.values())


@dataclass(eq=False)
class Noted(Mapping[int, Element]):
    """Elements, with a note of each tag that was asked for, whether it was there or not."""

    elements: Elements
    asked: set[int]

    def __getitem__(self, tag: int) -> Element:
        self.asked.add(tag)
        return self.elements[tag]

    def __contains__(self, tag: object) -> bool:
        self.asked.add(tag)  # type: ignore[arg-type]  # a mapping may be asked for anything
        return tag in self.elements

    def get(self, tag: int, default: Any = None) -> Any:
        """Return an element, or the default."""
        self.asked.add(tag)
        return self.elements.get(tag, default)

    def __iter__(self) -> Iterator[int]:
        self.asked.update(self.elements)
        return iter(self.elements)

    def __len__(self) -> int:
        return len(self.elements)


class Part(NamedTuple):
    """A part of a slice, the elements that it was read from, and those of them that gave no value."""

    noun: Any
    asked: set[int]
    flaws: dict[str, Flaw]


class Parts(_Follower):
    """Parts of slices, each kept until an element changes that it was read from."""

    def __init__(self) -> None:
        super().__init__()
        self.flaws: dict[str, Flaw] = {}
        self._noted = Noted({}, set())
        self._values = Values(self._noted)
        self._made: dict[Hashable, Part] = {}

    def turn_to(self, change: Change) -> None:
        """Go on to the next slice."""
        self.flaws, self._noted = {}, Noted(change.now.elements, set())
        self._values = Values(self._noted, change.now.little_endian)
        new = self._new_in(change, change.now.encodings)
        if new is None:
            self._made.clear()
        else:
            self._made = {key: part for key, part in self._made.items() if part.asked.isdisjoint(new)}

    def part(self, make: Callable[..., T], *told: Hashable) -> T:
        """Return what ``make`` reads with a reader, and what it is told; its flaws come to the others."""
        key = make, told
        part = self._made.get(key)
        if part is None:
            part = self._made[key] = self._read(make, *told)
        if part.flaws:
            self.flaws |= part.flaws
        noun: T = part.noun
        return noun

    def _read(self, make: Callable[..., Any], *told: Hashable) -> Part:
        self._noted.asked, reader = set(), Reader(self._values)
        return Part(make(reader, *told), self._noted.asked, reader.flaws)
