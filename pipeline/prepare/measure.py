"""One series read and counted, and nothing written: what `pipeline.run.fit` and a deep dry run send to workers."""

import time
from dataclasses import replace

from pipeline.dicom.pixels.source import SliceSource
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Job, SeriesResult, refused
from pipeline.prepare.provenance import fingerprint
from pipeline.prepare.source import accepted_stack, content_hash, plausible_facts, unique_slices
from pipeline.vocabulary import Status


def examine(job: Job) -> SeriesResult:
    """Return the HU histogram of a series, and a record with its content_hash and fingerprint; or the reason for none.

    Law: all are those that `series.process` finds.
    """
    started = time.perf_counter()
    try:
        result = _examined(job)
    except SeriesRefusedError as error:
        result = refused(job.record, job.series, error.reason, error.detail)
    return replace(result, record=replace(result.record, duration_s=round(time.perf_counter() - started, 3)))


def _examined(job: Job) -> SeriesResult:
    policy = job.recipe.policy
    stack = accepted_stack(unique_slices(job.series, policy), policy)
    facts = plausible_facts(SliceSource(stack, policy), stack)
    elements = stack.slices[0].elements
    record = replace(job.record, status=Status.OK, n_slices=len(stack.slices), elements=elements)
    record = replace(record, content_hash=content_hash(facts))
    record = replace(record, fingerprint=fingerprint(stack.slices, facts.pixel_hashes, job.recipe.key))
    return SeriesResult(record, (), facts.histogram)
