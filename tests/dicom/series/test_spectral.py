from dataclasses import replace

import pytest
from slices import header

from pipeline.dicom.headers.slice import Identity, Rescale, SliceHeader
from pipeline.dicom.series.checks import is_material_map


def spectral(word: str, rescale_type: str = "") -> SliceHeader:
    image_type = ("DERIVED", "PRIMARY", "AXIAL", word)
    return replace(header("1", None), identity=Identity(image_type=image_type), rescale=Rescale(kind=rescale_type))


@pytest.mark.parametrize("word", ["EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL"])
@pytest.mark.parametrize("rescale_type", ["HU", "US", ""])
def test_maps_of_atomic_numbers_and_densities_are_no_hu_whatever_is_said(word: str, rescale_type: str) -> None:
    assert is_material_map(spectral(word, rescale_type))


def test_a_map_of_one_material_is_hu_only_where_its_header_says_so() -> None:
    assert is_material_map(spectral("MAT_SPECIFIC"))
    assert is_material_map(spectral("MAT_SPECIFIC", "US"))
    assert not is_material_map(spectral("MAT_SPECIFIC", "HU_MOD"))


@pytest.mark.parametrize("word", ["VMI", "MAT_REMOVED", "MAT_MODIFIED", "CT_SOM5 SPI"])
def test_monoenergetic_and_virtual_images_and_plain_ones_are_hu(word: str) -> None:
    assert not is_material_map(spectral(word))
