"""A stored volume to pictures: a strip of slices a view and window, an animation a view, a thumbnail, a snapshot.

Each plane is turned the way a radiologist looks at it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.geometry import Geometry, Zyx
from pipeline.report.windows import DisplayWindow, Values, hu_line, unpack, windows_for
from pipeline.store.read import StoredVolume

SIDES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
"""Left, right, posterior, anterior, head, feet: the patient axis, and whether its coordinate grows towards it."""

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
class View:
    """Planes by their name, the sides of the patient that their edges show, and the side they are counted from."""

    name: str
    left: str
    right: str
    top: str
    bottom: str
    first: str


VIEWS = (
    View("axial", left="R", right="L", top="A", bottom="P", first="H"),
    View("coronal", left="R", right="L", top="H", bottom="F", first="A"),
    View("sagittal", left="A", right="P", top="H", bottom="F", first="R"),
)
"""The radiological convention: the patient faces the viewer, or is seen from the feet, so right is on the left."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Some planes of one view, [plane, row, column] with rows downwards, and their size in the patient.

    ``places_mm`` is where each plane lies along the patient axis across it (LPS, from the volume's nearest axis).
    """

    view: View
    values: NDArray[Any]
    height_mm: float
    width_mm: float
    places_mm: tuple[float, ...]


def planes_of(array: NDArray[Any], geometry: Geometry, view: View, shares: Sequence[float]) -> Planes:
    """Cut planes out of an array [z, y, x], each at a share (0 to 1) of the way from the view's first side.

    Any orientation of the array gives the same pictures; where the array is oblique its nearest axes are meant.
    """
    across, rows, columns = _array_axes(geometry, view)
    upright = array.transpose(across, rows, columns)[
        _direction(geometry, across, view.first, away=True),
        _direction(geometry, rows, view.bottom),
        _direction(geometry, columns, view.right),
    ]
    last = upright.shape[0] - 1
    chosen = [int(share * last + 0.5) for share in shares]
    return Planes(
        view=view,
        values=upright[chosen],
        height_mm=geometry.shape[rows] * geometry.spacing_mm[rows],
        width_mm=geometry.shape[columns] * geometry.spacing_mm[columns],
        places_mm=tuple(_place(geometry, across, view, index) for index in chosen),
    )


def depth_of(geometry: Geometry, view: View) -> int:
    """Return how many planes a view has."""
    return geometry.shape[_array_axes(geometry, view)[0]]


def _array_axes(geometry: Geometry, view: View) -> tuple[int, int, int]:
    """Return the array axes that run across a view's planes, down their rows and along their columns."""
    patient_axes = geometry.nearest_patient_axes
    rows = patient_axes.index(SIDES[view.bottom][0])
    columns = patient_axes.index(SIDES[view.right][0])
    return 3 - rows - columns, rows, columns


def _place(geometry: Geometry, across: int, view: View, index: int) -> float:
    patient_axis, sign = SIDES[view.first]
    runs_away = geometry.axes[across][patient_axis] * sign < 0
    middle: list[float] = [(n - 1) / 2 for n in geometry.shape]
    middle[across] = index if runs_away else geometry.shape[across] - 1 - index
    return round(geometry.world(Zyx(*middle))[patient_axis], 1)


def _direction(geometry: Geometry, array_axis: int, side: str, *, away: bool = False) -> slice:
    """Return the slice that makes an array axis run towards a side of the patient, or away from it."""
    patient_axis, sign = SIDES[side]
    runs_towards = geometry.axes[array_axis][patient_axis] * sign > 0
    return slice(None, None, 1 if runs_towards != away else -1)


SNAPSHOT_SIDE = 640
"""Pixels of a plane at most; below that the finest spacing is one pixel."""

GAP = 8
"""Black pixels between two planes."""


def snapshot_of(stored: StoredVolume) -> bytes:
    """Return axial, coronal and sagittal plane; of several channels the first, in HU where there is a way back."""
    array = np.asarray(stored.array[(0,) * (stored.array.ndim - 3)])
    views = [planes_of(array, stored.geometry, view, (0.5,)) for view in VIEWS]
    values = [_middle_values(planes, stored) for planes in views]
    window = windows_for(values, in_hu=hu_line(stored.attributes) is not None)[0]
    px_per_mm = _scale(stored, views)
    images = [_image(planes, plane, window, px_per_mm) for planes, plane in zip(views, values, strict=True)]
    return _png(_side_by_side(images))


def _middle_values(planes: Planes, stored: StoredVolume) -> Values:
    a, b = hu_line(stored.attributes) or (1.0, 0.0)
    return unpack(planes.values[0], stored.array.attrs) * np.float32(a) + np.float32(b)


def _scale(stored: StoredVolume, views: list[Planes]) -> float:
    longest_mm = max(max(planes.height_mm, planes.width_mm) for planes in views)
    return min(1 / min(stored.geometry.spacing_mm), SNAPSHOT_SIDE / longest_mm)


def _image(planes: Planes, values: Values, window: DisplayWindow, px_per_mm: float) -> Image.Image:
    size = (max(round(planes.width_mm * px_per_mm), 1), max(round(planes.height_mm * px_per_mm), 1))
    return Image.fromarray(window.grey(values)).resize(size, Image.Resampling.BILINEAR)


def _side_by_side(images: list[Image.Image]) -> Image.Image:
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    sheet = Image.new("L", (width, max(image.height for image in images)))
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + GAP
    return sheet


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


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
