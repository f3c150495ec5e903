"""Writes docs/reasons.md from the vocabulary: every reason and warning, what it means, and what to do about it.

python scripts/reasons_page.py > docs/reasons.md
"""

from collections.abc import Iterable, Sequence

from pipeline.vocabulary import Reason, SeriesWarning, Status

HEAD = """\
<!-- Written by scripts/reasons_page.py from pipeline/vocabulary.py; a test holds it current. -->

# Reasons and warnings

A series that gets no store has one **reason**: the first check that fails, in the order below. A series that gets one
may have **warnings**. Both stand in the manifest, in the columns `reason` and `warnings`, with the figures in `detail`.
`ctprep status OUTPUT` counts them; `ctprep show OUTPUT SERIES` shows those of one series.
"""

STRUCTURE = """\
## Files that are not written as the standard says

A file is read where there is exactly one way to read it to its end; its series then has `W_META_REPAIRED`.
"""
ODD_FILES = [
    (
        "no file meta information, or none that names a transfer syntax",
        "native images in implicit VR, DICOM's default; structure sets and native segmentations in either",
        "any other image in explicit VR, and any in fragments: `TRANSFER_SYNTAX`",
    ),
    (
        "elements without VR, or with one that is none (blanks, zeros, `??`)",
        "a private element with its creator, or one of the dictionary; tags rise; one reading alone ends with the file",
        "a private element without creator; two readings, or none; a search of more than a million steps: `CORRUPT`",
    ),
    ("implicit elements in an explicit file, explicit ones in an implicit file or in a UN", "likewise", "likewise"),
    (
        "elements of the dictionary under UN, functional groups too",
        "as the dictionary says: that is the standard's own rule, and no repair",
        "items that cannot be found with certainty: the sequence stays bytes, and what needs it is refused",
    ),
    (
        "fragments without the delimiter behind them, with half of it, or with zeros",
        "the last fragment is whole",
        "the last fragment is cut: `CORRUPT`; an image is missing: `PIXEL_DECODE`",
    ),
    ("delimiters or zeros behind the pixels", "nothing else but elements follows", "anything else: `CORRUPT`"),
    (
        "an offset table that does not fit the fragments",
        "one frame has every fragment; of several, their number or end markers tell each, and all begin alike",
        "otherwise: `PIXEL_DECODE`",
    ),
    ("a group length of the file meta information that is wrong", "always: no element follows from it", "never"),
    ("two images in the fragments of one frame", "never", "always: `PIXEL_DECODE`"),
]

SECTIONS = {
    Status.REJECTED: "Rejected: the data cannot be trusted as it is, and the run ends with exit code 3.",
    Status.EXCLUDED: "Excluded: not what is wanted; the exit code does not change.",
    Status.FAILED: "Failed: not the data's fault; the next run tries again, and this one ends with exit code 4 "
    "(1, where the same internal error failed every series).",
}

NOTHING = "Nothing; the voxels are right."
LOOK = "Look at the series before you rely on it."
WARNING_ADVICE = {
    SeriesWarning.W_FILE_SKIPPED: "Look in `private/files.parquet` for the file: it may be a damaged slice.",
    SeriesWarning.W_PREAMBLE: "Do not run or open the file with anything but a DICOM reader.",
    SeriesWarning.W_META_REPAIRED: NOTHING,
    SeriesWarning.W_CHARSET: "Do not rely on the text elements; the voxels are right.",
    SeriesWarning.W_ID_MISSING: "Patients are distinguished by study: give `manifest.patient_map` if you know better.",
    SeriesWarning.W_ID_FILLED: "Nothing, if the files of the series belong together: all others say the same.",
    SeriesWarning.W_ID_SHARED: "Find out who is who before you split into training and test: `manifest.patient_map`.",
    SeriesWarning.W_UID_INVALID: "Check that the series is one, and whole.",
    SeriesWarning.W_UID_DUPLICATE: "Nothing, if the number of slices is what you expect.",
    SeriesWarning.W_DUPLICATE_DROPPED: NOTHING,
    SeriesWarning.W_DUPLICATE_SERIES: "Nothing; delete one of the copies if disk space matters.",
    SeriesWarning.W_DUPLICATE_CONTENT: "Keep the copies out of different splits.",
    SeriesWarning.W_LOCALIZER_DROPPED: NOTHING,
    SeriesWarning.W_DERIVED: "Set `select.derived: none` if only original images are wanted.",
    SeriesWarning.W_IMAGE_TYPE: "Check that these are original axial images: nothing in the header says so.",
    SeriesWarning.W_LOSSY: "Leave the series out where small differences in HU matter.",
    SeriesWarning.W_MONOCHROME1: NOTHING,
    SeriesWarning.W_BURNED_IN: "Look at the pictures before you share the data: the text may name a person.",
    SeriesWarning.W_TAG_UNPARSED: "Do not rely on that element; the voxels are right.",
    SeriesWarning.W_TEXT_SANITISED: NOTHING,
    SeriesWarning.W_POSITION_FALLBACK: "Check in the report that the patient is not mirrored, nor the spacing wrong.",
    SeriesWarning.W_GANTRY_TILT: "Nothing; `geometry.gantry_tilt` says what was done, the trail with which figures.",
    SeriesWarning.W_SPACING_TAG: "Nothing; positions are believed, not the tag.",
    SeriesWarning.W_SPACING_JITTER: "Nothing. Where pixel spacings differ, `detail` says how far the last pixel moves.",
    SeriesWarning.W_SPACING_RESAMPLED: "Mind that planes between slices are interpolated: `interpolated_share`.",
    SeriesWarning.W_GAP_INTERPOLATED: "Use the mask: it is 0 in the planes that were not scanned.",
    SeriesWarning.W_SPARSE_SLICES: "Mind that the body between slices was not scanned: `coverage_share`.",
    SeriesWarning.W_MIXED_SERIES: "Look where along the stack it changes; noise and contrast change there too.",
    SeriesWarning.W_STACK_PART: "Look whether the other stacks are wanted too: each is a volume of its own.",
    SeriesWarning.W_SPECTRAL: "Leave the series out where CT numbers must be those of one tube voltage.",
    SeriesWarning.W_RESCALE_VARIES: NOTHING,
    SeriesWarning.W_RESCALE_TYPE: "Check in the report that air is near -1000 HU.",
    SeriesWarning.W_PADDING: "Use the mask; it is 0 where padding was found.",
    SeriesWarning.W_HIGH_BITS: NOTHING,
    SeriesWarning.W_HU_RANGE: "Look at the histogram: metal and phantoms are fine, a lost intercept is not.",
    SeriesWarning.W_PIXELS_PADDED: NOTHING,
    SeriesWarning.W_PIXELS_SUSPECT: LOOK,
    SeriesWarning.W_LABEL_MISMATCH: "Check that the mask was drawn on this series.",
    SeriesWarning.W_LABEL_MISSING: "See `label_reason_<name>`, and `private/masks.parquet` for each object.",
    SeriesWarning.W_LABEL_PARTIAL: "See `private/masks.parquet`: contours skipped by region and reason.",
    SeriesWarning.W_LABEL_OVERLAP: "Keep each region whole by `layers: true`, or ask for them as masks of their own.",
    SeriesWarning.W_LABEL_SPARSE: "Have the slices between drawn; nothing is interpolated between contours.",
    SeriesWarning.W_NGFF_APPROXIMATE: "Use `affine_lps`; it is exact.",
}
"""What a person can do about a warning."""


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for status, sentence in SECTIONS.items():
        reasons = [reason for reason in Reason if reason.status is status]
        parts.append(f"## {sentence.partition(':')[0]}\n\n{sentence.partition(': ')[2].capitalize()}\n")
        parts.append(table(("reason", "means", "what to do"), ((r, r.meaning, r.advice) for r in reasons)))
    parts.append("## Warnings\n\nThe series has its store.\n")
    parts.append(table(("warning", "means", "what to do"), ((w, w.meaning, WARNING_ADVICE[w]) for w in SeriesWarning)))
    parts.append(STRUCTURE)
    parts.append(
        "".join(f"| {' | '.join(row)} |\n" for row in (("what is odd", "read", "refused"), ("---",) * 3, *ODD_FILES))
    )
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a table whose first column is code."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| `{code}` | {meaning} | {advice} |" for code, meaning, advice in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
