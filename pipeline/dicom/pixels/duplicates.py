"""Slices that are there more than once: identical copies are dropped before a stack is made."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.limits import Limits
from pipeline.vocabulary import SeriesWarning


@dataclass(frozen=True, eq=False)
class UniqueSlices:
    """Slices with identical copies dropped; ``dropped`` in the order of their paths."""

    slices: tuple[SliceHeader, ...]
    dropped: tuple[SliceHeader, ...]

    @property
    def warnings(self) -> set[SeriesWarning]:
        """W_DUPLICATE_SERIES where every slice is there again in another folder, else W_DUPLICATE_DROPPED."""
        if not self.dropped:
            return set()
        kept_in = {header.file.folder for header in self.slices}
        elsewhere = all(header.file.folder not in kept_in for header in self.dropped)
        if elsewhere and len(self.dropped) >= len(self.slices):
            return {SeriesWarning.W_DUPLICATE_SERIES}
        return {SeriesWarning.W_DUPLICATE_DROPPED}


def drop_copies(slices: Sequence[SliceHeader], limits: Limits) -> UniqueSlices:
    """Drop slices that repeat another's position, rescale and pixels; the first by path is kept.

    Pixels are read only where two slices share a position.
    """
    by_place: dict[tuple[object, ...], list[SliceHeader]] = defaultdict(list)
    for header in slices:
        by_place[_place(header)].append(header)
    dropped, reader = set(), PixelReader(limits)
    for group in by_place.values():
        seen = set()
        for header in group if len(group) > 1 else ():
            digest = _pixel_hash(header, reader)
            if digest in seen:
                dropped.add(id(header))
            seen.add(digest)
    return UniqueSlices(
        tuple(header for header in slices if id(header) not in dropped),
        tuple(header for header in slices if id(header) in dropped),
    )


def _place(header: SliceHeader) -> tuple[object, ...]:
    return header.plane.position, header.rescale.slope, header.rescale.intercept


def _pixel_hash(header: SliceHeader, reader: PixelReader) -> bytes:
    return hashlib.sha256(reader.raw_pixels(header)).digest()
