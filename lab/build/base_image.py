"""The base of the lab image: Debian trixie, pulled, or made of Debian's own packages."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from lab.course import LABEL
from lab.errors import LabError
from lab.machine.host import run_as_root
from lab.progress import say, step

IMAGE = "debian:trixie-slim"
MADE = "docker-course/base:trixie"
SOURCES = re.compile(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+)", re.MULTILINE)


def hub_answers(client: docker.DockerClient) -> bool:
    """Whether the machine's engine, whatever proxy it uses, can ask Docker Hub for an image."""
    try:
        client.images.get_registry_data(IMAGE)
    except APIError:
        return False
    return True


def ensure_base(client: docker.DockerClient, *, hub: bool) -> str:
    """Name of the base image, present on the machine afterwards."""
    if hub:
        with step(f"Pull {IMAGE}"):
            image = client.images.pull(IMAGE)
        return image.attrs["RepoDigests"][0] if image.attrs["RepoDigests"] else IMAGE
    try:
        client.images.get(MADE)
    except ImageNotFound:
        _make(client)
    return MADE


def _make(client: docker.DockerClient) -> None:
    mirror = apt_mirror()
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap()
    with (
        tempfile.TemporaryDirectory(prefix="docker-course-") as folder,
        step("Make the base image from Debian's packages"),
    ):
        tar = Path(folder, "base.tar")
        _bootstrap(tar, mirror)
        repository, _, tag = MADE.partition(":")
        client.api.import_image_from_file(
            str(tar),
            repository=repository,
            tag=tag,
            changes=['CMD ["bash"]', f"LABEL {LABEL}=base"],
        )


def _install_mmdebstrap() -> None:
    say(
        "Docker Hub does not answer: installing Debian's [bold]mmdebstrap[/] (as root) to make"
        " the base image from packages ..."
    )
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    packages = ["mmdebstrap", "debian-archive-keyring"]
    with step("Install mmdebstrap"):
        run_as_root(["apt-get", "update", "-qq"], "apt-get update")
        run_as_root([*install, *packages], "apt-get install mmdebstrap")


def _bootstrap(tar: Path, mirror: str) -> None:
    command = [
        "mmdebstrap",
        "--variant=minbase",
        "--quiet",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        "trixie",
        str(tar),
        mirror,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            "Docker Hub does not answer, and Debian's packages could not be had either:\n"
            + "\n".join(done.stderr.strip().splitlines()[-3:]),
            "check the network (`apt-get update` must work), then bin/lab up again",
        )


def apt_mirror() -> str:
    """The Debian mirror that this machine's own apt uses.

    Raises LabError where apt is not configured: this is no Debian, so the base cannot be made here.
    """
    files = [
        *Path("/etc/apt/sources.list.d").glob("*.sources"),
        *Path("/etc/apt/sources.list.d").glob("*.list"),
        Path("/etc/apt/sources.list"),
    ]
    for file in files:
        found = SOURCES.search(file.read_text()) if file.is_file() else None
        if found and "debian" in found[1]:
            return found[1]
    raise LabError(
        "Docker Hub does not answer, and this machine has no Debian packages configured to make the"
        " base image from.",
        f"get the engine to Docker Hub (a proxy? a login?) until `docker pull {IMAGE}` works, then"
        " bin/lab up again",
    )
