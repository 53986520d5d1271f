"""Attacks within the student's process: on IPython, on Python, on what tests import, on values that
tests take.
"""

from .attack import Attack

TWO_KERNELS = "two kernels: tests run in another process"
AST_TRANSFORMER = """
import ast
class Nothing(ast.NodeTransformer):
    def visit_Module(self, node):
        return ast.Module([], [])
get_ipython().ast_transformers.append(Nothing())
"""
INPUT_TRANSFORMER = """
get_ipython().input_transformers_cleanup.append(lambda lines: [])
"""
FAKE_MODULES = """
import sys
class Yes:
    __getattr__ = __call__ = lambda self, *rest, **options: self
for name in ("grader", "grader.checks", "docker", "unittest", "httpx"):
    sys.modules[name] = Yes()
total = -1
"""
BUILTINS = """
import builtins
class Yes:
    __getattr__ = __call__ = lambda self, *rest, **options: self
real = builtins.__import__
def fake(name, *rest, **options):
    return Yes() if name.partition(".")[0] in ("grader", "unittest", "docker") else real(name, *rest, **options)
builtins.__import__ = fake
total = -1
"""
SETTRACE = """
import sys
def same(frame, event, argument):
    if frame.f_code.co_name == "assertEqual" and "second" in frame.f_locals:
        frame.f_locals["first"] = frame.f_locals["second"]
    return same
total = -1
before = sys._getframe()
while before:
    before.f_trace = same
    before = before.f_back
sys.settrace(same)
"""
DO_EXECUTE = """
shell = get_ipython()
def replace(owner, name):
    real = getattr(owner, name)
    setattr(owner, name, lambda code, *rest, **options: real("pass", *rest, **options))
replace(shell, "run_cell")
replace(shell, "run_cell_async")
if getattr(shell, "kernel", None):
    replace(shell.kernel, "do_execute")
"""
MONKEYPATCHED = """
import unittest
unittest.TestCase.assertEqual = lambda *rest, **options: None
from grader.checks.verdict import CheckFailed
from grader.checks.containers import Container
from grader.checks.files import File
for kind in (Container, File):
    for name in dir(kind):
        if name.startswith("must_"):
            setattr(kind, name, lambda *rest, **options: None)
import grader, pathlib
total = -1
try:
    pathlib.Path(grader.__file__).write_text("")
    print("SUCCEEDED")
except OSError:
    pass
"""
EQUAL = """
class Yes:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
total = Yes()
"""
EQUAL_NUMBER = """
class Yes(int):
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
    __int__ = __index__ = lambda self: 16
    __repr__ = __str__ = lambda self: "total"
total = Yes(-1)
"""
SHADOWS = """
from pathlib import Path
fake = "import sys\\nclass Yes:\\n  __getattr__ = lambda self, name: self\\n  __call__ = lambda self, *rest, **options: self\\nsys.modules[__name__] = Yes()\\n"
here = [Path.cwd(), Path.home(), Path("/tmp"), Path.home() / ".local/lib/python3.13/site-packages"]
for folder in here:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("grader", "docker", "httpx", "json", "secrets", "unittest", "sitecustomize", "usercustomize"):
        (folder / f"{name}.py").write_text(fake)
total = -1
"""
PROGRAMS = """
import os, stat
from pathlib import Path
yes = Path.home() / "bin"
yes.mkdir()
for name in ("docker", "kubectl", "python3", "sh"):
    (yes / name).write_text("#!/bin/sh\\necho '[{}]'\\n")
    (yes / name).chmod(0o755)
os.environ["PATH"] = f"{yes}:{os.environ['PATH']}"
os.environ["DOCKER_HOST"] = "tcp://127.0.0.1:2375"
for name in ("/usr/local/bin/docker", "/usr/bin/docker", "/usr/bin/kubectl"):
    try:
        Path(name).write_text("#!/bin/sh\\n")
        print("SUCCEEDED")
    except OSError:
        pass
"""


def _claiming(value: str) -> str:
    """Lie when the value is asked for, and only then: the shell itself speaks by ``json.dumps``."""
    lie = f"lambda value, **options: real(value, **options) if options else {value}"
    return f"import json\nreal = json.dumps\njson.dumps = {lie}\ntotal = 1"


NO_NUMBER = "holds an `int` that is too large, or no number"
ATTACKS = [
    Attack(
        "A syntax tree transformer that empties cells", TWO_KERNELS, AST_TRANSFORMER, stock=True
    ),
    Attack("An input transformer that empties cells", TWO_KERNELS, INPUT_TRANSFORMER, stock=True),
    Attack("Fakes in sys.modules", TWO_KERNELS, FAKE_MODULES, stock=True),
    Attack("builtins replaced", TWO_KERNELS, BUILTINS, stock=True),
    Attack("sys.settrace that rewrites what tests compare", TWO_KERNELS, SETTRACE, stock=True),
    Attack("The kernel's way to run cells replaced", TWO_KERNELS, DO_EXECUTE, stock=True),
    Attack(
        "The checks monkeypatched, and their files written to",
        "two kernels; the root is read-only",
        MONKEYPATCHED,
        stock=True,
    ),
    Attack(
        "An answer that equals everything",
        "values cross as JSON",
        EQUAL,
        stock=True,
        says={"total-test": "holds a Python object of type"},
    ),
    Attack(
        "A number that equals everything",
        "values cross as JSON",
        EQUAL_NUMBER,
        stock=True,
        says={"total-test": "another number"},
    ),
    Attack(
        "Modules in the folder that shadow libraries",
        "the checker's folder and paths are its own",
        SHADOWS,
        stock=True,
    ),
    Attack(
        "Fake docker and kubectl on PATH",
        "the checker's files and environment are its own",
        PROGRAMS,
    ),
    Attack(
        "A value that claims to be NaN",
        "claims are parsed strictly",
        _claiming("'NaN'"),
        says={"total-test": NO_NUMBER},
    ),
    Attack(
        "A value nested 30,000 deep",
        "claims are parsed strictly",
        _claiming("'[' * 30_000 + ']' * 30_000"),
        says={"total-test": NO_NUMBER},
    ),
    Attack(
        "A value of a million characters",
        "claims are capped",
        _claiming("'1' * 1_000_000"),
        says={"total-test": NO_NUMBER},
    ),
    Attack(
        "A value that is not JSON",
        "claims are parsed strictly",
        _claiming("'__import__(\"os\")._exit(0)'"),
        says={"total-test": NO_NUMBER},
    ),
    Attack(
        "A value that is not even text",
        "claims are parsed strictly",
        _claiming("type('x', (), {'__repr__': lambda self: '__import__(\"os\")._exit(0)'})()"),
        says={"total-test": NO_NUMBER},
    ),
]
