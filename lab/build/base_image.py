"""The base of the lab image: Debian trixie, pulled or built from Debian's own packages."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from lab.course import LABEL
from lab.errors import LabError
from lab.machine.host import run_as_root
from lab.progress import say, step

IMAGE = "debian:trixie-slim"
MADE = "docker-course/base:trixie-security"
MIRROR = re.compile(r"/debian/?$")
SECURITY = re.compile(r"/debian-security/?$")
# Docker's own packages are at …docker.com/linux/debian
OTHERS = re.compile(r"https?://[^/]*docker")
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
    if not (shutil.which("mmdebstrap") and shutil.which("newuidmap")):
        _install_mmdebstrap()
    with (
        tempfile.TemporaryDirectory(prefix="docker-course-") as folder,
        step("Build the base image from Debian's packages"),
    ):
        tar = Path(folder, "base.tar")
        _bootstrap(tar, sources(mirror, security_mirror(mirror)))
        repository, _, tag = MADE.partition(":")
        client.api.import_image_from_file(
            str(tar),
            repository=repository,
            tag=tag,
            changes=['CMD ["bash"]', f"LABEL {LABEL}=base"],
        )


def _install_mmdebstrap() -> None:
    say(
        "Docker Hub does not answer: installing Debian's [bold]mmdebstrap[/] (as root) to build"
        " the base image from packages ..."
    )
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    packages = ["mmdebstrap", "debian-archive-keyring", "uidmap"]
    with step("Install mmdebstrap"):
        run_as_root(["apt-get", "update", "-qq"], "apt-get update")
        run_as_root([*install, *packages], "apt-get install mmdebstrap")


def _bootstrap(tar: Path, lines: list[str]) -> None:
    command = [
        "mmdebstrap",
        "--variant=minbase",
        "--quiet",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        "trixie",
        str(tar),
        *lines,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            "Docker Hub does not answer, and Debian's packages could not be downloaded either:\n"
            + "\n".join(done.stderr.strip().splitlines()[-3:]),
            "check the network (`apt-get update` must work), then run bin/lab up again.",
        )


def sources(mirror: str, security: str) -> list[str]:
    """The lines of sources.list that the base is made from and keeps: the packages of the engine
    come at their security version. None where mmdebstrap's own default has them all.

    >>> sources("http://a/debian", "http://a/debian-security")
    ['deb http://a/debian trixie main', 'deb http://a/debian-security trixie-security main']
    """
    if not mirror:
        return []
    return [f"deb {mirror} trixie main", f"deb {security} trixie-security main"]


def security_mirror(mirror: str, folder: Path = Path("/etc/apt")) -> str:
    """Where security updates come from: as this machine's own apt has it, else beside the
    mirror.
    """
    return next(_addresses(folder, SECURITY), "") or f"{mirror.rstrip('/')}-security"


def apt_mirror(folder: Path = Path("/etc/apt")) -> str:
    """The Debian mirror that this machine's own apt uses, else "" for mmdebstrap's default.

    Raises LabError if there is no apt: the base cannot be built here.
    """
    if mirror := next(_addresses(folder, MIRROR), ""):
        return mirror
    if shutil.which("apt-get"):
        return ""
    raise LabError(
        "Docker Hub does not answer, and this machine has no source of Debian packages to build the"
        " base image from.",
        f"connect the engine to Docker Hub (a proxy? a login?) so that `docker pull {IMAGE}` works,"
        " then run bin/lab up again.",
    )


def _addresses(folder: Path, kind: re.Pattern[str]) -> Iterator[str]:
    parts = folder / "sources.list.d"
    files = [*parts.glob("*.sources"), *parts.glob("*.list"), folder / "sources.list"]
    for file in files:
        for found in SOURCES.finditer(file.read_text()) if file.is_file() else ():
            if kind.search(found[1]) and not OTHERS.match(found[1]):
                yield found[1]
