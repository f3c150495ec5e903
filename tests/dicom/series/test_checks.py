from dataclasses import replace
from math import cos, radians, sin
from typing import Any

import pytest
from headers import series_of, slice_at, sound_series
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES, EXPLICIT_BE, NATIVE_SYNTAXES
from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.slice import ENHANCED_CT_IMAGE, Series, SliceHeader
from pipeline.dicom.policy import HounsfieldOptions, Policy
from pipeline.dicom.series.checks import HEADER_CHECKS, PARALLEL_TOLERANCE, UNIT_TOLERANCE, check_headers
from pipeline.geometry import Xyz
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

POLICY = Policy()
MR = {"modality": "MR", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}
SCOUT = {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}
FLAT = {"position": None, "row_direction": None, "column_direction": None}


def reason(series: Series, policy: Policy = POLICY) -> Reason | None:
    refusal = check_headers(series, policy)
    return None if refusal is None else refusal[0]


def with_one(n: int = 5, **changes: Any) -> Series:
    """Return a sound series of which slice 2 is changed."""
    return series_of(*(slice_at(z, **(changes if z == 2 else {})) for z in range(n)))


def test_a_sound_series_passes() -> None:
    assert check_headers(sound_series(), POLICY) is None


FAULTS: dict[str, tuple[Reason, dict[str, Any]]] = {
    "a file over the limit": (Reason.LIMIT, {"pixels": {"rows": 65535, "columns": 65535, "length": 2048}}),
    "more frames than slices may be": (Reason.LIMIT, {"pixels": {"n_frames": 2147483647}}),
    "an unknown transfer syntax": (Reason.TRANSFER_SYNTAX, {"pixels": {"transfer_syntax": "1.2.3"}}),
    "pixels of no bytes": (Reason.PIXELS_MISSING, {"pixels": {"length": 0}}),
    "floating point pixels, which have no BitsStored": (
        Reason.PIXEL_FORMAT,
        {
            "pixels": {"integer": False, "bits_allocated": 32, "bits_stored": 0, "high_bit": 0},
            "flaws": {"BitsStored": Flaw.MISSING, "HighBit": Flaw.MISSING, "RescaleSlope": Flaw.MISSING},
        },
    ),
    "no transfer syntax": (Reason.TRANSFER_SYNTAX, {"pixels": {"transfer_syntax": ""}}),
    "several frames": (Reason.MULTIFRAME, {"pixels": {"n_frames": 2, "length": 4096}}),
    "several frames without a class": (
        Reason.MULTIFRAME,
        {"pixels": {"n_frames": 2, "length": 4096}, "identity": {"sop_class_uid": ""}},
    ),
    "another patient": (Reason.IDENTITY_CONFLICT, {"identity": {"patient_id": "P-2"}}),
    "another study": (Reason.IDENTITY_CONFLICT, {"identity": {"study_instance_uid": "1.9"}}),
    "an element missing": (Reason.TAG_MISSING, {"flaws": {"PixelSpacing": Flaw.MISSING}}),
    "rescale missing": (Reason.TAG_MISSING, {"flaws": {"RescaleSlope": Flaw.MISSING}}),
    "an element invalid": (Reason.TAG_INVALID, {"flaws": {"RescaleSlope": Flaw.INVALID}}),
    "a position invalid": (
        Reason.TAG_INVALID,
        {"flaws": {"ImagePositionPatient": Flaw.INVALID}, "plane": {"position": None}},
    ),
    "more bits stored than allocated": (Reason.TAG_INVALID, {"pixels": {"bits_stored": 17, "high_bit": 16}}),
    "a high bit elsewhere": (Reason.TAG_INVALID, {"pixels": {"high_bit": 15}}),
    "colour": (Reason.PIXEL_FORMAT, {"pixels": {"photometric": "RGB"}}),
    "palette": (Reason.PIXEL_FORMAT, {"pixels": {"photometric": "PALETTE COLOR"}}),
    "several samples": (Reason.PIXEL_FORMAT, {"pixels": {"samples": 3, "length": 6144}}),
    "8 bits": (Reason.PIXEL_FORMAT, {"pixels": {"bits_allocated": 8, "bits_stored": 8, "high_bit": 7, "length": 1024}}),
    "floating point": (Reason.PIXEL_FORMAT, {"pixels": {"integer": False}}),
    "no pixels": (Reason.PIXELS_MISSING, {"pixels": {"offset": -1, "length": 0}}),
    "a byte too few": (Reason.PIXELS_LENGTH, {"pixels": {"length": 2047}}),
    "a row too many": (Reason.PIXELS_LENGTH, {"pixels": {"length": 2048 + 64}}),
    "another unit": (Reason.RESCALE_NOT_HU, {"rescale": {"kind": "ED"}}),
    "a lookup table": (Reason.RESCALE_NOT_HU, {"rescale": {"has_lut": True}}),
    "no position": (
        Reason.POSITION_MISSING,
        {"flaws": {"ImagePositionPatient": Flaw.MISSING}, "plane": {"position": None}},
    ),
    "a direction that is no unit": (Reason.ORIENTATION_INVALID, {"plane": {"row_direction": Xyz(0, 0, 0)}}),
    "directions at 60 degrees": (
        Reason.ORIENTATION_INVALID,
        {"plane": {"column_direction": Xyz(cos(radians(60)), sin(radians(60)), 0)}},
    ),
    "another size": (Reason.MIXED_GEOMETRY, {"pixels": {"rows": 16, "length": 1024}}),
    "another pixel spacing": (Reason.MIXED_GEOMETRY, {"plane": {"row_spacing": 0.9}}),
    "another orientation": (Reason.MIXED_GEOMETRY, {"plane": {"column_direction": Xyz(0, 0, -1)}}),
    "another frame of reference": (Reason.MIXED_GEOMETRY, {"identity": {"frame_of_reference_uid": "1.2.8"}}),
}


@pytest.mark.parametrize(("expected", "fault"), FAULTS.values(), ids=FAULTS)
def test_one_slice_at_fault_refuses_the_series(expected: Reason, fault: dict[str, Any]) -> None:
    refusal = check_headers(with_one(**fault), POLICY)
    assert refusal is not None
    assert refusal[0] is expected
    assert refusal[1]
    assert "P-2" not in refusal[1]


def test_every_check_but_those_of_whole_series_has_a_fault_above() -> None:
    assert set(HEADER_CHECKS) - {each for each, _ in FAULTS.values()} == {Reason.NOT_CT, Reason.LOCALIZER}


@given(st.sampled_from(sorted(FAULTS)), st.sampled_from(sorted(FAULTS)))
def test_of_two_faults_the_first_in_the_vocabulary_is_named(one: str, other: str) -> None:
    series = series_of(slice_at(0, **FAULTS[one][1]), slice_at(1), slice_at(2, **FAULTS[other][1]), slice_at(3))
    orders = [FAULTS[name][0].order for name in (one, other)]
    found = reason(series)
    assert found is not None
    assert found.order == min(orders)


@pytest.mark.parametrize("own", Reason)
def test_the_refusal_of_an_object_that_is_no_image_counts_only_early(own: Reason) -> None:
    report = slice_at(1, identity={"modality": "SR"}, refusal=(own, "refused"))
    refusal = check_headers(series_of(slice_at(0), report, slice_at(2)), POLICY)
    assert (refusal == (own, "refused")) is (
        own in {"UNREADABLE", "UNSTABLE", "NOT_DICOM", "CORRUPT", "LIMIT", "TRANSFER_SYNTAX", "NOT_CT", "LOCALIZER"}
    )


@pytest.mark.parametrize("own", [Reason.UNREADABLE, Reason.UNSTABLE, Reason.CORRUPT, Reason.LIMIT, Reason.MULTIFRAME])
def test_what_reading_refused_refuses_the_series_in_its_place(own: Reason) -> None:
    assert check_headers(with_one(refusal=(own, "told by the reader")), POLICY) == (own, "told by the reader")
    later = series_of(slice_at(0, flaws={"PixelSpacing": Flaw.MISSING}), slice_at(1, refusal=(own, "told")))
    assert reason(later) is own


def test_what_is_no_ct_image_is_dropped_with_all_its_faults() -> None:
    faulty = {"flaws": {"PixelSpacing": Flaw.MISSING}, "pixels": {"rows": 8}, "plane": FLAT}
    for identity in (MR, SCOUT, {"patient_id": "P-2"} | SCOUT):
        assert reason(with_one(identity=identity, **faulty)) is None
        assert reason(with_one(identity=identity, refusal=(Reason.PIXELS_LENGTH, "cut"), **faulty)) is None


def test_a_file_that_cannot_be_read_counts_even_if_it_may_be_no_image() -> None:
    assert reason(with_one(identity=MR, refusal=(Reason.CORRUPT, "broken"))) is Reason.CORRUPT


def test_a_series_without_a_ct_image_is_no_ct() -> None:
    assert reason(sound_series(identity=MR)) is Reason.NOT_CT
    assert reason(sound_series(identity=MR | SCOUT)) is Reason.NOT_CT


def test_a_series_of_localizers_is_one() -> None:
    assert reason(sound_series(identity=SCOUT)) is Reason.LOCALIZER
    mixed = series_of(slice_at(0, identity=SCOUT), slice_at(1, identity=MR))
    assert reason(mixed) is Reason.LOCALIZER


def test_the_transfer_syntax_of_what_is_no_ct_does_not_matter() -> None:
    assert reason(with_one(identity=MR, pixels={"transfer_syntax": "1.2.840.10008.1.2.4.100"})) is None


@pytest.mark.parametrize("syntax", sorted(NATIVE_SYNTAXES | COMPRESSED_SYNTAXES))
def test_every_syntax_with_a_decoder_is_accepted(syntax: str) -> None:
    assert reason(sound_series(pixels={"transfer_syntax": syntax})) is None


@pytest.mark.parametrize("kind", ["HU", "US", "HU_MOD", "UNSPECIFIED", ""])
def test_what_may_be_hounsfield_units_is_accepted(kind: str) -> None:
    assert reason(sound_series(rescale={"kind": kind})) is None


def test_a_missing_rescale_is_accepted_where_the_policy_says_so() -> None:
    allowed = Policy(hounsfield=HounsfieldOptions(rescale_missing="assume_hu"))
    missing = sound_series(flaws={"RescaleSlope": Flaw.MISSING, "RescaleIntercept": Flaw.MISSING})
    invalid = sound_series(flaws={"RescaleSlope": Flaw.INVALID})
    assert (reason(missing), reason(missing, allowed)) == (Reason.TAG_MISSING, None)
    assert (reason(invalid), reason(invalid, allowed)) == (Reason.TAG_INVALID, Reason.TAG_INVALID)


def test_slices_and_voxels_are_counted_against_the_limits() -> None:
    series = sound_series(5)
    for at_limit in (Limits(max_slices=5), Limits(max_voxels=5 * 1024)):
        assert reason(series, Policy(limits=at_limit)) is None
    for below in (Limits(max_slices=4), Limits(max_voxels=5 * 1024 - 1)):
        assert reason(series, Policy(limits=below)) is Reason.LIMIT


def test_frames_count_as_slices() -> None:
    frames = [replace(slice_at(z), frame=z + 1) for z in range(3)]
    multiframe: list[SliceHeader] = [
        replace(
            header,
            identity=replace(header.identity, sop_class_uid=ENHANCED_CT_IMAGE),
            pixels=replace(header.pixels, n_frames=3, length=3 * 2048),
        )
        for header in frames
    ]
    assert reason(series_of(*multiframe), Policy(limits=Limits(max_slices=3))) is None
    assert reason(series_of(*multiframe), Policy(limits=Limits(max_slices=2))) is Reason.LIMIT


@pytest.mark.parametrize(("extra", "expected"), [(0, None), (1, None), (63, None), (64, Reason.PIXELS_LENGTH)])
def test_native_pixels_may_be_padded_by_less_than_a_row(extra: int, expected: Reason | None) -> None:
    assert reason(sound_series(pixels={"length": 2048 + extra})) is expected
    assert reason(sound_series(pixels={"length": 2048 + extra, "transfer_syntax": EXPLICIT_BE})) is expected


def test_the_length_of_compressed_pixels_is_the_decoder_s_business() -> None:
    for syntax in COMPRESSED_SYNTAXES:
        assert reason(sound_series(pixels={"transfer_syntax": syntax, "length": 10, "encapsulated": True})) is None


@pytest.mark.parametrize(("factor", "expected"), [(0.9, None), (1.1, Reason.ORIENTATION_INVALID)])
def test_directions_may_be_rounded(factor: float, expected: Reason | None) -> None:
    longer = {"row_direction": Xyz(1 + factor * UNIT_TOLERANCE, 0, 0)}
    leaning = {"row_direction": Xyz(1, factor * UNIT_TOLERANCE, 0)}
    assert reason(sound_series(plane=longer)) is expected
    assert reason(sound_series(plane=leaning)) is expected


@pytest.mark.parametrize(("factor", "expected"), [(0.9, None), (1.1, Reason.MIXED_GEOMETRY)])
def test_orientations_of_one_stack_may_differ_by_rounding(factor: float, expected: Reason | None) -> None:
    assert reason(with_one(plane={"row_direction": Xyz(1, factor * PARALLEL_TOLERANCE, 0)})) is expected


def test_a_frame_of_reference_that_differs_in_every_file_counts_as_absent() -> None:
    every = series_of(*(slice_at(z, identity={"frame_of_reference_uid": f"1.2.{z}"}) for z in range(4)))
    halves = series_of(*(slice_at(z, identity={"frame_of_reference_uid": f"1.2.{z // 2}"}) for z in range(4)))
    assert (reason(every), reason(halves)) == (None, Reason.MIXED_GEOMETRY)
    assert reason(sound_series(identity={"frame_of_reference_uid": ""})) is None


def test_a_value_beyond_a_limit_is_refused_with_the_limit() -> None:
    refusal = check_headers(with_one(flaws={"PixelSpacing": Flaw.INVALID}), POLICY)
    assert refusal == (Reason.TAG_INVALID, "PixelSpacing invalid (0.01 to 100 mm are allowed) in 1 of 5 slices")


@pytest.mark.parametrize("spacing_mm", [0.8000001, 0.80004])
def test_spacings_that_differ_by_rounding_are_one(spacing_mm: float) -> None:
    slices = [slice_at(z, plane={"row_spacing": spacing_mm if z == 2 else 0.8}) for z in range(5)]
    assert check_headers(series_of(*slices), POLICY) is None


@pytest.mark.parametrize(
    ("one_mm", "other_mm", "expected"),
    [
        (0.624, 0.625, None),  # a unit of the last of three decimals
        (0.62451, 0.624, None),  # cut
        (0.62451, 0.625, None),  # rounded
        (0.62451, 0.626, Reason.MIXED_GEOMETRY),
        (0.62451, 0.62551, Reason.MIXED_GEOMETRY),  # two values as fine as this are two reconstructions
        (0.62451, 0.62, Reason.MIXED_GEOMETRY),  # rounding to two decimals moves the rim by pixels
        (0.62, 0.63, Reason.MIXED_GEOMETRY),
        (0.624, 0.626, Reason.MIXED_GEOMETRY),
        (0.012, 0.013, Reason.MIXED_GEOMETRY),  # of so small a pixel, a unit is a part that counts
    ],
)
def test_a_spacing_of_three_decimals_may_be_another_one_rounded(
    one_mm: float, other_mm: float, expected: Reason | None
) -> None:
    size = {"rows": 512, "columns": 512, "length": 512 * 512 * 2}
    for value in ("row_spacing", "column_spacing"):
        changes = [{"pixels": size, "plane": {value: mm}} for mm in (one_mm, other_mm) * 3]
        slices = [slice_at(z, **change) for z, change in enumerate(changes)]
        assert reason(series_of(*slices)) is expected


def test_spacings_that_span_more_than_one_unit_are_not_one() -> None:
    spacings = (0.624, 0.625, 0.626)
    size = {"rows": 512, "length": 512 * 32 * 2}
    slices = [slice_at(z, pixels=size, plane={"row_spacing": mm}) for z, mm in enumerate(spacings)]
    assert reason(series_of(*slices)) is Reason.MIXED_GEOMETRY


def test_two_patients_are_counted_without_the_empty_one() -> None:
    patients = ["", "P-1", "P-2"]
    slices = [slice_at(z, identity={"patient_id": patient}) for z, patient in enumerate(patients)]
    expected = (Reason.IDENTITY_CONFLICT, "2 patients and 1 studies under one series UID")
    assert check_headers(series_of(*slices), POLICY) == expected
