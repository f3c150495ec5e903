"""A stored volume to picture files: a strip of slices a view and window, an animation a view, and a thumbnail."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.geometry import Geometry, Zyx
from pipeline.report.planes import VIEWS, Planes, View, depth_of, planes_of
from pipeline.report.windows import DisplayWindow, hu_line, unpack, windows_for
from pipeline.store.read import StoredVolume

MOST_FRAMES = 36
"""Slices of a view that can be looked at, evenly spread: enough to follow a vessel, and a strip stays below 200 kB."""

LONGEST_SIDE = 256
"""Pixels of the longest side of a volume's slices."""

MOST_READ = 640
"""Voxels along an axis that are read: more is finer than the pictures, and this bounds memory to a gigabyte."""

QUALITY = 60
EFFORT = 2
"""Of WebP's 0 to 6: above it files shrink by a few per cent and take twice as long."""

FRAME_MS = 120

Animations = Literal["webp", "gif", "none"]
Greys = NDArray[np.uint8]


@dataclass(frozen=True)
class Strip:
    """The slices of a view beside each other in one picture, true to scale: a volume's have the same mm a pixel."""

    view: View
    n: int
    width: int
    height: int
    places_mm: tuple[float, ...]

    @property
    def middle(self) -> int:
        """The slice that is shown first."""
        return self.n // 2


@dataclass(frozen=True)
class Pictures:
    """The pictures of a volume: the windows they are shown in, the best first, a strip a view, and their files."""

    windows: tuple[DisplayWindow, ...]
    strips: tuple[Strip, ...]
    animations: tuple[str, ...]
    files: dict[str, bytes]


def pictures_of(stored: StoredVolume, animations: Animations) -> Pictures:
    """Draw a stored volume, in HU where it can be turned back into HU; of several channels the first."""
    array, geometry = _sampled(stored)
    volumes = [planes_of(array, geometry, view, _spread(depth_of(geometry, view))) for view in VIEWS]
    line = hu_line(stored.attributes)
    values = [_values(planes, stored, line) for planes in volumes]
    windows = windows_for([value[len(value) // 2] for value in values], in_hu=line is not None)
    px_per_mm = LONGEST_SIDE / max(max(planes.height_mm, planes.width_mm) for planes in volumes)
    strips: list[Strip] = []
    files: dict[str, bytes] = {}
    for planes, value in zip(volumes, values, strict=True):
        strip = _strip(planes, px_per_mm)
        strips.append(strip)
        files |= dict(_files(strip, value, windows, animations))
    moving = tuple(name for name in files if name.startswith("moving-"))
    return Pictures(windows, tuple(strips), moving, files)


def _sampled(stored: StoredVolume) -> tuple[NDArray[Any], Geometry]:
    """Read a volume [z, y, x], every k-th voxel along an axis that is finer than any picture of it."""
    geometry = stored.geometry
    steps = Zyx(*(float(ceil(n / MOST_READ)) for n in geometry.shape))
    index = tuple(slice(None, None, int(step)) for step in steps)
    array = np.asarray(stored.array[(0,) * (stored.array.ndim - 3) + index])
    return array, geometry.regrid(Zyx(0.0, 0.0, 0.0), steps, Zyx(*array.shape))


def _spread(depth: int) -> list[float]:
    """Return the shares of the way at which planes are cut: at most ``MOST_FRAMES``, none twice."""
    n = min(MOST_FRAMES, depth)
    return [i / (n - 1) if n > 1 else 0.5 for i in range(n)]


def _values(planes: Planes, stored: StoredVolume, line: tuple[float, float] | None) -> NDArray[np.float32]:
    values = unpack(planes.values, stored.array.attrs)
    return values if line is None else values * np.float32(line[0]) + np.float32(line[1])


def _strip(planes: Planes, px_per_mm: float) -> Strip:
    size = (max(round(planes.width_mm * px_per_mm), 1), max(round(planes.height_mm * px_per_mm), 1))
    return Strip(planes.view, len(planes.values), *size, planes.places_mm)


def _files(
    strip: Strip, values: NDArray[np.float32], windows: tuple[DisplayWindow, ...], animations: Animations
) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes: a strip in each window, and in the first an animation, of the axial view a thumbnail."""
    for number, window in enumerate(windows):
        frames = [_resized(plane, strip) for plane in window.grey(values)]
        yield (
            f"{strip.view.name}-{window.slug}.webp",
            _webp(Image.fromarray(np.hstack([np.asarray(f) for f in frames]))),
        )
        if number == 0 and animations != "none":
            yield f"moving-{strip.view.name}.{animations}", _animation(frames, animations)
        if number == 0 and strip.view is VIEWS[0]:
            yield "thumb.webp", _webp(frames[strip.middle])


def _resized(plane: Greys, strip: Strip) -> Image.Image:
    return Image.fromarray(plane).resize((strip.width, strip.height), Image.Resampling.BILINEAR)


def _webp(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=EFFORT)
    return file.getvalue()


def _animation(frames: list[Image.Image], kind: Animations) -> bytes:
    file = BytesIO()
    options: dict[str, Any] = {"quality": QUALITY, "method": EFFORT} if kind == "webp" else {}
    frames[0].save(file, kind.upper(), save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0, **options)
    return file.getvalue()
