"""Batches of files: their slices and observations, as workers read them, and packed for the way back and the database.

Most of a header is the same in every slice of its series.  So what is packed holds the first slice of a series in
full, and for each slice only what differs from the first.  Laws: ``unpack_slices(pack_slices(batch))`` gives the slices
of the batch, and ``unpack_observations(pack_observations(batch))`` what was observed in each file that holds CT.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.group import identify_series
from pipeline.dicom.headers.maps import Kind
from pipeline.dicom.headers.observe import Observer
from pipeline.dicom.headers.read import FileReader
from pipeline.dicom.headers.slice import Identity, ImagePlane, Pixels, Rescale, SliceHeader
from pipeline.elements import Observation
from pipeline.geometry import Xyz
from pipeline.limits import Limits
from pipeline.output.database import pack, unpack
from pipeline.sources.files import FoundFile, expect_files
from pipeline.vocabulary import Reason, Refusal, SeriesWarning


@dataclass(frozen=True)
class Terms:
    """What headers are read by: the limits, and the elements to keep for the manifest."""

    limits: Limits
    wanted: frozenset[str]


@dataclass
class Batch:
    """Some files with the slices of each, and the observations of each that holds CT.

    ``seen`` holds, for each file, places in ``pool``; it is empty for a file that is no CT image.
    """

    files: list[FoundFile] = field(default_factory=list)
    slices: list[tuple[SliceHeader, ...]] = field(default_factory=list)
    pool: list[Observation] = field(default_factory=list)
    seen: list[frozenset[int]] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[FoundFile, tuple[SliceHeader, ...]]]:
        """Yield each file with its slices."""
        return zip(self.files, self.slices, strict=True)

    def split_by_series(self) -> Iterator[tuple[tuple[str, ...] | None, list[int], "Batch"]]:
        """Yield the files of each series as a batch of their own, with its key and their places; None for no series."""
        by_key: dict[tuple[str, ...] | None, list[int]] = defaultdict(list)
        for place, slices in enumerate(self.slices):
            by_key[identify_series(slices[0])].append(place)
        for key, places in by_key.items():
            yield key, places, self.only(places)

    def only(self, places: Sequence[int]) -> "Batch":
        """Return some files as a batch, with a pool that holds no more than was seen in them."""
        seen = [self.seen[place] for place in places]
        numbers = sorted(frozenset().union(*seen))
        new = {number: place for place, number in enumerate(numbers)}
        return Batch(
            [self.files[place] for place in places],
            [self.slices[place] for place in places],
            [self.pool[number] for number in numbers],
            [frozenset(map(new.__getitem__, one)) for one in seen],
        )


def read_batch(files: Sequence[FoundFile], terms: Terms) -> Batch:
    """Open each file once; never raises for what is in a file."""
    reader, observer = FileReader(terms.limits, terms.wanted), Observer()
    batch = Batch(list(files), pool=observer.pool)
    with expect_files(files):
        for file in files:
            slices, known = reader.read(file)
            is_ct = any(header.is_ct for header in slices)
            batch.slices.append(slices)
            batch.seen.append(frozenset(observer.observe(known)) if is_ct else frozenset())
    return batch


def identify_owner(header: SliceHeader) -> tuple[str, str, str]:
    """Return the identifiers of the patient, the study and the series of a slice; none of them is empty."""
    identity = header.identity
    series = "\n".join(identify_series(header) or (header.file.path,))
    study = identity.study_instance_uid or series
    return identity.patient_id or study, study, series


Owner = tuple[str, str, str]

PARTS = {"identity": Identity, "pixels": Pixels, "plane": ImagePlane, "rescale": Rescale}
"""The fields of a slice that have fields themselves."""
TABLES = ("elements", "phase")
"""The fields of a slice that are values by keyword."""
OWN_FIELDS = [one.name for one in fields(SliceHeader) if one.name not in {"file", *PARTS, *TABLES}]
PART_FIELDS = {name: [one.name for one in fields(kind)] for name, kind in PARTS.items()}

T = TypeVar("T")

Packed = dict[str, Any]
"""Fields of a slice as plain JSON values; a part is a dictionary of its fields."""


def pack_slices(batch: Batch) -> bytes:
    """Return the slices of a batch as compressed JSON."""
    groups: dict[tuple[Any, ...], list[tuple[int, SliceHeader]]] = defaultdict(list)
    for place, slices in enumerate(batch.slices):
        for header in slices:
            groups[_likeness(header)].append((place, header))
    return pack(
        {
            "files": [file.pack() for file in batch.files],
            "series": [_pack_group(members) for members in groups.values()],
        }
    )


def pack_observations(batch: Batch) -> bytes:
    """Return what was observed in each file as compressed JSON; nothing where no file holds CT."""
    files: list[tuple[str, Owner, frozenset[int]]] = [
        (file.path, identify_owner(slices[0]), seen)
        for file, slices, seen in zip(batch.files, batch.slices, batch.seen, strict=True)
        if seen
    ]
    if not files:
        return b""
    shared = frozenset.intersection(*(seen for _, _, seen in files))
    own = [[path, owner, seen - shared] for path, owner, seen in files]
    return pack({"pool": batch.pool, "shared": shared, "files": own})


def _likeness(header: SliceHeader) -> tuple[Any, ...]:
    """Return what slices share that are packed together: the series, and the keywords of what varies."""
    return (header.identity.series_instance_uid, *header.elements, None, *header.phase)


def _pack_group(members: Sequence[tuple[int, SliceHeader]]) -> Packed:
    """Return the first slice, and for each slice the place of its file and what differs from the first."""
    _, first = members[0]
    return {"first": _pack(first), "slices": [[place, _difference(first, header)] for place, header in members]}


def _pack(header: SliceHeader) -> Packed:
    packed = {name: getattr(header, name) for name in (*OWN_FIELDS, *TABLES)}
    for part, names in PART_FIELDS.items():
        packed[part] = {name: getattr(getattr(header, part), name) for name in names}
    return packed


def _difference(first: SliceHeader, other: SliceHeader) -> Packed:
    """Return those fields of a slice that are not the first one's; equal numbers of other types are not the same."""
    difference = _differing(first, other, OWN_FIELDS)
    for part, names in PART_FIELDS.items():
        before, now = getattr(first, part), getattr(other, part)
        if now is not before and (changed := _differing(before, now, names)):
            difference[part] = changed
    for table in TABLES:
        before, now = getattr(first, table), getattr(other, table)
        changed = {keyword: value for keyword, value in now.items() if not _is_same(value, before[keyword])}
        if changed:
            difference[table] = changed
    return difference


def _differing(first: Any, other: Any, names: Sequence[str]) -> Packed:
    differing = {}
    for name in names:
        value = getattr(other, name)
        if not _is_same(value, getattr(first, name)):
            differing[name] = value
    return differing


def _is_same(value: Any, other: Any) -> bool:
    return value is other or (value == other and repr(value) == repr(other))


def unpack_slices(packed: bytes) -> list[tuple[SliceHeader, ...]]:
    """Return the slices of each file of a batch; raises DamageError where a bit of it is another."""
    content = unpack(packed)
    files = list(map(FoundFile.unpack, content["files"]))
    slices: list[list[SliceHeader]] = [[] for _ in files]
    for group in content["series"]:
        packed_first = group["first"]
        parts = {name: kind(**_unpack(packed_first[name])) for name, kind in PARTS.items()}
        own = _unpack({name: packed_first[name] for name in (*OWN_FIELDS, *TABLES)})
        first = SliceHeader(file=files[group["slices"][0][0]], **parts, **own)
        for place, difference in group["slices"]:
            slices[place].append(_apply(first, files[place], difference))
    for headers in slices:
        headers.sort(key=lambda header: header.frame or 0)
    return [tuple(headers) for headers in slices]


def unpack_observations(packed: bytes) -> tuple[list[Observation], list[tuple[str, Owner, frozenset[int]]]]:
    """Return the pool of a batch, and for each file that holds CT its path, its owner and its places in the pool."""
    content = unpack(packed)
    shared = frozenset(content["shared"])
    pool = [Observation(*one) for one in content["pool"]]
    return pool, [(path, (owner[0], owner[1], owner[2]), shared.union(own)) for path, owner, own in content["files"]]


def _apply(first: SliceHeader, file: FoundFile, difference: Packed) -> SliceHeader:
    """Return the slice that differs so from the first; what does not differ is shared with it."""
    changes = _unpack(difference)
    for name, changed in changes.items():
        if name in PARTS:
            changes[name] = _copy_with(getattr(first, name), _unpack(changed))
        elif name in TABLES:
            changes[name] = getattr(first, name) | changed
    return _copy_with(first, changes | {"file": file})


def _copy_with(one: T, changes: dict[str, Any]) -> T:
    """Return a copy of a frozen dataclass with other fields, at a fifth of the time that `replace` takes."""
    copy = object.__new__(type(one))
    vars(copy).update(vars(one), **changes)
    return copy


def _unpack(packed: Packed) -> dict[str, Any]:
    """Return fields as they were, from plain JSON values."""
    return {
        name: _RESTORERS[name](value) if value is not None and name in _RESTORERS else value
        for name, value in packed.items()
    }


def _refusal(packed: Any) -> Refusal | None:
    return None if packed is None else (Reason[packed[0]], packed[1])


def _xyz(packed: Any) -> Xyz:
    return Xyz(*packed)


_RESTORERS: dict[str, Callable[[Any], Any]] = {
    "refusal": _refusal,
    "warnings": lambda packed: frozenset(SeriesWarning[word] for word in packed),
    "image_type": tuple,
    "described_kinds": lambda packed: tuple(map(Kind, packed)),
    "reconstruction": tuple,
    "position": _xyz,
    "row_direction": _xyz,
    "column_direction": _xyz,
    "flaws": lambda packed: {keyword: Flaw(flaw) for keyword, flaw in packed.items()},
}
"""What makes of a plain JSON value the field that it was; other fields are plain values themselves."""
