import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torsos
import volumes
from prepared import only, prepared
from pydantic import TypeAdapter

from pipeline.errors import SeriesRefusedError
from pipeline.geometry import Zyx
from pipeline.masks.drawn import DrawnMask
from pipeline.prepare.masks import carry_mask
from pipeline.program import execute
from pipeline.program.execute import PreparedVolume
from pipeline.program.explain import explain
from pipeline.program.program import Program
from pipeline.program.step import Step, StepOrderError
from pipeline.steps.clip import Clip
from pipeline.steps.crop import CropToTarget, list_empty_crops, shift_grid
from pipeline.steps.crop_body import CropBody, FoundBodyCrop
from pipeline.steps.crop_lung import CropLung, FoundLungCrop
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

TORSO = torsos.torso()
SPEC = VolumeSpec(TORSO.geometry)
CROPS = pytest.mark.parametrize("crop", [CropBody(5), CropLung(5)], ids=lambda crop: crop.name)


def run(*steps: Step, source: Volume = TORSO) -> PreparedVolume:
    return execute.execute_on_volume(Program.compile(steps, replace(SPEC, geometry=source.geometry), "float32"), source)


@CROPS
def test_a_crop_changes_no_bit_and_no_position(crop: CropToTarget) -> None:
    prepared = run(crop)
    (found,) = prepared.program.steps
    assert isinstance(found, FoundBodyCrop | FoundLungCrop)
    box = tuple(slice(start, start + n) for start, n in zip(found.start, found.shape, strict=True))
    np.testing.assert_array_equal(prepared.array, TORSO.voxels[box])
    assert prepared.spec.geometry.origin_mm == TORSO.geometry.world(Zyx(*found.start))


@CROPS
def test_a_found_crop_is_repeated_without_voxels(crop: CropToTarget) -> None:
    first = run(Orient("LPS"), crop, Resample(spacing_mm=(2, 2, 2)))
    trail = json.loads(json.dumps(first.program.trail()))
    assert [entry["step"] for entry in trail] == ["orient", crop.name, "resample"]
    told = TypeAdapter(crop.cropped).validate_python(trail[1]["parameters"])
    again = run(Orient("LPS"), told, Resample(spacing_mm=(2, 2, 2)))
    assert again.spec.geometry == first.spec.geometry
    np.testing.assert_array_equal(again.array, first.array)


@CROPS
def test_steps_behind_work_on_the_grid_that_was_found(crop: CropToTarget) -> None:
    prepared = run(crop, Resample(spacing_mm=(2, 2, 2)), Clip(-1000, 400), Normalise("zero_one"))
    alone = run(crop)
    cropped = Volume(alone.array, alone.valid, alone.spec.geometry)
    apart = run(Resample(spacing_mm=(2, 2, 2)), Clip(-1000, 400), Normalise("zero_one"), source=cropped)
    assert prepared.spec.geometry == apart.spec.geometry == prepared.program.result.geometry
    np.testing.assert_array_equal(prepared.array, apart.array)


@CROPS
def test_a_statistic_behind_sees_the_box_alone(crop: CropToTarget) -> None:
    values = run(crop).array
    normalised = run(crop, Normalise("z_score")).array
    np.testing.assert_allclose(normalised, (values - values.mean()) / values.std(), atol=1e-5)


def test_one_crop_may_follow_another() -> None:
    both, lungs = run(CropBody(0), CropLung(0)), run(CropLung(0))
    np.testing.assert_allclose(both.spec.geometry.affine_lps, lungs.spec.geometry.affine_lps, atol=1e-9)
    np.testing.assert_array_equal(both.array, lungs.array)


@CROPS
@pytest.mark.parametrize("order", [Zyx(1, 0, 2), Zyx(2, 0, 1)])
def test_the_box_does_not_depend_on_the_order_of_axes(crop: CropToTarget, order: Zyx[int]) -> None:
    turned = torsos.torso(torsos.turned(TORSO.geometry, order))
    expected, found = run(crop).spec.geometry, run(crop, Orient("LPS"), source=turned).spec.geometry
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.affine_lps, expected.affine_lps, atol=1e-9)


@CROPS
def test_without_a_target_nothing_is_cut_and_the_record_says_so(crop: CropToTarget) -> None:
    air = volumes.volume(np.full(TORSO.geometry.shape, -1000, np.float32), TORSO.geometry)
    prepared = run(crop, source=air)
    assert prepared.spec.geometry == air.geometry
    assert prepared.program.trail()[0]["parameters"]["found"] is False
    assert list_empty_crops(prepared.program.steps) == [f"{crop.name}: nothing found, nothing cut"]
    assert list_empty_crops(run(crop).program.steps) == []


@CROPS
def test_until_it_is_found_a_box_is_the_whole_volume(crop: CropToTarget) -> None:
    program = Program.compile([crop, Resample(spacing_mm=(2, 2, 2))], SPEC)
    assert program.is_upper_bound
    assert program.shape == Program.compile([Resample(spacing_mm=(2, 2, 2))], SPEC).shape
    assert all(found <= most for found, most in zip(run(*program.steps).spec.shape, program.shape, strict=True))
    source, *steps, _, _, cast = explain(program)
    assert "at most" not in source
    assert all("at most 40 x 100 x 130" in steps[0] for _ in steps)
    assert "at most" in steps[1]
    assert "at most" in cast


@CROPS
def test_a_crop_needs_its_range_of_hounsfield_units(crop: CropToTarget) -> None:
    with pytest.raises(StepOrderError, match="put it before the clip or window"):
        crop.after(Clip(-200, 400).after(SPEC))
    with pytest.raises(StepOrderError, match="put it before the clip or window"):
        crop.after(Window(channels=(Channel("lung"), Channel("brain"))).after(SPEC))
    with pytest.raises(StepOrderError, match="Hounsfield"):
        crop.after(Normalise("z_score").after(SPEC))
    assert crop.after(Clip(-1000, 400).after(SPEC)).geometry == TORSO.geometry


def test_channels_are_cut_together() -> None:
    prepared = run(Window(channels=(Channel("lung"), Channel(centre_hu=0, width_hu=2000))), CropLung(0))
    assert prepared.spec.geometry == run(CropLung(0)).spec.geometry


@pytest.mark.parametrize("margin_mm", [-1, 1001, float("nan")])
def test_a_margin_that_cannot_be_is_refused(margin_mm: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1000"):
        CropBody(margin_mm)


def test_a_volume_without_a_voxel_left_is_refused() -> None:
    with pytest.raises(SeriesRefusedError, match="nothing but padding"):
        run(CropLung(0), CropOrPad((4, 4, 4), around=(0, -70, 0)))


def test_a_box_may_reach_beyond_the_grid() -> None:
    change = shift_grid(TORSO.geometry, Zyx(-2, 0, 5), Zyx(50, 100, 10))
    assert change.exact
    assert not change.leaves_nothing
    assert change.geometry.world(Zyx(2, 0, 0)) == TORSO.geometry.world(Zyx(0, 0, 5))
    assert shift_grid(TORSO.geometry, Zyx(40, 0, 0), Zyx(1, 1, 1)).leaves_nothing


def test_labels_and_places_follow_the_box_to_the_store_and_back(tmp_path: Path) -> None:
    hu = TORSO.voxels.astype(np.int16)[::2]
    size = {"n": len(hu), "rows": hu.shape[1], "columns": hu.shape[2], "spacing": Zyx(6.0, 1.5, 1.5)}
    yaml = "steps: [{orient: {to: LPS}}, {crop_body: {margin_mm: 3}}, {crop_lung: {margin_mm: 3}}]\n"
    volume = only(prepared(tmp_path, yaml, series=size | {"hu": hu}))
    assert all(n < whole for n, whole in zip(volume.geometry.shape, hu.shape, strict=True))
    np.testing.assert_array_equal(volume.project(hu), volume.array[...])
    lungs = hu == torsos.LUNG_HU
    np.testing.assert_array_equal(volume.restore(volume.project(lungs)), lungs)


@CROPS
def test_masks_of_a_series_are_cut_as_its_image(crop: CropToTarget) -> None:
    image = run(Orient("LPS"), crop, CropOrPad((50, 50, 50)))
    labels = (TORSO.voxels == torsos.LUNG_HU).astype(np.uint8)
    moved = carry_mask(DrawnMask(labels), image.program)
    np.testing.assert_array_equal(moved == 1, image.array == torsos.LUNG_HU)
