"""Input folders to series: every file's header is read once, and series are built, named and checked."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pipeline.dicom.headers.batch import Terms
from pipeline.dicom.headers.group import Groups, find_shared_patient_ids, group_slices, has_uid, warn_of_unassigned
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.series.checks import check_headers
from pipeline.dicom.series.fallback import add_positions
from pipeline.dicom.series.regroup import regroup_series
from pipeline.dicom.series.split import split_parts, split_volumes
from pipeline.dicom.stack.stack import build_stack
from pipeline.masks.sources import MaskSource
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, PseudonymKey
from pipeline.record import MASK_PREFIX, REASON_PREFIX, LabelValue, SeriesRecord
from pipeline.scan.census import Census
from pipeline.scan.headers import Reading
from pipeline.sources.folders import FoundFile, InputOptions, find_files
from pipeline.vocabulary import Reason, Refusal, SeriesWarning, Status

People = Mapping[str, str]
"""The person that a PatientID means, where several mean one."""

NOBODY: People = MappingProxyType({})
FROM_BESIDE = frozenset({SeriesWarning.W_FILE_SKIPPED, SeriesWarning.W_ID_SHARED, SeriesWarning.W_LABEL_MISSING})
"""Warnings for which other files than a series' own may be the reason."""
NO_CT = frozenset({Reason.NOT_CT, Reason.LOCALIZER, Reason.NOT_DICOM})


@dataclass(frozen=True)
class ScannedSeries:
    """A series as its headers describe it, before its pixels are read.

    ``record`` holds what is known already; ``signature`` changes when a file is added, removed, moved or touched.
    ``masks`` are those that are asked for: their files, or why there are none.  ``former_key`` is the series_key that
    outputs of before give a series without a UID: it followed from the whole path.
    """

    series: Series
    record: SeriesRecord
    warnings: frozenset[SeriesWarning]
    refusal: Refusal | None
    signature: str
    masks: tuple[MaskSource, ...] = ()
    former_key: str | None = None

    @property
    def identifiers(self) -> dict[str, str | None]:
        """What the series can be asked for by, under the names that tables and paths use."""
        identity, record = self.series.slices[0].identity, self.record
        return {
            "PatientID": identity.patient_id,
            "StudyInstanceUID": identity.study_instance_uid,
            "SeriesInstanceUID": identity.series_instance_uid,
            "patient": record.patient,
            "study": record.study,
            "series_key": record.series_key,
        }

    def update_record(self, record: SeriesRecord) -> SeriesRecord:
        """Return an earlier run's record with what may be another although the series' own files are as they were.

        That is who the patient is, and when; what lies beside the files; and which elements are asked for.
        """
        own = self.record
        record = replace(record, patient=own.patient, study=own.study, study_day=own.study_day)
        record = replace(record, labels=self._update_labels(record))
        if record.status is not Status.OK:
            return replace(record, elements=own.elements)
        record = replace(record, warnings=tuple(sorted((set(record.warnings) - FROM_BESIDE) | self.warnings)))
        if record.elements.keys() == own.elements.keys():
            return record
        return replace(record, elements=build_stack(self.series.images).slices[0].elements)

    def _update_labels(self, record: SeriesRecord) -> dict[str, LabelValue]:
        """Return a record's labels of masks, those without a file as they are missing now."""
        labels = dict(record.labels)
        for source in self.masks if record.status is Status.OK else ():
            if source.missing:
                labels |= {MASK_PREFIX + source.name: None, REASON_PREFIX + source.name: source.missing.value}
        return labels


@dataclass(frozen=True)
class Scan:
    """Everything that lies under the roots; ``mask_rows`` are those of mask objects that belong to no series."""

    series: tuple[ScannedSeries, ...]
    unassigned: tuple[SliceHeader, ...]
    census: Census = field(default_factory=Census)
    mask_rows: tuple[dict[str, Any], ...] = ()

    @property
    def has_ct(self) -> bool:
        """True where a series holds a CT image that is no localizer; a broken one counts."""
        return any(scanned.refusal is None or scanned.refusal[0] not in NO_CT for scanned in self.series)

    @property
    def n_files(self) -> int:
        """How many files, links and special files were seen."""
        in_series = {header.file.path for scanned in self.series for header in scanned.series.slices}
        return len(in_series | {header.file.path for header in self.unassigned})


OTHER_KINDS = {
    "NIfTI": (".nii", ".nii.gz"),
    "archives": (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar"),
}
"""Kinds of files that hold images and are no DICOM, by the ends of their names."""
MODALITY = re.compile(r"[A-Z]{2,16}")
"""What a modality looks like (PS3.3 C.7.3.1.1.1): anything else might be a person's text."""


def describe_contents(found: Scan) -> str:
    """Say in words how many files lie under the roots, and of which kind: modalities, localizers, other formats."""
    headers = [*found.unassigned, *(header for scanned in found.series for header in scanned.series.slices)]
    paths = {header.file.path: header for header in headers}
    kinds = Counter(_name_kind(header) for header in paths.values())
    words = [f"{n} {kind}" for kind, n in sorted(kinds.items())]
    return f"{len(paths)} files" + (f": {', '.join(words)}" if words else "")


def _name_kind(header: SliceHeader) -> str:
    """Return what a file is in one word or two; no text of a header but a modality."""
    name, modality = header.file.path.lower(), header.identity.modality
    if header.is_ct:
        return "CT localizers" if header.is_localizer else "CT"
    if modality:
        return modality if MODALITY.fullmatch(modality) else "of another modality"
    if header.refusal is None or header.refusal[0] is not Reason.NOT_DICOM:
        return "without a modality" if header.refusal is None else "that cannot be read"
    return next((kind for kind, ends in OTHER_KINDS.items() if name.endswith(ends)), "not DICOM")


def scan(  # noqa: PLR0913  where from, how, and what of it is wanted
    options: InputOptions,
    policy: Policy,
    key: PseudonymKey,
    tags: Iterable[str] = (),
    select: SelectOptions | None = None,
    reading: Reading | None = None,
    *,
    people: People = NOBODY,
    files: Iterable[FoundFile] | None = None,
) -> Scan:
    """Read every header under the roots; ``tags`` names elements to keep beside those of the manifest.

    ``select`` names the elements of its rules, and whether series of one slice are joined; ``reading`` is how headers
    are read, and ``people`` which PatientIDs mean one person.  ``files`` are those under the roots, where they are
    listed already.
    """
    select = select or SelectOptions()
    wanted = ALLOWED_ELEMENTS | frozenset(KEPT_IDENTIFIERS) | frozenset(tags) | select.keywords
    files = find_files(options) if files is None else files
    headers = (reading or Reading()).headers_of(files, Terms(policy.limits, wanted))
    groups = group_slices(headers.slices, options.roots)
    groups = regroup_series(groups) if select.regroup == "geometry" else groups
    days, beside, shared = _study_days(groups, people), warn_of_unassigned(groups), find_shared_patient_ids(groups)
    scanned = []
    for whole in groups.series:
        warnings = beside.get(whole.identity, set()) | _identity_warnings(whole, shared)
        for part in _volumes(whole, policy):
            record = _first_record(part, key, days, people)
            refusal = check_headers(part, policy)
            former = key.keyed_hash("series", part.slices[0].file.folder, *part.identity[1:]) if part.place else None
            scanned.append(
                ScannedSeries(part, record, frozenset(warnings), refusal, _signature(part), former_key=former)
            )
    return Scan(tuple(scanned), groups.unassigned, headers.census)


def _volumes(whole: Series, policy: Policy) -> Iterator[Series]:
    """Yield what may become a volume each: the whole, its frames' volumes, or the parts that the policy makes."""
    for volume in split_volumes(add_positions(whole, policy.geometry)):
        yield from split_parts(volume, policy)


def _identity_warnings(series: Series, shared: set[str]) -> set[SeriesWarning]:
    """Return what there is to warn of in how a series and its patient are named."""
    found = {
        SeriesWarning.W_UID_INVALID: not has_uid(series),
        SeriesWarning.W_ID_SHARED: series.slices[0].identity.patient_id in shared,
    }
    return {warning for warning, holds in found.items() if holds}


def identify_patient(series: Series, people: People = NOBODY) -> tuple[str, ...]:
    """Return the key of a patient: PatientID (or the person it means), else the study, else the series."""
    identity = series.slices[0].identity
    if identity.patient_id:
        return ("patient", people.get(identity.patient_id, identity.patient_id))
    place = series.place or series.slices[0].file.folder
    return ("patient of study", identity.study_instance_uid or identity.series_instance_uid or place)


def _study_of(series: Series, people: People) -> tuple[str, ...]:
    return (*identify_patient(series, people), series.slices[0].identity.study_instance_uid)


def _first_record(
    series: Series, key: PseudonymKey, days: Mapping[tuple[str, ...], int], people: People
) -> SeriesRecord:
    header = series.slices[0]
    study = _study_of(series, people)
    return SeriesRecord(
        series_key=key.keyed_hash("series", *series.identity),
        status=Status.FAILED,
        patient=key.keyed_hash(*identify_patient(series, people)),
        study=key.keyed_hash("study", *study),
        study_day=days.get(study),
        n_files=len({member.file.path for member in series.slices}),
        elements=header.elements,
    )


def _study_days(groups: Groups, people: People) -> dict[tuple[str, ...], int]:
    """Return for each study the days since its patient's first; studies without a date have none."""
    dates: dict[tuple[str, ...], dict[tuple[str, ...], int]] = defaultdict(dict)
    for series in groups.series:
        for header in series.slices[:1]:
            if (day := _day_number(header.identity.study_date)) is not None:
                dates[identify_patient(series, people)][_study_of(series, people)] = day
    return {study: day - min(studies.values()) for studies in dates.values() for study, day in studies.items()}


def _day_number(date: str) -> int | None:
    try:
        return datetime.strptime(date, "%Y%m%d").toordinal()  # noqa: DTZ007  a day has no time zone
    except ValueError:
        return None


def _signature(series: Series) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for header in series.slices:
        digest.update(repr((header.file.path, *header.file.state, header.frame)).encode())
    return digest.hexdigest()
