"""Problems of a test cell: what would fail a whole class, pass all of it, or believe what a student
says.
"""

import ast
import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterator

from grader.exercise.cells import DIRECTIVE, items_from_student, may_be_taken

NEARLY_A_DIRECTIVE = re.compile(
    r"^\s*#+\s*from(?:[-_]students?\b|\s+students?\s*:|student)", re.IGNORECASE
)
# programs that ask a server; the one in a student's container may be the student's own
CLIENTS = re.compile(
    r"\b(psql|pg_isready|redis-cli|mysql|mysqladmin|mariadb|mariadb-admin|mongosh|mongo)\b"
)
RUNNERS = {"run", "Popen", "check_call", "check_output", "system", "getoutput"} | {
    "run_line_magic",
    "run_cell_magic",
}
TRUTH_FUNCTIONS = {"isinstance", "issubclass", "all", "any", "bool", "callable", "hasattr"}
TRUTH_METHODS = {"startswith", "endswith", "isdigit", "issubset", "issuperset", "isdisjoint"}


def test_problems(source: str, tree: ast.Module, points: float) -> Iterator[str]:
    """Each problem as the end of a sentence that begins with the cell's name."""
    yield from _directive_problems(source)
    yield from _ending_problems(tree)
    yield from _credit_problems(tree, points)
    yield from _name_problems(tree)
    yield from _missing_inputs(source, tree)
    yield from _believed(tree)


def _directive_problems(source: str) -> Iterator[str]:
    for line in source.splitlines():
        if NEARLY_A_DIRECTIVE.match(line) and not DIRECTIVE.match(line):
            yield (
                f"has a comment that is almost a directive: {line.strip()!r}. Write"
                " '# from-student: NAME, file:PATH' at the beginning of a line."
            )
    for item in items_from_student(source):
        if not may_be_taken(item):
            yield (
                f"takes {item!r} from the student, which is neither the name of a variable nor a"
                " file in their folder: write NAME, or file:PATH without '..' and a '/' in front."
            )


def _ending_problems(tree: ast.Module) -> Iterator[str]:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and _is_truth_value(last.value):
        yield (
            f"ends with a value that no one looks at: `{ast.unparse(last.value)}`. nbgrader gives"
            " the cell full points, even for False: write `assert …`, or a check `must_…`."
        )


def _is_truth_value(value: ast.expr) -> bool:
    if isinstance(value, ast.Compare | ast.BoolOp | ast.Attribute):
        return True
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.op, ast.Not)
    if isinstance(value, ast.Constant):
        return isinstance(value.value, bool)
    if not isinstance(value, ast.Call):
        return False
    return _name_of(value) in TRUTH_FUNCTIONS or _method_of(value) in TRUTH_METHODS


def _credit_problems(tree: ast.Module, points: float) -> Iterator[str]:
    blocks = [call for call in _calls(tree) if _name_of(call) == "credit"]
    if len(blocks) > 1:
        yield (
            f"has {len(blocks)} `credit` blocks, and only the first one counts: put all parts into"
            " one."
        )
    for call in blocks[:1]:
        offered = call.args[0] if call.args else None
        if isinstance(offered, ast.Constant) and offered.value != points:
            yield (
                f"has `credit({ast.unparse(offered)})`, but the cell gives {points:g} in all: make"
                " the two numbers equal."
            )


def _name_problems(tree: ast.Module) -> Iterator[str]:
    from grader import checks

    known = {name for kind in vars(checks).values() if isinstance(kind, type) for name in dir(kind)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("must_"):
            if node.attr not in known:
                yield f"calls `{node.attr}`, which no check has.{_guess(node.attr, known)}"
        elif isinstance(node, ast.ImportFrom) and node.module == "grader" and not node.level:
            for alias in node.names:
                if alias.name not in ("*", *checks.__all__):
                    yield (
                        f"imports `{alias.name}` from grader, which has no such name."
                        f"{_guess(alias.name, set(checks.__all__))}"
                    )
        elif isinstance(node, ast.Import):
            yield from _odd_modules(node, set(checks.__all__))
    bound = _bound(tree)
    for name in sorted(_used(tree) & set(checks.__all__) - bound):
        yield f"uses `{name}` and does not import it: add `from grader import {name}`."


def _odd_modules(node: ast.Import, nouns: set[str]) -> Iterator[str]:
    """A module that is probably a slip: what else the lab's image has is not known here."""
    for alias in node.names:
        top = alias.name.partition(".")[0]
        if top in nouns:
            yield f"imports the module `{top}`: write `from grader import {top}`."
        elif top != "grader" and top not in sys.stdlib_module_names:
            guess = _guess(top, nouns | set(sys.stdlib_module_names))
            if guess:
                yield f"imports the module `{top}`, which Python does not have.{guess}"


def _missing_inputs(source: str, tree: ast.Module) -> Iterator[str]:
    """What the checker's kernel would not have: only what a directive names reaches it."""
    taken, bound = set(items_from_student(source)), _bound(tree)
    for call in _calls(tree):
        name, argument = _name_of(call), _text(call.args[0]) if call.args else None
        if name == "given" and argument and len(call.args) == 1 and not call.keywords:
            if argument not in taken | bound:
                yield (
                    f"looks at the student's variable `{argument}`, which does not reach it: add"
                    f" '# from-student: {argument}'."
                )
        elif name in ("file", "dockerfile"):
            path = argument or ("Dockerfile" if name == "dockerfile" and not call.args else None)
            if path and not path.startswith("/") and f"file:{path}" not in taken:
                yield (
                    f"looks at the student's file `{path}`, which does not reach it: add"
                    f" '# from-student: file:{path}'."
                )


def _believed(tree: ast.Module) -> Iterator[str]:
    asked: Counter[str] = Counter()
    for call in _calls(tree):
        name, argument = _name_of(call), _text(call.args[0]) if call.args else None
        if name in ("container", "image") and argument:
            asked[f'{name}("{argument}")'] += 1
        if _method_of(call) in ("exec", "must_run"):
            client = CLIENTS.search(" ".join(map(_constant_parts, call.args)))
            if client:
                yield (
                    f"runs `{client[1]}` inside the student's container, where it may be the"
                    " student's own program: ask from outside with"
                    f" `must_serve('{client[1]} …', client=IMAGE)`."
                )
    for each, times in asked.items():
        if times > 1:
            yield (
                f"has {each} {times} times: a name can be given to another one in between. Write"
                f" it once, give it to a variable, and use that."
            )
    if any(_builds_by_name(words) for words in _commands(tree)):
        yield (
            "builds an image under a name, which can be given to another image: build with"
            " `docker build -q` and without -t, and look at image(ID) with the id that it prints."
        )


def _commands(tree: ast.Module) -> Iterator[list[str]]:
    """The words of the commands that the cell runs: lists, and texts given to what runs them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            yield [_text(one) or "" for one in node.elts]
        elif isinstance(node, ast.Call) and RUNNERS & {_name_of(node), _method_of(node)}:
            yield from ((_text(one) or "").split() for one in node.args)


def _builds_by_name(words: list[str]) -> bool:
    named = any(word.startswith("--tag") or re.match(r"-[a-z]*t$", word) for word in words)
    return "docker" in words and "build" in words and named


def _calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _method_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _constant_parts(node: ast.expr) -> str:
    """What is written out of a text, also of an f-string."""
    return " ".join(
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def _bound(tree: ast.Module) -> set[str]:
    """All names that the cell gives a value."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            if any(alias.name == "*" for alias in node.names):
                from grader import checks

                names |= set(checks.__all__)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names


def _used(tree: ast.Module) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _guess(name: str, known: set[str]) -> str:
    meant = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean `{meant[0]}`?" if meant else ""
