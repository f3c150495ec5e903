"""A multi-frame object to its frames: the functional groups laid over the whole (DICOM PS3.3 C.7.6.16)."""

from collections.abc import Mapping

from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import tag_of

Elements = Mapping[int, Element]


def frames_of(elements: Elements) -> list[dict[int, Element]]:
    """Return each frame's elements as a single-frame image would have them; empty without functional groups.

    A frame's own group wins over the shared one, and both over the object's top level.
    """
    per_frame = _items(elements, "PerFrameFunctionalGroupsSequence")
    shared = _items(elements, "SharedFunctionalGroupsSequence")
    common = dict(elements)
    for group in shared[:1]:
        common |= _flattened(group)
    return [common | _flattened(group) for group in per_frame]


def _items(elements: Elements, keyword: str) -> tuple[Elements, ...]:
    sequence = elements.get(tag_of(keyword))
    return () if sequence is None else sequence.items


def _flattened(group: Elements) -> dict[int, Element]:
    """Take the elements out of a group's macros, each of which is a sequence of one item."""
    return {tag: element for macro in group.values() for item in macro.items[:1] for tag, element in item.items()}
