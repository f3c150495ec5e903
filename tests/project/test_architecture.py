"""The house's laws: few nouns at the root, files of a readable size, one direction, one style."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "pipeline", "scripts", "tests")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MODULES = [path for path in SOURCES if path.parts[0] == "pipeline"]

MOST_LINES = 400
MOST_FUNCTION_LINES = 40
TABLES = {Path("pipeline/vocabulary.py")}
"""Data may be long."""

LEAST_LINES = 40
MOST_NOUNS = 10
SMALL_BY_NATURE = {"cli", "steps"}
"""Rooms of one file per command, or a step."""

PARTICIPLE = re.compile(
    r"(?!need|feed|seed|embed)[a-z]+ed|built|done|drawn|found|given|held|kept|known|made|shown|taken|told"
)
"""A name of one word that is the participle of a verb."""
PLAIN_WORDS = {
    "told": "reported, recorded, distinguished",
    "rehearse": "dry run",
    "forecast": "estimate",
    "chronicle": "history",
    "news": "changes",
    "ledger": "state, cache",
    "strays": "unassigned files",
    "vanished": "missing",
    "invented": "interpolated",
    "spoken for": "valid",
    "whatever": "any",
    "somebody": "another run, a person",
}
"""Words that a reader whose first language is not English stumbles over, and what to write instead."""
ALLOWED_PARTICIPLES = {
    "finished": "a listener's method, named after the event",
    "measured": "a method of CohortVolume, which programs outside call",
}

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def tree(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Yield the functions of a module and the methods of its classes, but for properties."""
    body = tree(path).body
    for node in [*body, *(inner for one in body if isinstance(one, ast.ClassDef) for inner in one.body)]:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if not any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
            yield node


def has_word(text: str, word: str) -> bool:
    return re.search(rf"\b{word}\b", text) is not None


def order_of_names(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions, each by the alphabet, as ruff sorts them."""
    return not name.isupper(), not name[0].isupper(), name


def test_no_python_file_is_long() -> None:
    lengths = {str(path): len(text_of(path).splitlines()) for path in SOURCES if path not in TABLES}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    long = []
    for path in SOURCES:
        for function in functions(path):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > MOST_FUNCTION_LINES:
                long.append((str(path), function.name, length))
    assert long == []


def test_few_modules_are_fragments() -> None:
    looked_at = [path for path in MODULES if path.stem not in {"__init__", "__main__"} and len(path.parts) > 2]
    looked_at = [path for path in looked_at if path.parts[1] not in SMALL_BY_NATURE]
    small = [str(path) for path in looked_at if len(text_of(path).splitlines()) < LEAST_LINES]
    assert len(small) <= len(looked_at) / 8, small


def test_only_nouns_stand_at_the_root() -> None:
    nouns = [path.stem for path in MODULES if len(path.parts) == 2 and not path.stem.startswith("__")]
    assert len(nouns) <= MOST_NOUNS, nouns


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {part.removesuffix(".py") for path in SOURCES for part in path.parts}
    assert names.isdisjoint({"common", "helper", "helpers", "manager", "managers", "util", "utils"})


def test_folders_of_tests_mirror_the_rooms() -> None:
    rooms = {path.parts[1] for path in MODULES if len(path.parts) > 2}
    tested = {path.parts[1] for path in SOURCES if path.parts[0] == "tests" and path.stem.startswith("test_")}
    assert rooms <= tested


def test_public_names_are_sorted() -> None:
    for path in MODULES:
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
                names = ast.literal_eval(node.value)
                assert list(names) == sorted(set(names), key=order_of_names), path


def test_no_two_classes_share_a_public_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_public_functions_are_named_by_verbs() -> None:
    names = {(str(path), function.name) for path in MODULES for function in public_functions(path)}
    participles = {(path, name) for path, name in names if PARTICIPLE.fullmatch(name)}
    assert {name for _, name in participles} <= ALLOWED_PARTICIPLES.keys(), sorted(participles)


def test_code_and_pages_use_plain_words() -> None:
    pages = [path.relative_to(ROOT) for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))]
    templates = [path.relative_to(ROOT) for path in (ROOT / "pipeline").rglob("*.j2")]
    found = set()
    for path in [*MODULES, *pages, *templates]:
        text = text_of(path).lower()
        found |= {f"{path}: {word}, write {better}" for word, better in PLAIN_WORDS.items() if has_word(text, word)}
    assert found == set()


def test_every_module_opens_with_a_sentence() -> None:
    for path in MODULES:
        sentence = (ast.get_docstring(tree(path)) or "").split("\n\n")[0]
        assert sentence.endswith("."), path


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_the_tools_find_nothing(command: tuple[str, ...]) -> None:
    tool = shutil.which(command[0], path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip(f"{command[0]} is not installed beside {sys.executable}")
    result = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
