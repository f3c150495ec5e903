from dataclasses import replace
from pathlib import Path

import pytest
from fitted import FOUND

from pipeline.config import Config, config_hash, load
from pipeline.config.order import steps_with_usual_statistics
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.plan.recipe import fit_terms, read_statistics, resolve_statistics, write_statistics
from pipeline.steps.cohort import find_waiting_steps, make_typical_statistics

YAML = """
steps:
  - clip: {percentiles: [0.5, 99.5], statistics: cohort}
  - normalise: {to: z_score, statistics: cohort}
manifest: {split: {train: 0.8, test: 0.2}}
"""


def asked(tmp_path: Path, yaml: str = YAML) -> Config:
    (tmp_path / "out").mkdir(exist_ok=True)
    path = tmp_path / "config.yaml"
    path.write_text(yaml)
    return load(path, inputs=[tmp_path / "in"], output=tmp_path / "out")


def statistics_of(config: Config) -> Path:
    return OutputFolder(Path(config.output.folder)).statistics


def resolve(config: Config) -> Config:
    return resolve_statistics(config, statistics_of(config))


def fit(config: Config, mean_hu: float = -500) -> None:
    """Write what ``ctprep fit`` would have found."""
    found = replace(make_typical_statistics(config.steps), mean_hu=mean_hu, fitted_on=fit_terms(config))
    write_statistics(statistics_of(config), found)


def test_what_needs_no_statistics_stays_as_it_is(tmp_path: Path) -> None:
    config = asked(tmp_path, "steps: [{orient: {to: LPS}}]")
    assert resolve(config) is config


def test_without_statistics_the_step_and_the_command_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^steps\.0: statistics: cohort .* run `ctprep fit CONFIG` first$"):
        resolve(asked(tmp_path))


def test_with_statistics_no_step_waits_but_the_configuration_reads_on(tmp_path: Path) -> None:
    config = asked(tmp_path)
    fit(config)
    ready = resolve(config)
    assert find_waiting_steps(ready.steps) == []
    assert replace(ready, steps=config.steps) == config
    assert resolve(ready) == ready


def test_the_figures_that_are_used_are_in_the_hash(tmp_path: Path) -> None:
    config = asked(tmp_path)
    fit(config)
    once = config_hash(resolve(config))
    fit(config, mean_hu=-499)
    assert config_hash(resolve(config)) != once
    fit(config)
    assert config_hash(resolve(config)) == once


def test_figures_that_are_not_used_are_not(tmp_path: Path) -> None:
    clip_only = asked(tmp_path, "steps: [{clip: {percentiles: [0.5, 99.5], statistics: cohort}}]")
    fit(clip_only)
    once = config_hash(resolve(clip_only))
    fit(clip_only, mean_hu=-499)
    assert config_hash(resolve(clip_only)) == once


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ("manifest: {split: {train: 0.8, test: 0.2, seed: 1}}", r"manifest\.split"),
        ("manifest: {split: {train: 0.8, test: 0.2}}\ngeometry: {gap: interpolate}", "geometry"),
        ("manifest: {}\nhounsfield: {padding_hu: -2000}", r"manifest\.split and hounsfield"),
    ],
)
def test_statistics_of_another_split_or_reading_are_refused(tmp_path: Path, changed: str, named: str) -> None:
    fit(asked(tmp_path))
    steps, _, _ = YAML.partition("manifest")
    with pytest.raises(UsageError, match=f"another {named}: run `ctprep fit CONFIG` again"):
        resolve(asked(tmp_path, steps + changed))


def test_a_program_can_be_tried_before_there_are_statistics(tmp_path: Path) -> None:
    assert find_waiting_steps(steps_with_usual_statistics(asked(tmp_path).steps)) == []


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write_statistics(tmp_path / "statistics.json", FOUND)
    assert read_statistics(tmp_path / "statistics.json") == FOUND


def test_where_nothing_was_fitted_there_is_nothing(tmp_path: Path) -> None:
    assert read_statistics(tmp_path / "statistics.json") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"n_voxels": 3}'])
def test_a_damaged_file_says_how_to_mend_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="run `ctprep fit CONFIG`"):
        read_statistics(path)
