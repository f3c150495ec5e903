"""When each slice was acquired, in seconds: from elements with a date, or from times of day alone."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import SliceHeader

DAY_S = 86400.0
DATE_DIGITS, TIME_DIGITS = 8, 6
TIME_ELEMENTS = ("AcquisitionDateTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "ContentTime")
"""What tells when a slice was acquired; AcquisitionDateTime stands for AcquisitionDate and AcquisitionTime as well."""

Floats = NDArray[np.float64]


def read_moments(slices: Sequence[SliceHeader], element: str) -> Floats:
    """Return each slice's moment in seconds, NaN where its header does not say.

    Where a slice has a time and no date, as after de-identification, all dates are left out.  Times of day that run
    through midnight go on: the day starts after the longest pause.
    """
    pairs = [_split_moment(header, element) for header in slices]
    moments = np.array([_seconds_of_day(time) for _, time in pairs])
    days = np.array([_day_number(date) for date, _ in pairs])
    known = ~np.isnan(moments)
    if not known.any():
        return moments
    if np.isnan(days[known]).any():
        moments[known] = _unwrap_midnight(moments[known])
        return moments
    return moments + days * DAY_S


def _split_moment(header: SliceHeader, element: str) -> tuple[str, str]:
    """Return date and time as DICOM writes them (PS3.5 section 6.2), empty where there is none."""
    phase = header.phase
    if element == "ContentTime":
        return "", phase.get("ContentTime", "")
    moment = phase.get(element, "")
    if not moment and element == "AcquisitionDateTime":
        return phase.get("AcquisitionDate", ""), phase.get("AcquisitionTime", "")
    return moment[:DATE_DIGITS], moment[DATE_DIGITS:].partition("+")[0].partition("-")[0]


def _seconds_of_day(time: str) -> float:
    """Return the seconds since midnight; HH and HHMM are whole times too."""
    whole, _, fraction = time.strip().partition(".")
    if not whole.isdecimal() or len(whole) > TIME_DIGITS or len(whole) % 2:
        return np.nan
    hours, minutes, seconds = (int(whole[at : at + 2] or 0) for at in (0, 2, 4))
    return hours * 3600 + minutes * 60 + seconds + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _day_number(date: str) -> float:
    try:
        return float(datetime.strptime(date, "%Y%m%d").toordinal())  # noqa: DTZ007  only differences count
    except ValueError:
        return np.nan


def _unwrap_midnight(seconds: Floats) -> Floats:
    """Put times of day after the longest pause of the day first, where that pause is not the one around midnight."""
    distinct = np.unique(seconds)
    pauses = np.diff(np.r_[distinct, distinct[0] + DAY_S])
    longest = int(np.argmax(pauses))
    is_over_midnight = longest < len(distinct) - 1 and pauses[longest] > DAY_S / 2
    return np.where(seconds <= distinct[longest], seconds + DAY_S, seconds) if is_over_midnight else seconds
