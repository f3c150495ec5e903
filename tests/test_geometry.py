from itertools import permutations, product

import numpy as np
import pytest
import volumes
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipeline.geometry import Geometry, Xyz, Zyx

UNITS = np.eye(3)
SIDES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""For each letter, which patient axis it is and whether its coordinate grows or falls."""

floats = st.floats(-500, 500)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    return Geometry(
        shape=Zyx(*(draw(st.integers(1, 9)) for _ in range(3))),
        spacing_mm=Zyx(*(draw(st.floats(0.1, 10)) for _ in range(3))),
        origin_mm=Xyz(*(draw(floats) for _ in range(3))),
        axes=Zyx(*(Xyz(*row) for row in turn.tolist())),
    )


def test_the_affine_leads_from_index_to_patient() -> None:
    geometry = Geometry(Zyx(4, 5, 6), Zyx(2.0, 0.5, 0.25), Xyz(1, 2, 3), Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0)))
    assert geometry.world(Zyx(1, 2, 4)) == Xyz(1 + 4 * 0.25, 2 + 2 * 0.5, 3 + 2.0)
    assert geometry.centre_mm == Xyz(1 + 2.5 * 0.25, 2 + 2 * 0.5, 3 + 1.5 * 2)


@given(geometries())
def test_ras_counts_x_and_y_the_other_way(geometry: Geometry) -> None:
    index = np.array([1.0, 2.0, 3.0, 1.0])
    x, y, z, _ = geometry.affine_lps @ index
    np.testing.assert_allclose(geometry.affine_ras @ index, [-x, -y, z, 1])


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_orientation_names_where_x_y_and_z_lead(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    axes = Zyx(*(Xyz(*(sign * UNITS[axis])) for axis, sign in zip(order, signs, strict=True)))
    geometry = volumes.grid(axes=axes)
    assert [SIDES[letter] for letter in reversed(geometry.orientation)] == list(zip(order, signs, strict=True))
    assert geometry.nearest_patient_axes == Zyx(*order)
    assert geometry.obliquity_deg == pytest.approx(0)


@pytest.mark.parametrize("degrees", [0.5, 15, 44, -30])
def test_obliquity_is_the_angle_to_the_nearest_patient_axis(degrees: float) -> None:
    assert volumes.turned(degrees).obliquity_deg == pytest.approx(abs(degrees))
    assert volumes.turned(degrees).orientation == "LPS"


@given(geometries())
def test_the_nearest_axes_are_all_different(geometry: Geometry) -> None:
    assert sorted(geometry.nearest_patient_axes) == [0, 1, 2]


@given(geometries(), st.permutations(range(3)))
def test_permuted_axes_leave_every_voxel_in_its_place(geometry: Geometry, order: list[int]) -> None:
    permute = geometry.permute(Zyx(*order))
    index = Zyx(1, 2, 3)
    np.testing.assert_allclose(permute.world(Zyx(*(index[axis] for axis in order))), geometry.world(index), atol=1e-9)
    assert [permute.shape[i] for i in range(3)] == [geometry.shape[axis] for axis in order]


@given(
    geometries(),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.tuples(*[st.floats(0.1, 5) | st.floats(-5, -0.1)] * 3),
)
def test_a_sampled_grid_lies_where_its_indices_say(
    geometry: Geometry, start: tuple[float, ...], step: tuple[float, ...]
) -> None:
    regrid = geometry.regrid(Zyx(*start), Zyx(*step), Zyx(2, 3, 4))
    index = Zyx(1, 2, 3)
    source = Zyx(*(s + d * i for s, d, i in zip(start, step, index, strict=True)))
    np.testing.assert_allclose(regrid.world(index), geometry.world(source), atol=1e-7)
    assert min(regrid.spacing_mm) > 0
    np.testing.assert_allclose(np.linalg.norm(regrid.axes, axis=1), 1)


def test_a_flipped_axis_has_no_negative_zero() -> None:
    flipped = volumes.grid().regrid(Zyx(0, 0, 0), Zyx(-1, 1, 1), Zyx(1, 1, 1))
    assert [str(value) for value in flipped.axes.z] == ["0.0", "0.0", "-1.0"]
