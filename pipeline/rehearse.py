"""A dry run: what a run would do with each series, and what would come out; reads headers, writes nothing."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config, check_ready
from pipeline.dicom.stack.checks import stack_refusal
from pipeline.dicom.stack.stack import stacked
from pipeline.errors import SeriesRefusedError
from pipeline.ledger import Ledger
from pipeline.output import OutputFolder
from pipeline.plan import Planned, State, settled
from pipeline.privacy import KEY_FILE_VARIABLE, PseudonymKey
from pipeline.recipe import choice_of, key_of, recipe_of, scan_of, versions_of
from pipeline.series import Recipe, program_of
from pipeline.steps.program import Program
from pipeline.vocabulary import Verdict


@dataclass(frozen=True)
class Rehearsed:
    """What a run would do with one series; ``program`` tells its steps, a line each."""

    series_key: str
    state: State
    why: str
    expectation: str
    program: tuple[str, ...] = ()


def rehearsed(config: Config) -> Iterator[Rehearsed]:
    """Yield what would be done with each series, in order of series_key.

    An output that has no pseudonym key yet gets one at its first run; until then series have passing keys.
    """
    check_ready(config)
    output = OutputFolder(Path(config.output.folder))
    keeps_key = output.key.exists() or KEY_FILE_VARIABLE in os.environ
    key = key_of(config, output) if keeps_key else PseudonymKey()
    recipe = recipe_of(config, key)
    choice = choice_of(config, scan_of(config, key), output)
    for plan in settled(choice, Ledger.read(output).finished, versions_of(config)):
        yield _rehearsed(plan, recipe)


def _rehearsed(plan: Planned, recipe: Recipe) -> Rehearsed:
    if plan.scanned is None:
        return Rehearsed(plan.series_key, plan.state, plan.why, "its store stays until gc")
    if plan.scanned.refusal:
        return Rehearsed(plan.series_key, plan.state, plan.why, ": ".join(plan.scanned.refusal))
    stack = stacked(plan.scanned.series.images)
    if stack.verdict is Verdict.DUPLICATE:
        return Rehearsed(plan.series_key, plan.state, plan.why, "slices share positions: their pixels decide")
    if refusal := stack_refusal(stack, recipe.policy):
        return Rehearsed(plan.series_key, plan.state, plan.why, ": ".join(refusal))
    try:
        program = program_of(stack, recipe)
    except SeriesRefusedError as error:
        return Rehearsed(plan.series_key, plan.state, plan.why, str(error))
    return Rehearsed(plan.series_key, plan.state, plan.why, _expectation(program), tuple(program.explain()))


def _expectation(program: Program) -> str:
    shape = " x ".join(str(n) for n in program.shape)
    return f"{shape} {program.dtype}, {program.nbytes / 2**20:.1f} MB, peak memory {program.peak_bytes / 2**20:.0f} MB"
