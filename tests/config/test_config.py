"""The configurations that come with the program, their schema, and the page that describes the keys."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest

from pipeline.config import Config, OutputOptions, load, schema
from pipeline.config.allowed import Allowed
from pipeline.geometry import Orientation
from pipeline.sources.folders import InputOptions
from pipeline.steps import STEPS

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PAGE = ROOT / "docs" / "configuration.md"

REQUIRED = {"roots", "folder"}
SECTIONS = [name for name in schema()["properties"] if name not in {"steps", "on_finish"}]


def shipped(name: str) -> Config:
    return load(ROOT / "configs" / f"{name}.yaml", inputs=["in"], output="out")


def test_there_is_a_configuration_for_each_use() -> None:
    names = {"default", "dsb2017", "head", "lung", "nnunet", "osic", "seed_blog", "soft_tissue"}
    assert {path.stem for path in CONFIGS} == names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_can_be_loaded(path: Path) -> None:
    assert load(path, inputs=["in"], output="out").steps


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_opens_with_its_schema_and_one_sentence(path: Path) -> None:
    first, second, third = path.read_text("utf-8").splitlines()[:3]
    assert first == "# yaml-language-server: $schema=ctprep.schema.json"
    assert re.fullmatch(r"# [A-Z].*\.", second)
    assert not third.startswith("#")


def test_the_default_is_what_the_contract_says() -> None:
    steps = [(step.name, step.parameters) for step in shipped("default").steps]
    assert steps == [
        ("orient", {"to": "LPS", "oblique": "keep"}),
        ("resample", {"spacing_mm": (1, 1, 1), "method": "linear", "antialias": True}),
        ("clip", {"low_hu": -1000, "high_hu": 400}),
        ("normalise", {"to": "zero_one", "statistics": "range"}),
    ]


def test_the_schema_beside_them_is_the_current_one() -> None:
    written = json.loads((ROOT / "configs" / "ctprep.schema.json").read_text("utf-8"))
    assert written == json.loads(json.dumps(schema())), "write it again: ctprep schema > configs/ctprep.schema.json"


def described() -> dict[str, list[str]]:
    """Return the rows of the page's tables by their key: default, allowed values, meaning."""
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {key: [cell.strip() for cell in re.split(r"(?<!\\)\|", cells)] for key, cells in rows}


def test_the_page_describes_every_key_and_no_other() -> None:
    keys = {f"{name}.{key}" for name in SECTIONS for key in Allowed.at((name,)).names} | {"on_finish", "steps"}
    keys |= {f"{name}.{key}" for name in STEPS for key in Allowed.at(("steps", 0, name)).names}
    keys |= {f"manifest.split.{key}" for key in Allowed.at(("manifest", "split")).names}
    keys |= {f"manifest.labels.{key}" for key in Allowed.at(("manifest", "labels")).names}
    keys |= {f"manifest.labels.masks.{key}" for key in Allowed.at(("manifest", "labels", "masks", 0)).names}
    assert set(described()) == keys


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_tells_each_default(name: str) -> None:
    defaults = asdict(Config(InputOptions(("in",)), OutputOptions("out")))[name]
    for key, default in defaults.items():
        told = described()[f"{name}.{key}"][0].strip("`")
        assert told == ("none" if key in REQUIRED else json.dumps(default).replace('"', "")), key


def test_the_page_tells_each_word_of_a_choice() -> None:
    for key, cells in described().items():
        section, *rest = key.split(".")
        place = ("steps", 0) if section in STEPS else ()
        told = cells[1].replace("any of the 48", " ".join(f"`{letters}`" for letters in get_args(Orientation)))
        for word in Allowed.at((*place, section, *rest)).choices:
            assert f"`{word}`" in told, key
