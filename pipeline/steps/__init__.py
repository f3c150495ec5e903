"""The steps by their names in the configuration."""

from pipeline.program.step import Step
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.crop_above import CropAbove
from pipeline.steps.crop_body import CropBody
from pipeline.steps.crop_lung import CropLung
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.crop_to import CropTo
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.quantise import Quantise
from pipeline.steps.remove_table import RemoveTable
from pipeline.steps.resample import Resample
from pipeline.steps.window import Window

STEPS: dict[str, type[Step]] = {
    "orient": Orient,
    "resample": Resample,
    "clip": Clip,
    "window": Window,
    "normalise": Normalise,
    "centre": Centre,
    "quantise": Quantise,
    "crop_or_pad": CropOrPad,
    "crop_above": CropAbove,
    "crop_to": CropTo,
    "crop_body": CropBody,
    "crop_lung": CropLung,
    "remove_table": RemoveTable,
}
