import numpy as np
import oracles
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Zyx
from pipeline.program.axis import AxisMap, Method, axis_weights
from pipeline.program.blend import Blend
from pipeline.volume import Mask, Plane, Volume, VolumeSpec, Voxels, cut_planes, gather_volume

COARSER = Zyx(AxisMap(9, 6, -0.1, 0.6), AxisMap(4, 8, 0.2, 2.1), AxisMap(5, 7, 6.1, -1.4))


def weighted(source: Voxels, mask: Mask, axes: Zyx[AxisMap]) -> tuple[Voxels, Mask]:
    n = tuple(axis.n for axis in axes)
    planes = cut_planes(Volume(source, mask, volumes.grid(mask.shape)))
    channels = tuple(str(c) for c in range(len(source)))
    spec = VolumeSpec(volumes.grid(n), lines=(None,) * len(source), channels=channels)
    result = gather_volume(Blend(planes, axes, len(source)), spec)
    return result.voxels, result.valid


def matrices(axes: Zyx[AxisMap]) -> tuple[oracles.Floats, oracles.Floats, oracles.Floats]:
    z, y, x = (oracles.band_matrix(*axis_weights(axis), axis.source_n) for axis in axes)
    return z, y, x


def test_sums_equal_dense_matrices_renormalised_over_valid_voxels() -> None:
    source = volumes.half_valid()
    expected, share = oracles.weighted_sums(source.voxels, source.valid, matrices(COARSER))
    voxels, valid = weighted(source.by_channel, source.valid, COARSER)
    np.testing.assert_allclose(voxels[0], expected, atol=1e-3)
    within = [(axis.positions >= -1e-6) & (axis.positions <= axis.source_n - 1 + 1e-6) for axis in COARSER]
    inside = within[0][:, None, None] & within[1][:, None] & within[2]
    np.testing.assert_array_equal(valid, inside & (share >= 0.5 - 1e-6))


def test_padding_does_not_leak_into_valid_voxels() -> None:
    source = volumes.half_valid()
    flat = np.where(source.valid, np.float32(40), np.float32(-1024))[None]
    voxels, valid = weighted(flat, source.valid, COARSER)
    assert valid.any()
    assert not valid.all()
    np.testing.assert_allclose(voxels[0][valid], 40)


def test_interpolated_values_are_kept_where_nothing_is_valid() -> None:
    source = np.full((1, 6, 8, 7), 25, np.float32)
    voxels, valid = weighted(source, np.zeros((6, 8, 7), np.bool_), COARSER)
    np.testing.assert_array_equal(voxels, 25)
    assert not valid.any()


@settings(max_examples=40, deadline=None)
@given(st.floats(-3000, 3000, width=32), st.sampled_from(["linear", "cubic", "nearest"]))
def test_a_constant_stays_constant(value: float, method: Method) -> None:
    axes = Zyx(*(AxisMap(axis.n, axis.source_n, axis.start, axis.step, method) for axis in COARSER))
    voxels, _ = weighted(np.full((1, 6, 8, 7), value, np.float32), np.ones((6, 8, 7), np.bool_), axes)
    np.testing.assert_allclose(voxels, value, rtol=1e-7)


def test_negative_weights_never_blow_up_a_small_share() -> None:
    axes = Zyx(*(AxisMap(axis.n, axis.source_n, axis.start, axis.step, "cubic") for axis in COARSER))
    source = volumes.half_valid()
    voxels, _ = weighted(source.by_channel, source.valid, axes)
    assert np.abs(voxels).max() < 3 * np.abs(source.voxels).max()


def test_channels_are_summed_each_by_itself() -> None:
    source = volumes.half_valid()
    both = np.stack([source.voxels, -source.voxels])
    voxels, valid = weighted(both, source.valid, COARSER)
    alone, mask = weighted(source.by_channel, source.valid, COARSER)
    np.testing.assert_array_equal(voxels, np.concatenate([alone, -alone]))
    np.testing.assert_array_equal(valid, mask)


@pytest.mark.parametrize("shift", [0.0, 0.5e-6, -0.5e-6])
def test_a_position_on_the_outermost_samples_is_valid(shift: float) -> None:
    axes = Zyx(AxisMap(3, 6, 0, 2.5), AxisMap(8, 8, shift), AxisMap(7, 7, 0))
    _, valid = weighted(np.zeros((1, 6, 8, 7), np.float32), np.ones((6, 8, 7), np.bool_), axes)
    assert valid.all()


@pytest.mark.parametrize("step", [1.7, 2.857])
def test_filtered_noise_has_the_variance_that_the_weights_leave(step: float) -> None:
    axis = AxisMap(20, 60, 1.0, step)
    whole = AxisMap(60, 60)
    white = np.random.default_rng(0).normal(0, 100, (1, 60, 60, 60)).astype(np.float32)
    voxels, _ = weighted(white, np.ones((60, 60, 60), np.bool_), Zyx(axis, whole, whole))
    expected = np.square(axis_weights(axis)[1]).sum(axis=1)
    np.testing.assert_allclose(voxels.var(axis=(0, 2, 3)) / 1e4, expected, rtol=0.12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["whole", "left", "right", "none"]), min_size=6, max_size=6),
    st.sampled_from(
        [Zyx(AxisMap(9, 6, -0.1, 0.6), *COARSER[1:]), COARSER, Zyx(AxisMap(3, 6, 5.2, -2.3), *COARSER[1:])]
    ),
)
def test_masks_may_change_from_plane_to_plane(kinds: list[str], axes: Zyx[AxisMap]) -> None:
    left = np.arange(7) < np.arange(8)[:, None]
    masks = {"whole": np.ones((8, 7), np.bool_), "left": left, "right": ~left, "none": np.zeros((8, 7), np.bool_)}
    valid = np.stack([masks[kind] for kind in kinds])
    source = volumes.noise().voxels
    voxels, _ = weighted(source[None], valid, axes)
    expected, _ = oracles.weighted_sums(source, valid, matrices(axes))
    np.testing.assert_allclose(voxels[0], expected, rtol=1e-5, atol=1e-2)


LEFT = np.arange(7) < np.arange(8)[:, None]
MASKS = {
    "whole": None,
    "left": LEFT,
    "equal": LEFT.copy(),
    "right": ~LEFT,
    "all": np.ones((8, 7), np.bool_),
    "none": np.zeros((8, 7), np.bool_),
}


def blend(masks: list[Mask | None], method: Method, step: float) -> Blend:
    """Return noise in six planes, each with its mask, on another grid."""
    source = volumes.noise().voxels
    z = AxisMap(7, 6, -0.2, step, method) if step > 0 else AxisMap(7, 6, 5.2, step, method)
    axes = Zyx(z, *(AxisMap(axis.n, axis.source_n, axis.start, axis.step, method) for axis in COARSER[1:]))
    return Blend(lambda k: Plane(source[k][None], masks[k]), axes, 1)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(MASKS)), min_size=6, max_size=6),
    st.sampled_from(["linear", "cubic", "nearest"]),
    st.sampled_from([0.6, 1.0, 2.3, -0.7]),
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
)
def test_a_plane_does_not_depend_on_earlier_requests(
    kinds: list[str], method: Method, step: float, asked: list[int]
) -> None:
    masks = [MASKS[kind] for kind in kinds]
    one_after_another = blend(masks, method, step)
    for z in asked:
        alone, found = blend(masks, method, step)(z), one_after_another(z)
        assert found.voxels.tobytes() == alone.voxels.tobytes()
        np.testing.assert_array_equal(found.mask, alone.mask)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(MASKS)), min_size=6, max_size=6),
    st.sampled_from(["linear", "cubic", "nearest"]),
    st.sampled_from([0.6, 1.0, 2.3, -0.7]),
)
def test_the_same_mask_and_an_equal_one_give_the_same_bits(kinds: list[str], method: Method, step: float) -> None:
    """Masks that are one object are dealt with at once, equal ones plane by plane where `Field` is made anew."""
    masks = [MASKS[kind] for kind in kinds]
    known, anew = blend(masks, method, step), blend(masks, method, step)
    for z in range(7):
        anew._last = None
        one, other = known(z), anew(z)
        assert one.voxels.tobytes() == other.voxels.tobytes()
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("method", ["linear", "cubic", "nearest"])
def test_padding_elsewhere_changes_no_valid_bit(method: Method) -> None:
    masks: list[Mask | None] = [np.broadcast_to(np.arange(7) < 4, (8, 7)) for _ in range(6)]
    in_part, everywhere = blend(masks, method, 0.6), blend([None] * 6, method, 0.6)
    for z in range(7):
        # The last pixels of COARSER along x are made of the first samples alone.
        part, whole = in_part(z).voxels[..., -1], everywhere(z).voxels[..., -1]
        assert part.tobytes() == whole.tobytes()
