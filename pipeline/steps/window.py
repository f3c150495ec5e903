"""Clip to one window, or to several, one for each channel."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from pipeline.program.changes import LineChange
from pipeline.program.step import Step, StepOrderError, require_hu
from pipeline.volume import ClampedLine, Scale, VolumeSpec

Preset = Literal["lung", "mediastinum", "brain", "subdural", "stroke", "bone", "abdomen", "liver"]

PRESETS: dict[Preset, tuple[float, float]] = {
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "brain": (40, 80),
    "subdural": (80, 200),
    "stroke": (40, 40),
    "bone": (400, 1800),
    "abdomen": (50, 400),
    "liver": (30, 150),
}
"""Centre and width in HU, after https://radiopaedia.org/articles/windowing-ct (it gives ranges for
subdural and two windows for stroke: these are the usual ones)."""


@dataclass(frozen=True)
class Channel:
    """One window of several: a preset's name, or centre and width."""

    preset: Preset | None = None
    centre_hu: float | None = None
    width_hu: float | None = None

    def __post_init__(self) -> None:
        own = (self.centre_hu, self.width_hu)
        if (self.preset is None) == (own == (None, None)) or (self.preset is None and None in own):
            msg = "a window is a preset, or centre_hu and width_hu"
            raise ValueError(msg)
        if self.preset is None and not (isfinite(self.centre_hu or 0) and 0 < (self.width_hu or 0) <= 1e6):
            msg = f"centre_hu must be finite and width_hu above 0, not {self.centre_hu} and {self.width_hu}"
            raise ValueError(msg)
        if self.preset is not None and self.preset not in PRESETS:
            msg = f"there is no window {self.preset}; there are {', '.join(PRESETS)}"
            raise ValueError(msg)

    @property
    def label(self) -> str:
        """The channel's name: its preset, or centre/width."""
        return self.preset or f"{self.centre_hu:g}/{self.width_hu:g}"

    @property
    def line(self) -> ClampedLine:
        """Centre plus and minus half of the width, values in HU still: LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2."""
        centre, width = PRESETS[self.preset] if self.preset else (self.centre_hu or 0, self.width_hu or 0)
        return ClampedLine(low=centre - width / 2, high=centre + width / 2)


@dataclass(frozen=True)
class Window(Step):
    """Clip to a window: a preset, a centre and width, or with ``channels`` one window a channel, on a leading c axis.

    The values stay HU; ``normalise`` turns each channel's range into zero to one.  Law: twice is once.
    """

    name: ClassVar = "window"
    preset: Preset | None = None
    centre_hu: float | None = None
    width_hu: float | None = None
    channels: tuple[Channel, ...] | None = None

    def __post_init__(self) -> None:
        if self.channels is None:
            Channel(self.preset, self.centre_hu, self.width_hu)
        elif (self.preset, self.centre_hu, self.width_hu) != (None, None, None):
            msg = "window takes channels, or one window, not both"
            raise ValueError(msg)
        elif not self.channels or len({channel.label for channel in self.channels}) < len(self.channels):
            msg = "window needs at least one channel, and each only once"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> LineChange:
        """Return the clamp for every channel, or one clamp for each new channel."""
        require_hu(spec, self.name)
        if self.channels is None:
            line = Channel(self.preset, self.centre_hu, self.width_hu).line
            return LineChange((line,) * len(spec.lines), Scale.HU)
        if spec.channels is not None:
            msg = "window makes channels, and there are channels already"
            raise StepOrderError(msg)
        lines = tuple(channel.line for channel in self.channels)
        return LineChange(lines, Scale.HU, tuple(channel.label for channel in self.channels))
