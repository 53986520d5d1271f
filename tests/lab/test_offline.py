"""A machine that once opened the course and now has no network at all."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import docker
import pytest
from docker.errors import DockerException

from lab.build import image as images
from lab.build import template
from lab.course import LABEL
from lab.machine.host import ensure_engine

from ..checkouts import Checkout, copy_checkout

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can make a network namespace with an engine in it"
    ),
]
START = (
    "ip link set lo up && exec dockerd --data-root {0}/data --exec-root {0}/exec --pidfile {0}/pid"
    " --host unix://{0}/docker.sock"
)


class CutOff:
    """A second engine of this machine, in a network namespace that has only a loopback."""

    def __init__(self, folder: Path) -> None:
        self.host = f"unix://{folder}/docker.sock"
        isolated = [
            "unshare",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
        ]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*isolated, START.format(folder)], stdout=log, stderr=log
            )
        self.client = self._connect(folder / "log")

    def _connect(self, log: Path) -> docker.DockerClient:
        """An engine opens its socket before it answers there."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return docker.DockerClient(base_url=self.host, timeout=300)
            except DockerException:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)

    def inside(self, *command: str) -> list[str]:
        """The command line that runs a command in the engine's network."""
        child = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            .read_text()
            .split()[0]
        )
        return ["nsenter", "--net", "--target", child, "env", f"DOCKER_HOST={self.host}", *command]

    def stop(self) -> None:
        # --kill-child: the engine and all its containers end with it.
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def cut_off() -> Iterator[CutOff]:
    # pytest's own folder is too deep: a Unix socket's path has 107 bytes at most
    folder = Path(tempfile.mkdtemp(prefix="cut-off-"))
    engine = CutOff(folder)
    yield engine
    engine.stop()
    for mounted in reversed(Path("/proc/mounts").read_text().splitlines()):
        if (where := mounted.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", where], check=True)
    shutil.rmtree(folder)


def bring(cut_off: CutOff, image: str, volume: str) -> None:
    """What an earlier ``up`` left on the machine: the lab image and the template."""
    online = ensure_engine()
    cut_off.client.images.load(online.images.get(image).save(named=True))
    cut_off.client.volumes.create(volume, labels={LABEL: "template"})
    tar = [
        "run",
        "--rm",
        "--interactive",
        "--network",
        "none",
        "--volume",
        f"{volume}:/t",
        image,
        "tar",
        "-C",
        "/t",
    ]
    reading = subprocess.Popen(["docker", *tar, "-cf", "-", "."], stdout=subprocess.PIPE)
    subprocess.run(
        ["docker", "--host", cut_off.host, *tar, "-xf", "-"], stdin=reading.stdout, check=True
    )
    assert reading.wait() == 0


def test_without_any_network_the_course_opens_from_what_is_there(
    cut_off: CutOff, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    copy_checkout(folder)
    online = ensure_engine()
    image = images.ensure_lab_image(online, hub=False)
    bring(cut_off, image, template.ensure(online, image, hub=False))
    checkout = Checkout(folder)
    checkout.prefix = cut_off.inside()

    url = checkout.up()
    fetch = [
        "python3",
        "-c",
        f"import urllib.request as r; print(r.urlopen({url!r}, timeout=10).status)",
    ]
    assert subprocess.check_output(cut_off.inside(*fetch), text=True) == "200\n"
    with pytest.raises(URLError):
        urllib.request.urlopen(url, timeout=5)  # so the lab really is in the other network
    assert checkout.lab("sh", "docker", "run", "--rm", "nginx", "echo", "runs") == "runs\n"
    assert "pull access denied" in checkout.lab(
        "sh", "docker", "pull", "no-such-image-anywhere", expect=1
    )
    script = (
        "printf 'FROM busybox\\nRUN echo built\\n' | docker build --quiet --tag mine - && docker"
        " image rm mine"
    )
    assert "sha256:" in checkout.lab("sh", "sh", "-c", script)
    begun = time.monotonic()
    assert checkout.up() == url
    assert time.monotonic() - begun < 30, "nothing waits for a network"
    checkout.lab("down")
