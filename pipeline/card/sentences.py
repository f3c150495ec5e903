"""What a card says in sentences: how much there is, how it was made, and where its limits lie."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.card.facts import Facts
from pipeline.card.trails import Processing
from pipeline.vocabulary import Reason, Status

STEP_WORDS = {
    "unwrap": "Values that had wrapped around are put right.",
    "correct_tilt": "Slices of a tilted gantry are put upright, each moved in its own plane.",
    "interpolate_gap": "The planes of missing slices are filled, and are 0 in the mask.",
    "resample_slices": "Slices that are not evenly spaced are resampled to an even step.",
    "orient": "The array is turned to the patient's axes: z to the head, y to the back, x to the left.",
    "resample": "The volume is sampled anew.",
    "clip": "Values are limited to a range of Hounsfield units.",
    "window": "Values are limited to a window, or to several, a channel each.",
    "normalise": "Values are brought to a common range.",
    "centre": "A mean is subtracted.",
    "crop_or_pad": "The volume is cut or filled to a fixed shape.",
    "crop_body": "The volume is cut to a box around the body.",
    "crop_lung": "The volume is cut to a box around the lungs.",
}
"""What a step of a trail does."""

NO_STEPS = "None: Hounsfield units as they were read."


def summary(facts: Facts) -> str:
    """Return one sentence that says what there is."""
    patients = len({row["patient"] for row in facts.ready})
    return (
        f"{counted(len(facts.ready), 'CT volume')} of {counted(patients, 'patient')} as OME-Zarr stores, "
        f"and a manifest that accounts for {counted(len(facts.rows), 'series')}."
    )


def processing(facts: Facts) -> str:
    """Return how the volumes were made, in one paragraph."""
    told = (f"{number}. {step_words(step)}" for number, step in enumerate(facts.processing, start=1))
    return " ".join(told) or NO_STEPS


def step_words(step: Processing) -> str:
    """Return what a step did, to how many series, with which parameters."""
    figures = "parameters differ between series" if step.parameters is None else parameter_words(step.parameters)
    words = STEP_WORDS.get(step.step, step.step).removesuffix(".")
    return f"{words} ({counted(step.n_series, 'series')}; {figures})."


def parameter_words(parameters: Mapping[str, Any]) -> str:
    """Return parameters as ``name: value``, parted by commas."""
    return ", ".join(f"{name}: {_value(value)}" for name, value in parameters.items()) or "no parameters"


def limitations(facts: Facts) -> str:
    """Return what is not in the volumes, and why."""
    reasons = Counter(row["reason"] for row in facts.rows if row["reason"])
    left_out = "; ".join(f"{n} {reason}: {Reason[reason].meaning}" for reason, n in ordered(reasons))
    look = sum(row["qc"] == "look" for row in facts.ready)
    return (
        f"{counted(sum(reasons.values()), 'series')} without a volume{f' ({left_out})' if left_out else ''}. "
        f"{counted(look, 'volume')} to be looked at first (column qc_why). "
        "Where a store has a mask, voxels that are 0 in it were not measured."
    )


def ordered(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Return reasons and counts in the order of the vocabulary."""
    return sorted(reasons.items(), key=lambda pair: Reason[pair[0]].order)


def statuses(facts: Facts) -> list[tuple[Status, int]]:
    """Return how many series ended how."""
    counts = Counter(row["status"] for row in facts.rows)
    return [(status, counts[status]) for status in Status]


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, which is series or takes an s."""
    return f"{n} {noun}" if n == 1 or noun.endswith("s") else f"{n} {noun}s"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({parameter_words(value)})"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " / ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
