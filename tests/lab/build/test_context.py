"""What makes another lab image, what does not, and that what runs inside has all it imports."""

import ast
import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.build.context import ROOMS, context_files
from lab.course import ROOT

JUPYTER = "lab/inside/jupyter/"  # configuration, which Jupyter runs


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what an image may be made of, to change."""
    for part in ("lab", "grader"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "requirements-image.txt"):
        shutil.copy(ROOT / part, tmp_path)
    return tmp_path


def digest(root: Path) -> str:
    return hashlib.sha256(repr(sorted(context_files(root))).encode()).hexdigest()


def course(root: Path) -> dict[str, bytes]:
    """The part of the context that becomes /opt/course."""
    return {
        name.removeprefix("course/"): content
        for name, content, _ in context_files(root)
        if name.startswith("course/")
    }


@pytest.mark.parametrize(
    "path",
    [
        "lab/cli.py",
        "lab/up.py",
        "lab/doctor.py",
        "lab/seat.py",
        "lab/build/image.py",
        "lab/machine/host.py",
        "grader/commands/grade.py",
        "grader/pages/feedback.py",
        "grader/bench/cluster_figures.py",
    ],
)
def test_what_runs_on_the_machine_makes_no_new_image(checkout: Path, path: str) -> None:
    before = digest(checkout)
    with (checkout / path).open("a") as file:
        file.write("\n# another word\n")
    assert digest(checkout) == before


def test_a_changed_help_text_makes_no_new_image(checkout: Path) -> None:
    before = digest(checkout)
    for path, text in (
        ("lab/cli.py", "Set up everything and open the course."),
        ("grader/commands/grade.py", "help="),
    ):
        source = (checkout / path).read_text()
        assert text in source
        (checkout / path).write_text(source.replace(text, text + " "))
    assert digest(checkout) == before


def test_another_dependency_of_the_project_makes_no_new_image(checkout: Path) -> None:
    before = digest(checkout)
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text().replace("line-length = 100", "line-length = 101"))
    assert digest(checkout) == before


@pytest.mark.parametrize(
    "path",
    [
        "grader/checks/containers.py",
        "grader/sandbox/inside/relay.py",
        "grader/handin/manifest.py",
        "lab/notebook/magic.py",
        "lab/cluster/cluster.py",
        "lab/inside/guard/policy.py",
        "lab/inside/sandbox_engine.py",
        "lab/inside/start",
        "lab/inside/Dockerfile",
        "requirements-image.txt",
    ],
)
def test_what_runs_inside_makes_another(checkout: Path, path: str) -> None:
    before = digest(checkout)
    with (checkout / path).open("a") as file:
        file.write("\n# another word\n")
    assert digest(checkout) != before


def test_whole_rooms_are_in_it() -> None:
    there = course(ROOT).keys()
    wanted = {
        path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py")
    }
    assert {path for path in wanted - there if not path.startswith(JUPYTER)} == set()


def test_lessons_and_study_notes_are_not_in_it() -> None:
    assert (ROOT / "course/notes.md").is_file()
    assert {name.split("/")[0] for name in course(ROOT)} == {"grader", "lab", "pyproject.toml"}


def imported(content: bytes) -> Iterator[str]:
    """The modules that a file imports at any place, as Python itself reads it."""
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed"
            yield str(node.module)
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_what_it_imports_is_in_it() -> None:
    there = course(ROOT)
    for name, content in there.items():
        for module in imported(content) if name.endswith(".py") else ():
            file = module.replace(".", "/")
            for path in (f"{file}.py", f"{file}/__init__.py"):
                if module.startswith(("lab", "grader")) and (ROOT / path).is_file():
                    assert path in there, f"{name} imports {module}"


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """What becomes /opt/course, with what pip writes beside it of the commands."""
    for name, content in course(ROOT).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    installed = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["lab.commands"].items()]
    (installed / "entry_points.txt").write_text("\n".join(["[lab.commands]", *lines]))
    return tmp_path


def run(inside: Path, program: str) -> str:
    """What Python prints where nothing of this checkout can be imported but what is inside."""
    paths = f"[{str(inside)!r}, *(one for one in sys.path if one not in ('', {str(ROOT)!r}))]"
    finders = "[one for one in sys.meta_path if 'editable' not in repr(one)]"
    hidden = f"import sys; sys.path[:] = {paths}; sys.meta_path[:] = {finders}\n"
    command = [sys.executable, "-c", hidden + program]
    done = subprocess.run(command, cwd=inside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_of_it_can_be_imported_where_there_is_nothing_else(inside: Path) -> None:
    modules = [
        ".".join(path.relative_to(inside).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(inside.rglob("*.py"))
        if path.name != "__main__.py"
    ]
    loaded = run(
        inside,
        f"from importlib import import_module\nfor name in {modules!r}:"
        " print(import_module(name).__file__)",
    ).splitlines()
    assert len(loaded) == len(modules) > 100
    assert [path for path in loaded if not path.startswith(str(inside))] == []


def test_submit_is_a_command_of_the_lab(inside: Path) -> None:
    shown = run(inside, "from lab.inside.command import main; main(['--help'], 'lab')")
    assert "Usage: lab" in shown
    assert "submit" in shown
    assert "bin/lab check ASSIGNMENT" in shown
    assert "grade " not in shown
