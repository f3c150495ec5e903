"""``select:`` of the configuration; knows no header, so that a configuration is checked without reading DICOM."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from pipeline.dicom.select.where import check_rule

DerivedRule = Literal["all", "axial", "none"]
"""Which derived series are wanted: every, axial ones that are no projection, none."""

Preference = Literal["thinnest", "most_slices", "earliest"] | dict[str, list[str | int | float]]
"""How two candidates are ranked: by a measure, or by the place of an element's value in a list."""

MOMENT = ("StudyDate", "StudyTime", "AcquisitionDate", "AcquisitionTime")
"""What ``earliest`` compares, in this order."""


@dataclass(frozen=True)
class SelectOptions:
    """``select:`` of the configuration."""

    one_per: Literal["series", "study", "patient"] = "series"
    prefer: tuple[Preference, ...] = ("thinnest", "most_slices")
    where: dict[str, Any] = field(default_factory=dict)
    derived: DerivedRule = "axial"
    min_slices: int = 3
    slice_count: Literal["any", "most_common"] | int = "any"
    regroup: Literal["uid", "geometry"] = "uid"

    def __post_init__(self) -> None:
        if self.min_slices < 1:
            msg = "min_slices must be at least 1"
            raise ValueError(msg)
        if isinstance(self.slice_count, int) and self.slice_count < 1:
            msg = "slice_count must be at least 1"
            raise ValueError(msg)
        for keyword, rule in self.where.items():
            _check("where", keyword, rule)
        for preference in self.prefer:
            _check_preference(preference)

    @property
    def keywords(self) -> frozenset[str]:
        """The elements that the rules use."""
        liked = {keyword for preference in self.prefer if isinstance(preference, dict) for keyword in preference}
        return frozenset(self.where) | liked | (frozenset(MOMENT) if "earliest" in self.prefer else frozenset())


def _check_preference(preference: Preference) -> None:
    if isinstance(preference, str):
        return
    if len(preference) != 1:
        msg = f"prefer: an item of the list holds {len(preference)} keywords; allowed is one"
        raise ValueError(msg)
    for keyword, liked in preference.items():
        _check("prefer", keyword, liked)


def _check(key: str, keyword: str, rule: Any) -> None:
    from pydicom.datadict import keyword_dict  # noqa: PLC0415  half a second, and few configurations name an element

    if keyword not in keyword_dict:
        near = get_close_matches(keyword, keyword_dict, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        msg = f"{key}: {keyword} is no DICOM keyword{hint}"
        raise ValueError(msg)
    try:
        check_rule(rule)
    except ValueError as error:
        msg = f"{key}: {keyword}: {error}"
        raise ValueError(msg) from None
