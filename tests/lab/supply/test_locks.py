"""What the project asks for, what the locks hold, and where that has wheels."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import jsonschema
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.course import ROOT
from lab.supply import environment, locks, record, wheels

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED_FROM = "requirements-test.txt"  # the environment of these tests
# How a marker sees each platform.
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
PLATFORMS = {
    "linux-x86_64": {**LINUX, "platform_machine": "x86_64"},
    "linux-aarch64": {**LINUX, "platform_machine": "aarch64"},
    "macos-arm64": {**MACOS, "platform_machine": "arm64"},
    "macos-x86_64": {**MACOS, "platform_machine": "x86_64"},
}


def wanted_on(lock: str, platform: str, python: str) -> list[Requirement]:
    """The pins of a lock whose markers hold there."""
    seen = {
        **PLATFORMS[platform],
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    pins = locks.pins(ROOT / lock)
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate(seen)]


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_each_pin_is_exact_and_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert len(entries) > 100
    assert [
        entry
        for entry in entries
        if not re.fullmatch(
            r"[a-z0-9-]+==[\w.]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry
        )
    ] == []


@pytest.mark.parametrize(("lock", "extras"), locks.LOCKS.items())
def test_lock_holds_what_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    pinned = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in locks.pins(ROOT / lock)
    }
    asked = [*PROJECT["dependencies"], *(one for extra in extras for one in EXTRAS[extra])]
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_project_asks_for_ranges() -> None:
    asked = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    assert [one for one in asked if not re.fullmatch(r"[\w.-]+>=[\d.]+,<[\d.]+", one)] == []


def test_locks_agree() -> None:
    versions: dict[str, set[frozenset[str]]] = {}
    for lock in locks.LOCKS:
        held: dict[str, set[str]] = {}
        for pin in locks.pins(ROOT / lock):
            held.setdefault(pin.name, set()).add(str(pin.specifier))
        for name, pinned in held.items():
            versions.setdefault(name, set()).add(frozenset(pinned))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_environment_for_conda_is_what_the_project_asks_for() -> None:
    assert (ROOT / "environment.yml").read_text() == environment.text()


def test_record_holds_each_pin_once() -> None:
    pinned = {
        (canonicalize_name(pin.name), str(pin.specifier).removeprefix("=="))
        for lock in locks.LOCKS
        for pin in locks.pins(ROOT / lock)
    }
    recorded = [(one["name"], one["version"]) for one in record.read()]
    assert set(recorded) == pinned
    assert len(recorded) == len(pinned)


@pytest.mark.parametrize("python", wheels.PYTHONS)
@pytest.mark.parametrize(
    ("lock", "platform"),
    [
        ("requirements-image.txt", "linux-x86_64"),
        ("requirements-image.txt", "linux-aarch64"),
        *(("requirements.txt", platform) for platform in PLATFORMS),
    ],
)
def test_nothing_has_to_be_compiled(lock: str, platform: str, python: str) -> None:
    packages = record.read()
    wanted = wanted_on(lock, platform, python)
    assert len(wanted) > 100
    without = []
    for pin in wanted:
        found = record.of_pin(packages, pin)
        if found is None or not wheels.has_wheel(found["wheels"], platform, python):
            without.append(str(pin))
    assert without == []


@pytest.mark.parametrize(
    ("filename", "platforms"),
    [
        ("a-1-py3-none-any.whl", {"any": list(wheels.PYTHONS)}),
        ("a-1-py2.py3-none-any.whl", {"any": list(wheels.PYTHONS)}),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.whl", {"linux-x86_64": ["3.11"]}),
        ("a-1-cp313-cp313t-manylinux_2_17_x86_64.whl", {}),
        ("a-1-cp311-cp311-musllinux_1_2_aarch64.whl", {}),
        ("a-1-cp312-abi3-manylinux2014_aarch64.whl", {"linux-aarch64": ["3.12", "3.13", "3.14"]}),
        ("a-1-py3-none-macosx_11_0_arm64.whl", {"macos-arm64": list(wheels.PYTHONS)}),
        (
            "a-1-cp314-cp314-macosx_10_13_universal2.whl",
            {"macos-arm64": ["3.14"], "macos-x86_64": ["3.14"]},
        ),
        ("a-1-cp39-abi3-win_amd64.whl", {"windows-amd64": list(wheels.PYTHONS)}),
        ("a-1-cp310-cp310-win_amd64.whl", {}),
        ("a-1-pp311-pypy311_pp73-manylinux_2_17_x86_64.whl", {}),
    ],
)
def test_what_a_wheel_runs_on(filename: str, platforms: dict[str, list[str]]) -> None:
    assert wheels.available([filename]) == platforms


def test_environment_holds_what_its_lock_names_and_nothing_else() -> None:
    """rfc3987-syntax, which costs each process a second, comes back with a plain pip install."""
    named = {canonicalize_name(pin.name) for pin in locks.pins(ROOT / INSTALLED_FROM)}
    own = {PROJECT["name"], "pip", "setuptools"}
    # setuptools, once it is imported, brings what it has for itself
    environment = distributions(path=[sysconfig.get_path("purelib")])
    installed = {canonicalize_name(found.name) for found in environment}
    assert "rfc3987-syntax" not in named
    assert installed - named - own == set()


def test_format_without_a_checker_is_skipped_and_others_are_checked() -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.validate("::", {"format": "iri"}, format_checker=checker)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("::", {"format": "uri"}, format_checker=checker)


def test_wheel_holds_all_that_is_beside_the_modules(tmp_path: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    parts = ["lab", "grader", "LICENSE", "LICENSES", "README.md", "pyproject.toml"]
    files = subprocess.check_output([*listed, *parts], cwd=ROOT, text=True).splitlines()
    files = [name for name in files if (ROOT / name).is_file()]
    for name in files:
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*build, "--no-build-isolation", "--wheel-dir", str(tmp_path), str(tmp_path / "source")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    unpack = [sys.executable, "-m", "zipfile", "--list", str(next(tmp_path.glob("*.whl")))]
    held = {line.split()[0] for line in subprocess.check_output(unpack, text=True).splitlines()}
    wanted = {name for name in files if name.startswith(("lab/", "grader/"))}
    assert wanted - held == set()
    assert {name for name in held - wanted if ".dist-info/" not in name} == {"File"}
    assert any(name.endswith("licenses/LICENSES/Apache-2.0.txt") for name in held)
