"""The house keeps its order: who may import whom, and how large things may grow.

The rooms and their arrows are those of docs/pages/design.md: imports point downwards only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "recipes.cad_icassp_2024"

MODEL = {"clarity.utils", "clarity.enhancer"}
METRIC = {*MODEL, "clarity.evaluator.ear_model"}
LIBRARY = {"clarity.utils", "clarity.enhancer", "clarity.evaluator.haaqi", "clarity.separation"}
STEPS = {*LIBRARY, f"{RECIPE}.data", f"{RECIPE}.metric", f"{RECIPE}.runs"}

MAY_IMPORT = {
    "clarity.utils": set(),
    "clarity.enhancer": {"clarity.utils"},
    "clarity.separation": {"clarity.utils"},
    "clarity.evaluator.ear_model": MODEL,
    "clarity.evaluator.engine": METRIC,
    "clarity.evaluator.haaqi_torch": METRIC,
    "clarity.evaluator.haaqi": {
        *METRIC,
        "clarity.evaluator.engine",
        "clarity.evaluator.haaqi_torch",
    },
    "clarity.commands": {"clarity.utils", "clarity.evaluator.haaqi"},
    f"{RECIPE}.data": LIBRARY,
    f"{RECIPE}.metric": LIBRARY,
    f"{RECIPE}.runs": {*LIBRARY, f"{RECIPE}.data", f"{RECIPE}.metric"},
    f"{RECIPE}.reporting": STEPS,
    f"{RECIPE}.generate_dataset": STEPS,
    f"{RECIPE}.baseline": {*STEPS, f"{RECIPE}.reporting", "clarity.evaluator.haaqi_torch"},
    f"{RECIPE}.commands": STEPS,
    f"{RECIPE}.config_table": {*STEPS, f"{RECIPE}.generate_dataset"},
}
"""Rooms, and the rooms below each."""

PEER_NAMES = {
    "clarity/utils/source_separation_support.py",
    f"{RECIPE.replace('.', '/')}/pyclarity.py",
}
"""Modules at pyClarity's addresses, which only hand on what is elsewhere."""

SLOW_TO_LOAD = ["torch", "numba", "scipy.signal", "scipy.fft", "pandas", "matplotlib"]
"""Packages that take from a fifth of a second to two: help and complaints do without them."""

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7
MORE_PARAMETERS = {"decompose_signal": 8}  # pyClarity's arguments


@cache
def sources() -> dict[str, ast.Module]:
    """Syntax tree of every module, by its path from the root."""
    paths = sorted([*ROOT.glob("clarity/**/*.py"), *ROOT.glob("recipes/**/*.py")])
    return {str(path.relative_to(ROOT).as_posix()): ast.parse(path.read_text()) for path in paths}


def module_name(path: str) -> str:
    """Dotted name of a module."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(name: str) -> str:
    """Room of a dotted name."""
    parts = name.split(".")
    in_evaluator = parts[:2] == ["clarity", "evaluator"]
    return ".".join(parts[: 3 if in_evaluator or parts[0] == "recipes" else 2])


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_point_downwards() -> None:
    wrong = []
    for path, tree in sources().items():
        room = room_of(module_name(path))
        if path in PEER_NAMES or room not in MAY_IMPORT:
            continue
        for name in imported(tree):
            target = room_of(name)
            if target not in MAY_IMPORT or target == room or target in MAY_IMPORT[room]:
                continue
            wrong.append(f"{path}: {room} -> {name}")
    assert not wrong, "\n".join(["these imports point upwards or aside:", *wrong])


def test_every_room_is_known() -> None:
    rooms = {room_of(module_name(path)) for path in sources() if path not in PEER_NAMES}
    faces = {"clarity", "clarity._version", "clarity.evaluator", "recipes", RECIPE}
    assert rooms - faces - set(MAY_IMPORT) == set()


@pytest.mark.parametrize(
    ("where", "banned"),
    [
        ("clarity/", {"hydra", "omegaconf", "recipes"}),
        ("clarity/evaluator/ear_model/", {"numba", "torch"}),
        ("clarity/evaluator/haaqi_torch/", {"numba"}),
    ],
)
def test_what_is_never_imported(where: str, banned: set[str]) -> None:
    wrong = [
        f"{path}: {name}"
        for path, tree in sources().items()
        if path.startswith(where)
        for name in imported(tree)
        if name.split(".")[0] in banned
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        ("clarity.evaluator.ear_model", ["numba", "torch", "hydra"]),
        ("clarity.evaluator.haaqi.__main__", [*SLOW_TO_LOAD, "hydra"]),
        ("clarity.evaluator.haaqi.haaqi", ["torch", "hydra"]),
        *(
            (f"{RECIPE}.{script}", SLOW_TO_LOAD)
            for script in (
                *(f"baseline.{name}" for name in ("enhance", "evaluate", "finetune", "report")),
                "baseline.merge_batches_results",
                *(f"generate_dataset.{name}" for name in ("download", "make_demo_data")),
                "generate_dataset.generate_at_mic_musdb18",
                "generate_dataset.generate_train_scenes",
            )
        ),
    ],
)
def test_what_a_module_does_not_load(module: str, not_loaded: list[str]) -> None:
    """What the commands import comes with their help and their complaints."""
    script = f"import sys, {module}; print([n for n in {not_loaded} if n in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == "[]"


def test_no_module_needs_unix_to_be_imported() -> None:
    """What Windows lacks may be imported inside a function only."""
    wrong = [
        f"{path}: {name}"
        for path, tree in sources().items()
        for node in tree.body
        for name in imported(ast.Module([node], []))
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Try, ast.If))
        and name.split(".")[0] in {"fcntl", "pwd", "grp", "resource", "termios"}
    ]
    assert not wrong


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """All functions and methods of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def n_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    n_described = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return function.end_lineno - function.lineno + 1 - n_described


def n_parameters(function: ast.FunctionDef) -> int:
    """Parameters of a function but self and cls."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_modules_fit_in_a_head() -> None:
    sizes = {path: len((ROOT / path).read_text().splitlines()) for path in sources()}
    assert not [
        f"{path} has {size} lines, more than {MAX_MODULE_LINES}"
        for path, size in sizes.items()
        if path.startswith("recipes/") and size > MAX_MODULE_LINES
    ]


def test_functions_fit_on_a_screen() -> None:
    assert not [
        f"{path}: {function.name} has {n_lines(function)} lines without its docstring"
        for path, tree in sources().items()
        for function in functions(tree)
        if n_lines(function) > MAX_FUNCTION_LINES
    ]


def test_functions_take_few_parameters() -> None:
    """In the recipe; a metric has as many as its paper gives it."""
    assert not [
        f"{path}: {function.name} has {n_parameters(function)} parameters"
        for path, tree in sources().items()
        for function in functions(tree)
        if path.startswith("recipes/")
        and n_parameters(function) > MORE_PARAMETERS.get(function.name, MAX_PARAMETERS)
    ]
