"""The masks that are asked for, and the files that hold those of a series; they are opened where it is prepared."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape, glob
from string import Formatter
from typing import Literal

from pipeline.masks.drawn import RegionChoice
from pipeline.vocabulary import MaskReason

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Allowed names of masks: each becomes the name of an array."""
REGION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]*")
"""Allowed names of regions: they are written into stores."""
PATH_FIELDS = frozenset({"PatientID", "StudyInstanceUID", "SeriesInstanceUID", "patient", "study", "series_key"})
"""Identifiers of a series that may stand in braces in the path of a NIfTI file."""
UNSAFE_IN_PATHS = ("/", "\\", "\0")
"""Identifiers with one of these are never part of a path."""
FORMAT = 2
"""Counts up when a mask is read, or written into a store, in another way: stores with masks are then made again."""

Pick = Literal["refuse", "newest", "merge"]
"""What is done where several objects of one series say different things."""
Link = Literal["path", "series", "images", "frame"]
"""How a file was linked to a series: its path, or what it refers to: the series, its images, its frame of reference."""


@dataclass(frozen=True)
class MaskOptions:
    """Masks of one name: NIfTI files, ``{PatientID}`` and the like put in, or DICOM objects among the inputs.

    ``regions`` gives names, each with a pattern, and so every region one number in all patients: its place.  With
    ``layers`` each region is kept as a layer of its own.
    """

    name: str
    nifti: str | None = None
    dicom: Literal["SEG", "RTSTRUCT"] | None = None
    roi: str | None = None
    regions: dict[str, str] | None = None
    pick: Pick = "refuse"
    layers: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            msg = f"name must be letters, digits, - and _, not {self.name!r}"
            raise ValueError(msg)
        if (self.nifti is None) == (self.dicom is None):
            msg = "a mask is either nifti: FILE or dicom: SEG or RTSTRUCT"
            raise ValueError(msg)
        if self.nifti is not None and (self.roi or self.regions or self.layers or self.pick != "refuse"):
            msg = "roi, regions, pick and layers are for dicom: SEG or RTSTRUCT; a NIfTI file has no names"
            raise ValueError(msg)
        if self.roi is not None and self.regions is not None:
            msg = "a mask has either roi or regions; regions choose by names too"
            raise ValueError(msg)
        _check_pattern("roi", self.roi or "")
        _check_regions(self.regions)
        _check_fields(self.nifti or "")

    @property
    def choice(self) -> RegionChoice:
        """Which regions are wanted; the numbers of a cohort's names are not known yet."""
        regions = tuple((self.regions or {}).items())
        return RegionChoice(self.roi, self.layers, regions, n_layers=len(regions) if self.layers else 0)

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


def _check_pattern(key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"{key} must be a regular expression: {error}"
        raise ValueError(msg) from error


def _check_regions(regions: Mapping[str, str] | None) -> None:
    if regions is not None and not regions:
        msg = "regions must name at least one region"
        raise ValueError(msg)
    for name, pattern in (regions or {}).items():
        if not REGION_NAME.fullmatch(name):
            msg = f"names of regions must be letters, digits, spaces, - and _, not {name!r}"
            raise ValueError(msg)
        _check_pattern(f"regions.{name}", pattern)


ALL_REGIONS = RegionChoice()


@dataclass(frozen=True)
class LinkedFile:
    """A file that holds a mask of a series, how it was linked to it, and when it says that it was made.

    ``state`` tells whether it changed, where it lies in a container; it is empty for a file of a folder.
    """

    path: str
    linked_by: Link
    made: str = ""
    state: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class MaskSource:
    """A series' mask of one name: its files, or the reason why there is ``missing`` one."""

    name: str
    kind: Literal["NIFTI", "SEG", "RTSTRUCT"]
    files: tuple[LinkedFile, ...] = ()
    choice: RegionChoice = ALL_REGIONS
    pick: Pick = "refuse"
    missing: MaskReason | None = None


Identifiers = Mapping[str, str | None]
"""The PATH_FIELDS of a series."""


def find_nifti(options: MaskOptions, identifiers: Identifiers) -> MaskSource:
    """Return the NIfTI file of a series, if it is there."""
    path = _fill_path(options.nifti or "", identifiers)
    if path and os.path.isfile(path):  # noqa: PTH113  made of text
        return MaskSource(options.name, "NIFTI", (LinkedFile(path, "path"),))
    return MaskSource(options.name, "NIFTI", missing=MaskReason.NO_OBJECT)


def _fill_path(pattern: str, identifiers: Identifiers) -> str | None:
    """Return the file that a pattern means for a series; None where an identifier cannot be part of a name."""
    for name, value in identifiers.items():
        is_used = f"{{{name}}}" in pattern
        if is_used and (not value or value in {".", ".."} or any(sign in value for sign in UNSAFE_IN_PATHS)):
            return None
    return pattern.format_map(identifiers)


def describe_states(sources: Sequence[MaskSource]) -> str:
    """Return a text that changes when a mask, one of its files or one of its numbers does; empty without any file."""
    found = [(source, [file.state or _state(file.path) for file in source.files]) for source in sources if source.files]
    return repr((FORMAT, found)) if found else ""


def _state(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  made of text
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
