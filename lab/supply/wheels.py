"""For which platforms and Pythons a package has a wheel, so that nothing has to be compiled."""

from collections.abc import Iterable, Iterator

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ANYWHERE = "any"
# A wheel's platform tag begins with the first and ends with one of the second.
PLATFORMS = {
    "linux-x86_64": ("manylinux", ("x86_64",)),
    "linux-aarch64": ("manylinux", ("aarch64",)),
    "macos-arm64": ("macosx", ("arm64", "universal2")),
    "macos-x86_64": ("macosx", ("x86_64", "universal2", "intel")),
    "windows-amd64": ("win", ("amd64",)),
}


def available(filenames: Iterable[str]) -> dict[str, list[str]]:
    """The Pythons that have a wheel, by platform; `any` means one that runs on all of them."""
    tags = {tag for name in filenames for tag in parse_wheel_filename(name)[3]}
    found = {
        platform: [python for python in PYTHONS if any(_runs_on(tag, python) for tag in chosen)]
        for platform, chosen in [
            (ANYWHERE, [tag for tag in tags if tag.platform == "any"]),
            *((name, list(_of_platform(tags, name))) for name in PLATFORMS),
        ]
    }
    return {platform: pythons for platform, pythons in found.items() if pythons}


def has_wheel(wheels: dict[str, list[str]], platform: str, python: str) -> bool:
    """Whether a package with these wheels can be installed there without compiling."""
    return python in wheels.get(ANYWHERE, ()) or python in wheels.get(platform, ())


def _of_platform(tags: Iterable[Tag], platform: str) -> Iterator[Tag]:
    begins, ends = PLATFORMS[platform]
    for tag in tags:
        if tag.platform.startswith(begins) and tag.platform.endswith(ends):
            yield tag


def _runs_on(tag: Tag, python: str) -> bool:
    """As pip decides for CPython: its own tag, an older one's stable ABI, or plain Python 3."""
    number = "".join(python.split("."))
    if tag.abi == "abi3" and tag.interpreter.startswith("cp3"):
        return int(tag.interpreter.removeprefix("cp3")) <= int(number.removeprefix("3"))
    if tag.abi == "none":
        return tag.interpreter in {"py3", f"py{number}", f"cp{number}"}
    return tag.interpreter == tag.abi == f"cp{number}"
