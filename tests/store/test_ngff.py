from math import cos, radians, sin
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.store.ngff import describe_multiscales, geometry_from_json, geometry_to_json, is_exact_in_ngff

STRAIGHT = Geometry(Zyx(4, 5, 6), Zyx(2.5, 0.8, 0.7), Xyz(-11.2, -12.8, -100.0), LPS_AXES)


def turned(angle_deg: float) -> Geometry:
    """STRAIGHT, turned about the patient's left-right axis."""
    c, s = cos(radians(angle_deg)), sin(radians(angle_deg))
    return Geometry(
        STRAIGHT.shape, STRAIGHT.spacing_mm, STRAIGHT.origin_mm, Zyx(Xyz(0, -s, c), Xyz(0, c, s), Xyz(1, 0, 0))
    )


def _transformations(ome: dict[str, Any]) -> tuple[list[float], list[float]]:
    scale, translation = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    return scale["scale"], translation["translation"]


def test_a_grid_along_the_patients_axes_is_exact() -> None:
    scale, translation = _transformations(describe_multiscales(STRAIGHT, has_channels=False))
    assert scale == [2.5, 0.8, 0.7]
    assert translation == [-100.0, -12.8, -11.2]
    assert is_exact_in_ngff(STRAIGHT)


def test_its_axes_grow_towards_head_back_and_left() -> None:
    axes = describe_multiscales(STRAIGHT, has_channels=False)["multiscales"][0]["axes"]
    assert [(axis["name"], axis["type"], axis["unit"]) for axis in axes] == [(n, "space", "millimeter") for n in "zyx"]
    assert [axis["orientation"]["value"] for axis in axes] == [
        "inferior-to-superior",
        "anterior-to-posterior",
        "right-to-left",
    ]


def test_channels_get_an_axis_in_front_that_is_not_scaled() -> None:
    ome = describe_multiscales(STRAIGHT, has_channels=True)
    assert ome["multiscales"][0]["axes"][0] == {"name": "c", "type": "channel"}
    scale, translation = _transformations(ome)
    assert (scale[0], translation[0]) == (1.0, 0.0)
    assert (scale[1:], translation[1:]) == _transformations(describe_multiscales(STRAIGHT, has_channels=False))


def test_a_flipped_axis_counts_its_coordinate_the_other_way_and_is_not_exact() -> None:
    flipped = STRAIGHT.regrid(Zyx(3, 0, 0), Zyx(-1, 1, 1), STRAIGHT.shape)
    ome = describe_multiscales(flipped, has_channels=False)
    assert ome["multiscales"][0]["axes"][0]["orientation"]["value"] == "superior-to-inferior"
    assert _transformations(ome)[1][0] == pytest.approx(-(-100.0 + 3 * 2.5))
    assert not is_exact_in_ngff(flipped)


@pytest.mark.parametrize(("angle_deg", "exact"), [(0.0, True), (0.004, True), (0.02, False), (5.0, False)])
def test_an_oblique_grid_is_not_exact(angle_deg: float, *, exact: bool) -> None:
    assert is_exact_in_ngff(turned(angle_deg)) is exact


MM = st.floats(-500, 500)


@given(st.floats(-180, 180), st.builds(Xyz, MM, MM, MM), st.floats(0.05, 20))
@settings(max_examples=60)
def test_a_geometry_comes_back_from_its_attributes(angle_deg: float, origin_mm: Xyz, spacing_mm: float) -> None:
    geometry = Geometry(STRAIGHT.shape, Zyx(spacing_mm, 1.0, 0.7), origin_mm, turned(angle_deg).axes)
    again = geometry_from_json(geometry_to_json(geometry), geometry.shape)
    assert (again.shape, again.spacing_mm, again.origin_mm) == (geometry.shape, geometry.spacing_mm, geometry.origin_mm)
    np.testing.assert_allclose(again.axes, geometry.axes, rtol=0, atol=1e-15)


def test_the_affines_differ_by_the_sign_of_x_and_y_and_hold_no_negative_zero() -> None:
    attributes = geometry_to_json(STRAIGHT)
    lps, ras = np.array(attributes["affine_lps"]), np.array(attributes["affine_ras"])
    np.testing.assert_array_equal(ras, np.diag([-1, -1, 1, 1]) @ lps)
    np.testing.assert_array_equal(lps @ [3, 2, 1, 1], [-11.2 + 0.7, -12.8 + 2 * 0.8, -100 + 3 * 2.5, 1])
    assert not np.signbit(ras[ras == 0]).any()
