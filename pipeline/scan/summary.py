"""What a scan keeps of a series: workers judge its headers once, and the database holds what comes of it.

A summary holds as long as the files of its series and the rules are the same.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

from pipeline import __version__
from pipeline.cluster.jobs import Task
from pipeline.dicom.files.encoding import EFFORT
from pipeline.dicom.files.values import parse_day
from pipeline.dicom.headers.batch import unpack_observations
from pipeline.dicom.headers.group import build_series, has_uid, in_path_order
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.select.rank import rank_stack, try_stack
from pipeline.dicom.select.rules import check_selection
from pipeline.dicom.series.checks import check_headers
from pipeline.dicom.series.fallback import add_positions
from pipeline.dicom.series.split import split_parts, split_volumes
from pipeline.output.database import damage_error, pack, unpack
from pipeline.privacy import PseudonymKey
from pipeline.record import ElementValue
from pipeline.scan.census import Census, pack_census
from pipeline.scan.facts import SeriesFacts, pack_facts, unpack_facts
from pipeline.scan.files import Paths
from pipeline.scan.headers import unpack_files
from pipeline.scan.rows import pack_inventory
from pipeline.sources.files import FoundFile, find_common_folder
from pipeline.versions import describe_stages
from pipeline.vocabulary import Reason, Refusal

FORMAT = 2
"""Counts up when a summary holds something else."""

Key = tuple[str, ...]


class KnownSeries(NamedTuple):
    """A series of a library: its identity, its names in the database, and the place that it has in ``identity``."""

    identity: Key
    members: tuple[str, ...]
    place: str = ""

    @property
    def name(self) -> str:
        """The name of its summary."""
        return "\n".join(self.members)

    @property
    def is_joined(self) -> bool:
        """True for a series that several make together."""
        return len(self.members) > 1


class SeriesIdentity(NamedTuple):
    """Whose a series is, as its first slice says, and the path of that."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    path: str

    @classmethod
    def of(cls, header: SliceHeader) -> "SeriesIdentity":
        """Return the identity that a header names."""
        identity = header.identity
        return cls(identity.patient_id, identity.study_instance_uid, identity.series_instance_uid, header.file.path)

    @property
    def folder(self) -> str:
        """The folder that the slice lies in."""
        return os.path.dirname(self.path)  # noqa: PTH120  a str path, as in the database


class Choice(NamedTuple):
    """What `select` asks of a series: why its headers leave it out, its slices at places of their own, and its rank.

    The last two are None where its geometry is refused: it is no candidate.
    """

    left_out: str | None = None
    n_slices: int | None = None
    rank: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class VolumeSummary:
    """A volume that a series may become: what a plan needs of it."""

    first: SeriesIdentity
    series_key: str
    n_files: int
    n_images: int
    effort: float
    has_masks: bool
    refusal: Refusal | None
    signature: str
    former_key: str | None
    choice: Choice


@dataclass(frozen=True)
class VolumeDetails:
    """What is asked for one volume at a time: elements of the first slice, facts for findings, ``folder`` of all.

    ``headers`` is a digest of what was read of the headers.
    """

    first: SeriesIdentity
    identity: Key
    folder: str
    elements: Mapping[str, ElementValue]
    facts: SeriesFacts
    headers: str


@dataclass(frozen=True)
class SeriesSummary:
    """A series before its pixels are read.

    ``births`` are what its slices say of each PatientID, ``folders`` where they lie, and ``day`` that of its study.
    """

    first: SeriesIdentity
    day: int | None
    has_uid: bool
    births: Mapping[str, list[str]]
    folders: list[str]
    volumes: list[VolumeSummary]


@dataclass(frozen=True)
class Rules:
    """By what series are judged."""

    policy: Policy
    select: SelectOptions = field(default_factory=SelectOptions)
    key: PseudonymKey = field(default_factory=PseudonymKey)

    @cached_property
    def stamp(self) -> str:
        """What must be the same for a summary to hold, beside its files."""
        basis = (FORMAT, __version__, describe_stages(), self.policy, self.select, self.key.keyed_hash("summary"))
        return blake2b(repr(basis).encode(), digest_size=10).hexdigest()


class SummaryJob(NamedTuple):
    """A series to be judged: the packed headers and observations of its files, with the paths that count."""

    entry: KnownSeries
    headers: tuple[tuple[bytes, Paths], ...]
    observed: tuple[tuple[bytes, Paths], ...]
    rules: Rules


class PackedSummary(NamedTuple):
    """A summary as the database holds it; ``volumes`` are the details and the rows of each."""

    content: bytes
    census: bytes
    volumes: tuple[tuple[bytes, bytes], ...]


def summarise(job: SummaryJob) -> PackedSummary:
    """Judge a series by its headers."""
    slices = chain.from_iterable(in_path_order(chain.from_iterable(unpack_files([one]))) for one in job.headers)
    whole, volumes = build_volumes(build_series(job.entry.identity, slices, job.entry.place), job.rules.policy)
    _check_identity(job.entry, whole)
    births: dict[str, set[str]] = defaultdict(set)
    for header in whole.slices:
        if header.identity.patient_id:
            births[header.identity.patient_id].add(header.identity.birth_and_sex)
    summaries = [_summarise_volume(volume, job.rules) for volume in volumes]
    content = {
        "first": SeriesIdentity.of(whole.slices[0]),
        "day": parse_day(whole.slices[0].identity.study_date),
        "has_uid": has_uid(whole),
        "births": births,
        "folders": {header.file.folder for header in whole.slices},
        "volumes": [[getattr(one, name) for name in VolumeSummary.__slots__] for one in summaries],
    }
    packed = (
        (_pack_details(volume, one), pack_inventory(volume, one.refusal, job.rules.key))
        for volume, one in zip(volumes, summaries, strict=True)
    )
    return PackedSummary(pack(content), pack_census(count_observed(job.observed)), tuple(packed))


def _check_identity(entry: KnownSeries, whole: Series) -> None:
    """Raise DamageError where the slices of a series name another one: the database is not as it was written."""
    named = whole.slices[0].identity.series_instance_uid
    if not entry.is_joined and named and entry.identity != (named,):
        what = "headers of one series are called another's"
        raise damage_error(what)


SUMMARISE: Final[Task[SummaryJob, PackedSummary]] = Task("judge-headers", "pipeline.scan.summary:summarise")


def build_volumes(whole: Series, policy: Policy) -> tuple[Series, list[Series]]:
    """Return a series, and what may become a volume each: itself, its frames' volumes, or the policy's parts."""
    placed = add_positions(whole, policy.geometry)
    return whole, [part for volume in split_volumes(placed) for part in split_parts(volume, policy)]


def count_observed(observed: tuple[tuple[bytes, Paths], ...]) -> Census:
    """Return the census of files that hold CT."""
    census = Census()
    for packed, paths in observed:
        pool, files = unpack_observations(packed)
        census.count(pool, ((owner, seen) for path, owner, seen in files if paths is None or path in paths))
    return census


def _summarise_volume(volume: Series, rules: Rules) -> VolumeSummary:
    pixels = [image.pixels for image in volume.images]
    refusal = check_headers(volume, rules.policy)
    former = rules.key.keyed_hash("series", volume.slices[0].file.folder, *volume.identity[1:])
    return VolumeSummary(
        first=SeriesIdentity.of(volume.slices[0]),
        series_key=rules.key.keyed_hash("series", *volume.identity),
        n_files=len({header.file.path for header in volume.slices}),
        n_images=len(pixels),
        effort=estimate_effort(volume),
        has_masks=any(header.mask_kind for header in volume.slices),
        refusal=refusal,
        signature=sign_files(volume),
        former_key=former if volume.place else None,
        choice=Choice() if refusal else weigh(volume, rules.select, rules.policy),
    )


def estimate_effort(volume: Series) -> float:
    """Return what images cost to read, in voxels of native ones."""
    pixels = (image.pixels for image in volume.images)
    return sum(one.rows * one.columns * EFFORT.get(one.transfer_syntax, 1.0) for one in pixels)


def weigh(volume: Series, select: SelectOptions, policy: Policy) -> Choice:
    """Return what `select` asks of a series that its headers do not refuse."""
    left_out = check_selection(volume, select)
    if not left_out and select.one_per == "series" and select.slice_count == "any":
        return Choice()
    stack = try_stack(volume, policy)
    if stack is None:  # it is left to its own reason
        return Choice()
    return Choice(left_out, len(stack.slices), rank_stack(stack, select.prefer))


def sign_files(series: Series) -> str:
    """Return what changes when a file of a series is added, removed, renamed or touched.

    Files are known by their places below the deepest folder that holds all of them: so that folder, and any above it,
    may be moved or renamed.
    """
    common = find_common_folder({header.file.folder for header in series.slices})
    return _sign(series, len(common.rstrip("/")) + 1)


def sign_whole_paths(series: Series) -> str:
    """Return the signature that the version before made: it changed with every folder above the files too."""
    return _sign(series, 0)


def _sign(series: Series, n_skipped: int) -> str:
    digest = blake2b(digest_size=16)
    for header in series.slices:
        digest.update(repr((header.file.path[n_skipped:], *header.file.state, header.frame)).encode())
    return digest.hexdigest()


NO_FILE = FoundFile("", 0, 0)


def digest_headers(series: Series) -> str:
    """Return what changes when anything changes that was read of the headers of a series; the same wherever it lies."""
    digest = blake2b(digest_size=16)
    contents = (
        (sorted(header.warnings), repr(replace(header, file=NO_FILE, warnings=frozenset()))) for header in series.slices
    )
    for warnings, content in sorted(contents, key=itemgetter(1)):
        digest.update(f"{warnings} {content}".encode(errors="backslashreplace"))
    return digest.hexdigest()


def build_details(volume: Series, series_key: str) -> VolumeDetails:
    """Return the details of a volume; whose the facts are is not known yet."""
    first = volume.slices[0]
    folder = find_common_folder({header.file.folder for header in volume.slices})
    facts = SeriesFacts.of(series_key, volume)
    headers = digest_headers(volume)
    return VolumeDetails(SeriesIdentity.of(first), volume.identity, folder, first.elements, facts, headers)


def _pack_details(volume: Series, one: VolumeSummary) -> bytes:
    details = build_details(volume, one.series_key)
    return pack(
        [
            details.first,
            details.identity,
            details.folder,
            dict(details.elements),
            pack_facts(details.facts),
            details.headers,
        ]
    )


def unpack_details(packed: bytes) -> VolumeDetails:
    """Return the details of a volume; raises DamageError where a bit of it is another."""
    first, identity, folder, elements, facts, headers = unpack(packed)
    return VolumeDetails(SeriesIdentity(*first), tuple(identity), folder, elements, unpack_facts(facts), headers)


def unpack_summary(packed: bytes) -> SeriesSummary:
    """Return a summary; raises DamageError where a bit of it is another."""
    content = unpack(packed)
    return SeriesSummary(
        SeriesIdentity(*content["first"]),
        content["day"],
        content["has_uid"],
        content["births"],
        content["folders"],
        list(_unpack_volumes(content["volumes"])),
    )


def _unpack_volumes(packed: list[list[Any]]) -> Iterator[VolumeSummary]:
    for values in packed:
        fields = dict(zip(VolumeSummary.__slots__, values, strict=True))
        refusal, (left_out, n_slices, rank) = fields["refusal"], fields["choice"]
        fields["first"] = SeriesIdentity(*fields["first"])
        fields["refusal"] = refusal and (Reason[refusal[0]], refusal[1])
        fields["choice"] = Choice(left_out, n_slices, None if rank is None else _as_tuples(rank))
        yield VolumeSummary(**fields)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def with_owner(facts: SeriesFacts, patient: str, study: str) -> SeriesFacts:
    """Return facts that know whose they are."""
    return replace(facts, patient=patient, study=study)
