"""The card that a person reads: what is in a data set, how it was made, what was left out, and what to mind."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from pipeline.card.facts import About, Facts, Processing, Row
from pipeline.vocabulary import Reason, SeriesWarning, Status, format_count

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
    "crop_above": "The volume is cut to the box of all that is above a value.",
    "crop_to": "The volume is cut to a box around a label.",
    "remove_table": "What lies outside the body is padding.",
    "quantise": "Values are rounded to whole numbers.",
}
"""What a step of a trail does."""

NO_STEPS = "None: Hounsfield units as they were read."


def summary(facts: Facts) -> str:
    """Return one sentence that says what there is."""
    patients = len({row["patient"] for row in facts.ready})
    return (
        f"{format_count(len(facts.ready), 'CT volume')} of {format_count(patients, 'patient')} as OME-Zarr stores, "
        f"and a manifest that accounts for {format_count(len(facts.rows), 'series')}."
    )


def processing(facts: Facts) -> str:
    """Return how the volumes were made, in one paragraph."""
    steps = (f"{number}. {step_words(step)}" for number, step in enumerate(facts.processing, start=1))
    return " ".join(steps) or NO_STEPS


def step_words(step: Processing) -> str:
    """Return what a step did, to how many series, with which parameters."""
    figures = "parameters differ between series" if step.parameters is None else parameter_words(step.parameters)
    words = STEP_WORDS.get(step.step, step.step).removesuffix(".")
    return f"{words} ({format_count(step.n_series, 'series')}; {figures})."


def parameter_words(parameters: Mapping[str, Any]) -> str:
    """Return parameters as ``name: value``, parted by commas."""
    return ", ".join(f"{name}: {_value(value)}" for name, value in parameters.items()) or "no parameters"


def limitations(facts: Facts) -> str:
    """Return what is not in the volumes, and why."""
    reasons = Counter(row["reason"] for row in facts.rows if row["reason"])
    left_out = "; ".join(f"{n} {reason}: {Reason[reason].meaning}" for reason, n in sort_reasons(reasons))
    look = sum(row["qc"] == "look" for row in facts.ready)
    return (
        f"{format_count(sum(reasons.values()), 'series')} without a volume{f' ({left_out})' if left_out else ''}. "
        f"{format_count(look, 'volume')} to be looked at first (column qc_why). "
        "Where a store has a mask, voxels that are 0 in it are not valid: padding, or outside the scan."
    )


def sort_reasons(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Return reasons and counts in the order of the vocabulary."""
    return sorted(reasons.items(), key=lambda pair: Reason[pair[0]].order)


def statuses(facts: Facts) -> list[tuple[Status, int]]:
    """Return how many series ended how."""
    counts = Counter(row["status"] for row in facts.rows)
    return [(status, counts[status]) for status in Status]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({parameter_words(value)})"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " / ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


FILL_IN = "**to be filled in**"
LOADING = """\
```python
import zarr

group = zarr.open_group("volumes/<series_key>.zarr", mode="r")
volume, affine_lps = group["0"][:], group.attrs["ctprep"]["affine_lps"]  # [z, y, x]; index to LPS millimetres
```
"""
PSEUDONYMS = (
    "Patients, studies and series are keyed hashes; no name, date, UID, path or free text from a header stands in the"
    " tables. Never publish the folder `private/`: it holds the way back."
)
IDENTIFIERS = (
    "**PatientID and UIDs are kept**, as for a cohort that is public already; names, dates, paths and free text are"
    " not in the tables. Never publish the folder `private/`."
)
PIXELS = (
    "Pixels are as the scanner made them: a face can be recognised in a head, and text that was burned into an image"
    " can be read."
)
MARKUP = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*_[]|~!#"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " "}
)
"""What Markdown or HTML would take for more than text."""

Section = tuple[str, Iterable[str]]


def markdown(facts: Facts, about: About) -> str:
    """Return the card."""
    sections: list[Section] = [
        ("What is in it", _contents(facts)),
        ("Splits", _splits(facts)),
        ("How the volumes were made", _processing(facts)),
        ("What was left out", _left_out(facts)),
        ("What to mind", _warnings(facts)),
        ("Scanners", _scanners(facts)),
        ("Sizes", _sizes(facts)),
        ("Privacy", [IDENTIFIERS if facts.keeps_identifiers else PSEUDONYMS, "", PIXELS]),
        ("Opening a volume", [LOADING.rstrip()]),
        ("Licence, citation, contact", _about(about)),
    ]
    parts = [f"# {text(about.name)}\n\n{summary(facts)}\n"]
    parts += [f"## {title}\n\n{body}\n" for title, lines in sections if (body := "\n".join(lines))]
    return "\n".join(parts)


def text(value: object) -> str:
    """Return text from data as nothing but text."""
    return str(value).translate(MARKUP)


def code(word: str) -> str:
    """Return a word of the program's own as code."""
    return f"`{word}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a table's lines; what comes from data has gone through ``text``."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


def _contents(facts: Facts) -> Iterator[str]:
    yield from _table(("series", "status"), [(n, status) for status, n in statuses(facts) if n])
    n_bytes = sum(row["store_bytes"] for row in facts.ready)
    files = ", ".join(f"`{file.path}`" for file in (*(table.file for table in facts.tables), *facts.files))
    yield ""
    yield f"{format_count(len(facts.ready), 'store')} in `volumes/`, {n_bytes / 2**20:.1f} MiB. Beside them: {files}."


def _splits(facts: Facts) -> Iterator[str]:
    if not facts.splits:
        yield "None was made."
        return
    by_split = {name: [row for row in facts.ready if row["split"] == name] for name in facts.splits}
    yield from _table(("split", "series", "patients"), [(n, len(r), _patients(r)) for n, r in by_split.items()])
    yield ""
    yield "A patient's series are all in one split."


def _processing(facts: Facts) -> Iterator[str]:
    if not facts.processing:
        yield NO_STEPS
        return
    rows = [
        (
            code(step.step),
            step.n_series,
            STEP_WORDS.get(step.step, ""),
            "differ between series" if step.parameters is None else code(parameter_words(step.parameters)),
        )
        for step in facts.processing
    ]
    yield from _table(("step", "series", "does", "parameters"), rows)
    versions = ", ".join(sorted({row["code_version"] for row in facts.ready}))
    yield ""
    yield f"In this order, by ctprep {text(versions)}. Each store has its own trail, in the attribute `ctprep.trail`."


def _left_out(facts: Facts) -> Iterator[str]:
    reasons = Counter(row["reason"] for row in facts.rows if row["reason"])
    if not reasons:
        yield "Nothing."
        return
    yield from _table(
        ("series", "reason", "means"), [(n, code(word), Reason[word].meaning) for word, n in sort_reasons(reasons)]
    )


def _warnings(facts: Facts) -> Iterator[str]:
    warnings = Counter(warning for row in facts.ready for warning in row["warnings"])
    look = sum(row["qc"] == "look" for row in facts.ready)
    volumes = format_count(len(facts.ready), "volume")
    yield f"{look or 'None'} of {volumes} should be looked at first; `qc_why` says why."
    if warnings:
        yield ""
        rows = [(n, code(word), SeriesWarning[word].meaning) for word, n in sorted(warnings.items())]
        yield from _table(("series", "warning", "means"), rows)


def _scanners(facts: Facts) -> Iterator[str]:
    yield from _counts("scanner", facts.ready, lambda row: _words(row["Manufacturer"], row["ManufacturerModelName"]))
    yield ""
    yield from _counts("kernel", facts.ready, lambda row: _words(*(row["ConvolutionKernel"] or [])))
    yield ""
    yield from _counts("kVp", facts.ready, lambda row: "not recorded" if row["KVP"] is None else f"{row['KVP']:g}")


def _counts(head: str, rows: Sequence[Row], value: Callable[[Row], str]) -> Iterator[str]:
    """Yield a table of values, the most frequent first."""
    counts = Counter(map(value, rows))
    patients = {word: _patients([row for row in rows if value(row) == word]) for word in counts}
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    yield from _table((head, "series", "patients"), [(text(word), n, patients[word]) for word, n in ranked])


def _sizes(facts: Facts) -> Iterator[str]:
    measures: dict[str, list[Any]] = {
        "slices": [row["n_slices"] for row in facts.ready],
        "slice interval, mm": [row["spacing_in_mm"][0] for row in facts.ready],
        "pixel spacing, mm": [row["spacing_in_mm"][2] for row in facts.ready],
        "slice thickness, mm": [row["slice_thickness_mm"] for row in facts.ready],
        "stored spacing z, mm": [row["spacing_mm"][0] for row in facts.ready],
        "stored spacing y, mm": [row["spacing_mm"][1] for row in facts.ready],
        "stored spacing x, mm": [row["spacing_mm"][2] for row in facts.ready],
    }
    known = {name: [value for value in values if value is not None] for name, values in measures.items()}
    rows = [
        (name, *(f"{figure:.4g}" for figure in (min(values), median(values), max(values))))
        for name, values in known.items()
        if values
    ]
    yield from _table(("measure", "least", "median", "most"), rows)


def _about(about: About) -> Iterator[str]:
    entries = {
        "version": about.version,
        "licence": about.licence,
        "creator": about.creator,
        "contact": about.contact,
        "citation": about.citation,
        "address": about.url,
        "published": about.published,
    }
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {FILL_IN if value is None else text(value)} |" for name, value in entries.items())


def _patients(rows: Iterable[Row]) -> int:
    return len({row["patient"] for row in rows})


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part) or "not recorded"
