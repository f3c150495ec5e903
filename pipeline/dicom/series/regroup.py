"""Series of one slice to whole series again, where a SeriesInstanceUID was rewritten in each file."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.stack import build_stack

FEWEST = 3
"""Two slices always lie a step apart; only a third one shows that they are a stack."""
DIRECTION_DECIMALS = 3

Key = tuple[str, ...]


def regroup_series(single: Iterable[Series]) -> list[Series]:
    """Return the series that series of one slice make, joined where their slices form a stack.

    Slices are joined if they share patient, study, kernel, size, spacing and orientation, and also frame of reference
    and series number, unless these differ in every file, and if their positions form an even stack.
    """
    alone: dict[Key, list[Series]] = defaultdict(list)
    for series in single:
        if _may_be_a_part(series):
            alone[_likeness(series.slices[0])].append(series)
    joined = {key: part for likeness, members in alone.items() for key, part in _parts(likeness, members)}
    return [Series(identity, _slices_of(part)) for identity, part in joined.items()]


def _may_be_a_part(series: Series) -> bool:
    """Report a series of one image whose place is known."""
    if len(series.slices) != 1 or not series.images:
        return False
    header = series.slices[0]
    has_directions = any(header.plane.row_direction or ()) and any(header.plane.column_direction or ())
    return header.refusal is None and not header.flaws and has_directions


def _likeness(header: SliceHeader) -> Key:
    """Return what slices of one reconstruction share."""
    identity, plane, pixels = header.identity, header.plane, header.pixels
    cosines = (*(plane.row_direction or ()), *(plane.column_direction or ()))
    return (
        "regrouped",
        identity.patient_id,
        identity.study_instance_uid,
        *(str(value) for value in header.reconstruction),
        f"{pixels.rows} x {pixels.columns}",
        f"{plane.row_spacing:g} x {plane.column_spacing:g}",
        *(f"{round(cosine, DIRECTION_DECIMALS) + 0.0:g}" for cosine in cosines),
    )


def _parts(likeness: Key, members: Sequence[Series]) -> Iterator[tuple[Key, list[Series]]]:
    """Yield the stacks among series that are alike, each with its identity."""
    for frame, framed in _group_by(members, lambda header: header.identity.frame_of_reference_uid):
        for number, part in _group_by(framed, lambda header: header.identity.series_number):
            if _is_stack(_slices_of(part)):
                yield (*likeness, frame, number), part


def _group_by(members: Sequence[Series], fact: Callable[[SliceHeader], str]) -> list[tuple[str, list[Series]]]:
    """Group series by a fact of their slice; one that differs in every file is ignored."""
    by_fact: dict[str, list[Series]] = defaultdict(list)
    for series in members:
        by_fact[fact(series.slices[0])].append(series)
    if 1 < len(by_fact) == len(members):
        return [("", list(members))]
    return sorted(by_fact.items())


def _is_stack(slices: Sequence[SliceHeader]) -> bool:
    if len(slices) < FEWEST:
        return False
    stack = build_stack(slices)
    return stack.is_straight and stack.has_step


def _slices_of(part: Sequence[Series]) -> tuple[SliceHeader, ...]:
    return tuple(sorted((series.slices[0] for series in part), key=lambda header: header.file.path))
