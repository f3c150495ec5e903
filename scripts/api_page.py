"""Writes docs/api.md from the sources: the names that a program may import, their signatures and docstrings.

python scripts/api_page.py > docs/api.md

Sources are parsed, never imported: what needs torch is described without it.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

HEAD = """\
<!-- Written by scripts/api_page.py from the docstrings; a test holds it current. -->

# API reference

What a program may import. Everything else is the house's own and may move. Arrays are `[z, y, x]`, points `(x, y, z)`
in LPS millimetres; errors are those of `pipeline.errors`, whose tree stands at the top of that module.
"""

MODULES = {
    "pipeline.dataset": (),
    "pipeline.dataset.torch": ("Volumes", "Patches"),
    "pipeline.dataset.monai": ("to_metatensor",),
    "pipeline.dataset.torchio": ("to_subject",),
    "pipeline.dataset.xarray": ("to_dataarray",),
    "pipeline.config": ("load", "dump", "schema"),
    "pipeline.run.run": ("run", "Listener", "Outcome"),
    "pipeline.card": (),
    "pipeline.output.tables": ("read_table", "column_types"),
    "pipeline.store.read": ("open_store", "StoredVolume"),
}
"""Module to the names that are told of it; none: all that are public."""

Definition = ast.FunctionDef | ast.ClassDef


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(part for module, names in MODULES.items() for part in _module(module, names))])


def _module(module: str, names: Sequence[str]) -> Iterator[str]:
    yield f"## `{module}`\n"
    yield (ast.get_docstring(_tree(module)) or "").split("\n\n")[0] + "\n"
    for definition in _public(module, names):
        yield f"### {definition.name}\n\n```python\n{_signature(definition)}\n```\n"
        yield _told(definition) + "\n"
        if isinstance(definition, ast.ClassDef):
            yield from _members(definition)


def _tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text(encoding="utf-8"))


def _public(module: str, names: Sequence[str]) -> Iterator[Definition]:
    """Yield these definitions of a module, or of what a package names of its modules; without names, all."""
    tree = _tree(module)
    sources = {name.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names}
    for name in names or _exported(tree):
        home = sources.get(name)
        yield from (node for node in _definitions(_tree(home) if home else tree) if node.name == name)


def _exported(tree: ast.Module) -> list[str]:
    """Return what ``__all__`` holds."""
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    found = next(node.value for node in assignments if ast.unparse(node.targets[0]) == "__all__")
    return list(ast.literal_eval(found))


def _definitions(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    return (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _members(definition: ast.ClassDef) -> Iterator[str]:
    for member in _definitions(definition):
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_") and ast.get_docstring(member):
            yield f"- `{_signature(member)}`\n\n{_indented(_told(member))}\n"


def _signature(definition: Definition) -> str:
    if isinstance(definition, ast.ClassDef):
        return f"{definition.name}({', '.join(_fields(definition))})"
    returned = f" -> {ast.unparse(definition.returns)}".replace("'", "") if definition.returns else ""
    if any(ast.unparse(decorator).endswith("property") for decorator in definition.decorator_list):
        return f"{definition.name}{returned}"
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(definition.args))
    return f"{definition.name}({arguments}){returned}"


def _fields(definition: ast.ClassDef) -> Iterator[str]:
    """Yield the fields of a dataclass, or the arguments of ``__init__``."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield re.sub(r"^self(, )?", "", ast.unparse(node.args))
        if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation):
            yield ast.unparse(node)


def _told(definition: Definition) -> str:
    """Return the docstring as Markdown: code has one backtick, a section is a bold word, a role is its name."""
    told = (ast.get_docstring(definition) or "").replace("``", "`")
    return re.sub(r":\w+:(`[^`]+`)", r"\1", re.sub(r"^(\w+)\n-+$", r"**\1**\n", told, flags=re.MULTILINE))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


if __name__ == "__main__":
    print(page(), end="")
