"""A dry run: what a run would do with each series, and what would come out; writes nothing."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.cluster import Lost, Pool, open_pool
from pipeline.config import Config, check_ready
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Ledger
from pipeline.plan.estimate import forecast, peak_mb
from pipeline.plan.plan import Planned, State, settled
from pipeline.plan.recipe import choice_of, key_of, recipe_of, scan_of, versions_of
from pipeline.prepare.job import Job, Recipe
from pipeline.prepare.measure import measure
from pipeline.privacy import KEY_FILE_VARIABLE, PseudonymKey
from pipeline.program.explain import explain
from pipeline.program.program import Program
from pipeline.run.session import working_copy

OTHER_CONTENT = "its files hold something else, though their sizes and times are the same: touch them"


@dataclass(frozen=True)
class Rehearsed:
    """What a run would do with one series.

    ``program`` tells its steps, a line each; ``stored`` is the shape and dtype of its volume, None where there is none.
    """

    series_key: str
    state: State
    why: str
    expectation: str
    program: tuple[str, ...] = ()
    stored: tuple[tuple[int, ...], str] | None = None


def rehearsed(config: Config, *, deep: bool = False) -> Iterator[Rehearsed]:
    """Yield what would be done with each series, in order of series_key.

    With ``deep`` every header is read again whatever size and time of its file, and so are the pixels of each series
    that is done: its fingerprint tells whether they are those that were worked.  An output that has no pseudonym key
    yet gets one at its first run; until then series have passing keys.
    """
    check_ready(config)
    with working_copy(config, writes=False) as work:
        check_ready(work.config)  # an output in a bucket shows only now all that is asked of it
        yield from _all_rehearsed(work.config, work.output, deep=deep)


def _all_rehearsed(config: Config, output: OutputFolder, *, deep: bool) -> Iterator[Rehearsed]:
    keeps_key = output.key.exists() or KEY_FILE_VARIABLE in os.environ
    key = key_of(config, output) if keeps_key else PseudonymKey()
    recipe, ledger = recipe_of(config, key), Ledger.read(output)
    with open_pool(config.cluster, config.limits) as pool:
        found = scan_of(config, key, None if deep else output.scan, pool, looks_only=True)
        plans = settled(choice_of(config, found, output), ledger.finished, versions_of(config))
        if deep:
            plans = _compared(plans, ledger, recipe, pool)
    for plan in plans:
        yield _rehearsed(plan, recipe)


def _compared(plans: Sequence[Planned], ledger: Ledger, recipe: Recipe, pool: Pool) -> list[Planned]:
    """Return the plans, those of series that are done as CHANGED where their files hold something else now."""
    made = {key: found.record.fingerprint for key, found in ledger.finished.items() if found.record.fingerprint}
    jobs = [
        Job(plan.scanned.series, plan.scanned.record, plan.scanned.warnings, recipe, "")
        for plan in plans
        if plan.scanned and plan.state is State.DONE and plan.series_key in made
    ]
    changed = {
        job.record.series_key
        for job, result in (pool.engine(len(jobs)).run(measure, jobs) if jobs else ())
        if isinstance(result, Lost) or result.record.fingerprint != made[job.record.series_key]
    }
    return [
        replace(plan, state=State.CHANGED, why=OTHER_CONTENT) if plan.series_key in changed else plan for plan in plans
    ]


def _rehearsed(plan: Planned, recipe: Recipe) -> Rehearsed:
    if plan.scanned is None:
        return Rehearsed(plan.series_key, plan.state, plan.why, "its store stays until gc")
    if plan.scanned.refusal:
        return Rehearsed(plan.series_key, plan.state, plan.why, ": ".join(plan.scanned.refusal))
    foreseen = forecast(plan.scanned.series, recipe)
    if isinstance(foreseen, str):
        return Rehearsed(plan.series_key, plan.state, plan.why, foreseen)
    told, stored = tuple(explain(foreseen)), (foreseen.shape, foreseen.dtype)
    return Rehearsed(plan.series_key, plan.state, plan.why, _expectation(foreseen, recipe), told, stored)


def _expectation(program: Program, recipe: Recipe) -> str:
    shape = f"{'at most ' if program.is_upper_bound else ''}{' x '.join(str(n) for n in program.shape)}"
    return f"{shape} {program.dtype}, {program.nbytes / 2**20:.1f} MB, peak memory {peak_mb(program, recipe):.0f} MB"
