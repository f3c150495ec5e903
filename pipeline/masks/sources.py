"""Which files may hold the masks of a series; they are opened where the series is prepared."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape, glob
from string import Formatter
from typing import Literal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Allowed names of masks: each becomes the name of an array."""
PATH_FIELDS = frozenset({"PatientID", "StudyInstanceUID", "SeriesInstanceUID", "patient", "study", "series_key"})
"""Identifiers of a series that may stand in braces in the path of a NIfTI file."""
UNSAFE_IN_PATHS = ("/", "\\", "\0")
"""Identifiers with one of these are never part of a path."""
MASK_MODALITIES = frozenset({"SEG", "RTSTRUCT"})


@dataclass(frozen=True)
class MaskOptions:
    """Masks of one name: NIfTI files, ``{PatientID}`` and the like put in, or DICOM objects among the inputs."""

    name: str
    nifti: str | None = None
    dicom: Literal["SEG", "RTSTRUCT"] | None = None
    roi: str | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            msg = f"name must be letters, digits, - and _, not {self.name!r}"
            raise ValueError(msg)
        if (self.nifti is None) == (self.dicom is None):
            msg = "a mask is either nifti: FILE or dicom: SEG or RTSTRUCT"
            raise ValueError(msg)
        if self.roi is not None and self.dicom is None:
            msg = "roi chooses among the segments of dicom: SEG or RTSTRUCT; a NIfTI file has no names"
            raise ValueError(msg)
        _check_pattern(self.roi)
        _check_fields(self.nifti or "")

    def files(self) -> list[str]:
        """Return every NIfTI file that there is for any series, in order."""
        parts = Formatter().parse(self.nifti or "")
        pattern = "".join(escape(text) + ("" if name is None else "*") for text, name, _, _ in parts)
        return sorted(glob(pattern))  # noqa: PTH207  the pattern may begin at the root


def _check_fields(path: str) -> None:
    """Refuse braces that hold anything but a known name."""
    try:
        parts = [
            (field, spec, conversion) for _, field, spec, conversion in Formatter().parse(path) if field is not None
        ]
    except ValueError as error:
        msg = f"nifti must be a path with names in braces: {error}"
        raise ValueError(msg) from error
    if any(field not in PATH_FIELDS or spec or conversion for field, spec, conversion in parts):
        msg = f"nifti knows these names in braces: {', '.join(sorted(PATH_FIELDS))}"
        raise ValueError(msg)


def _check_pattern(pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        msg = f"roi must be a regular expression: {error}"
        raise ValueError(msg) from error


@dataclass(frozen=True)
class MaskSource:
    """A series' mask of one name: a NIfTI file, or DICOM objects of which one may refer to the series."""

    name: str
    kind: Literal["NIFTI", "SEG", "RTSTRUCT"]
    paths: tuple[str, ...]
    roi: str | None = None


@dataclass(frozen=True)
class MaskObject:
    """A DICOM object among the inputs that may hold masks: its file, and whose it is."""

    path: str
    modality: str
    patient_id: str
    study_uid: str


Identifiers = Mapping[str, str | None]
"""The PATH_FIELDS of a series."""


def find_sources(
    options: Iterable[MaskOptions], identifiers: Identifiers, objects: Sequence[MaskObject]
) -> tuple[MaskSource, ...]:
    """Return the masks that a series may have; NIfTI files exist, and DICOM objects are of its patient or study."""
    return tuple(source for asked in options for source in _find(asked, identifiers, objects) if source.paths)


def _find(asked: MaskOptions, identifiers: Identifiers, objects: Sequence[MaskObject]) -> Iterator[MaskSource]:
    if asked.nifti is not None:
        path = _fill_path(asked.nifti, identifiers)
        paths = (path,) if path and os.path.isfile(path) else ()  # noqa: PTH113  made of text
        yield MaskSource(asked.name, "NIFTI", paths)
    elif asked.dicom is not None:
        yield MaskSource(asked.name, asked.dicom, _find_objects(asked.dicom, identifiers, objects), asked.roi)


def _fill_path(pattern: str, identifiers: Identifiers) -> str | None:
    """Return the file that a pattern means for a series; None where an identifier cannot be part of a name."""
    for name, value in identifiers.items():
        is_used = f"{{{name}}}" in pattern
        if is_used and (not value or value in {".", ".."} or any(sign in value for sign in UNSAFE_IN_PATHS)):
            return None
    return pattern.format_map(identifiers)


def _find_objects(modality: str, identifiers: Identifiers, objects: Sequence[MaskObject]) -> tuple[str, ...]:
    """Return the files of a modality that are of the series' patient or study."""
    patient_id, study_uid = identifiers["PatientID"], identifiers["StudyInstanceUID"]
    found = set()
    for one in objects:
        is_patients = one.patient_id == patient_id != ""
        is_studys = one.study_uid == study_uid != ""
        if one.modality == modality and (is_patients or is_studys):
            found.add(one.path)
    return tuple(sorted(found))


def describe_states(sources: Sequence[MaskSource]) -> str:
    """Return a text that changes when one of the files is changed, removed or added."""
    return repr([(source.name, path, _state(path)) for source in sources for path in source.paths])


def _state(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  made of text
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
