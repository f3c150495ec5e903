"""Label images of a store, as OME-NGFF 0.5 describes them: ``labels`` lists its members, each is a multiscale image.

Source: https://ngff.openmicroscopy.org/0.5 (labels, image-label).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.geometry import Geometry
from pipeline.store.arrays import create_array
from pipeline.store.layout import Layout, StoreOptions
from pipeline.store.ngff import NGFF_VERSION, describe_multiscales

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Labels [z, y, x], or [region, z, y, x] with a layer for each region; 0 where nothing is.

    ``levels`` are the labels on the image's own grid, then on each coarser one.  ``names`` are those of the numbers
    that the configuration gives a name.
    """

    levels: tuple[Labels, ...]
    names: Mapping[int, str] = field(default_factory=dict)


def write_labels(
    group: zarr.Group, images: Mapping[str, LabelImage], grids: Sequence[Geometry], options: StoreOptions
) -> None:
    """Write each label image to ``labels/<name>``; ``grids`` are those of the levels.  Without any no group is made."""
    if not images:
        return
    folder = group.create_group("labels")
    folder.attrs["ome"] = {"version": NGFF_VERSION, "labels": sorted(images)}
    for name, image in sorted(images.items()):
        _write_image(folder.create_group(name), name, image, grids, options)


def _write_image(
    group: zarr.Group, name: str, image: LabelImage, grids: Sequence[Geometry], options: StoreOptions
) -> None:
    has_layers = image.levels[0].ndim == 4
    described = describe_multiscales(*grids, has_channels=has_layers, name=name)
    group.attrs["ome"] = described | {"image-label": _describe_label({} if has_layers else image.names)}
    if has_layers and image.names:
        group.attrs["ctprep"] = {"layers": [name for _, name in sorted(image.names.items())]}
    for level, array in enumerate(image.levels):
        planes = create_array(
            group, str(level), array.shape, array.dtype, Layout.of(array.shape, array.dtype, options), options
        )
        for z in range(array.shape[-3]):
            planes.put(array[..., z, :, :])


def _describe_label(names: Mapping[int, str]) -> dict[str, Any]:
    properties = [{"label-value": number, "name": name} for number, name in sorted(names.items())]
    return {"source": {"image": "../../"}} | ({"properties": properties} if properties else {})
