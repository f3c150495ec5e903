"""Files to batches: the slices and the observations of some hundred files, as workers read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.dicom.headers.group import identify_series
from pipeline.dicom.headers.observe import Observer
from pipeline.dicom.headers.read import FileReader
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import Observation
from pipeline.limits import Limits
from pipeline.sources.folders import FoundFile


@dataclass(frozen=True)
class Terms:
    """What headers are read by: the limits, and the elements to keep for the manifest."""

    limits: Limits
    wanted: frozenset[str]


@dataclass
class Batch:
    """Some files with the slices of each, and the observations of each that holds CT.

    ``seen`` holds, for each file, places in ``pool``; the list is empty for a file that is no CT image.
    """

    files: list[FoundFile] = field(default_factory=list)
    slices: list[tuple[SliceHeader, ...]] = field(default_factory=list)
    pool: list[Observation] = field(default_factory=list)
    seen: list[list[int]] = field(default_factory=list)

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

    def observed(self) -> Iterator[tuple[tuple[str, str, str], list[int]]]:
        """Yield for each file that holds CT its patient, study and series, and what was observed."""
        for slices, seen in zip(self.slices, self.seen, strict=True):
            if seen:
                yield identify_owner(slices[0]), seen


def read_batch(files: Sequence[FoundFile], terms: Terms) -> Batch:
    """Open each file once; never raises for what is in a file."""
    reader, observer = FileReader(terms.limits, terms.wanted), Observer()
    batch = Batch(list(files), pool=observer.pool)
    for file in files:
        slices, change = reader.read(file)
        batch.slices.append(slices)
        batch.seen.append(observer.seen_in(change) if any(header.is_ct for header in slices) else [])
    return batch


def identify_owner(header: SliceHeader) -> tuple[str, str, str]:
    """Return what the patient, the study and the series of a slice are known by."""
    identity = header.identity
    series = "\n".join(identify_series(header) or (header.file.path,))
    study = identity.study_instance_uid or series
    return identity.patient_id or study, study, series
