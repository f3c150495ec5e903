from collections.abc import Sequence
from typing import Any

import pytest
from headers import series_of, slice_at, sound_series

from pipeline.dicom.files.encoding import LOSSY_SYNTAXES, RLE_LOSSLESS
from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.series.outcomes import find_warnings
from pipeline.dicom.stack.checks import describe_rounded_spacing, describe_texts
from pipeline.dicom.stack.stack import build_stack
from pipeline.geometry import Xyz
from pipeline.vocabulary import SeriesWarning


def warnings(slices: Sequence[SliceHeader]) -> set[SeriesWarning]:
    series = series_of(*slices)
    return find_warnings(series, build_stack(series.images))


def with_one(**changes: Any) -> list[SliceHeader]:
    """Return a sound series of which slice 2 is changed."""
    return [slice_at(z, **(changes if z == 2 else {})) for z in range(5)]


def test_a_sound_series_gives_no_cause() -> None:
    assert warnings(sound_series().slices) == set()


CAUSES: dict[str, tuple[SeriesWarning, dict[str, Any]]] = {
    "its own": (SeriesWarning.W_CHARSET, {"warnings": frozenset({SeriesWarning.W_CHARSET})}),
    "a uid twice": (SeriesWarning.W_UID_DUPLICATE, {"identity": {"sop_instance_uid": "1.2.3.1"}}),
    "derived": (SeriesWarning.W_DERIVED, {"identity": {"image_type": ("DERIVED", "PRIMARY", "AXIAL")}}),
    "a short image type": (SeriesWarning.W_IMAGE_TYPE, {"identity": {"image_type": ("ORIGINAL",)}}),
    "no image type": (SeriesWarning.W_IMAGE_TYPE, {"identity": {"image_type": ()}}),
    "monoenergetic": (
        SeriesWarning.W_SPECTRAL,
        {"identity": {"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", "MONO_70KEV")}},
    ),
    "modified units": (SeriesWarning.W_SPECTRAL, {"rescale": {"kind": "HU_MOD"}}),
    "another intercept": (SeriesWarning.W_RESCALE_VARIES, {"rescale": {"intercept": -1000}}),
    "another slope": (SeriesWarning.W_RESCALE_VARIES, {"rescale": {"slope": 2}}),
    "unspecified units": (SeriesWarning.W_RESCALE_TYPE, {"rescale": {"kind": "US"}}),
    "units in another spelling": (SeriesWarning.W_RESCALE_TYPE, {"rescale": {"kind": "Hounsfield"}}),
    "units with NUL": (SeriesWarning.W_RESCALE_TYPE, {"rescale": {"kind": "HU\0"}}),
    "assumed units": (SeriesWarning.W_RESCALE_TYPE, {"flaws": {"RescaleSlope": Flaw.MISSING}}),
    "another spacing told": (
        SeriesWarning.W_SPACING_TAG,
        {"plane": {"position": Xyz(0, 0, 5), "spacing_between_slices": 21.893}},
    ),
    "another kernel": (SeriesWarning.W_MIXED_SERIES, {"reconstruction": ("BONE", 120.0, 2.5, None)}),
    "two spare bytes": (SeriesWarning.W_PIXELS_PADDED, {"pixels": {"length": 2050}}),
}


def test_rounding_of_the_pixel_spacing_that_moves_the_rim_is_a_cause() -> None:
    spacings = [0.625, 0.624, 0.625, 0.625]
    slices = [slice_at(z, pixels={"rows": 512}, plane={"row_spacing": mm}) for z, mm in enumerate(spacings)]
    assert warnings(slices) == {SeriesWarning.W_SPACING_JITTER}
    assert describe_rounded_spacing(slices) == "PixelSpacing differs by rounding between slices: up to 0.51 mm"
    assert describe_rounded_spacing(slices[2:]) is None


@pytest.mark.parametrize(("expected", "change"), CAUSES.values(), ids=CAUSES)
def test_each_cause_in_one_slice_has_its_warning(expected: SeriesWarning, change: dict[str, Any]) -> None:
    assert warnings(with_one(**change)) == {expected}


@pytest.mark.parametrize("syntax", sorted(LOSSY_SYNTAXES))
def test_a_lossy_syntax_is_warned_of(syntax: str) -> None:
    lossy = {"transfer_syntax": syntax, "encapsulated": True, "length": 100}
    assert warnings(sound_series(pixels=lossy).slices) == {SeriesWarning.W_LOSSY}
    assert warnings(sound_series(pixels=lossy | {"transfer_syntax": RLE_LOSSLESS}).slices) == set()


@pytest.mark.parametrize(
    "harmless",
    [
        {"rescale": {"kind": ""}},
        {"pixels": {"length": 2049}},
        {"plane": {"spacing_between_slices": -2.5}},
        {"plane": {"spacing_between_slices": 2.7}},
        {"plane": {"spacing_between_slices": None, "thickness": None}},
        {"plane": {"thickness": 5.0}},
        {"plane": {"thickness": 1.7}},
        {"identity": {"sop_instance_uid": ""}},
    ],
)
def test_what_is_within_its_bounds_is_not_warned_of(harmless: dict[str, Any]) -> None:
    sound = sound_series().slices
    merged = {key: dict(value) for key, value in harmless.items()}
    slices = [slice_at(z, **_with_position(merged, header)) for z, header in enumerate(sound)]
    assert warnings(slices) == set()


def _with_position(change: dict[str, dict[str, Any]], header: SliceHeader) -> dict[str, dict[str, Any]]:
    if "plane" not in change:
        return change
    return change | {"plane": change["plane"] | {"position": header.plane.position}}


def test_frames_of_one_file_share_its_uid() -> None:
    frames = [slice_at(z, frame=z + 1, identity={"sop_instance_uid": "1.2.3"}) for z in range(4)]
    assert warnings(frames) == set()


def test_localizers_that_were_left_out_are_told() -> None:
    scout = slice_at(9, identity={"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")})
    assert warnings([*sound_series().slices, scout]) == {SeriesWarning.W_LOCALIZER_DROPPED}


def test_thin_slices_far_apart_are_sparse() -> None:
    sparse = [slice_at(z, step_mm=10, plane=_plane(z, 10, thickness=1.0)) for z in range(4)]
    assert warnings(sparse) == {SeriesWarning.W_SPARSE_SLICES}


def _plane(z: int, step_mm: float, **plane: Any) -> dict[str, Any]:
    return {"position": Xyz(0, 0, z * step_mm), "spacing_between_slices": step_mm} | plane


def test_a_tilt_is_told_and_its_longer_way_is_a_spacing_too() -> None:
    tilted = [slice_at(z, plane=_plane(z, 2.5, position=Xyz(0, z * 1.2, z * 2.5))) for z in range(6)]
    assert warnings(tilted) == {SeriesWarning.W_GANTRY_TILT}
    way = [slice_at(z, plane=_plane(z, 2.773, position=Xyz(0, z * 1.2, z * 2.5))) for z in range(6)]
    assert warnings(way) == {SeriesWarning.W_GANTRY_TILT}


def test_jitter_within_tolerance_is_told() -> None:
    rough = [slice_at(z, plane=_plane(z, 2.5, position=Xyz(0, 0, z * 2.5 + 0.1 * (z % 2)))) for z in range(6)]
    assert warnings(rough) == {SeriesWarning.W_SPACING_JITTER}


def test_the_elements_of_unsafe_and_of_unusual_text_are_named() -> None:
    slices = with_one(texts={"StationName": "unusual", "PatientComments": "unsafe", "SeriesDescription": "unusual"})
    assert describe_texts(slices) == "unsafe text in PatientComments; unusual text in SeriesDescription, StationName"
    assert describe_texts(sound_series().slices) is None
