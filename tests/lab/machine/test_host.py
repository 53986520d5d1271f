"""What a person meets on a machine where something is missing."""

import os
import shutil
import socket
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lab import up
from lab.build import base_image
from lab.cli import main
from lab.errors import LabError
from lab.machine import host

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
        up.require_space()
    assert "docker system df" in caught.value.hint


def test_a_taken_port_names_another() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=f"Port {port} of this machine is taken") as caught:
            up.free_port(port)
    assert caught.value.hint == f"bin/lab up --port {port + 1}"


def test_no_hub_and_no_debian_packages_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "SOURCES", base_image.re.compile("(no such line)"))
    with pytest.raises(LabError, match="no Debian packages configured"):
        base_image.apt_mirror()


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
