"""What findings need to know of one series: where its slices lie, how names and numbers are ordered, and its words."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.geometry import Xyz
from pipeline.vocabulary import Reason

Order = Literal["same", "opposite", "none", "unknown"]
SAME_PLACE_MM = 1e-3
"""Offsets that differ by less are written differently, no more."""


@dataclass(frozen=True)
class SeriesGeometry:
    """Where the CT images of a series lie, as their headers say."""

    images: tuple[SliceHeader, ...]

    def varies(self, fact: Callable[[SliceHeader], Hashable]) -> bool:
        """Report whether a fact differs between images."""
        return len({fact(header) for header in self.images}) > 1

    @cached_property
    def normal(self) -> Xyz | None:
        """The direction across the slices, towards the head, the back or the left, whichever is nearest."""
        plane = self.images[0].plane if self.images else None
        if plane is None or plane.row_direction is None or plane.column_direction is None:
            return None
        normal = cross(plane.row_direction, plane.column_direction)
        return normal if max(normal, key=abs) > 0 else Xyz(*(-value for value in normal))

    @cached_property
    def heights(self) -> list[float] | None:
        """The positions along the normal in millimetres, None unless every image has one."""
        positions = [header.plane.position for header in self.images]
        if self.normal is None:
            return None
        known = [dot(position, self.normal) for position in positions if position is not None]
        return known if len(known) == len(positions) else None

    def order_of(self, values: Sequence[float | None]) -> Order:
        """Return how numbers, one per image, run against the positions."""
        if self.heights is None or len(values) < 2:
            return "unknown"
        known = [value for value in values if value is not None]
        if len(known) < len(values) or len(set(self.heights)) < len(self.heights):
            return "unknown"
        ordered = [value for _, value in sorted(zip(self.heights, known, strict=True))]
        if all(one < other for one, other in pairwise(ordered)):
            return "same"
        return "opposite" if all(one > other for one, other in pairwise(ordered)) else "none"

    @property
    def order_of_names(self) -> Order:
        """How the files' names run against the positions; images come in the order of their paths."""
        return self.order_of(range(len(self.images)))

    @cached_property
    def step_mm(self) -> float | None:
        """The median distance of neighbouring slices."""
        if self.heights is None or len(self.heights) < 2:
            return None
        ordered = sorted(self.heights)
        return sorted(above - below for below, above in pairwise(ordered))[(len(ordered) - 1) // 2]

    @property
    def moves_in_plane(self) -> bool:
        """True where the slices' corners do not lie above one another."""
        if self.normal is None or self.heights is None:
            return False
        first, *others = (
            tuple(where - height * along for where, along in zip(header.plane.position or (), self.normal, strict=True))
            for header, height in zip(self.images, self.heights, strict=True)
        )
        return any(
            abs(one - other) > SAME_PLACE_MM for place in others for one, other in zip(first, place, strict=True)
        )


def _ratio(geometry: SeriesGeometry) -> float:
    """Return the distance of the slices in thicknesses, 0 where one of them is not known."""
    thickness = geometry.images[0].plane.thickness
    return geometry.step_mm / thickness if geometry.step_mm and thickness else 0


SPARSE = 1.5
"""Slices that lie further apart than so many thicknesses leave most of what is between them unseen."""

TESTS: tuple[tuple[str, str, Callable[[SeriesGeometry], bool]], ...] = (
    (
        "POSITION_MISSING",
        "no ImagePositionPatient in at least one slice",
        lambda geometry: any(header.plane.position is None for header in geometry.images),
    ),
    (
        "SPACING_VARIES",
        "PixelSpacing varies within the series",
        lambda geometry: geometry.varies(lambda header: repr((header.plane.row_spacing, header.plane.column_spacing))),
    ),
    (
        "RESCALE_VARIES",
        "RescaleSlope or RescaleIntercept varies within the series",
        lambda geometry: geometry.varies(lambda header: (header.rescale.slope, header.rescale.intercept)),
    ),
    (
        "LOCATION_OPPOSITE",
        "SliceLocation runs against the position",
        lambda geometry: geometry.order_of([header.plane.slice_location for header in geometry.images]) == "opposite",
    ),
    (
        "INSTANCE_UNORDERED",
        "InstanceNumber does not order the slices",
        lambda geometry: geometry.order_of([header.instance_number for header in geometry.images]) == "none",
    ),
    (
        "INSTANCE_OPPOSITE",
        "InstanceNumber runs against the position",
        lambda geometry: geometry.order_of([header.instance_number for header in geometry.images]) == "opposite",
    ),
    (
        "NAMES_UNORDERED",
        "file names do not order the slices",
        lambda geometry: geometry.order_of_names == "none",
    ),
    (
        "NAMES_OPPOSITE",
        "file names run against the position",
        lambda geometry: geometry.order_of_names == "opposite",
    ),
    ("ORIGIN_MOVES", "the in-plane origin moves from slice to slice", lambda geometry: geometry.moves_in_plane),
    ("SPARSE", "slices lie further apart than 1.5 times their thickness", lambda geometry: _ratio(geometry) > SPARSE),
    (
        "OVERLAP",
        "slices are thicker than their distance: they overlap",
        lambda geometry: 0 < _ratio(geometry) < 1 - 1e-3,
    ),
)
"""Code, sentence and test of each finding about single series."""


def cross(one: Xyz, other: Xyz) -> Xyz:
    """Return the vector product of two vectors."""
    return Xyz(
        one.y * other.z - one.z * other.y,
        one.z * other.x - one.x * other.z,
        one.x * other.y - one.y * other.x,
    )


def dot(one: Xyz, other: Xyz) -> float:
    """Return the scalar product of two vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


KINDS: Mapping[str, Callable[[SliceHeader], str]] = {
    "transfer syntax": lambda header: header.pixels.transfer_syntax,
    "value 1": lambda header: (header.identity.image_type or ("",))[0],
    "RescaleType": lambda header: header.rescale.kind,
    "PatientPosition": lambda header: str(header.elements.get("PatientPosition") or ""),
}
"""Words that distinguish the images of a cohort, and where a header says them; value 1 is that of ImageType."""


@dataclass(frozen=True)
class SeriesFacts:
    """A series by its pseudonym: ``codes`` are the findings about it alone, ``kinds`` its images' words of KINDS.

    ``refused`` counts its files that could not be read to their end, by reason.
    """

    series_key: str
    patient: str
    study: str
    n_images: int
    codes: frozenset[str]
    kinds: Mapping[str, frozenset[str]]
    refused: Mapping[Reason, int]

    @classmethod
    def of(cls, series_key: str, series: Series, patient: str = "", study: str = "") -> "SeriesFacts":
        """Return the facts of a series."""
        images, geometry = series.images, SeriesGeometry(series.images)
        return cls(
            series_key,
            patient,
            study,
            len(images),
            frozenset(code for code, _, holds in TESTS if holds(geometry)) if images else frozenset(),
            {name: frozenset(map(word_of, images)) for name, word_of in KINDS.items()},
            Counter(header.refusal[0] for header in series.slices if header.refusal),
        )


def pack_facts(facts: SeriesFacts) -> list[Any]:
    """Return facts as plain JSON values, without whose they are."""
    return [facts.series_key, facts.n_images, facts.codes, facts.kinds, facts.refused]


def unpack_facts(packed: list[Any]) -> SeriesFacts:
    """Return the facts that `pack_facts` was given."""
    series_key, n_images, codes, kinds, refused = packed
    return SeriesFacts(
        series_key,
        "",
        "",
        n_images,
        frozenset(codes),
        {name: frozenset(words) for name, words in kinds.items()},
        {Reason[name]: n for name, n in refused.items()},
    )
