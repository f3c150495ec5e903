import numpy as np
import pytest
import volumes

from pipeline.volume import ClampedLine, Scale, Volume, VolumeSpec


def test_a_source_holds_unchanged_hounsfield_units() -> None:
    spec = VolumeSpec(volumes.grid())
    assert (spec.scale, spec.lines, spec.shape) == (Scale.HU, (ClampedLine(),), (6, 8, 7))


def test_padding_goes_through_the_lines() -> None:
    spec = VolumeSpec(volumes.grid(), padding_hu=-1024, lines=(ClampedLine(low=-1000), None), channels=("lung", "bone"))
    assert spec.padding == (-1000, None)
    assert spec.shape == (2, 6, 8, 7)


def test_channels_are_a_view() -> None:
    plain = volumes.noise()
    assert plain.by_channel.shape == (1, 6, 8, 7)
    several = Volume(np.stack([plain.voxels] * 3), plain.valid, plain.geometry)
    assert several.by_channel.shape == (3, 6, 8, 7)


def test_voxels_mask_and_grid_must_have_one_shape() -> None:
    plain = volumes.noise()
    with pytest.raises(ValueError, match="must agree"):
        Volume(plain.voxels[:, :, :-1], plain.valid, plain.geometry)
    with pytest.raises(ValueError, match="must agree"):
        Volume(plain.voxels, plain.valid[:-1], plain.geometry)
