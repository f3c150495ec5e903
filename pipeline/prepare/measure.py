"""One series read and counted, and nothing written: what `pipeline.run.fit` and a deep dry run send to workers."""

import time
from dataclasses import replace

from pipeline.dicom.pixels.source import SliceSource
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.provenance import compute_fingerprint
from pipeline.prepare.source import build_accepted_stack, hash_content, read_plausible_facts, remove_duplicates
from pipeline.vocabulary import Status


def measure(job: Job) -> SeriesResult:
    """Return the HU histogram of a series, and a record with its content_hash and fingerprint; or the reason for none.

    Law: all are those that `series.process` finds.
    """
    started = time.perf_counter()
    try:
        result = _measure(job)
    except SeriesRefusedError as error:
        result = refuse(job.record, job.series, error.reason, error.detail)
    return replace(result, record=replace(result.record, duration_s=round(time.perf_counter() - started, 3)))


def _measure(job: Job) -> SeriesResult:
    policy = job.recipe.policy
    stack = build_accepted_stack(remove_duplicates(job.series, policy), policy)
    facts = read_plausible_facts(SliceSource(stack, policy), stack)
    elements = stack.slices[0].elements
    record = replace(job.record, status=Status.OK, n_slices=len(stack.slices), elements=elements)
    record = replace(record, content_hash=hash_content(facts))
    record = replace(record, fingerprint=compute_fingerprint(stack.slices, facts.pixel_hashes, job.recipe.key))
    return SeriesResult(record, (), facts.histogram)
