import numpy as np
import plain_features
import pytest
from feature_volumes import features_of, noisy, volume_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.features.figures import BodyOutline, measure_body_outline
from pipeline.volume import Volume

N = 64
Y, X = np.ogrid[:N, :N]


def truncated_share(volume: Volume) -> float | None:
    return features_of(volume)["fov_truncated_share"]


def slices(body: np.ndarray, tissue_hu: float = 40) -> np.ndarray:
    return np.repeat(np.where(body, tissue_hu, -1000.0)[None], 3, axis=0)


def ellipse(half_height: float, half_width: float, middle: float = (N - 1) / 2) -> np.ndarray:
    found: np.ndarray = ((Y - (N - 1) / 2) / half_height) ** 2 + ((X - middle) / half_width) ** 2 <= 1
    return found


def test_a_body_within_the_field_is_not_truncated() -> None:
    assert truncated_share(volume_of(slices(ellipse(20, 25)))) == 0


def test_a_body_that_fills_the_image_is_truncated_all_around() -> None:
    assert truncated_share(volume_of(slices(np.ones((N, N), bool)))) == 1


def test_the_share_is_that_of_the_outline_along_the_border() -> None:
    square = np.zeros((N, N), bool)
    square[20:40, :20] = True
    on_the_border, outline = 20, 4 * 20 - 4
    assert truncated_share(volume_of(slices(square))) == pytest.approx(on_the_border / outline)


def test_padding_is_an_edge_of_the_field_too() -> None:
    valid = np.broadcast_to(np.hypot(Y - 31.5, X - 31.5) < 28, (3, N, N))
    wide = truncated_share(volume_of(slices(ellipse(20, 40)), valid))
    narrow = truncated_share(volume_of(slices(ellipse(20, 20)), valid))
    assert wide is not None
    assert 0.2 < wide < 0.6
    assert narrow == 0


def test_lungs_and_single_voxels_of_air_are_no_edge() -> None:
    body = ellipse(25, 28)
    voxels = slices(body & ~ellipse(10, 8))
    valid = np.random.default_rng(1).random(voxels.shape) > 0.3
    assert truncated_share(volume_of(voxels, valid | body)) == 0


def test_a_table_beside_the_body_changes_nothing() -> None:
    body = ellipse(20, 20)
    table = np.zeros_like(body)
    table[60:62] = True
    assert truncated_share(volume_of(slices(body | table))) == truncated_share(volume_of(slices(body))) == 0


def test_without_a_body_there_is_no_share() -> None:
    assert truncated_share(volume_of(noisy(-1000, 10))) is None
    assert truncated_share(volume_of(slices(ellipse(2, 2)))) is None


blocky = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(lambda shape: arrays(np.bool_, (2, *shape)))


@settings(max_examples=80, deadline=None)
@given(blocky, st.integers(1, 4))
def test_the_outline_is_that_of_plain_numpy(places: np.ndarray, size: int) -> None:
    dense, valid = np.kron(places, np.ones((1, size, size), bool)).astype(bool)
    plane = np.where(dense, 40, -1000).astype(np.float32)
    assert measure_body_outline(plane, valid) == BodyOutline(*plain_features.outline(plane, valid))


def test_outlines_of_several_slices_add_up() -> None:
    assert (BodyOutline(10, 2) + BodyOutline(30, 6)).cut_share == 0.2
    assert BodyOutline().cut_share is None
