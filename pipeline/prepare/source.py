"""A job's slices to a stack that is accepted, and the verdict on what its pixels told."""

import hashlib

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.pixels.duplicates import UniqueSlices, drop_copies
from pipeline.dicom.pixels.plausible import Rescaling, check_hounsfield
from pipeline.dicom.pixels.source import SliceSource, SourceFacts
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason


def remove_duplicates(series: Series, policy: Policy) -> UniqueSlices:
    """Drop identical copies, unless the policy refuses any duplicate."""
    if policy.geometry.duplicate_position == "reject":
        return UniqueSlices(series.images, ())
    return drop_copies(series.images, policy.limits)


def build_accepted_stack(unique: UniqueSlices, policy: Policy) -> Stack:
    """Return the slices as a stack; raises SeriesRefusedError where its geometry is not accepted."""
    stack = build_stack(unique.slices)
    if refusal := check_stack(stack, policy):
        raise SeriesRefusedError(*refusal)
    return stack


def read_plausible_facts(source: SliceSource, stack: Stack) -> SourceFacts:
    """Return what every slice told; raises SeriesRefusedError for values that cannot be Hounsfield units."""
    facts = source.facts()
    histogram = facts.histogram
    if detail := check_hounsfield(histogram.first_bin_hu, histogram.counts, Rescaling.of(stack.slices)):
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
    return facts


def hash_content(facts: SourceFacts) -> str:
    """Return a hash that two series share if they hold the same slices, in any order."""
    return hashlib.blake2b("".join(sorted(facts.hu_hashes)).encode(), digest_size=10).hexdigest()
