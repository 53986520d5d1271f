"""Which modules of `grader.checks` judge a noun: all that it reaches, but for the checks' core."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from .history import Tree

CHECKS = "grader/checks"
# Every exercise uses these, so they are core whatever they reach.
SHARED = {"CheckFailed", "EnvironmentProblem", "credit", "given"}


def modules_of(names: Iterable[str], tree: Tree) -> list[str]:
    """The modules that judge the nouns of these names, which `grader.checks` gives."""
    modules = _modules(tree)
    return sorted({path for name in names for path in modules.get(name, ())})


@cache
def _modules(tree: Tree) -> dict[str, set[str]]:
    """The modules by name. What at least half of the nouns reach is the core, and of none."""
    reached: dict[str, set[str]] = {}
    for statement in _imports(tree, f"{CHECKS}/__init__.py"):
        names = {name.name for name in statement.names} - SHARED
        reached |= dict.fromkeys(names, _reached(tree, _paths(tree, statement)))
    nouns = {frozenset(paths) for paths in reached.values()}  # `Pod` and `pod` are one
    users = Counter(path for paths in nouns for path in paths)
    return {
        name: {path for path in paths if 2 * users[path] < len(nouns)}
        for name, paths in reached.items()
    }


def _reached(tree: Tree, paths: set[str]) -> set[str]:
    """These modules, those that they import, and so on."""
    reached: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [one for imported in _imports(tree, path) for one in _paths(tree, imported)]
    return reached


def _imports(tree: Tree, path: str) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(ast.parse(tree.read(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grader.checks"):
            yield node


def _paths(tree: Tree, imported: ast.ImportFrom) -> set[str]:
    """The files of ``from grader.checks.a import b``: ``b`` may be a module or a name in one."""
    module = (imported.module or "").replace(".", "/")
    names = (f"{module}.py", *(f"{module}/{name.name}.py" for name in imported.names))
    return {path for path in names if path in tree.files}
