from dataclasses import replace

import pytest

from pipeline.cohort.options import LabelOptions, ManifestOptions
from pipeline.config.model import Config, OutputOptions
from pipeline.config.order import check_program
from pipeline.masks.sources import MaskOptions
from pipeline.program.step import Step
from pipeline.sources.folders import InputOptions
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.crop_body import CropBody
from pipeline.steps.crop_to import CropTo
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.store.layout import StoreOptions

CLIP = Clip(low_hu=-1000, high_hu=400)


def config(*steps: Step, store: StoreOptions = StoreOptions()) -> Config:  # noqa: B008  frozen
    return Config(InputOptions(("in",)), OutputOptions("out"), steps=steps, store=store)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (Orient("LPS", oblique="resample"), Resample(spacing_mm=(1, 1, 1)), CLIP, Normalise("zero_one")),
        (CLIP, Normalise("zero_one"), Resample(factor=(1, 0.5, 0.5))),
        (Clip(percentiles=(0.5, 99.5), statistics="cohort"), Normalise("z_score", "cohort")),
    ],
)
def test_steps_that_can_follow_each_other_are_possible(steps: tuple[Step, ...]) -> None:
    assert check_program(config(*steps)) is None


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        ((CLIP, Normalise("zero_one"), CLIP), ("steps", 2, "clip")),
        ((Normalise("zero_one"),), ("steps", 0, "normalise")),
        ((Orient("LPS"), Centre(0), CLIP), ("steps", 2, "clip")),
    ],
)
def test_the_first_step_that_cannot_follow_is_named(steps: tuple[Step, ...], keys: tuple[str | int, ...]) -> None:
    found = check_program(config(*steps))
    assert found is not None
    assert found[0] == keys
    assert found[1]


def test_a_dtype_that_cannot_hold_the_result_is_named() -> None:
    found = check_program(config(store=StoreOptions(dtype="uint8")))
    assert found is not None
    assert found[0] == ("store", "dtype")
    assert check_program(config(Clip(low_hu=0, high_hu=80), store=StoreOptions(dtype="uint8"))) is None


def test_what_waits_for_statistics_of_the_cohort_is_judged_by_its_order_too() -> None:
    steps = (Normalise("z_score", "cohort"), CLIP)
    found = check_program(config(*steps))
    assert found is not None
    assert found[0] == ("steps", 1, "clip")


@pytest.mark.parametrize(
    ("masks", "steps", "sentence"),
    [
        (("liver",), (CropTo("lung"),), "has no mask lung; allowed: liver"),
        ((), (CropTo("lung"),), "allowed: none, as it is empty"),
        (("liver",), (CropBody(5), CropTo("liver")), "crop_to must stand before crop_body"),
        (("liver",), (Orient("RAS"), CropTo("liver"), CropBody(5)), None),
    ],
)
def test_a_crop_to_a_label_needs_that_mask_before_any_search(
    masks: tuple[str, ...], steps: tuple[Step, ...], sentence: str | None
) -> None:
    labels = LabelOptions(masks=tuple(MaskOptions(name=name, nifti="x.nii") for name in masks)) if masks else None
    problem = check_program(replace(config(*steps), manifest=ManifestOptions(labels=labels)))
    assert (problem is None) == (sentence is None)
    assert problem is None or (sentence or "") in problem[1]
