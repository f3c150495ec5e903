"""A series as its headers describe it, and a scan: everything that lies under the input roots.

Of a series stays in memory what a plan needs; all else is loaded from the database when it is asked for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.stack import build_stack
from pipeline.masks.sources import MaskSource
from pipeline.privacy import PseudonymKey
from pipeline.record import MASK_PREFIX, REASON_PREFIX, ElementValue, LabelValue, SeriesRecord
from pipeline.scan.census import Census
from pipeline.scan.rows import pack_inventory
from pipeline.scan.summary import Choice, SeriesIdentity, VolumeDetails, build_details, estimate_effort
from pipeline.vocabulary import Reason, Refusal, SeriesWarning, Status

People = Mapping[str, str]
"""The person that a PatientID means, where several mean one."""

NOBODY: People = MappingProxyType({})
FROM_BESIDE = frozenset({SeriesWarning.W_FILE_SKIPPED, SeriesWarning.W_ID_SHARED, SeriesWarning.W_LABEL_MISSING})
"""Warnings for which other files than a series' own may be the reason."""
NO_CT = frozenset({Reason.NOT_CT, Reason.LOCALIZER, Reason.NOT_DICOM})


class VolumeSource(Protocol):
    """Where a volume comes from, that a series may become."""

    def load(self) -> Series:
        """Return its slices."""
        ...

    def load_details(self) -> VolumeDetails:
        """Return what else its headers say."""
        ...

    def load_rows(self) -> bytes:
        """Return the rows of its files, packed."""
        ...


@dataclass(frozen=True)
class LoadedVolume:
    """A volume that is in memory."""

    series: Series
    series_key: str
    elements: Mapping[str, ElementValue]

    def load(self) -> Series:
        """Return its slices."""
        return self.series

    def load_details(self) -> VolumeDetails:
        """Return what else its headers say."""
        return replace(build_details(self.series, self.series_key), elements=self.elements)

    def load_rows(self) -> bytes:
        """Return the rows of its files, packed."""
        return pack_inventory(self.series, None, PseudonymKey())


@dataclass(frozen=True, slots=True)
class ScannedSeries:
    """A series as its headers describe it, before its pixels are read.

    ``source`` loads what is not held here.  ``n_images`` are CT images, and ``effort`` is what they cost to read, in
    voxels of native images; ``has_masks`` where others are mask objects.  ``signature`` changes when a file is added,
    removed, renamed or touched.  ``masks`` are those that are asked for: their files, or why there are none;
    ``n_unreadable`` is how many files and folders beside the series the system refuses to read.  ``place``
    is that of a series without a UID, and ``former_key`` the series_key that outputs of before give it: it followed
    from the whole path.  ``choice`` is what `select` asks of it.
    """

    source: VolumeSource = field(repr=False, compare=False)
    series_key: str
    patient: str
    study: str
    study_day: int | None
    n_files: int
    n_images: int
    effort: float
    has_masks: bool
    warnings: frozenset[SeriesWarning]
    refusal: Refusal | None
    signature: str
    masks: tuple[MaskSource, ...] = ()
    place: str = ""
    former_key: str | None = None
    n_unreadable: int = 0
    choice: Choice | None = None

    @classmethod
    def of(
        cls,
        series: Series,
        record: SeriesRecord,
        warnings: frozenset[SeriesWarning],
        refusal: Refusal | None,
        signature: str,
    ) -> "ScannedSeries":
        """Return a series that stays in memory whole; ``record`` is what is known of it."""
        return cls(
            LoadedVolume(series, record.series_key, record.elements),
            record.series_key,
            record.patient or "",
            record.study or "",
            record.study_day,
            record.n_files,
            len(series.images),
            estimate_effort(series),
            any(header.mask_kind for header in series.slices),
            warnings,
            refusal,
            signature,
            place=series.place,
        )

    @property
    def series(self) -> Series:
        """The slices, loaded."""
        return self.source.load()

    @property
    def details(self) -> VolumeDetails:
        """What else the headers say, loaded."""
        return self.source.load_details()

    @property
    def first(self) -> SeriesIdentity:
        """Whose it is, as its first slice says, loaded."""
        return self.details.first

    @property
    def record(self) -> SeriesRecord:
        """What is known already of the row of the manifest, loaded."""
        return SeriesRecord(
            series_key=self.series_key,
            status=Status.FAILED,
            patient=self.patient,
            study=self.study,
            study_day=self.study_day,
            n_files=self.n_files,
            elements=dict(self.details.elements),
        )

    @property
    def identifiers(self) -> dict[str, str | None]:
        """What the series can be asked for by, under the names that tables and paths use."""
        first = self.first
        return {
            "PatientID": first.patient_id,
            "StudyInstanceUID": first.study_instance_uid,
            "SeriesInstanceUID": first.series_instance_uid,
            "patient": self.patient,
            "study": self.study,
            "series_key": self.series_key,
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
class Unreadable:
    """How many files and folders the system refuses to read."""

    n_files: int = 0
    n_folders: int = 0

    def __bool__(self) -> bool:
        return bool(self.n_files or self.n_folders)


@dataclass(frozen=True)
class Scan:
    """Everything that lies under the roots; ``mask_rows`` are those of mask objects that belong to no series.

    ``unassigned`` yields the slices of files that belong to no series, as often as it is asked, and ``count_elements``
    returns the census.  ``is_settled`` is False where the next scan may find more in the same files.
    """

    series: tuple[ScannedSeries, ...] = ()
    unassigned: Iterable[SliceHeader] = field(default=(), compare=False)
    count_elements: Callable[[], Census] = field(default=Census, compare=False)
    mask_rows: tuple[dict[str, Any], ...] = ()
    n_files: int = 0
    is_settled: bool = True
    unreadable: Unreadable = Unreadable()

    @property
    def has_ct(self) -> bool:
        """True where a series holds a CT image that is no localizer; a broken one counts."""
        return any(scanned.refusal is None or scanned.refusal[0] not in NO_CT for scanned in self.series)


def identify_patient(first: SeriesIdentity, people: People = NOBODY, place: str = "") -> tuple[str, ...]:
    """Return the key of a patient: PatientID (or the person it means), else the study, else the series or its place."""
    if first.patient_id:
        return ("patient", people.get(first.patient_id, first.patient_id))
    place = place or first.folder
    return ("patient of study", first.study_instance_uid or first.series_instance_uid or place)


def identify_study(first: SeriesIdentity, people: People, place: str = "") -> tuple[str, ...]:
    """Return the key of a study: its patient's, and its UID."""
    return (*identify_patient(first, people, place), first.study_instance_uid)
