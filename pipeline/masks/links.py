"""Which series a mask object belongs to, and what numbers the regions of a cohort have."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.masks.drawn import RegionChoice
from pipeline.masks.sources import Link, LinkedFile, MaskOptions, MaskSource
from pipeline.vocabulary import MaskReason

Kind = Literal["SEG", "RTSTRUCT"]


@dataclass(frozen=True)
class References:
    """What a mask object says of itself: what it was drawn on, what it calls its regions, and when it was made.

    ``unread`` is why it could not be read, None where it could.
    """

    series_uids: tuple[str, ...] = ()
    image_uids: tuple[str, ...] = ()
    frame_uids: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    made: str = ""
    unread: MaskReason | None = None


@dataclass(frozen=True)
class MaskObject:
    """A DICOM object among the inputs that holds masks: its file, whose it is, and what it refers to."""

    path: str
    kind: Kind
    patient_id: str
    study_uid: str
    series_uid: str
    references: References = References()
    state: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class ImageSeries:
    """A CT series as mask objects refer to it.  ``frame_uid`` is empty where its slices have none in common."""

    series_key: str
    series_uid: str
    patient_id: str
    study_uid: str
    frame_uid: str
    image_uids: frozenset[str]

    def is_of_owner(self, one: MaskObject) -> bool:
        """Tell whether an object is of the series' patient or study."""
        return (one.patient_id == self.patient_id != "") or (one.study_uid == self.study_uid != "")

    def is_of_another(self, one: MaskObject) -> bool:
        """Tell whether an object names another patient and is not of the series' study."""
        return not self.is_of_owner(one) and bool(one.patient_id and self.patient_id)


@dataclass(frozen=True)
class Unlinked:
    """An object that belongs to no series, and why; ``near`` are the keys of the series that it might have been of."""

    one: MaskObject
    reason: MaskReason
    detail: str
    near: frozenset[str]


@dataclass(frozen=True)
class Links:
    """The objects of each series with how they were linked, by series_key, and those of no series."""

    by_series: Mapping[str, tuple[tuple[MaskObject, Link], ...]]
    unlinked: tuple[Unlinked, ...]


def link_objects(
    objects: Iterable[MaskObject], images: Sequence[ImageSeries], other_uids: Container[str] = ()
) -> Links:
    """Link each object to the series that it refers to; ``other_uids`` are series of the inputs that hold no CT.

    That is the series that it names; without one among the inputs, the series that holds the images it names; and where
    it names neither, the one series in its frame of reference.  No object is linked to a series of another patient.
    """
    finder = _Finder(images, other_uids)
    by_series: dict[str, list[tuple[MaskObject, Link]]] = defaultdict(list)
    unlinked = []
    for one in sorted(objects, key=lambda one: one.path):
        found = finder.find(one)
        if isinstance(found, Unlinked):
            unlinked.append(found)
            continue
        link, series = found
        for image in series:
            by_series[image.series_key].append((one, link))
    return Links({key: tuple(linked) for key, linked in by_series.items()}, tuple(unlinked))


class _Finder:
    """The series of a scan by what objects refer to."""

    def __init__(self, images: Sequence[ImageSeries], other_uids: Container[str]) -> None:
        self._images, self._other_uids = images, other_uids
        self._by_uid: dict[str, list[ImageSeries]] = defaultdict(list)
        self._by_frame: dict[str, list[ImageSeries]] = defaultdict(list)
        self._by_owner: dict[tuple[str, str], list[ImageSeries]] = defaultdict(list)
        self._by_image: dict[str, list[ImageSeries]] | None = None
        for image in images:
            self._by_uid[image.series_uid].append(image)
            self._by_frame[image.frame_uid].append(image)
            self._by_owner["patient", image.patient_id].append(image)
            self._by_owner["study", image.study_uid].append(image)

    def find(self, one: MaskObject) -> tuple[Link, list[ImageSeries]] | Unlinked:
        """Return the series that an object belongs to, or why it belongs to none."""
        references = one.references
        if references.unread is not None:
            return self._leave(one, references.unread, "the object cannot be read")
        found = self._find_named(one) or self._find_by_images(one)
        if not found and not (references.series_uids or references.image_uids):
            found = self._find_by_frame(one)
        if isinstance(found, str):
            return self._leave(one, MaskReason.NOT_LINKED, found)
        if not found and any(uid in self._other_uids for uid in references.series_uids):
            return Unlinked(one, MaskReason.NOT_LINKED, "it refers to a series that holds no CT image", frozenset())
        if not found:
            return self._leave(one, MaskReason.NOT_LINKED, _describe_missing(references))
        link, series = found
        own = [image for image in series if not image.is_of_another(one)]
        if not own:
            detail = "it refers to a series of another patient"
            return replace(
                self._leave(one, MaskReason.NOT_LINKED, detail), near=frozenset(image.series_key for image in series)
            )
        return link, own

    def _find_named(self, one: MaskObject) -> tuple[Link, list[ImageSeries]] | str | None:
        """Return the series that an object names; of its parts those that hold its images, where it names some.

        An object that names one series and images of another says nothing that can be relied on.
        """
        references = one.references
        names = references.series_uids
        if not names and not references.image_uids:
            names = (one.series_uid,)
        series = [image for name in names for image in self._by_uid.get(name, ())]
        wanted = frozenset(references.image_uids)
        holding = [image for image in series if not wanted.isdisjoint(image.image_uids)]
        if series and not holding and any(uid in self._holders() for uid in wanted):
            return "it names one series and images of another"
        return ("series", holding or series) if series else None

    def _find_by_images(self, one: MaskObject) -> tuple[Link, list[ImageSeries]] | str | None:
        """Return the series that holds the images that an object names: the only one, or the one that holds all."""
        wanted = frozenset(one.references.image_uids)
        if not wanted:
            return None
        found = {image.series_key: image for uid in wanted for image in self._holders().get(uid, ())}
        if len(found) > 1:
            found = {key: image for key, image in found.items() if wanted <= image.image_uids}
            if len(found) != 1:
                return "it refers to images of several series"
        return ("images", list(found.values())) if found else None

    def _find_by_frame(self, one: MaskObject) -> tuple[Link, list[ImageSeries]] | str | None:
        """Return the one series in an object's frame of reference."""
        series = [
            image
            for frame in one.references.frame_uids
            for image in self._by_frame.get(frame, ())
            if frame and not image.is_of_another(one)
        ]
        if len(series) > 1:
            return f"it names no series, and {len(series)} series lie in its frame of reference"
        return ("frame", series) if series else None

    def _holders(self) -> Mapping[str, Sequence[ImageSeries]]:
        """Return the series that hold each image; listed when the first object needs it."""
        if self._by_image is None:
            self._by_image = defaultdict(list)
            for image in self._images:
                for uid in image.image_uids:
                    self._by_image[uid].append(image)
        return self._by_image

    def _leave(self, one: MaskObject, reason: MaskReason, detail: str) -> Unlinked:
        owners = (("patient", one.patient_id), ("study", one.study_uid))
        near = {image.series_key for owner in owners if owner[1] for image in self._by_owner.get(owner, ())}
        return Unlinked(one, reason, detail, frozenset(near))


def _describe_missing(references: References) -> str:
    if references.series_uids:
        return "the series that it refers to is not among the inputs"
    if references.image_uids:
        return "the images that it refers to are not among the inputs"
    if references.frame_uids:
        return "it names no series, and no series lies in its frame of reference"
    return "it refers to no series, image or frame of reference"


def find_sources(options: MaskOptions, links: Links, keys: Iterable[str]) -> dict[str, MaskSource]:
    """Return the source of a mask for each series, by series_key; with numbers that hold for all of them.

    Names of regions are numbered in their order over the linked objects of all series, unless the options name them.
    """
    kind: Kind = options.dicom or "SEG"
    linked = {key: [pair for pair in pairs if pair[0].kind == kind] for key, pairs in links.by_series.items()}
    numbers = _number_regions(options.choice, (one for pairs in linked.values() for one, _ in pairs))
    reasons = _find_reasons(kind, links.unlinked)
    sources = {}
    for key in keys:
        if pairs := linked.get(key):
            files = tuple(LinkedFile(one.path, link, one.references.made, one.state) for one, link in pairs)
            choice = _narrow_choice(options.choice, numbers, [one for one, _ in pairs])
            sources[key] = MaskSource(options.name, kind, files, choice, options.pick)
        else:
            sources[key] = MaskSource(options.name, kind, missing=reasons.get(key, MaskReason.NO_OBJECT))
    return sources


def _number_regions(choice: RegionChoice, objects: Iterable[MaskObject]) -> dict[str, int]:
    if choice.regions:
        return {}
    names = {name for one in objects for name in one.references.regions if choice.wants(name)}
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _narrow_choice(choice: RegionChoice, numbers: Mapping[str, int], objects: Sequence[MaskObject]) -> RegionChoice:
    """Return the choice with the numbers of the names that a series' objects have."""
    names = sorted({name for one in objects for name in one.references.regions} & numbers.keys())
    known = tuple((name, numbers[name]) for name in names)
    n_layers = len(numbers) if choice.layers and not choice.regions else choice.n_layers
    return replace(choice, numbers=known, n_layers=n_layers)


def _find_reasons(kind: Kind, unlinked: Iterable[Unlinked]) -> dict[str, MaskReason]:
    """Return why a series has no mask although objects of its patient or study exist that belong to no series."""
    found: dict[str, MaskReason] = {}
    for left in unlinked:
        if left.one.kind == kind:
            for key in left.near:
                found[key] = max(found.get(key, left.reason), left.reason, key=_REASON_ORDER.index)
    return found


_REASON_ORDER = (MaskReason.NOT_LINKED, MaskReason.TOO_LARGE, MaskReason.UNREADABLE)
"""Which reason of several objects is given: the last of these."""
