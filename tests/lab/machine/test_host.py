"""What a person meets on a machine where something is missing."""

import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from lab import up
from lab.build import base_image
from lab.cli import main
from lab.course import ROOT
from lab.errors import LabError
from lab.machine import host
from lab.seat import Seat

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine whose socket is not there."""
    monkeypatch.setattr(
        host, "environment", lambda: {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    )
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(host, "SOCKET", tmp_path / "none.sock")


@pytest.mark.usefixtures("no_engine")
def test_no_engine_is_said_with_a_next_step() -> None:
    with pytest.raises(LabError, match="No Docker engine answers on this machine") as caught:
        host.connect()
    assert "bin/lab up" in caught.value.hint


@pytest.mark.usefixtures("no_engine")
def test_no_engine_and_no_apt_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LabError, match="no apt-get") as caught:
        host.ensure_engine()
    assert "install Docker" in caught.value.hint


@pytest.mark.usefixtures("no_engine")
def test_neither_root_nor_sudo_names_the_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="not root, and there is no sudo") as caught:
        host.ensure_engine()
    assert "administrator" in caught.value.hint


def test_a_named_engine_that_does_not_answer_is_never_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setattr(host, "run_as_root", lambda *_: pytest.fail("installed something"))
    with pytest.raises(LabError, match="No Docker engine answers"):
        host.ensure_engine()


def test_a_full_disk_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * 2**30, 99 * 2**30, 2**30))
    with pytest.raises(LabError, match=r"Only 1\.0 GiB are free") as caught:
        up.require_space(up.FREE_GIB)
    assert "docker system df" in caught.value.hint


class Volumes:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    def list(self, filters: object) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.names]


@pytest.mark.parametrize(
    ("image", "layers", "volumes", "on_host", "gib"),
    [
        (False, False, [], False, up.FREE_GIB),
        (True, False, [], False, up.FREE_GIB - up.IMAGE_GIB),
        (True, True, [], False, up.ENGINE_GIB),
        (True, True, [up.Lab().volume], False, 0),
        (True, True, [up.Lab().volume + "-other"], False, up.ENGINE_GIB),
        (True, False, [], True, 0),
    ],
)
def test_space_is_needed_only_for_what_is_still_to_be_made(
    image: bool,
    layers: bool,
    volumes: list[str],
    on_host: bool,
    gib: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(up.images, "is_made", lambda client: image)
    monkeypatch.setattr(up.template, "is_made", lambda client: layers)
    client: Any = SimpleNamespace(volumes=Volumes(volumes))
    assert up.space_needed(client, up.Lab(), on_host=on_host) == gib


def test_full_disk_stops_no_lab_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * 2**30, 100 * 2**30, 0))
    up.require_space(0)


def test_a_taken_port_names_another() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=f"Port {port} on this machine is taken") as caught:
            up.free_port(port)
    named = int(caught.value.hint.removeprefix("bin/lab up --port "))
    assert up.free_port(named) == named


@pytest.mark.parametrize("stopped", [False, True])
def test_a_taken_port_is_said_before_anything_is_built(
    stopped: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The port of a new lab, and the one that a stopped lab had."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(up.Lab, "port", 1 if stopped else port)
        lab = SimpleNamespace(status="exited") if stopped else None
        seat = Seat("lab", "image", port=port)
        monkeypatch.setattr(up, "ensure_engine", lambda: None)
        monkeypatch.setattr(up, "space_needed", lambda *_, **__: 0)
        monkeypatch.setattr(up.containers, "find", lambda *_: lab)
        monkeypatch.setattr(up.Seat, "from_container", lambda _: seat)
        monkeypatch.setattr(up, "hub_answers", lambda _: pytest.fail("this takes time"))
        monkeypatch.setattr(up.images, "ensure_lab_image", lambda *_, **__: pytest.fail("so long"))
        with pytest.raises(LabError, match=f"Port {port} on this machine is taken") as caught:
            up.up(up.Lab(), folder=tmp_path, port=None)
    assert "bin/lab up --port " in caught.value.hint


def test_a_port_that_is_named_is_free_too() -> None:
    with closing(socket.socket()) as taken, closing(socket.socket()) as next_taken:
        port = 0
        while not port:
            taken = socket.socket()
            taken.bind(("127.0.0.1", 0))
            try:
                next_taken.bind(("127.0.0.1", taken.getsockname()[1] + 1))
                port = taken.getsockname()[1]
            except (OSError, OverflowError):
                taken.close()
        with pytest.raises(LabError) as caught:
            up.free_port(port)
    assert caught.value.hint != f"bin/lab up --port {port + 1}"


def test_last_port_has_no_next() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 65535))
        with pytest.raises(LabError) as caught:
            up.free_port(65535)
    assert 8888 <= int(caught.value.hint.rpartition(" ")[2]) < 65535


@pytest.mark.parametrize("command", [["apt-get", "install", "mmdebstrap"], ["true"]])
def test_what_needs_root_is_named(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(LabError) as caught:
        host.as_root(command)
    assert " ".join(command) in caught.value.what
    assert "Docker" not in caught.value.what
    assert " ".join(command) in caught.value.hint


DOCKERS_OWN = "deb [signed-by=/a.asc] https://download.docker.com/linux/debian trixie stable\n"
UBUNTU = "URIs: http://archive.ubuntu.com/ubuntu/\n"


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ({"a.sources": "Types: deb\nURIs: http://a.test/debian\n"}, "http://a.test/debian"),
        (
            {"a.list": DOCKERS_OWN, "b.list": "deb http://b.test/debian/ trixie main\n"},
            "http://b.test/debian/",
        ),
        ({"ubuntu.sources": UBUNTU}, ""),
        ({"ubuntu.sources": UBUNTU, "docker.list": DOCKERS_OWN}, ""),
    ],
    ids=["Debian", "Debian with Docker's packages", "Ubuntu", "Ubuntu with Docker's packages"],
)
def test_the_base_is_made_from_debian_wherever_there_is_apt(
    sources: dict[str, str], mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "sources.list.d").mkdir()
    for name, text in sources.items():
        (tmp_path / "sources.list.d" / name).write_text(text)
    assert base_image.apt_mirror(tmp_path) == mirror


@pytest.mark.parametrize(
    ("text", "security"),
    [
        ("deb http://b.test/debian trixie main\n", "http://b.test/debian-security"),
        (
            "deb http://b.test/debian trixie main\ndeb http://s.test/debian-security x main\n",
            "http://s.test/debian-security",
        ),
    ],
    ids=["beside the mirror", "as apt has it"],
)
def test_base_has_security_updates(text: str, security: str, tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(text)
    mirror = base_image.apt_mirror(tmp_path)
    lines = base_image.sources(mirror, base_image.security_mirror(mirror, tmp_path))
    assert lines[1] == f"deb {security} trixie-security main"


def test_no_hub_and_no_apt_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(LabError, match="no source of Debian packages"):
        base_image.apt_mirror(tmp_path)


def test_the_owner_is_who_called_sudo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    assert host.owner(tmp_path) == (1234, 1235)


def test_errors_reach_the_person_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 1
    assert "No Docker engine answers" in result.output
    assert "Try:" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", main.list_commands(click.Context(main)))
def test_every_command_has_a_manual_page(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def path_with(folder: Path) -> dict[str, str]:
    """The environment in which programs of this folder come first."""
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("address", ["ssh://me@elsewhere", "tcp://10.0.0.1:2375"])
def test_a_context_on_another_machine_is_refused_and_nothing_is_started_here(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "docker", f"echo {address}")
    monkeypatch.setenv("PATH", path_with(tmp_path)["PATH"])
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(host, "run_as_root", lambda *_: pytest.fail("started something"))
    for ask in (host.connect, host.ensure_engine):
        with pytest.raises(LabError, match=f"on another machine .{address}") as caught:
            ask()
        assert "docker context use default" in caught.value.hint


@pytest.fixture
def debian_13(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an engine but without the command ``docker``, which apt has in docker-cli."""
    program(tmp_path, "apt-cache", '[ "$2" = docker-cli ]')
    program(
        tmp_path, "apt-get", f'echo "$@" > {tmp_path}/asked; cp {tmp_path}/true {tmp_path}/docker'
    )
    program(tmp_path, "sudo", 'shift; exec "$@"')
    for name in ("sh", "cp", "true"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_docker_command_is_installed_where_it_is_a_package_of_its_own(debian_13: Path) -> None:
    assert host.docker_command() == f"{debian_13}/docker"
    assert (debian_13 / "asked").read_text().split()[-1] == "docker-cli"
    (debian_13 / "asked").unlink()
    assert host.docker_command() == f"{debian_13}/docker"
    assert not (debian_13 / "asked").exists(), "it is there already"


def test_where_apt_has_no_docker_command_nothing_is_installed(debian_13: Path) -> None:
    program(debian_13, "apt-cache", "exit 100")
    assert host.docker_command() is None
    assert not (debian_13 / "asked").exists()


@pytest.mark.parametrize("system", ["MINGW64_NT-10.0-26100", "MSYS_NT-10.0", "CYGWIN_NT-10.0"])
def test_windows_itself_is_told_where_to_go(system: str, tmp_path: Path) -> None:
    program(tmp_path, "uname", f"echo {system}")
    done = subprocess.run(
        [ROOT / "bin/lab", "up"],
        env=path_with(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "WSL 2" in done.stderr
    assert f"Expected: a Linux shell. This one is {system}." in done.stderr
    assert "Try: wsl --install" in done.stderr


class ReplacedError(Exception):
    """The process would be another program now."""


@pytest.mark.parametrize("more", [[], ["tests/lab/test_life.py", "-k", "up"]])
@pytest.mark.usefixtures("no_engine")
def test_the_tests_go_on_as_root_with_the_command_line_that_was_typed(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*command: object) -> None:
        raise ReplacedError(*command)

    program(tmp_path, "sudo", "exit 1")
    monkeypatch.setenv("PATH", path_with(tmp_path)["PATH"])
    monkeypatch.setattr(host, "_permission_denied", lambda: True)
    monkeypatch.setattr(os, "execvp", replace)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pytest was started"))
    monkeypatch.setattr(sys, "argv", ["lab", "test", *more])
    result = CliRunner().invoke(main, ["test", *more])
    assert isinstance(result.exception, ReplacedError)
    command = [argument for argument in result.exception.args[1] if "KUBECONFIG" not in argument]
    assert command == ["sudo", "--", sys.executable, "-m", "lab", "test", *more]
