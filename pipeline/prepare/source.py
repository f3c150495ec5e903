"""The source of one series: slices without duplicates, an accepted stack, plausible Hounsfield units."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.pixels.hounsfield import SliceSource, SourceFacts
from pipeline.dicom.pixels.plausible import Rescaling, check_hounsfield, check_map_values
from pipeline.dicom.pixels.raw import UniqueSlices, drop_copies
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.privacy import PseudonymKey
from pipeline.sources.files import SourceError
from pipeline.vocabulary import Reason, Status
from pipeline.volume import Plane, Planes


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
    """Return the facts of all slices; raises SeriesRefusedError for values that cannot be Hounsfield units."""
    facts = source.facts()
    histogram = facts.histogram
    if detail := check_map_values(stack.slices, histogram.first_bin_hu, histogram.counts):
        raise SeriesRefusedError(Reason.RESCALE_NOT_HU, detail)
    if detail := check_hounsfield(histogram.first_bin_hu, histogram.counts, Rescaling.of(stack.slices)):
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
    return facts


def hash_content(facts: SourceFacts) -> str:
    """Return a hash that two series share if they hold the same slices, in any order."""
    return hashlib.blake2b("".join(sorted(facts.hu_hashes)).encode(), digest_size=10).hexdigest()


def stream_slices(source: SliceSource) -> Planes:
    """Return a source's slices as planes."""

    def at(k: int) -> Plane:
        plane = source.plane(k)
        return Plane(plane.hu[None], plane.valid)

    return at


def compute_fingerprint(slices: Iterable[SliceHeader], pixel_hashes: Iterable[str], key: PseudonymKey) -> str:
    """Return a keyed hash over the sorted SOPInstanceUIDs and the stored pixels that belong to them."""
    pairs = zip((header.identity.sop_instance_uid for header in slices), pixel_hashes, strict=True)
    return key.keyed_hash("fingerprint", *(part for pair in sorted(pairs) for part in pair))


@contextmanager
def hold_files(job: Job) -> Iterator[Job]:
    """Yield the job with files that can be read in place: what lies compressed in an archive is unpacked once.

    Raises SeriesRefusedError where one of them cannot be had.
    """
    files = [header.file for header in job.series.slices if header.file.extent]
    if not files:
        yield job
        return
    from pipeline.sources.members import hold_files as hold  # noqa: PLC0415  a run over folders needs no archives

    with ExitStack() as stack:
        try:
            held = stack.enter_context(hold(files, job.recipe.cache_bytes))
        except ConnectionError as error:
            raise SeriesRefusedError(Reason.TIMEOUT, "the bucket of the input does not answer") from error
        except SourceError as error:
            raise SeriesRefusedError(error.reason, error.detail) from error
        except (FileNotFoundError, PermissionError) as error:
            raise SeriesRefusedError(Reason.UNREADABLE, f"reading failed ({type(error).__name__})") from error
        slices = tuple(replace(one, file=held.get(one.file.path, one.file)) for one in job.series.slices)
        yield replace(job, series=replace(job.series, slices=slices))


def measure_series(job: Job) -> SeriesResult:
    """Read a series and write nothing: return its HU histogram, and a record with its content_hash and fingerprint.

    Law: all are those that `series.process` finds.  Where the series is refused, the record holds the reason.
    """
    started = time.perf_counter()
    try:
        with hold_files(job) as held:
            result = _read_series(held)
    except SeriesRefusedError as error:
        result = refuse(job.record, job.series, error.reason, error.detail)
    return replace(result, record=replace(result.record, duration_s=round(time.perf_counter() - started, 3)))


def _read_series(job: Job) -> SeriesResult:
    policy = job.recipe.policy
    stack = build_accepted_stack(remove_duplicates(job.series, policy), policy)
    facts = read_plausible_facts(SliceSource(stack, policy), stack)
    elements = stack.slices[0].elements
    record = replace(job.record, status=Status.OK, n_slices=len(stack.slices), elements=elements)
    record = replace(record, content_hash=hash_content(facts))
    record = replace(record, fingerprint=compute_fingerprint(stack.slices, facts.pixel_hashes, job.recipe.key))
    return SeriesResult(record, (), facts.histogram)
