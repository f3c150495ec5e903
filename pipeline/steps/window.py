"""Clip to one window, or to several, one for each channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Literal

from pipeline.program.changes import LineChange, Search
from pipeline.program.step import Step, StepOrderError, require_hu
from pipeline.volume import ClampedLine, Scale, Volume, VolumeSpec

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
    """One window of several: a preset's name, centre and width, or the range of the volume's values."""

    preset: Preset | None = None
    centre_hu: float | None = None
    width_hu: float | None = None
    range: Literal["volume"] | None = None

    def __post_init__(self) -> None:
        if self.range is not None:
            if (self.preset, self.centre_hu, self.width_hu) != (None, None, None):
                msg = "range stands instead of a preset, or of centre_hu and width_hu"
                raise ValueError(msg)
            return
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
        """The channel's name: its preset, centre/width, or range."""
        if self.range is not None:
            return "range"
        return self.preset or f"{self.centre_hu:g}/{self.width_hu:g}"

    @property
    def line(self) -> ClampedLine | None:
        """Centre plus and minus half of the width, values in HU still: LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2.

        None for a range that is not known yet.
        """
        if self.range is not None:
            return None
        centre, width = PRESETS[self.preset] if self.preset else (self.centre_hu or 0, self.width_hu or 0)
        return ClampedLine(low=centre - width / 2, high=centre + width / 2)


@dataclass(frozen=True)
class Window(Step):
    """Clip to a window: a preset, a centre and width, or with ``channels`` one window a channel, on a leading c axis.

    The values stay HU; ``normalise`` turns each channel's range into zero to one.  A channel with ``range: volume``
    goes from the least to the greatest value of the volume, padding included.  Law: twice is once.
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

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are set, by name; a channel's range only where it is one."""
        found = super().parameters
        for channel in found.get("channels", ()):
            if channel["range"] is None:
                del channel["range"]
        return found

    def change(self, spec: VolumeSpec) -> LineChange | Search:
        """Return the clamp for every channel, or one clamp for each new channel, searched where it is a range."""
        require_hu(spec, self.name)
        if self.channels is None:
            window = Channel(self.preset, self.centre_hu, self.width_hu)
            return LineChange(_require_lines([window]) * len(spec.lines), Scale.HU)
        if spec.channels is not None:
            msg = "window makes channels, and there are channels already"
            raise StepOrderError(msg)
        labels = tuple(channel.label for channel in self.channels)
        if any(channel.range for channel in self.channels):
            return Search(0, labels, tuple(channel.line for channel in self.channels))
        return LineChange(_require_lines(self.channels), Scale.HU, labels)

    def find(self, volume: Volume) -> "FoundWindow":
        """Return the windows, the range known."""
        low, high = float(volume.voxels.min()), float(volume.voxels.max())
        return FoundWindow(channels=self.channels, low_hu=low, high_hu=high if high > low else low + 1)


@dataclass(frozen=True)
class FoundWindow(Window):
    """Windows of which one is the range of the volume: ``low_hu`` to ``high_hu``."""

    low_hu: float = 0.0
    high_hu: float = 0.0

    def change(self, spec: VolumeSpec) -> LineChange:
        """Return one clamp for each new channel."""
        require_hu(spec, self.name)
        found = ClampedLine(low=self.low_hu, high=self.high_hu)
        channels = self.channels or ()
        lines = tuple(channel.line or found for channel in channels)
        return LineChange(lines, Scale.HU, tuple(channel.label for channel in channels))


def _require_lines(channels: Sequence[Channel]) -> tuple[ClampedLine, ...]:
    """Return the lines of windows of which none is a range."""
    return tuple(line for line in (channel.line for channel in channels) if line is not None)
