"""Files to slices: each file opened once, and each slice read with what the one before it has in common."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.dicom.files.part10 import DataSet, read_data_set
from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import Values, tag_of
from pipeline.dicom.headers.notices import check_element, check_keywords, check_uids
from pipeline.dicom.headers.parts import (
    read_directory_class,
    read_identity,
    read_instance_number,
    read_phase,
    read_pixels,
    read_plane,
    read_reconstruction,
    read_reconstruction_diameter,
    read_rescale,
    split_frames,
)
from pipeline.dicom.headers.repeats import Change, Each, Latest, Parts
from pipeline.dicom.headers.slice import MULTIFRAME_CLASSES, Refusal, SliceHeader
from pipeline.limits import Limits
from pipeline.record import ElementValue
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning


def read_headers(found: FoundFile, limits: Limits, wanted: frozenset[str]) -> tuple[SliceHeader, ...]:
    """Read the slices that a file holds, alone: one, or one a frame."""
    return FileReader(limits, wanted).read(found)[0]


class FileReader:
    """Reads one file after another; ``wanted`` names elements to keep for the manifest."""

    def __init__(self, limits: Limits, wanted: frozenset[str]) -> None:
        self._limits = limits
        self._latest = Latest()
        self._slices = SliceReader(wanted)

    def read(self, found: FoundFile) -> tuple[tuple[SliceHeader, ...], Change]:
        """Read the slices that a file holds, one, or one a frame; return beside them what is new in its elements.

        Never raises for what is in the file: a file that is refused gives one slice with its ``refusal``.
        """
        if found.refusal and found.refusal[0] is not Reason.UNSTABLE:
            return self._unread(found, found.refusal)
        try:
            data_set = read_data_set(found, self._limits)
        except OSError as error:
            refusal = Reason.UNREADABLE, f"reading failed ({type(error).__name__})"
            return self._unread(found, found.refusal or refusal)
        change = self._latest.change_to(Values(data_set.elements, data_set.little_endian))
        slices = self._slices_of(found, data_set, change)
        if found.refusal:  # a file that is still being written is read for what it belongs to, and for nothing else
            slices = tuple(replace(header, refusal=found.refusal) for header in slices)
        return slices, change

    def _unread(self, found: FoundFile, refusal: Refusal) -> tuple[tuple[SliceHeader, ...], Change]:
        return (SliceHeader(file=found, refusal=refusal),), self._latest.change_to(Values({}))

    def _slices_of(self, found: FoundFile, data_set: DataSet, change: Change) -> tuple[SliceHeader, ...]:
        header = self._slices.read(found, data_set, change)
        if header.refusal or header.identity.sop_class_uid not in MULTIFRAME_CLASSES:
            return (header,)
        return self._frames(header, data_set)

    def _frames(self, whole: SliceHeader, data_set: DataSet) -> tuple[SliceHeader, ...]:
        if whole.pixels.n_frames > self._limits.max_slices:
            detail = f"{whole.pixels.n_frames} frames are over max_slices {self._limits.max_slices}"
            return (replace(whole, refusal=(Reason.LIMIT, detail)),)
        frames = split_frames(data_set.elements)
        if len(frames) != whole.pixels.n_frames:
            detail = f"functional groups describe {len(frames)} of {whole.pixels.n_frames} frames"
            return (replace(whole, refusal=(Reason.MULTIFRAME, detail)),)
        headers = []
        for number, elements in enumerate(frames, start=1):
            change = self._latest.change_to(Values(elements, data_set.little_endian))
            header = self._slices.read(whole.file, data_set, change)
            headers.append(replace(header, frame=number, instance_number=number))
        return tuple(headers)


class SliceReader:
    """Reads one slice after another: a file's, or a frame's with the functional groups laid over."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = {tag_of(keyword): keyword for keyword in wanted}
        self._parts = Parts()
        self._warnings: Each[SeriesWarning] = Each()
        self._kept: Each[tuple[str, ElementValue]] = Each()

    def read(self, found: FoundFile, data_set: DataSet, change: Change) -> SliceHeader:
        """Read a slice of a file from the elements that it changes to."""
        self._parts.turn_to(change)
        part = self._parts.part
        identity, pixels = part(read_identity), part(read_pixels, data_set.transfer_syntax)
        if not identity.sop_class_uid:
            identity = replace(identity, sop_class_uid=read_directory_class(Values(data_set.meta)))
        return SliceHeader(
            file=found,
            refusal=data_set.refusal,
            warnings=part(check_keywords).union(
                check_uids(identity), data_set.warnings, self._element_warnings(change)
            ),
            identity=identity,
            pixels=pixels,
            plane=part(read_plane),
            rescale=part(read_rescale, pixels.signed, pixels.bits_stored),
            instance_number=part(read_instance_number),
            reconstruction=part(read_reconstruction),
            reconstruction_diameter=part(read_reconstruction_diameter),
            phase=part(read_phase),
            flaws=self._parts.flaws,
            elements=dict(self._elements(change)),
        )

    def _element_warnings(self, change: Change) -> Iterator[SeriesWarning]:
        encodings = change.now.encodings
        return self._warnings.made_of(change, encodings, lambda element: check_element(element, encodings))

    def _elements(self, change: Change) -> Iterator[tuple[str, ElementValue]]:
        """Yield keyword and value of each element that is kept for the manifest."""

        def kept(element: Element) -> tuple[tuple[str, ElementValue], ...]:
            keyword = self._wanted.get(element.tag)
            return () if keyword is None else ((keyword, change.now.verbatim(element)),)

        return self._kept.made_of(change, change.now.encodings, kept)
