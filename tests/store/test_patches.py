from itertools import product

import pytest

from pipeline.store.layout import StoreOptions
from pipeline.store.patches import advice, better_chunks, touched

USUAL = ((300, 330, 330), "int16")


@pytest.mark.parametrize("side", [3, 5, 20])
@pytest.mark.parametrize("chunk", [2, 4, 7])
def test_what_is_touched_is_counted_over_every_place(side: int, chunk: int) -> None:
    shape, options = (9, 6, 11), StoreOptions(chunks=(chunk,) * 3, shards=None)
    places = list(product(*(range(max(1, n - side + 1)) for n in shape)))
    counts = [
        len(
            set(
                product(
                    *({k // chunk for k in range(at, min(at + side, n))} for at, n in zip(place, shape, strict=True))
                )
            )
        )
        for place in places
    ]
    found = touched((shape, "int16"), side, options)
    assert found.chunks == found.files == pytest.approx(sum(counts) / len(counts))


def test_channels_have_chunks_of_their_own_and_share_files() -> None:
    one, three = (touched((shape, "float16"), 64, StoreOptions()) for shape in (USUAL[0], (3, *USUAL[0])))
    assert three.chunks == pytest.approx(3 * one.chunks)
    assert three.n_bytes == pytest.approx(3 * one.n_bytes)


@pytest.mark.parametrize(("chunk", "better"), [(16, True), (48, False), (64, False), (128, True), (256, True)])
def test_chunks_much_smaller_or_larger_than_a_patch_are_advised_against(chunk: int, *, better: bool) -> None:
    assert (better_chunks(USUAL, 64, StoreOptions(chunks=(chunk,) * 3)) is not None) is better


def test_the_advice_is_a_line_about_the_middle_volume() -> None:
    line = advice([((10, 10, 10), "int16"), USUAL, ((900, 512, 512), "int16")], StoreOptions())
    assert line == advice([USUAL], StoreOptions())
    assert "64^3 touches 7.8 chunks" in line
    assert line.count("no other chunks are better") == 2
    assert "store.chunks [64, 64, 64] would be better" in advice([USUAL], StoreOptions(chunks=(256, 256, 256)))
    assert "\n" not in line
