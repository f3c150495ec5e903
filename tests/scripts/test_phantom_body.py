import numpy as np
from phantom_body import AIR_HU, CHEST, Organ, body, hu_at


def organ_of(prone: bool, name: str) -> Organ:  # noqa: FBT001 (short, and called twice)
    return next(organ for organ in body(np.random.default_rng(0), 0.0, prone=prone) if organ.name == name)


def test_far_from_the_body_is_air_and_within_an_organ_is_that_organ() -> None:
    places = np.array([[0.0, -500.0, 0.0], [34.0, -4.0, 8.0], [3.0, 32.0, 20.0]])
    np.testing.assert_allclose(hu_at(CHEST, places), [AIR_HU, -820, 480])


def test_the_edge_of_an_organ_is_half_of_it() -> None:
    ball = Organ("ball", 0, (0, 0, 0), (10, 10, 10))
    np.testing.assert_allclose(ball.share(np.array([[10.0, 0, 0], [0, 7.9, 0], [0, 0, 12.1]])), [0.5, 1, 0])


def test_a_body_lies_at_its_height() -> None:
    heights = [[organ.centre_mm[2] for organ in body(np.random.default_rng(0), z)] for z in (0.0, 250.0)]
    np.testing.assert_allclose(heights[1], np.add(heights[0], 250))


def test_who_lies_prone_has_the_table_at_the_front_and_the_spine_at_the_back() -> None:
    assert organ_of(prone=True, name="table").centre_mm[1] < 0 < organ_of(prone=False, name="table").centre_mm[1]
    assert organ_of(prone=True, name="spine") == organ_of(prone=False, name="spine")
