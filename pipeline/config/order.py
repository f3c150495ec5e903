"""Whether the steps can follow each other and the store can hold the result, tried on a typical chest without data."""

from dataclasses import replace

from pipeline.config.document import Keys
from pipeline.config.model import Config
from pipeline.errors import UsageError
from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.program import Program
from pipeline.program.step import Step, StepOrderError
from pipeline.steps.cohort import fill_in_statistics, make_typical_statistics
from pipeline.steps.crop import CropToTarget
from pipeline.steps.crop_above import CropAbove
from pipeline.steps.crop_to import CropTo
from pipeline.steps.remove_table import RemoveTable
from pipeline.steps.window import Window
from pipeline.volume import VolumeSpec

SEARCHING = (CropToTarget, CropAbove, RemoveTable, Window)
"""The steps that may search the volume."""

USUAL = VolumeSpec(
    Geometry(
        shape=Zyx(300, 512, 512),
        spacing_mm=Zyx(1.25, 0.75, 0.75),
        origin_mm=Xyz(0.0, 0.0, 0.0),
        axes=Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0)),
    )
)


def steps_with_usual_statistics(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps, those that wait for the cohort with figures that any cohort might have."""
    return fill_in_statistics(steps, make_typical_statistics(steps))


def check_program(config: Config) -> tuple[Keys, str] | None:
    """Return the place and the fault of the first step that cannot follow those before it, or of a dtype too small.

    None where all can be done.
    """
    steps = steps_with_usual_statistics(config.steps)
    try:
        _check_label_crops(config)
        Program.compile(steps, replace(USUAL, padding_hu=config.hounsfield.padding_hu), config.store.dtype)
    except StepOrderError as error:
        keys: Keys = ("steps",) if error.index is None else ("steps", error.index, steps[error.index].name)
        return keys, str(error)
    except UsageError as error:
        return ("store", "dtype"), str(error)
    return None


def _check_label_crops(config: Config) -> None:
    """Raise StepOrderError for a crop to a label that is not configured, or after a step that searches the volume."""
    masks = config.manifest.labels.masks if config.manifest.labels else ()
    known = [mask.name for mask in masks]
    for index, step in enumerate(config.steps):
        if not isinstance(step, CropTo):
            continue
        if step.label not in known:
            msg = (
                f"manifest.labels.masks has no mask {step.label}; allowed: {', '.join(known) or 'none, as it is empty'}"
            )
            raise StepOrderError(msg, index)
        if earlier := [other.name for other in config.steps[:index] if isinstance(other, SEARCHING)]:
            msg = f"crop_to must stand before {earlier[0]}, which searches the volume"
            raise StepOrderError(msg, index)
