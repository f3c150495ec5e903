"""Batches of files: their slices and observations, as workers read them, and as text for the way back and the cache.

Most of a header is the same in every slice of its series.  So the text holds the first slice of a series in full, and
for each slice only what differs from the first.  Law: ``unpack_batch(pack_batch(batch)) == batch``.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.group import identify_series
from pipeline.dicom.headers.observe import Observer
from pipeline.dicom.headers.read import FileReader
from pipeline.dicom.headers.slice import Identity, ImagePlane, Pixels, Rescale, SliceHeader
from pipeline.dicom.headers.units import Kind
from pipeline.elements import Observation
from pipeline.geometry import Xyz
from pipeline.limits import Limits
from pipeline.sources.folders import FoundFile
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

    def only(self, paths: set[str]) -> "Batch":
        """Return the batch without other files; the batch itself where all are among ``paths``."""
        places = [place for place, file in enumerate(self.files) if file.path in paths]
        if len(places) == len(self.files):
            return self
        return Batch(
            [self.files[place] for place in places],
            [self.slices[place] for place in places],
            self.pool,
            [self.seen[place] for place in places],
        )

    def list_observations(self) -> Iterator[tuple[tuple[str, str, str], frozenset[int]]]:
        """Yield for each file that holds CT its patient, study and series, and what was observed."""
        for slices, seen in zip(self.slices, self.seen, strict=True):
            if seen:
                yield identify_owner(slices[0]), seen


def read_batch(files: Sequence[FoundFile], terms: Terms) -> Batch:
    """Open each file once; never raises for what is in a file."""
    reader, observer = FileReader(terms.limits, terms.wanted), Observer()
    batch = Batch(list(files), pool=observer.pool)
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


PARTS = {"identity": Identity, "pixels": Pixels, "plane": ImagePlane, "rescale": Rescale}
"""The fields of a slice that have fields themselves."""
TABLES = ("elements", "phase")
"""The fields of a slice that are values by keyword."""
OWN_FIELDS = [one.name for one in fields(SliceHeader) if one.name not in {"file", *PARTS, *TABLES}]
PART_FIELDS = {name: [one.name for one in fields(kind)] for name, kind in PARTS.items()}

Packed = dict[str, Any]
"""Fields of a slice as plain JSON values; a part is a dictionary of its fields."""


def pack_batch(batch: Batch) -> bytes:
    """Return a batch as ASCII JSON."""
    groups: dict[tuple[Any, ...], list[tuple[int, SliceHeader]]] = defaultdict(list)
    for place, slices in enumerate(batch.slices):
        for header in slices:
            groups[_likeness(header)].append((place, header))
    content = {
        "files": [[file.path, file.refusal, *file.state] for file in batch.files],
        "series": [_pack_group(members) for members in groups.values()],
        "pool": batch.pool,
        "seen": _pack_seen(batch.seen),
    }
    return json.dumps(content, separators=(",", ":"), default=sorted).encode("ascii")


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


def _pack_seen(seen: Sequence[frozenset[int]]) -> Packed:
    """Return the numbers that all files with observations share, and each file's others; None for a file without."""
    shared = frozenset.intersection(*filter(None, seen)) if any(seen) else frozenset()
    return {"shared": shared, "own": [one - shared if one else None for one in seen]}


def unpack_batch(text: bytes) -> Batch:
    """Return the batch of a text; raises ValueError, KeyError or TypeError for a text that holds none."""
    content = json.loads(text)
    files = [
        FoundFile(path, size, mtime_ns, _refusal(why), *others)
        for path, why, size, mtime_ns, *others in content["files"]
    ]
    slices: list[list[SliceHeader]] = [[] for _ in files]
    for group in content["series"]:
        packed = group["first"]
        parts = {name: kind(**_unpack(packed[name])) for name, kind in PARTS.items()}
        own = _unpack({name: packed[name] for name in (*OWN_FIELDS, *TABLES)})
        first = SliceHeader(file=files[group["slices"][0][0]], **parts, **own)
        for place, difference in group["slices"]:
            slices[place].append(_apply(first, files[place], difference))
    for headers in slices:
        headers.sort(key=lambda header: header.frame or 0)
    shared = frozenset(content["seen"]["shared"])
    seen = [frozenset() if own is None else shared.union(own) for own in content["seen"]["own"]]
    pool = [Observation(*one) for one in content["pool"]]
    return Batch(files, [tuple(headers) for headers in slices], pool, seen)


def _apply(first: SliceHeader, file: FoundFile, difference: Packed) -> SliceHeader:
    """Return the slice that differs so from the first; what does not differ is shared with it."""
    changes = _unpack(difference)
    for name, changed in changes.items():
        if name in PARTS:
            changes[name] = replace(getattr(first, name), **_unpack(changed))
        elif name in TABLES:
            changes[name] = getattr(first, name) | changed
    return replace(first, file=file, **changes)


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
