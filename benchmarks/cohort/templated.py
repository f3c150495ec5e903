"""Many small files of many series, made fast: a slice is its series' template with a few values put in."""

from collections.abc import Callable, Mapping
from pathlib import Path

SLICES = 200
"""Of every series."""


def make_files(folder: Path, n_series: int, template_of: Callable[[int], bytes], varying: Mapping[str, bytes]) -> None:
    """Write the series, a folder each.

    ``varying`` holds, by keyword, the pattern of a number that the template has as 0; SOPInstanceUID counts through all
    series, every other through the slices of one.
    """
    for series in range(n_series):
        template, place = template_of(series), folder / f"patient{series:05}"
        place.mkdir(parents=True)
        for z in range(SLICES):
            content = template
            for keyword, pattern in varying.items():
                number = series * SLICES + z if keyword == "SOPInstanceUID" else z
                content = content.replace(pattern % 0, pattern % number, 2)
            (place / f"{z:04}.dcm").write_bytes(content)
