"""Input folders to series: every file's header is read once, and series are named and judged one at a time."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from pipeline.cluster.jobs import JobFailure
from pipeline.dicom.headers.batch import Terms
from pipeline.dicom.headers.group import build_series, name_places
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.series.regroup import regroup_series
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, PseudonymKey
from pipeline.scan.census import Census, unpack_census
from pipeline.scan.headers import NO_SERIES, Reading
from pipeline.scan.series import NOBODY, People, Scan, ScannedSeries, Unreadable, identify_patient, identify_study
from pipeline.scan.summary import (
    SUMMARISE,
    Key,
    KnownSeries,
    PackedSummary,
    Rules,
    SeriesSummary,
    SummaryJob,
    VolumeDetails,
    VolumeSummary,
    build_volumes,
    count_observed,
    summarise,
    unpack_details,
    unpack_summary,
)
from pipeline.sources.folders import NOT_LISTED, REFUSED_FILE, InputOptions, find_files
from pipeline.vocabulary import Reason, SeriesWarning

LOADED_SLICES = 4096
"""So many slices stay loaded, of 4 KiB each: the volumes of a series are asked for one after another."""

RULES = "summary rules"
"""The name of the fact that says by what all series were judged."""

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
    return build_scan(Library(reading, Rules(policy, select, key), options.roots), people, n_files)


def build_scan(library: "Library", people: People, n_files: int) -> Scan:
    """Judge the series of all headers that were read, those that are known already by their summaries."""
    cohort, entries = _Cohort(library, people), library.summarise_series()
    for entry in entries:
        cohort.note(entry, library.summary_of(entry))
    unassigned = _Unassigned(library.reading)
    folders, is_settled = set(), True
    for header in unassigned:
        folders.add(header.file.folder)
        is_settled = is_settled and not _may_be_read_yet(header)
        cohort.refused.note(header)
    cohort.note_skipped(folders)
    series = (one for entry in entries for one in cohort.complete(entry, library.summary_of(entry)))
    refused = cohort.refused.count()
    return Scan(tuple(series), unassigned, library.count_elements, (), n_files, is_settled, refused)


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


class Library:
    """The series of a database, judged by ``rules``; series of one slice are joined where these ask for it."""

    def __init__(self, reading: Reading, rules: Rules, roots: Sequence[str] = ()) -> None:
        self.reading = reading
        self.rules = rules
        self._database = reading.table.database
        self._roots = roots
        self._loaded: dict[KnownSeries, list[Series]] = {}

    def summarise_series(self) -> list[KnownSeries]:
        """Judge the series that are not known, and return all of them in the order of their identities."""
        self._use_rules()
        stamps = self.reading.table.list_series()
        entries = self._name(stamps)
        known: dict[str, str] = dict(self._database.all("SELECT series, stamp FROM summary"))
        wanted = {entry.name: _stamp(entry, stamps) for entry in entries}
        fresh = [entry for entry in entries if known.pop(entry.name, None) != wanted[entry.name] or entry.is_joined]
        if fresh or known:
            with self._database.transaction():
                self._database.execute_many("DELETE FROM summary WHERE series = ?", ((name,) for name in known))
        results = self.reading.run(SUMMARISE, map(self._job, fresh), len(fresh))
        packed = (
            (job.entry, wanted[job.entry.name], summarise(job) if isinstance(result, JobFailure) else result)
            for job, result in results
        )
        self._database.write_each(packed, self._keep)
        return entries

    def _use_rules(self) -> None:
        """Forget the summaries of other rules."""
        if self._database.fact(RULES) != self.rules.stamp:
            with self._database.transaction():
                self._database.execute("DELETE FROM summary")
                self._database.set_fact(RULES, self.rules.stamp)

    def _name(self, names: Iterable[str]) -> list[KnownSeries]:
        """Return series by their names in the database, in the order of their identities."""
        keys = {name: tuple(json.loads(name)) for name in names}
        places = name_places([key for key in keys.values() if len(key) > 1], self._roots)
        alone = {name: _entry(name, key, places.get(key)) for name, key in keys.items()}
        joined = self._join(alone.values()) if self.rules.select.regroup == "geometry" else []
        taken = frozenset(chain.from_iterable(entry.members for entry in joined))
        return sorted([*joined, *(entry for name, entry in alone.items() if name not in taken)])

    def _job(self, entry: KnownSeries) -> SummaryJob:
        table = self.reading.table
        headers = tuple(chain.from_iterable(map(table.headers_of, entry.members)))
        observed = tuple(chain.from_iterable(map(table.observed_in, entry.members)))
        return SummaryJob(entry, headers, observed, self.rules)

    def _keep(self, judged: tuple[KnownSeries, str, PackedSummary]) -> None:
        entry, stamp, packed = judged
        name = entry.name
        self._database.execute("DELETE FROM summary WHERE series = ?", (name,))
        self._database.execute("INSERT INTO summary VALUES (?, ?, ?, ?)", (name, stamp, packed.content, packed.census))
        rows = ((name, number, *volume) for number, volume in enumerate(packed.volumes))
        self._database.execute_many("INSERT INTO volume VALUES (?, ?, ?, ?)", rows)

    def summary_of(self, entry: KnownSeries) -> SeriesSummary:
        """Return the summary of a series."""
        (content,) = self._database.one("SELECT content FROM summary WHERE series = ?", (entry.name,)) or (b"",)
        return unpack_summary(content)

    def cell_of(self, column: Literal["details", "rows"], entry: KnownSeries, number: int) -> bytes:
        """Return what the database holds of one of the volumes that a series may become."""
        question = f"SELECT {column} FROM volume WHERE series = ? AND number = ?"  # noqa: S608  one of two columns
        (cell,) = self._database.one(question, (entry.name, number)) or (b"",)
        return bytes(cell)

    def count_elements(self) -> Census:
        """Return the census of the files that hold CT."""
        census = count_observed(tuple(self.reading.table.observed_in(NO_SERIES)))
        for (packed,) in self._database.rows("SELECT census FROM summary ORDER BY series"):
            census.merge(unpack_census(packed))
        return census.trim()

    def load_volume(self, entry: KnownSeries, number: int) -> Series:
        """Return one of the volumes that a series may become."""
        if entry not in self._loaded:
            self._loaded[entry] = build_volumes(self._load_whole(entry), self.rules.policy)[1]
            self._forget_others(entry)
        return self._loaded[entry][number]

    def _forget_others(self, entry: KnownSeries) -> None:
        """Forget the series that were loaded first, as long as there are too many slices."""
        n_slices = sum(map(_count_slices, self._loaded.values()))
        for other in list(self._loaded):
            if n_slices <= LOADED_SLICES or other == entry:
                return
            n_slices -= _count_slices(self._loaded.pop(other))

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


def _count_slices(volumes: Iterable[Series]) -> int:
    return sum(len(volume.slices) for volume in volumes)


def _stamp(entry: KnownSeries, stamps: Mapping[str, str]) -> str:
    """Return what must be the same for the summary of a series to hold."""
    return repr((entry.identity, entry.place, [stamps[name] for name in entry.members]))


@dataclass(frozen=True, slots=True)
class _StoredVolume:
    """A volume of a library, loaded when it is asked for."""

    library: Library
    entry: KnownSeries
    number: int

    def load(self) -> Series:
        """Return its slices."""
        return self.library.load_volume(self.entry, self.number)

    def load_details(self) -> VolumeDetails:
        """Return its details."""
        return unpack_details(self.library.cell_of("details", self.entry, self.number))

    def load_rows(self) -> bytes:
        """Return the packed rows of its files."""
        return self.library.cell_of("rows", self.entry, self.number)


@dataclass
class _Cohort:
    """What only all series together tell: who shares a PatientID, what lies beside what, and each first study."""

    library: Library
    people: People
    births: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    folders: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    days: dict[Key, dict[Study, int]] = field(default_factory=lambda: defaultdict(dict))
    skipped: frozenset[Key] = frozenset()
    refused: _Refused = field(default_factory=_Refused)

    def note(self, entry: KnownSeries, summary: SeriesSummary) -> None:
        """Keep who the slices of a series name, when, and where they lie."""
        for folder in summary.folders:
            self.folders[folder].add(entry.identity)
        for patient_id, births in summary.births.items():
            self.births[patient_id].update(births)
        if summary.day is not None:
            patient = identify_patient(summary.first, self.people, entry.place)
            self.days[patient][identify_study(summary.first, self.people, entry.place)] = summary.day

    def note_skipped(self, folders: Iterable[str]) -> None:
        """Keep in which folders files lie that belong to no series: series there or next above are warned."""
        self.skipped = frozenset(chain.from_iterable(map(self._nearest, folders)))

    def complete(self, entry: KnownSeries, summary: SeriesSummary) -> Iterator[ScannedSeries]:
        """Yield the volumes of a series, with what other files say of them."""
        key = self.library.rules.key
        for number, volume in enumerate(summary.volumes):
            patient = identify_patient(volume.first, self.people, entry.place)
            study = identify_study(volume.first, self.people, entry.place)
            days = self.days.get(patient, {})
            day = days.get(study)
            yield ScannedSeries(
                _StoredVolume(self.library, entry, number),
                volume.series_key,
                key.keyed_hash(*patient),
                key.keyed_hash("study", *study),
                None if day is None else day - min(days.values()),
                volume.n_files,
                volume.n_images,
                volume.effort,
                volume.has_masks,
                self._warn(entry, summary, volume),
                volume.refusal,
                volume.signature,
                place=entry.place,
                former_key=volume.former_key,
                n_unreadable=self.refused.count_beside(summary.folders),
                choice=volume.choice,
            )

    def _warn(self, entry: KnownSeries, summary: SeriesSummary, volume: VolumeSummary) -> frozenset[SeriesWarning]:
        found = {
            SeriesWarning.W_UID_INVALID: not summary.has_uid,
            SeriesWarning.W_FILE_SKIPPED: entry.identity in self.skipped,
            SeriesWarning.W_ID_SHARED: len(self.births.get(volume.first.patient_id, ())) > 1,
        }
        return frozenset(warning for warning, holds in found.items() if holds)

    def _nearest(self, folder: str) -> set[Key]:
        """Return the series that have files in a folder, or in the nearest one above."""
        while folder not in self.folders:
            above = folder.rpartition("/")[0]
            if above in {folder, ""}:
                return set()
            folder = above
        return self.folders[folder]
