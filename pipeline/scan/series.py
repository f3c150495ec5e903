"""A series as its headers describe it, and a scan: everything that lies under the input roots.

Of a series stays in memory what a plan needs; its slices are loaded from the database when they are asked for.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from pipeline.dicom.files.encoding import EFFORT
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.stack import build_stack
from pipeline.masks.sources import MaskSource
from pipeline.record import MASK_PREFIX, REASON_PREFIX, LabelValue, SeriesRecord
from pipeline.scan.census import Census
from pipeline.sources.files import FoundFile
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

    ``load`` returns its slices, of which ``first`` is the first one; ``n_images`` are CT images, and ``effort`` is what
    they cost to read, in voxels of native images; ``has_masks`` where others are mask objects.  ``record`` holds what
    is known already; ``signature`` changes when a file is added, removed, renamed or touched.  ``masks`` are those that
    are asked for: their files, or why there are none; ``n_unreadable`` is how many files and folders beside the series
    the system refuses to read.  ``place`` is that of a series without a UID, and ``former_key``
    the series_key that outputs of before give it: it followed from the whole path.
    """

    load: Callable[[], Series] = field(repr=False, compare=False)
    first: SliceHeader
    n_images: int
    effort: float
    has_masks: bool
    record: SeriesRecord
    warnings: frozenset[SeriesWarning]
    refusal: Refusal | None
    signature: str
    masks: tuple[MaskSource, ...] = ()
    place: str = ""
    former_key: str | None = None
    n_unreadable: int = 0

    @classmethod
    def of(
        cls,
        series: Series,
        record: SeriesRecord,
        warnings: frozenset[SeriesWarning],
        refusal: Refusal | None,
        signature: str,
        load: Callable[[], Series] | None = None,
    ) -> "ScannedSeries":
        """Return what stays in memory of a series; without ``load`` it stays whole."""
        pixels = [image.pixels for image in series.images]
        effort = sum(one.rows * one.columns * EFFORT.get(one.transfer_syntax, 1.0) for one in pixels)
        has_masks = any(header.mask_kind for header in series.slices)
        load = load or (lambda: series)
        what = (load, series.slices[0], len(pixels), effort, has_masks)
        return cls(*what, record, warnings, refusal, signature, place=series.place)

    @property
    def series(self) -> Series:
        """The slices, loaded."""
        return self.load()

    @property
    def identifiers(self) -> dict[str, str | None]:
        """What the series can be asked for by, under the names that tables and paths use."""
        identity, record = self.first.identity, self.record
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
class Unreadable:
    """How many files and folders the system refuses to read."""

    n_files: int = 0
    n_folders: int = 0

    def __bool__(self) -> bool:
        return bool(self.n_files or self.n_folders)


@dataclass(frozen=True)
class Scan:
    """Everything that lies under the roots; ``mask_rows`` are those of mask objects that belong to no series.

    ``unassigned`` yields the slices of files that belong to no series, as often as it is asked.  ``is_settled`` is
    False where the next scan may find more in the same files.
    """

    series: tuple[ScannedSeries, ...] = ()
    unassigned: Iterable[SliceHeader] = field(default=(), compare=False)
    census: Census = field(default_factory=Census)
    mask_rows: tuple[dict[str, Any], ...] = ()
    n_files: int = 0
    is_settled: bool = True
    unreadable: Unreadable = Unreadable()

    @property
    def has_ct(self) -> bool:
        """True where a series holds a CT image that is no localizer; a broken one counts."""
        return any(scanned.refusal is None or scanned.refusal[0] not in NO_CT for scanned in self.series)


def sign_files(series: Series) -> str:
    """Return what changes when a file of a series is added, removed, renamed or touched.

    Files are known by their places below the deepest folder that holds all of them: so that folder, and any above it,
    may be moved or renamed.
    """
    common = os.path.commonpath({header.file.folder for header in series.slices})
    return _sign(series, len(common.rstrip("/")) + 1)


def sign_whole_paths(series: Series) -> str:
    """Return the signature that the version before made: it changed with every folder above the files too."""
    return _sign(series, 0)


def _sign(series: Series, n_skipped: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for header in series.slices:
        digest.update(repr((header.file.path[n_skipped:], *header.file.state, header.frame)).encode())
    return digest.hexdigest()


NO_FILE = FoundFile("", 0, 0)


def digest_headers(series: Series) -> str:
    """Return what changes when anything changes that was read of the headers of a series; the same wherever it lies."""
    digest = hashlib.blake2b(digest_size=16)
    contents = (
        (sorted(header.warnings), repr(replace(header, file=NO_FILE, warnings=frozenset()))) for header in series.slices
    )
    for warnings, content in sorted(contents, key=itemgetter(1)):
        digest.update(f"{warnings} {content}".encode(errors="backslashreplace"))
    return digest.hexdigest()


def identify_patient(header: SliceHeader, people: People = NOBODY, place: str = "") -> tuple[str, ...]:
    """Return the key of a patient: PatientID (or the person it means), else the study, else the series or its place."""
    identity = header.identity
    if identity.patient_id:
        return ("patient", people.get(identity.patient_id, identity.patient_id))
    place = place or header.file.folder
    return ("patient of study", identity.study_instance_uid or identity.series_instance_uid or place)


def identify_study(header: SliceHeader, people: People, place: str = "") -> tuple[str, ...]:
    """Return the key of a study: its patient's, and its UID."""
    return (*identify_patient(header, people, place), header.identity.study_instance_uid)
