"""Input folders to series: every file's header is read once, and series are built, named and checked one at a time."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import NamedTuple

from pipeline.dicom.files.values import parse_day
from pipeline.dicom.headers.batch import Terms
from pipeline.dicom.headers.group import build_series, has_uid, name_places
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.series.checks import check_headers
from pipeline.dicom.series.fallback import add_positions
from pipeline.dicom.series.regroup import regroup_series
from pipeline.dicom.series.split import split_parts, split_volumes
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, PseudonymKey
from pipeline.record import SeriesRecord
from pipeline.scan.headers import Reading
from pipeline.scan.series import (
    NOBODY,
    People,
    Scan,
    ScannedSeries,
    Unreadable,
    identify_patient,
    identify_study,
    sign_files,
)
from pipeline.sources.folders import NOT_LISTED, REFUSED_FILE, InputOptions, find_files
from pipeline.vocabulary import Reason, SeriesWarning, Status

LOADED_SLICES = 4096
"""So many slices stay loaded, of 4 KiB each: a series is judged by its headers, and soon after sent to a worker."""

Key = tuple[str, ...]
Study = tuple[str, ...]


def scan(  # noqa: PLR0913  where from, how, and what of it is wanted
    options: InputOptions,
    policy: Policy,
    key: PseudonymKey,
    tags: Iterable[str] = (),
    select: SelectOptions | None = None,
    reading: Reading | None = None,
    *,
    people: People = NOBODY,
    n_files: int | None = None,
) -> Scan:
    """Read every header under the roots; ``tags`` names elements to keep beside those of the manifest.

    ``select`` names the elements of its rules, and whether series of one slice are joined; ``reading`` is how headers
    are read, and ``people`` which PatientIDs mean one person.  ``n_files`` is how many files there are, where
    ``reading`` has looked already.
    """
    select, reading = select or SelectOptions(), reading or Reading()
    if n_files is None:
        n_files = reading.table.update(find_files(options, policy.limits, reading.table)).n_files
    if not n_files:
        return Scan()
    reading.read(
        Terms(policy.limits, ALLOWED_ELEMENTS | frozenset(KEPT_IDENTIFIERS) | frozenset(tags) | select.keywords)
    )
    library = Library(reading, policy, options.roots, joins=select.regroup == "geometry")
    return build_scan(library, key, people, n_files)


def build_scan(library: "Library", key: PseudonymKey, people: People, n_files: int) -> Scan:
    """Build and judge the series of all headers that were read."""
    judge, reading = _Judge(library, key, people), library.reading
    for entry in library.list_series():
        judge.judge(entry)
    unassigned = _Unassigned(reading)
    folders, is_settled, refused = set(), True, _Refused()
    for header in unassigned:
        folders.add(header.file.folder)
        is_settled = is_settled and not _may_be_read_yet(header)
        refused.note(header)
    series = judge.with_what_lies_beside(folders, refused)
    return Scan(series, unassigned, reading.count_elements(), (), n_files, is_settled, refused.count())


def _may_be_read_yet(header: SliceHeader) -> bool:
    """Report a file that the system refused although nothing about it forbids reading: permissions leave no trace."""
    return header.file.refusal is None and header.refusal is not None and header.refusal[0] is Reason.UNREADABLE


@dataclass
class _Refused:
    """Counts what the system refuses to read: ``files`` by their folder, ``folders`` by the folder that holds them."""

    files: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)

    def note(self, header: SliceHeader) -> None:
        """Count a file of no series if that is why it is of none."""
        refusal = header.file.refusal
        if refusal and refusal[1] == NOT_LISTED:
            self.folders[header.file.folder] += 1
        elif _may_be_read_yet(header) or (refusal and refusal[1].startswith(REFUSED_FILE)):
            self.files[header.file.folder] += 1

    def count(self) -> Unreadable:
        """Return how many there are."""
        return Unreadable(self.files.total(), self.folders.total())

    def count_beside(self, folders: Collection[str]) -> int:
        """Return how many may hold slices of a series in these folders: files there, folders in or beside them."""
        around = {*folders, *(folder.rpartition("/")[0] for folder in folders)}
        return sum(self.files[folder] for folder in folders) + sum(self.folders[folder] for folder in around)


@dataclass(frozen=True)
class _Unassigned:
    """The slices of files that belong to no series, read from the database each time."""

    reading: Reading

    def __iter__(self) -> Iterator[SliceHeader]:
        return self.reading.slices_of_none()


class KnownSeries(NamedTuple):
    """A series of a library: its identity, its names in the database, and the place that it has in ``identity``."""

    identity: Key
    members: tuple[str, ...]
    place: str = ""


class Library:
    """The series of a database; with ``joins`` series of one slice are joined where they form a stack."""

    def __init__(self, reading: Reading, policy: Policy, roots: Sequence[str] = (), *, joins: bool = False) -> None:
        self.reading = reading
        self.policy = policy
        self._roots = roots
        self._joins = joins
        self._loaded: dict[KnownSeries, tuple[Series, list[Series]]] = {}

    def list_series(self) -> list[KnownSeries]:
        """Return every series, in the order of their identities."""
        names = self.reading.table.list_series()
        keys = {name: tuple(json.loads(name)) for name in names}
        places = name_places([key for key in keys.values() if len(key) > 1], self._roots)
        alone = {name: _entry(name, key, places.get(key)) for name, key in keys.items()}
        joined = self._join(alone.values()) if self._joins else []
        taken = frozenset(chain.from_iterable(entry.members for entry in joined))
        return sorted([*joined, *(entry for name, entry in alone.items() if name not in taken)])

    def load_volume(self, entry: KnownSeries, number: int) -> Series:
        """Return one of the volumes that a series may become."""
        return self.load(entry)[1][number]

    def load(self, entry: KnownSeries) -> tuple[Series, list[Series]]:
        """Return a series, and what may become a volume each: itself, its frames' volumes, or the policy's parts."""
        if entry not in self._loaded:
            self._loaded[entry] = self._load(entry)
            self._forget_others(entry)
        return self._loaded[entry]

    def _forget_others(self, entry: KnownSeries) -> None:
        """Forget the series that were loaded first, as long as there are too many slices."""
        n_slices = sum(len(whole.slices) for whole, _ in self._loaded.values())
        for other in list(self._loaded):
            if n_slices <= LOADED_SLICES or other == entry:
                return
            n_slices -= len(self._loaded.pop(other)[0].slices)

    def _load(self, entry: KnownSeries) -> tuple[Series, list[Series]]:
        whole = self._load_whole(entry)
        placed = add_positions(whole, self.policy.geometry)
        return whole, [part for volume in split_volumes(placed) for part in split_parts(volume, self.policy)]

    def _load_whole(self, entry: KnownSeries) -> Series:
        slices = chain.from_iterable(map(self.reading.slices_of, entry.members))
        return build_series(entry.identity, slices, entry.place)

    def _join(self, entries: Iterable[KnownSeries]) -> list[KnownSeries]:
        """Return the series that series of one slice make together."""
        names = {}
        single = []
        for entry in entries:
            whole = self._load_whole(entry)
            if len(whole.slices) == 1:
                single.append(whole)
                names[whole.slices[0].file.path] = entry.members[0]
        return [
            KnownSeries(series.identity, tuple(names[header.file.path] for header in series.slices))
            for series in regroup_series(single)
        ]


def _entry(name: str, key: Key, place: str | None) -> KnownSeries:
    return KnownSeries(key, (name,)) if place is None else KnownSeries((place, *key[1:]), (name,), place)


@dataclass
class _Judge:
    """Judges one series after another, and keeps what only all of them together tell."""

    library: Library
    key: PseudonymKey
    people: People
    scanned: list[tuple[Key, ScannedSeries]] = field(default_factory=list)
    births: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    folders: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    days: dict[Key, dict[Study, int]] = field(default_factory=lambda: defaultdict(dict))

    def judge(self, entry: KnownSeries) -> None:
        """Judge the volumes of a series by their headers."""
        whole, volumes = self.library.load(entry)
        self._note_patient(whole)
        warnings = frozenset() if has_uid(whole) else frozenset({SeriesWarning.W_UID_INVALID})
        for number, volume in enumerate(volumes):
            refusal = check_headers(volume, self.library.policy)
            load = partial(self.library.load_volume, entry, number)
            former = self._former_key(volume) if volume.place else None
            record, signature = self._first_record(volume), sign_files(volume)
            one = ScannedSeries.of(volume, record, warnings, refusal, signature, load)
            self.scanned.append((whole.identity, replace(one, former_key=former)))

    def _former_key(self, volume: Series) -> str:
        return self.key.keyed_hash("series", volume.slices[0].file.folder, *volume.identity[1:])

    def with_what_lies_beside(self, folders: Iterable[str], refused: _Refused) -> tuple[ScannedSeries, ...]:
        """Return the series with what other files say of them: days since the first study, and warnings.

        ``folders`` are those in which files lie that belong to no series: series there, or in the nearest folder above,
        are warned.  ``refused`` is what the system refuses to read.
        """
        skipped = frozenset(chain.from_iterable(map(self._nearest, folders)))
        first_days = {patient: min(days.values()) for patient, days in self.days.items()}
        scanned = tuple(self._complete(one, first_days, is_beside=key in skipped) for key, one in self.scanned)
        if not refused.count():
            return scanned
        where = self._folders_of_series()
        keys = (key for key, _ in self.scanned)
        return tuple(
            replace(one, n_unreadable=refused.count_beside(where[key])) for key, one in zip(keys, scanned, strict=True)
        )

    def _folders_of_series(self) -> Mapping[Key, set[str]]:
        where: dict[Key, set[str]] = defaultdict(set)
        for folder, keys in self.folders.items():
            for key in keys:
                where[key].add(folder)
        return where

    def _note_patient(self, whole: Series) -> None:
        """Keep who the slices of a series name, when, and where they lie."""
        for header in whole.slices:
            self.folders[header.file.folder].add(whole.identity)
            if header.identity.patient_id:
                self.births[header.identity.patient_id].add(header.identity.birth_and_sex)
        first = whole.slices[0]
        if (day := parse_day(first.identity.study_date)) is not None:
            patient = identify_patient(first, self.people, whole.place)
            self.days[patient][identify_study(first, self.people, whole.place)] = day

    def _first_record(self, series: Series) -> SeriesRecord:
        header = series.slices[0]
        return SeriesRecord(
            series_key=self.key.keyed_hash("series", *series.identity),
            status=Status.FAILED,
            patient=self.key.keyed_hash(*identify_patient(header, self.people, series.place)),
            study=self.key.keyed_hash("study", *identify_study(header, self.people, series.place)),
            n_files=len({member.file.path for member in series.slices}),
            elements=header.elements,
        )

    def _complete(self, one: ScannedSeries, first_days: Mapping[Key, int], *, is_beside: bool) -> ScannedSeries:
        patient = identify_patient(one.first, self.people, one.place)
        study = identify_study(one.first, self.people, one.place)
        day = self.days.get(patient, {}).get(study)
        found = {
            SeriesWarning.W_FILE_SKIPPED: is_beside,
            SeriesWarning.W_ID_SHARED: len(self.births.get(one.first.identity.patient_id, ())) > 1,
        }
        warnings = one.warnings.union(warning for warning, holds in found.items() if holds)
        if day is None and warnings == one.warnings:
            return one
        record = replace(one.record, study_day=None if day is None else day - first_days[patient])
        return replace(one, record=record, warnings=warnings)

    def _nearest(self, folder: str) -> set[Key]:
        """Return the series that have files in a folder, or in the nearest one above."""
        while folder not in self.folders:
            above = folder.rpartition("/")[0]
            if above in {folder, ""}:
                return set()
            folder = above
        return self.folders[folder]
