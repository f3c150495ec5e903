import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masked import grid

from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, DrawnRegion
from pipeline.masks.grid import MaskMismatchError
from pipeline.masks.regions import RegionVoxels, compose_mask
from pipeline.vocabulary import MaskReason, SeriesWarning

SOURCE = grid(5)


def region(number: int, mask: np.ndarray) -> RegionVoxels:
    """Return a region that holds a mask [z, y, x]."""
    voxels = RegionVoxels(DrawnRegion(f"region {number}", number), SOURCE.shape)
    for k, plane in enumerate(mask):
        voxels.put(k, plane)
    return voxels


def box(*edges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SOURCE.shape, bool)
    mask[tuple(slice(*edge) for edge in edges)] = True
    return mask


BODY, TUMOUR, NODE = box((0, 5), (0, 6), (0, 8)), box((1, 3), (1, 3), (1, 3)), box((2, 3), (2, 4), (2, 6))


def compose(*regions: RegionVoxels, n_layers: int | None = None) -> DrawnMask:
    return compose_mask(regions, SOURCE, Limits(), n_layers=n_layers)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_the_smaller_region_lies_on_top_whatever_its_number(numbers: tuple[int, int]) -> None:
    mask = compose(region(numbers[0], BODY), region(numbers[1], TUMOUR))
    np.testing.assert_array_equal(mask.labels, np.where(TUMOUR, numbers[1], numbers[0]))
    assert [(one.n_voxels, one.n_lost) for one in mask.regions] == [(240, 8), (8, 0)]
    assert mask.warnings == {SeriesWarning.W_LABEL_OVERLAP}


def test_of_regions_of_one_size_the_lowest_number_lies_on_top() -> None:
    mask = compose(region(2, TUMOUR), region(1, TUMOUR))
    np.testing.assert_array_equal(mask.labels, TUMOUR)
    assert [one.n_lost for one in mask.regions] == [8, 0]


def test_regions_side_by_side_lose_nothing() -> None:
    mask = compose(region(1, TUMOUR), region(2, box((1, 3), (1, 3), (3, 5))))
    assert (mask.warnings, [one.n_lost for one in mask.regions]) == (set(), [0, 0])


def test_regions_of_one_number_are_one_and_lose_nothing_to_each_other() -> None:
    mask = compose(region(1, TUMOUR), region(1, NODE))
    np.testing.assert_array_equal(mask.labels, TUMOUR | NODE)
    assert mask.warnings == set()


def test_layers_keep_every_region_whole() -> None:
    mask = compose(region(3, BODY), region(1, TUMOUR), region(1, NODE), n_layers=0)
    np.testing.assert_array_equal(mask.labels, np.stack([TUMOUR | NODE, np.zeros_like(BODY), BODY]))
    assert (mask.warnings, mask.labels.dtype) == (set(), np.uint8)


def test_there_are_as_many_layers_as_are_asked_for() -> None:
    labels = compose(region(1, TUMOUR), n_layers=3).labels
    assert labels.any(axis=(1, 2, 3)).tolist() == [True, False, False]


def test_a_slice_that_is_put_twice_is_joined() -> None:
    voxels = region(1, TUMOUR)
    voxels.put(2, NODE[2])
    np.testing.assert_array_equal(compose(voxels).labels, TUMOUR | NODE)
    assert voxels.n_voxels == (TUMOUR | NODE).sum()


def test_high_numbers_take_wider_integers() -> None:
    assert compose(region(255, TUMOUR)).labels.dtype == np.uint8
    assert compose(region(256, TUMOUR)).labels.dtype == np.uint16


@pytest.mark.parametrize("n_layers", [None, 1])
def test_labels_that_take_too_much_memory_are_refused(n_layers: int | None) -> None:
    source = grid(2000)
    wide = type(source)(source.shape._replace(y=100, x=100), source.corners, source.row, source.column, (0.9, 0.7))
    large = RegionVoxels(DrawnRegion("a", 1), wide.shape)
    assert compose_mask([large], wide, Limits(series_memory_mb=100), n_layers=n_layers).is_empty
    with pytest.raises(MaskMismatchError, match="more than 12, a quarter of series_memory_mb") as raised:
        compose_mask([large], wide, Limits(series_memory_mb=50), n_layers=n_layers)
    assert raised.value.reason is MaskReason.TOO_LARGE


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_every_marked_voxel_is_kept_or_counted_as_lost(seeds: list[int]) -> None:
    masks = [np.random.default_rng(seed).random(SOURCE.shape) < 0.2 + seed / 20000 for seed in seeds]
    mask = compose(*[region(number, one) for number, one in enumerate(masks, start=1)])
    for found, one in zip(mask.regions, masks, strict=True):
        kept = int((mask.labels[one] == found.number).sum())
        assert (found.n_voxels, found.n_voxels - found.n_lost) == (one.sum(), kept)
    np.testing.assert_array_equal(mask.labels > 0, np.any(masks, axis=0))


def test_what_was_drawn_on_a_missing_slice_takes_the_place_of_what_follows_from_its_neighbours() -> None:
    source = grid(4, missing={2: grid(4).corners[1] + [0, 0, 1.5]})
    drawn = RegionVoxels(DrawnRegion("a", 1), source.shape)
    other = RegionVoxels(DrawnRegion("b", 2), source.shape)
    for k in (0, 1, 2, 3):
        drawn.put(k, BODY[0] & (np.arange(8) < 4))
        other.put(k, BODY[0] & (np.arange(8) >= 6))
    drawn.put(4, BODY[0] & (np.arange(8) < 2))
    mask = compose_mask([drawn, other], source, Limits())
    assert (mask.labels.shape, list(mask.between)) == ((4, 6, 8), [2])
    filled = mask.fill_missing(np.insert(mask.labels, 2, mask.labels[1], axis=0))
    assert filled[2, 0].tolist() == [1, 1, 0, 0, 0, 0, 2, 2]
    assert filled[3, 0].tolist() == [1, 1, 1, 1, 0, 0, 2, 2]
    layers = compose_mask([drawn, other], source, Limits(), n_layers=0)
    both = layers.fill_missing(np.insert(layers.labels, 2, layers.labels[:, 1], axis=1))
    assert both[:, 2, 0].tolist() == [[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]]
