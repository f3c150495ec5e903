import numpy as np
import pytest

from pipeline.geometry import PATIENT_AXES, Xyz, Zyx


def test_a_zyx_is_the_shape_of_an_array() -> None:
    shape = Zyx(z=2, y=3, x=4)
    assert np.zeros(shape).shape == (2, 3, 4)
    assert shape == Zyx(*np.zeros(shape).shape)


def test_the_two_orders_are_each_others_reverse() -> None:
    assert tuple(reversed(Zyx._fields)) == Xyz._fields


@pytest.mark.parametrize(("axis", "grows", "falls"), [("x", "L", "R"), ("y", "P", "A"), ("z", "S", "I")])
def test_patient_axes_are_named_after_where_they_lead(axis: str, grows: str, falls: str) -> None:
    assert PATIENT_AXES[Xyz._fields.index(axis)] == grows + falls
