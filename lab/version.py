"""Which version of the course this is.

The number comes from the installed package: every page and gradebook that is written names it, also
where there is no git (a download, a wheel). A checkout can be ahead of its tag, so a bug report
needs the commit as well, which only git knows.
"""

import subprocess
from functools import cache
from importlib import metadata

from lab.course import ROOT


@cache
def version() -> str:
    """The number alone, such as 0.2.0: what pages, JSON and gradebooks name."""
    return metadata.version("docker-kubernetes-course")


def describe() -> str:
    """The number, and if this checkout is not exactly that version, the commit.

    Such as ``0.2.0 (v0.1.0-12-g1a2b3c4-dirty)``.
    """
    commit = _git_describe()
    return version() if commit in ("", f"v{version()}") else f"{version()} ({commit})"


def _git_describe() -> str:
    command = [
        "git",
        "-C",
        str(ROOT),
        "describe",
        "--tags",
        "--match",
        "v[0-9]*",
        "--always",
        "--dirty",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return ""
