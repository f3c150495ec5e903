"""Headers one after another: what the next has in common with the last is not worked out again.

The slices of a series differ in a handful of elements.  Law: in any order, each header is read as it is read alone.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
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


class Latest:
    """The elements that were looked at last."""

    def __init__(self) -> None:
        self._context: Hashable = None
        self._tags: list[int] = []
        self._content: list[Any] = []
        self._pixels: list[int] = []

    def changed_in(self, elements: Elements, context: Hashable) -> set[int] | None:
        """Return the tags of the elements that hold something else than the last time, and look at these from now on.

        None where that tells nothing: other elements, or another ``context``, which decides how they are read.
        """
        before = self._context, self._tags, self._content, self._pixels
        self._context, self._tags = context, list(elements)
        self._content = list(map(CONTENT, elements.values()))
        self._pixels = [elements[tag].offset for tag in PIXEL_TAGS if tag in elements]
        if before[:2] != (self._context, self._tags):
            return None
        changed = set(compress(elements, map(ne, self._content, before[2])))
        return changed if self._pixels == before[3] else changed | PIXEL_TAGS & elements.keys()


class Each(Generic[T]):
    """What is made of elements one by one, each time of those that changed."""

    def __init__(self) -> None:
        self._made: dict[int, Collection[T]] = {}

    def made_of(
        self, elements: Elements, changed: Iterable[int] | None, make: Callable[[Element], Collection[T]]
    ) -> Iterator[T]:
        """Yield what comes of each element, in their order; ``changed`` as `Latest` tells it."""
        if changed is None:
            self._made.clear()
        for tag in elements if changed is None else changed:
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


class Parts:
    """Parts of slices, each kept until an element changes that it was read from."""

    def __init__(self) -> None:
        self.flaws: dict[str, Flaw] = {}
        self._noted = Noted({}, set())
        self._values = Values(self._noted)
        self._made: dict[Hashable, Part] = {}

    def turn_to(self, values: Values, changed: set[int] | None) -> None:
        """Go on to the next slice; ``changed`` as `Latest` tells it."""
        self.flaws, self._noted = {}, Noted(values.elements, set())
        self._values = Values(self._noted, values.little_endian)
        if changed is None:
            self._made.clear()
        else:
            self._made = {key: part for key, part in self._made.items() if part.asked.isdisjoint(changed)}

    def part(self, make: Callable[..., T], *told: Hashable) -> T:
        """Return what ``make`` reads with a reader, and what it is told; its flaws come to the others."""
        key = make, told
        if key not in self._made:
            self._made[key] = self._read(make, *told)
        part = self._made[key]
        self.flaws |= part.flaws
        noun: T = part.noun
        return noun

    def _read(self, make: Callable[..., Any], *told: Hashable) -> Part:
        self._noted.asked, reader = set(), Reader(self._values)
        return Part(make(reader, *told), self._noted.asked, reader.flaws)
