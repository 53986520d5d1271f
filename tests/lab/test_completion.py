"""The Tab key, in a real bash; the other shells get the same script with their own words."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from lab.course import ROOT

PROMPT = "ready> "


@pytest.fixture
def bash() -> Iterator[pexpect.spawn]:
    """An interactive bash in this checkout, with the completion in its start-up file, so to
    speak.
    """
    plain = {"PS1": PROMPT, "INPUTRC": "/dev/null", "TERM": "dumb"}
    shell = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        cwd=str(ROOT),
        env={**os.environ, **plain},
        encoding="utf-8",
        timeout=60,
    )
    shell.expect_exact(PROMPT)
    shell.sendline(
        "bind 'set enable-bracketed-paste off'; eval \"$(bin/lab completion bash)\"; echo lo''aded"
    )
    shell.expect_exact("loaded\r\n" + PROMPT)
    yield shell
    shell.close(force=True)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("bin/lab comple", "bin/lab completion "),
        ("bin/lab completion f", "bin/lab completion fish "),
        ("bin/lab grade --submission-s", "bin/lab grade --submission-seconds "),
        ("./bin/lab doctor --js", "./bin/lab doctor --json "),
    ],
)
def test_tab_completes_commands_options_and_choices(
    bash: pexpect.spawn, typed: str, completed: str
) -> None:
    bash.send(f"{typed}\t")
    bash.expect_exact(completed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_calls_bin_lab_by_its_path(shell: str) -> None:
    script = subprocess.run(
        [ROOT / "bin/lab", "completion", shell], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    (call,) = [line for line in script.splitlines() if "COMP_CWORD=" in line]
    assert str(ROOT / "bin/lab") in call
    assert "$commands[" not in script.replace("+", "")


def test_the_tab_key_installs_nothing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/lab", "requirements.txt", "requirements-test.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    asked = {
        **os.environ,
        "_LAB_COMPLETE": "bash_complete",
        "COMP_WORDS": "bin/lab u",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [tmp_path / "bin/lab"], env=asked, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / ".venv").exists()
