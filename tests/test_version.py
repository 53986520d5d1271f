"""A version is a tag: the package, the changelog and git say the same."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import lab.version
from grader.judging.results import document
from lab.cli import main
from lab.course import ROOT
from lab.doctor import examine
from lab.version import describe, version

NUMBER = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def git(folder: Path, *arguments: str) -> str:
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    done = subprocess.run(
        ["git", "-C", folder, *me, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit in the place of this checkout."""
    monkeypatch.setattr(lab.version, "ROOT", tmp_path)
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_command_line_says_the_version_of_the_project() -> None:
    command = [sys.executable, "-m", "lab", "--version"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"{re.escape(NUMBER)}( \([\w.-]+\))?\n", said)


def test_at_its_tag_the_version_is_the_number_alone(checkout: Path) -> None:
    git(checkout, "tag", f"v{NUMBER}")
    assert describe() == NUMBER


def test_elsewhere_the_commit_is_named_and_whether_files_were_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "--short", "HEAD")
    assert describe() == f"{NUMBER} ({commit})"
    git(checkout, "tag", "v0.0.9")
    (checkout / "file").write_text("changed")
    assert describe() == f"{NUMBER} (v0.0.9-dirty)"
    git(checkout, "commit", "-qam", "second")
    assert describe() == f"{NUMBER} (v0.0.9-1-g{git(checkout, 'rev-parse', '--short', 'HEAD')})"


def test_without_git_the_number_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.version, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe() == NUMBER
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe() == NUMBER


def test_json_names_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert document("tiny", 0.0, [])["version"] == NUMBER
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")  # nothing answers there
    assert examine()[0].as_json()["found"].startswith(f"version {NUMBER}")
    printed = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
    assert printed[0]["name"] == "course"
    assert version() == NUMBER


def test_the_changelog_is_by_version_and_says_what_happens_to_a_running_class() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert next(section.split("\n")[0] for section in sections) == NUMBER
    assert all(
        re.match(r"\d+\.\d+\.\d+\n\n(.+\n\n)?\*A running class\.\*", one) for one in sections
    )


def test_a_tag_is_on_the_commit_that_has_its_number() -> None:
    for tag in git(ROOT, "tag", "--list", "v[0-9]*", "--merged", "HEAD").split():
        project = tomllib.loads(git(ROOT, "show", f"{tag}:pyproject.toml"))["project"]
        assert f"v{project['version']}" == tag
