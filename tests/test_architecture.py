"""The house's laws, held by tests: one direction, doors, small files, a test for each module, one style."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "pipeline", "scripts", "tests")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MODULES = [path for path in SOURCES if path.parts[0] == "pipeline"]

MOST_LINES = 250
MOST_FUNCTION_LINES = 40
TABLES = {Path("pipeline/vocabulary.py")}
"""Data may be long."""

WHOLE_HOUSE = {
    Path(f"tests/test_{name}.py")
    for name in (
        "accuracy", "architecture", "bad_inputs", "cluster", "combined", "configs", "converging", "docs", "end_to_end",
        "faults_input", "faults_killed", "faults_output",
        "fuzz", "fuzz_findings", "incremental", "laws", "nightly", "no_person", "output_format", "project", "real_data",
        "recipes", "repairs", "s3", "s3_faults", "slurm", "training",
    )
}  # fmt: skip
"""Tests of no single module."""

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_trivial(path: Path) -> bool:
    """Whether a module defines nothing of its own: it only names what others define, or starts them."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return path.stem in {"__init__", "__main__"} and not any(isinstance(node, definitions) for node in tree(path).body)


def homes_of_its_test(module: Path) -> list[Path]:
    """Where the test of a module may lie: the mirrored place; for a package, inside its folder or beside it."""
    mirrored = Path("tests", *(folder for folder in module.parts[:-1] if folder != "pipeline"))
    if module.stem != "__init__":
        return [mirrored / f"test_{module.stem}.py"]
    return [mirrored / f"test_{module.parent.name}.py", mirrored.parent / f"test_{module.parent.name}.py"]


def order_of_names(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions, each by the alphabet, as ruff sorts them."""
    return not name.isupper(), not name[0].isupper(), name


@pytest.mark.parametrize("path", [path for path in SOURCES if path not in TABLES], ids=str)
def test_a_python_file_has_at_most_250_lines(path: Path) -> None:
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_function_has_at_most_40_lines(path: Path) -> None:
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions(path)}
    assert {name: length for name, length in lengths.items() if length > MOST_FUNCTION_LINES} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {part.removesuffix(".py") for path in SOURCES for part in path.parts}
    assert names.isdisjoint({"common", "helper", "helpers", "manager", "managers", "util", "utils"})


@pytest.mark.parametrize("module", [path for path in MODULES if not is_trivial(path)], ids=str)
def test_a_module_has_its_test(module: Path) -> None:
    homes = homes_of_its_test(module)
    assert any((ROOT / home).is_file() for home in homes), f"write {homes[0]}"


def test_no_test_outlives_what_it_tests() -> None:
    tests = {path for path in SOURCES if path.parts[0] == "tests"}
    written = {path for path in tests if path.stem.startswith("test_")}
    supports = {Path("tests", f"test_{path.stem}.py") for path in tests - written}
    at_home = {home for path in SOURCES if path.parts[0] != "tests" for home in homes_of_its_test(path)}
    assert sorted(written - at_home - supports - WHOLE_HOUSE) == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_public_names_are_sorted(module: Path) -> None:
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names = ast.literal_eval(node.value)
            assert list(names) == sorted(set(names), key=order_of_names)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    sentence = (ast.get_docstring(tree(path)) or "").split("\n\n")[0]
    assert sentence.endswith(".") or not (ROOT / path).read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_the_tools_find_nothing(command: tuple[str, ...]) -> None:
    tool = shutil.which(command[0], path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip(f"{command[0]} is not installed beside {sys.executable}")
    result = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
