"""A first run that is killed while it installs or builds: the next one completes it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.build import image as images
from lab.course import REPOSITORY, ROOT

from ..checkouts import Checkout, copy_checkout

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    folder = tmp_path / "checkout"
    folder.mkdir()
    copy_checkout(folder)
    made = Checkout(folder)
    yield made
    made.lab("down")


def test_killed_while_python_packages_are_installed(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    (tmp_path / "README.md").touch()
    command = [str(tmp_path / "bin" / "lab"), "--help"]
    venv = tmp_path / ".venv"
    # The environment, its pip, the packages.
    for begun in ("pyvenv.cfg", "bin/pip", "lib/*/site-packages/click"):
        running = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not list(venv.glob(begun)):
            assert running.poll() is None, f"ended before {begun}"
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert not (venv / ".complete").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage: bin/lab" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stderr == ""


def test_killed_while_the_image_is_built(checkout: Checkout) -> None:
    dockerfile = checkout.folder / "lab" / "inside" / "Dockerfile"
    with dockerfile.open("a") as file:
        file.write(f"RUN sleep 4 && echo {(mark := time.time())} > /etc/slow-step\n")
    running = checkout.start("up", "--no-browser", "--port", checkout.port)
    deadline = time.monotonic() + 300
    while not any(str(mark) in one["Command"] for one in checkout.client.api.containers()):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert built(checkout) == []
    checkout.up()
    assert checkout.lab("sh", "cat", "/etc/slow-step") == f"{mark}\n"
    assert [checkout.container().attrs["Config"]["Image"]] == built(checkout)
    checkout.lab("down")
    checkout.client.images.remove(built(checkout)[0], force=True)


def built(checkout: Checkout) -> list[str]:
    """The lab images that this checkout has built."""
    mine = {"label": f"{images.CHECKOUT}={checkout.name}"}
    return [
        tag
        for image in checkout.client.api.images(REPOSITORY, filters=mine)
        for tag in image["RepoTags"]
    ]
