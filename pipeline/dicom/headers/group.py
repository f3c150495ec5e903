"""Slices to series: by SeriesInstanceUID, or by the next best key where a file has none."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from pipeline.dicom.headers.read import check_uids, is_uid
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.sources.files import INSIDE, is_archive_name, strip_archive_suffix
from pipeline.sources.folders import resolve_root
from pipeline.vocabulary import SeriesWarning, Stage


def build_series(identity: tuple[str, ...], slices: Iterable[SliceHeader], place: str = "") -> Series:
    """Return the series of these slices, in the order of their paths, what is empty in some taken from the others."""
    return Series(identity, fill_identities(in_path_order(slices)), place)


def name_places(keys: Collection[tuple[str, ...]], roots: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return for each key, of which the first part is a folder, that folder below the root that it lies under.

    Where keys of two roots would be the same by that, the last names of the roots come before it, as few as it takes.
    """
    real_roots = list(map(resolve_root, roots))
    n_more = dict.fromkeys(keys, 0)
    while True:
        named = defaultdict(list)
        for key in keys:
            named[_name_place(key[0], real_roots, n_more[key]), *key[1:]].append(key)
        alike = [key for sharing in named.values() if len(sharing) > 1 for key in sharing]
        if not alike:
            return {sharing[0]: name[0] for name, sharing in named.items()}
        for key in alike:
            n_more[key] += 1


def _name_place(folder: str, roots: Sequence[str], n_more: int) -> str:
    """Return a folder below the outermost root that holds it, with the last ``n_more`` names of the root before it.

    An archive stands for the folder that it unpacks to: of its own name, unless all that it holds lies in such a one.
    Where that makes two of one name alike, the archive keeps its own.
    """
    path = PurePath(folder)
    if n_more > len(path.parts):
        return folder
    whole = *roots, *(root + INSIDE for root in roots)
    n_root = min((len(PurePath(root).parts) for root in whole if path.is_relative_to(root)), default=0)
    return str(PurePath(*_name_unpacked(path.parts[max(0, n_root - n_more) :])))


def _name_unpacked(parts: Sequence[str]) -> Iterator[str]:
    """Yield the folders that a path has where archives are unpacked."""
    unpacked = ""
    for part in parts:
        if part.endswith(INSIDE) and is_archive_name(part[:-1]):
            unpacked = strip_archive_suffix(part[:-1])
            yield unpacked
        elif part != unpacked:
            unpacked = ""
            yield part
        else:
            unpacked = ""


def identify_series(header: SliceHeader) -> tuple[str, ...] | None:
    """Return the key of a slice's series, None where it belongs to none.

    A file whose SeriesInstanceUID can be read belongs to that series, even if something else is wrong with it.  A CT
    image without one is grouped by folder, study, frame of reference and series number; `name_places` makes of the
    folder what stays the same under another mount point.  Anything else belongs to no series, and so does a file that
    breaks off before its UID.
    """
    identity = header.identity
    if identity.series_instance_uid:
        return (identity.series_instance_uid,)
    if not header.is_ct or _was_cut_short(header):
        return None
    return (
        header.file.folder,
        identity.study_instance_uid,
        identity.frame_of_reference_uid,
        identity.series_number,
    )


def _was_cut_short(header: SliceHeader) -> bool:
    """Report a file of which only a part was read: its UID may be in the rest."""
    return header.refusal is not None and header.refusal[0].stage in {Stage.ACCESS, Stage.FILE}


def in_path_order(slices: Iterable[SliceHeader]) -> tuple[SliceHeader, ...]:
    """Return slices in the order of their paths and frames."""
    return tuple(sorted(slices, key=lambda header: (header.file.path, header.frame or 0)))


EMPTY_IDENTITY = {"patient_id": "", "study_instance_uid": "", "frame_of_reference_uid": "", "birth_and_sex": "/"}
"""The identities that the slices of a series share, and what they are where a header does not say."""
IDENTITY_KEYWORDS = {"patient_id": "PatientID", "study_instance_uid": "StudyInstanceUID"}


def fill_identities(slices: tuple[SliceHeader, ...]) -> tuple[SliceHeader, ...]:
    """Return the slices of one series, an identity that is empty in some of them taken from the others.

    That is done only where all others say the same.  A slice that something was put in carries W_ID_FILLED.
    """
    missing = {}
    for name, empty in EMPTY_IDENTITY.items():
        values = {getattr(header.identity, name) for header in slices}
        if empty in values and len(values) == 2:
            missing[name] = (values - {empty}).pop()
    return tuple(_fill(header, missing) for header in slices) if missing else slices


def _fill(header: SliceHeader, missing: dict[str, str]) -> SliceHeader:
    filled: dict[str, Any] = {
        name: value for name, value in missing.items() if getattr(header.identity, name) == EMPTY_IDENTITY[name]
    }
    if not filled:
        return header
    identity = replace(header.identity, **filled)
    elements: dict[str, Any] = {
        IDENTITY_KEYWORDS[name]: value
        for name, value in filled.items()
        if IDENTITY_KEYWORDS.get(name) in header.elements
    }
    settled = {SeriesWarning.W_UID_INVALID} | ({SeriesWarning.W_ID_MISSING} if "patient_id" in filled else set())
    warnings = (header.warnings - settled) | check_uids(identity) | {SeriesWarning.W_ID_FILLED}
    return replace(header, identity=identity, warnings=warnings, elements=header.elements | elements)


def has_uid(series: Series) -> bool:
    """Report whether the key of a series is a valid SeriesInstanceUID."""
    return len(series.identity) == 1 and is_uid(series.identity[0])
