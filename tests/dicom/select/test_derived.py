from dataclasses import replace

import pytest
from slices import axial, turned

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.select.options import DerivedRule
from pipeline.dicom.select.rules import check_derived


def images(image_type: str, degrees: tuple[float, float, float] = (0, 0, 0)) -> tuple[SliceHeader, ...]:
    """Return slices of this ImageType, turned out of the axial plane."""
    row, column = turned(degrees)
    values = tuple(image_type.split("\\")) if image_type else ()
    return tuple(
        replace(header, identity=replace(header.identity, image_type=values))
        for header in axial(range(3), row_direction=row, column_direction=column)
    )


CORONAL, SAGITTAL, TILTED = (90, 0, 0), (0, 90, 0), (25, 0, 0)


@pytest.mark.parametrize("degrees", [(0, 0, 0), CORONAL, SAGITTAL, TILTED])
@pytest.mark.parametrize("rule", ["axial", "none"])
def test_original_images_are_wanted_in_any_plane(rule: DerivedRule, degrees: tuple[float, float, float]) -> None:
    assert check_derived(images("ORIGINAL\\PRIMARY\\AXIAL", degrees), rule) is None


@pytest.mark.parametrize(
    "image_type", ["DERIVED\\SECONDARY\\REFORMATTED", "DERIVED\\PRIMARY\\MPR", "DERIVED\\PRIMARY\\AXIAL\\CT_SOM5 MPR"]
)
def test_of_derived_images_only_axial_ones_are_wanted(image_type: str) -> None:
    assert check_derived(images(image_type), "axial") is None
    assert check_derived(images(image_type, TILTED), "axial") is None
    assert "not axial" in str(check_derived(images(image_type, CORONAL), "axial"))
    assert "not axial" in str(check_derived(images(image_type, SAGITTAL), "axial"))
    assert "not ORIGINAL" in str(check_derived(images(image_type), "none"))
    assert check_derived(images(image_type, CORONAL), "all") is None


@pytest.mark.parametrize(
    "words",
    [
        "REFORMATTED\\AVERAGE",
        "MIP",
        "AXIAL\\MIN IP",
        "AXIAL\\MAX_IP",
        "REFORMATTED\\MinIP",
        "PROJECTION IMAGE",
        "AXIAL\\SUBTRACTION",
        "VOLUME_RENDER",
        "AXIAL\\CT_SOM5 VRT",
        "AXIAL\\3D",
        "VOLUME\\MAXIMUM",
    ],
)
@pytest.mark.parametrize("first", ["DERIVED\\SECONDARY", "ORIGINAL\\PRIMARY"])
def test_a_projection_is_not_wanted_though_it_is_axial(first: str, words: str) -> None:
    assert "projection" in str(check_derived(images(f"{first}\\{words}"), "axial"))
    assert check_derived(images(f"{first}\\{words}"), "all") is None


@pytest.mark.parametrize("image_type", ["ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", "ORIGINAL\\PRIMARY\\AXIAL\\SHIP", ""])
def test_words_that_only_look_like_a_projection_are_none(image_type: str) -> None:
    assert check_derived(images(image_type), "axial") is None


def test_images_that_do_not_say_so_are_not_original() -> None:
    assert check_derived(images(""), "none") is not None


def test_one_derived_image_makes_a_derived_series() -> None:
    mixed = (*images("ORIGINAL\\PRIMARY\\AXIAL", CORONAL), *images("DERIVED\\SECONDARY\\MPR", CORONAL))
    assert check_derived(mixed, "axial") is not None
