"""The house: imports run one way and in no circle, folders and files stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from support.commands import ROOT

PACKAGES = ("mobilevit_tf", "quantize", "preview")
MOST_FILES, MOST_LINES, LONGEST_FUNCTION = 14, 250, 45


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in found}


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a module loads when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(known)


def python_files() -> Iterator[Path]:
    for folder in (*PACKAGES, "benchmarks", "tests", "android_demo"):
        for path in (ROOT / folder).rglob("*.py"):
            if "__pycache__" not in path.parts and "target" not in path.parts:
                yield path


def test_no_import_runs_upwards():
    known = modules()
    upwards = [
        (name, other)
        for name, path in known.items()
        for other in imports(path, known)
        if (name.startswith("mobilevit_tf") and not other.startswith("mobilevit_tf"))
        or (name.startswith("quantize") and other.startswith("preview"))
        or (name.startswith("preview") and other.startswith("quantize"))
    ]  # fmt: skip
    assert upwards == []


def test_no_import_runs_in_a_circle():
    known = modules()
    graph = {name: imports(path, known) - {name} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_folders_and_files_stay_small():
    files = list(python_files())
    folders = {path.parent for path in files}
    counts = {folder: sum(1 for path in folder.glob("*.py") if path.name != "__init__.py") for folder in folders}
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > MOST_FILES} == {}
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_functions_stay_short():
    long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION:
                long[f"{path.relative_to(ROOT)}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert long == {}


def names_of(path: Path) -> set[str]:
    """What a module defines or imports at its top level, in branches too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_what_scripts_and_benchmarks_import_is_there():
    """Imports within functions too: no type checker looks at these files, and many run once in months."""
    known = modules()
    files = [*python_files(), *ROOT.glob("*.py")]
    missing = [
        f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in PACKAGES
        for alias in node.names
        if f"{node.module}.{alias.name}" not in known
        and (node.module not in known or alias.name not in names_of(known[node.module]))
    ]
    assert missing == []
