"""A volume to pictures: a strip of slices per view and window, a thumbnail, on request an animation, and a snapshot.

Planes are taken from a volume as it streams past, and turned the way a radiologist looks at them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.geometry import Geometry, Zyx
from pipeline.report.windows import DisplayWindow, StoredScale, windows_for
from pipeline.store.read import StoredPlanes, StoredVolume, read_array_planes
from pipeline.volume import Mask

SIDES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
"""Left, right, posterior, anterior, head, feet: the patient axis, and whether its coordinate grows towards it."""

MOST_FRAMES = 24
"""Slices of a view that can be looked at, evenly spread: one every 14 mm of a chest."""

LONGEST_SIDE = 256
"""Pixels of the longest side of a volume's slices."""

MOST_SAMPLED = 512
"""Voxels along an axis that are kept: more is finer than the pictures, and this bounds memory to some 40 MB."""

QUALITY = 65
"""Of JPEG: of a grey strip as legible as WebP at 60, and encoded eight times as fast."""

FRAME_MS = 120

THUMBNAIL = "thumb.jpg"

INDEX = "pictures.json"
"""What the pictures beside it show, and of which store."""

DRAWING = 1
"""Increased when other pictures are drawn of the same volume: those of an earlier version are then drawn again."""

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


class PlaneSampler:
    """Takes evenly spread planes of each view from the planes [y, x] of a volume, put in any order of z.

    Any orientation of the volume gives the same planes; where it is oblique its nearest axes are meant.  Along an axis
    of more than ``MOST_SAMPLED`` voxels every k-th is taken.
    """

    def __init__(self, geometry: Geometry, n_planes: int = MOST_FRAMES) -> None:
        self._steps = Zyx(*(ceil(n / MOST_SAMPLED) for n in geometry.shape))
        coarse = Zyx(*(ceil(n / step) for n, step in zip(geometry.shape, self._steps, strict=True)))
        grid = geometry.regrid(Zyx(0.0, 0.0, 0.0), Zyx(*map(float, self._steps)), coarse)
        self._views = [_ViewSampler(grid, view, n_planes) for view in VIEWS]

    def put(self, z: int, plane: NDArray[Any]) -> None:
        """Take what is needed of the plane at z."""
        if z % self._steps.z == 0:
            coarse = plane[:: self._steps.y, :: self._steps.x]
            for view in self._views:
                view.put(z // self._steps.z, coarse)

    def watch(self, planes: StoredPlanes) -> StoredPlanes:
        """Return planes [c, y, x] that are put, the first channel of each, as they pass."""

        def at(z: int) -> tuple[NDArray[Any], Mask | None]:
            plane, valid = planes(z)
            self.put(z, plane[0])
            return plane, valid

        return at

    def planes(self) -> list[Planes]:
        """Return the planes of each view, once every plane was put."""
        return [view.planes() for view in self._views]


class _ViewSampler:
    """Takes the planes of one view, evenly spread from the side it begins at to the other."""

    def __init__(self, geometry: Geometry, view: View, n_planes: int) -> None:
        self._geometry, self._view = geometry, view
        self._across, self._rows, self._columns = _array_axes(geometry, view)
        last = geometry.shape[self._across] - 1
        self._places = [int(share * last + 0.5) for share in _spread(last + 1, n_planes)]
        runs_away = _direction(geometry, self._across, view.first, away=True) > 0
        self._indices = np.array([place if runs_away else last - place for place in self._places])
        self._taken: NDArray[Any] | None = None

    def put(self, z: int, plane: NDArray[Any]) -> None:
        if self._taken is None:
            shape = list(self._geometry.shape)
            shape[self._across] = len(self._indices)
            self._taken = np.zeros(shape, plane.dtype)
        if self._across == 0:
            self._taken[self._indices == z] = plane
        else:
            self._taken[z] = plane.take(self._indices, self._across - 1)

    def planes(self) -> Planes:
        if self._taken is None:
            msg = "no plane was put"
            raise ValueError(msg)
        geometry, view = self._geometry, self._view
        upright = self._taken.transpose(self._across, self._rows, self._columns)[
            :,
            :: _direction(geometry, self._rows, view.bottom),
            :: _direction(geometry, self._columns, view.right),
        ]
        return Planes(
            view=view,
            values=upright,
            height_mm=geometry.shape[self._rows] * geometry.spacing_mm[self._rows],
            width_mm=geometry.shape[self._columns] * geometry.spacing_mm[self._columns],
            places_mm=tuple(_place_mm(geometry, self._across, view, int(index)) for index in self._indices),
        )


def _spread(depth: int, n_planes: int) -> list[float]:
    """Return the shares of the way at which planes are cut: at most ``n_planes``, none twice."""
    n = min(n_planes, depth)
    return [i / (n - 1) if n > 1 else 0.5 for i in range(n)]


def _array_axes(geometry: Geometry, view: View) -> tuple[int, int, int]:
    """Return the array axes that run across a view's planes, down their rows and along their columns."""
    patient_axes = geometry.nearest_patient_axes
    rows = patient_axes.index(SIDES[view.bottom][0])
    columns = patient_axes.index(SIDES[view.right][0])
    return 3 - rows - columns, rows, columns


def _direction(geometry: Geometry, array_axis: int, side: str, *, away: bool = False) -> int:
    """Return 1 where an array axis runs towards a side of the patient, or away from it, else -1."""
    patient_axis, sign = SIDES[side]
    runs_towards = geometry.axes[array_axis][patient_axis] * sign > 0
    return 1 if runs_towards != away else -1


def _place_mm(geometry: Geometry, across: int, view: View, index: int) -> float:
    middle: list[float] = [(n - 1) / 2 for n in geometry.shape]
    middle[across] = index
    return round(geometry.world(Zyx(*middle))[SIDES[view.first][0]], 1)


def sample_stored(stored: StoredVolume, n_planes: int) -> list[Planes]:
    """Return planes of a stored volume, of several channels the first; one layer of chunks is in memory."""
    plane = read_array_planes(stored.array)
    sampler = PlaneSampler(stored.geometry, n_planes)
    for z in range(stored.geometry.shape.z):
        sampler.put(z, plane(z)[0])
    return sampler.planes()


SNAPSHOT_SIDE = 640
"""Pixels of a plane at most; below that the finest spacing is one pixel."""

GAP = 8
"""Black pixels between two planes."""


def snapshot_of(stored: StoredVolume) -> bytes:
    """Return axial, coronal and sagittal plane; of several channels the first, in HU where there is a way back."""
    scale = StoredScale.of(stored.attributes, stored.array.attrs)
    views = sample_stored(stored, 1)
    window = windows_for([scale.values(planes.values[0]) for planes in views], in_hu=scale.in_hu)[0]
    longest_mm = max(max(planes.height_mm, planes.width_mm) for planes in views)
    px_per_mm = min(1 / min(stored.geometry.spacing_mm), SNAPSHOT_SIDE / longest_mm)
    images = []
    for planes in views:
        strip = _strip(planes, px_per_mm)
        images.append(_resized(scale.greys(planes.values[0], window), strip))
    return _encode(_side_by_side(images), "PNG")


def _side_by_side(images: list[Image.Image]) -> Image.Image:
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    sheet = Image.new("L", (width, max(image.height for image in images)))
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + GAP
    return sheet


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
    """The pictures of a volume: the windows they are shown in, the best first, a strip per view, and their files."""

    windows: tuple[DisplayWindow, ...]
    strips: tuple[Strip, ...]
    animations: tuple[str, ...]
    files: dict[str, bytes]


def draw_pictures(views: Sequence[Planes], scale: StoredScale, animations: Animations) -> Pictures:
    """Draw the planes of each view, in HU where stored numbers can be turned back into HU."""
    middle = [scale.values(planes.values[len(planes.values) // 2]) for planes in views]
    windows = windows_for(middle, in_hu=scale.in_hu)
    px_per_mm = LONGEST_SIDE / max(max(planes.height_mm, planes.width_mm) for planes in views)
    strips: list[Strip] = []
    files: dict[str, bytes] = {}
    for planes in views:
        strip = _strip(planes, px_per_mm)
        strips.append(strip)
        files |= dict(_files(strip, planes, scale, windows, animations))
    moving = tuple(name for name in files if name.startswith("moving-"))
    return Pictures(windows, tuple(strips), moving, files)


def pictures_of(stored: StoredVolume, animations: Animations) -> Pictures:
    """Draw a stored volume; of several channels the first."""
    scale = StoredScale.of(stored.attributes, stored.array.attrs)
    return draw_pictures(sample_stored(stored, MOST_FRAMES), scale, animations)


def _strip(planes: Planes, px_per_mm: float) -> Strip:
    size = (max(round(planes.width_mm * px_per_mm), 1), max(round(planes.height_mm * px_per_mm), 1))
    return Strip(planes.view, len(planes.values), *size, planes.places_mm)


def _files(
    strip: Strip, planes: Planes, scale: StoredScale, windows: tuple[DisplayWindow, ...], animations: Animations
) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes: a strip in each window, and in the first an animation, of the axial view a thumbnail."""
    for number, window in enumerate(windows):
        frames = [_resized(plane, strip) for plane in scale.greys(planes.values, window)]
        beside = Image.fromarray(np.hstack([np.asarray(frame) for frame in frames]))
        yield f"{strip.view.name}-{window.slug}.jpg", _encode(beside, "JPEG", quality=QUALITY)
        if number == 0 and animations != "none":
            yield f"moving-{strip.view.name}.{animations}", _animation(frames, animations)
        if number == 0 and strip.view is VIEWS[0]:
            yield THUMBNAIL, _encode(frames[strip.middle], "JPEG", quality=QUALITY)


def _resized(plane: Greys, strip: Strip) -> Image.Image:
    return Image.fromarray(plane).resize((strip.width, strip.height), Image.Resampling.BILINEAR)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _animation(frames: list[Image.Image], kind: str) -> bytes:
    options = {"quality": 60, "method": 2} if kind == "webp" else {}
    more = {"save_all": True, "append_images": frames[1:], "duration": FRAME_MS, "loop": 0}
    return _encode(frames[0], kind.upper(), **more, **options)


def write_pictures(folder: Path, pictures: Pictures, store_sha256: str) -> None:
    """Write the pictures of a series; ``store_sha256`` is that of the store they show.

    Raises OSError where the system refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    for name, content in pictures.files.items():
        (folder / name).write_bytes(content)
    described = asdict(replace(pictures, files={}))
    described |= {"files": sorted(pictures.files), "drawing": DRAWING, "store_sha256": store_sha256}
    (folder / INDEX).write_text(json.dumps(described), "ascii")


def read_pictures(folder: Path, store_sha256: str | None, animations: Animations) -> Pictures | None:
    """Return the pictures in a folder, without their bytes; None unless they show the store as this program would."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((folder / INDEX).read_bytes())
        strips = tuple(_strip_from_json(strip) for strip in found["strips"])
        windows = tuple(DisplayWindow(**window) for window in found["windows"])
        pictures = Pictures(windows, strips, tuple(found["animations"]), dict.fromkeys(found["files"], b""))
        wanted = () if animations == "none" else tuple(f"moving-{view.name}.{animations}" for view in VIEWS)
        is_same = (found["drawing"], found["store_sha256"], pictures.animations) == (DRAWING, store_sha256, wanted)
        if is_same and all((folder / name).is_file() for name in pictures.files):
            return pictures
    return None


def _strip_from_json(strip: Mapping[str, Any]) -> Strip:
    view = next(view for view in VIEWS if view.name == strip["view"]["name"])
    return Strip(view, strip["n"], strip["width"], strip["height"], tuple(strip["places_mm"]))
