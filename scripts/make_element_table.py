"""Makes pipeline/ct_image_elements.tsv: module and type of the elements of a CT image, from highdicom's tables.

highdicom (MIT license) carries the tables of DICOM PS3.3 as JSON; it is needed here only, never at run time.

    pip download --no-deps highdicom && unzip highdicom-*.whl 'highdicom/_standard/*'
    python scripts/make_element_table.py highdicom/_standard
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

TABLE = Path(__file__).parents[1] / "pipeline" / "ct_image_elements.tsv"
IOD = "ct-image"
TYPES = ("1", "1C", "2", "2C", "3")
USAGES = ("M", "C", "U")
DEEPEST = 2
"""Elements of sequences within sequences are left out: they would be nineteen of twenty lines."""
CAPITALS = {"ct": "CT", "sop": "SOP", "voi": "VOI", "lut": "LUT", "of": "of"}

Row = tuple[str, str, str, str]
"""Keyword (below its sequence's, if any), module, usage of the module (M, C, U), type."""

HEADING = ("keyword", "module", "usage", "type", "tag", "vr")


def main(arguments: list[str]) -> None:
    """Write the table."""
    folder = Path(arguments[0])
    modules = json.loads((folder / "iod_module_map.json").read_text())[IOD]
    attributes = json.loads((folder / "module_attribute_map.json").read_text())
    rows = [HEADING, *((*row, *tag_and_vr(row[0])) for row in table(modules, attributes))]
    TABLE.write_text("".join("\t".join(row) + "\n" for row in rows))
    print(f"{TABLE.name}: {len(rows) - 1} elements of {len(modules)} modules")


def table(modules: list[dict[str, str]], attributes: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Return a row per element: of several modules that have it, the one that demands it most."""
    best: dict[str, Row] = {}
    for row in _rows(modules, attributes):
        if row[0] not in best or _weakness(row) < _weakness(best[row[0]]):
            best[row[0]] = row
    return sorted(best.values())


def _rows(modules: list[dict[str, str]], attributes: dict[str, list[dict[str, Any]]]) -> Iterator[Row]:
    for module in modules:
        for attribute in attributes[module["key"]]:
            path = (*attribute["path"], attribute["keyword"])
            if len(path) <= DEEPEST:
                yield ".".join(path), module_name(module["key"]), module["usage"], attribute["type"]


def _weakness(row: Row) -> tuple[int, int]:
    return USAGES.index(row[2]), TYPES.index(row[3])


def tag_and_vr(path: str) -> tuple[str, str]:
    """Return the tag of an element, below its sequence's if any, and its value representation."""
    tags = [tag_for_keyword(keyword) or 0 for keyword in path.split(".")]
    return ".".join(f"{tag >> 16:04x},{tag & 0xFFFF:04x}" for tag in tags), dictionary_VR(tags[-1])


def module_name(key: str) -> str:
    """Return a module's name as the standard writes it."""
    return " ".join(CAPITALS.get(word, word.capitalize()) for word in key.split("-"))


if __name__ == "__main__":
    main(sys.argv[1:])
