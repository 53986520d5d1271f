"""dependencies.json: the licence of each pin of the locks, and where it has wheels."""

import json
from collections.abc import Iterable
from typing import Any, TypedDict

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.course import ROOT
from lab.supply.wheels import available

PATH = ROOT / "dependencies.json"


class Package(TypedDict):
    """One version of a package that a lock holds."""

    name: str
    version: str
    licence: str
    wheels: dict[str, list[str]]


def read() -> list[Package]:
    """What the last refresh found."""
    found: list[Package] = json.loads(PATH.read_text())
    return found


def write(packages: Iterable[dict[str, Any]], licences: dict[tuple[str, str], str]) -> None:
    """Write down the packages that uv listed, one per line."""
    lines = [
        json.dumps(
            Package(
                name=package["name"],
                version=package["version"],
                licence=licences.get((package["name"], package["version"]), "unknown"),
                wheels=available(
                    wheel["url"].rsplit("/", 1)[-1] for wheel in package.get("wheels", [])
                ),
            )
        )
        for package in packages
    ]
    PATH.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def of_pin(packages: Iterable[Package], pin: Requirement) -> Package | None:
    """The entry of a pin, if there is one."""
    wanted = canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")
    return next((one for one in packages if (one["name"], one["version"]) == wanted), None)
