from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.output.layout import OutputFolder
from pipeline.plan.recipe import build_recipe, policy_of, versions_of
from pipeline.run.session import load_key


def config(tmp_path: Path, *overrides: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text("steps: [{orient: {to: LPS}}]\n")
    return load(path, overrides=overrides, inputs=[tmp_path / "in"], output=tmp_path / "out")


def test_the_policy_holds_what_the_configuration_says(tmp_path: Path) -> None:
    policy = policy_of(config(tmp_path, "select.min_slices=7", "geometry.gap=interpolate", "limits.max_slices=9"))
    assert (policy.min_slices, policy.geometry.gap, policy.limits.max_slices) == (7, "interpolate", 9)


def test_kept_identifiers_have_no_secret_and_pseudonyms_one_that_stays(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    kept = load_key(config(tmp_path, "manifest.identifiers=keep"), output)
    assert not output.key.exists()
    first, second = (load_key(config(tmp_path), output) for _ in range(2))
    assert first == second != kept
    assert kept.keyed_hash("series", "1.2") != first.keyed_hash("series", "1.2")


@pytest.mark.parametrize(
    ("override", "changes"),
    [
        ("steps.0.orient.to=LPS", False),
        ("store.level=3", True),
        ("hounsfield.padding_hu=-2000", True),
        ("report.pictures=false", False),
        ("cluster.workers=2", False),
        ("limits.series_timeout_seconds=5", True),
        ("limits.max_nesting=50", False),
        ("on_finish=mail me", False),
        ("limits.max_slices=100", True),
        ("select.min_slices=9", True),
    ],
)
def test_only_what_can_change_a_result_makes_it_stale(tmp_path: Path, override: str, *, changes: bool) -> None:
    assert (versions_of(config(tmp_path, override)) != versions_of(config(tmp_path))) == changes


def test_the_recipe_carries_steps_and_hash(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    one = config(tmp_path)
    recipe = build_recipe(one, load_key(one, output))
    assert [step.name for step in recipe.steps] == ["orient"]
    assert recipe.config_hash == versions_of(one).config_hash
