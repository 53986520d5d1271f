"""What goes into the lab image: the build context, whose hash names the image.

Of ``lab`` and ``grader`` it has only what runs inside a container of the image: a changed help text
of the machine's command line does not give a new image, so it neither replaces a lab nor regrades a
class.
"""

import io
import json
import os
import re
import ssl
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.course import ROOT

Entry = tuple[str, bytes, bool]
"""Name in the context, content, and whether it is executable."""

DOCKER_FILES = ("Dockerfile", "start", "runtime", "one-output", "registry", "jupyter")

# Rooms whose modules are started by name in there, or imported by a student's cells and by tests.
ROOMS = (
    "lab/inside",
    "lab/notebook",
    "lab/cluster",
    "grader/checks",
    "grader/sandbox/inside",
    "grader/startpage",
)
VALIDATE = "grader.judging.validate"
"""What Validate runs, as jupyter/nbgrader_config.py names it."""

COMMANDS = ("nodes", "submit")
"""The commands of ``lab.commands`` that a student has in a terminal of the lab."""

DATA = {".json", ".bash", ".css", ".jinja"}  # what modules read from the folder of their package

_IMPORT = re.compile(
    r"^\s*(?:from\s+((?:lab|grader)\b[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)"
    r"|import\s+((?:lab|grader)\b[\w.]*))",
    re.MULTILINE,
)


def build_context() -> bytes:
    """The context as a tar: the same bytes for the same content."""
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for name, content, executable in sorted(context_files()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if executable else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return spool.getvalue()


def context_files(root: Path = ROOT) -> Iterator[Entry]:
    """Everything in the context, in no particular order."""
    inside = root / "lab" / "inside"
    for name in DOCKER_FILES:
        for path in [inside / name, *(inside / name).rglob("*")]:
            if path.is_file():
                executable = os.access(path, os.X_OK)
                yield path.relative_to(inside).as_posix(), path.read_bytes(), executable
    yield "requirements.txt", (root / "requirements-image.txt").read_bytes(), False
    yield "ca-certificates.crt", host_certificates(), False
    project = tomllib.loads((root / "pyproject.toml").read_text())
    yield "course/pyproject.toml", _project_inside(project).encode(), False
    for path in _course_files(root, project):
        yield f"course/{path.relative_to(root).as_posix()}", path.read_bytes(), False


def _project_inside(project: dict[str, Any]) -> str:
    """The pyproject.toml of the image: the command ``lab``, and what the grader adds to it."""
    entry_points = project["project"]["entry-points"]["lab.commands"]
    lines = [
        "[build-system]",
        f"requires = {json.dumps(project['build-system']['requires'])}",
        f"build-backend = {json.dumps(project['build-system']['build-backend'])}",
        "[project]",
        f"name = {json.dumps(project['project']['name'])}",
        f"version = {json.dumps(project['project']['version'])}",
        "[project.scripts]",
        'lab = "lab.inside.command:main"',
        '[project.entry-points."lab.commands"]',
        *(f"{name} = {json.dumps(entry_points[name])}" for name in COMMANDS),
        "[tool.setuptools.packages.find]",
        'include = ["lab*", "grader*"]',
        "",
    ]
    return "\n".join(lines)


def _course_files(root: Path, project: dict[str, Any]) -> list[Path]:
    """The modules that run inside, what they import, and the data files of their packages."""
    entry_points = project["project"]["entry-points"]["lab.commands"]
    rooms = (path for room in ROOMS for path in (root / room).rglob("*.py"))
    packaged = {path for path in rooms if (path.parent / "__init__.py").is_file()}
    commands = (entry_points[name].partition(":")[0] for name in COMMANDS)
    modules = imported(root, {_module(root, path) for path in packaged} | {*commands, VALIDATE})
    packages = {path.parent for path in modules.values() if path.name == "__init__.py"}
    beside = (path for folder in packages for path in folder.iterdir() if path.suffix in DATA)
    return [*modules.values(), *beside]


def imported(root: Path, modules: set[str]) -> dict[str, Path]:
    """The files of these modules and of all that they import of ``lab`` and ``grader``, by name."""
    files: dict[str, Path] = {}
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if path and name not in files:
            files[name] = path
            waiting |= {name.rpartition(".")[0], *_imports(path)} - files.keys()
    return files


def _imports(path: Path) -> Iterator[str]:
    """What a module may import; names that are not modules do no harm."""
    for source, names, module in _IMPORT.findall(path.read_text()):
        yield source or module
        yield from (f"{source}.{name}" for name in re.findall(r"\w+", names))


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((one for one in candidates if module and one.is_file()), None)


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def host_certificates() -> bytes:
    """The authorities that this machine trusts (PEM), including an organisation's own."""
    named = [
        os.environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        ssl.get_default_verify_paths().cafile,
    ]
    for candidate in filter(None, named):
        if Path(candidate).is_file():
            return Path(candidate).read_bytes()
    return b""
