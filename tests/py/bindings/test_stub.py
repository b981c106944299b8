"""The hand-written stub and the module are the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import sandboxd
from sandboxd import _core

STUB = ast.parse((Path(sandboxd.__file__).with_name("_core.pyi")).read_text())


def stub_parameters(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    return [item.arg for item in (*arguments.args, *arguments.kwonlyargs) if item.arg != "self"]


def module_parameters(function: object) -> list[str]:
    """Names in the first line of the docstring that pybind11 writes: name(self: X, a: int, *, b: str = 'x') -> Y"""
    line = (function.__doc__ or "").strip().splitlines()[0]
    inside = line[line.index("(") + 1 : line.rindex(")")]
    return [name for name in re.findall(r"(\w+): ", re.sub(r"\[[^\]]*\]", "", inside)) if name != "self"]


def members(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}


def test_the_module_has_what_the_stub_says_and_nothing_else() -> None:
    stub = {node.name for node in STUB.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    module = {name for name in dir(_core) if not name.startswith("_")}
    assert module == stub


def test_functions_have_the_parameters_of_the_stub() -> None:
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            assert module_parameters(getattr(_core, node.name)) == stub_parameters(node), node.name


def test_classes_have_the_methods_and_parameters_of_the_stub() -> None:
    for node in STUB.body:
        if not isinstance(node, ast.ClassDef):
            continue
        kind, stub = getattr(_core, node.name), members(node)
        public = {name for name in dir(kind) if not name.startswith("_")}
        assert public == {name for name in stub if not name.startswith("_")}, node.name
        for name, method in stub.items():
            if not any(isinstance(mark, ast.Name) and mark.id == "property" for mark in method.decorator_list):
                assert module_parameters(getattr(kind, name)) == stub_parameters(method), f"{node.name}.{name}"


def test_only_the_entry_point_is_visible_to_other_modules() -> None:
    import subprocess

    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(_core.__file__)], capture_output=True, text=True, check=True
    )
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["PyInit__core"]
