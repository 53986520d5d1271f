"""The licences of everything that the course installs or redistributes."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.course import ROOT
from lab.supply.locks import run_uv

NOT_STATED = "NOASSERTION"  # SPDX's word
# The course's own parts, and what it contains from others.
OWN = {
    "code": "MIT",
    "course/ assignments/ solutions/ docs/ (text)": "CC-BY-4.0",
    "course/notes.md (a learner's, word for word)": NOT_STATED,
    "grader/checks/dockerfile_syntax.py (after BuildKit)": "Apache-2.0",
}
# SPDX's names for what packages write in their own words, or say only with a classifier.
SPDX = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "GPL-3.0": "GPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "ISC license": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# What wheels do not say in their metadata. Some say only "BSD"; the licence itself is in the source
# distributions.
BY_SOURCE = {
    f"sphinxcontrib-{name}": "BSD-2-Clause"
    for name in ("applehelp", "devhelp", "htmlhelp", "qthelp", "serializinghtml")
} | {"axe-playwright-python": "MIT AND MPL-2.0"}  # the package, and axe-core in it
ANY_BSD = {"BSD", "BSD License"}
CLASSIFIER = "License :: OSI Approved :: "
# The marker of each pin holds in at least one of these.
ENVIRONMENTS = (
    ("3.13", "linux"),
    ("3.11.0", "linux"),
    ("3.13", "windows"),
    ("3.13", "aarch64-apple-darwin"),
    ("3.13", "x86_64-apple-darwin"),
)


def of_packages(pins: Iterable[Requirement]) -> dict[tuple[str, str], str]:
    """The licence of each pin, by name and version, from the metadata of the package itself."""
    wanted = {str(pin) for pin in pins}
    found: dict[tuple[str, str], str] = {}
    for python, platform in ENVIRONMENTS:
        names = [pin for pin in map(Requirement, sorted(wanted)) if _key(pin) not in found]
        if names:
            found |= _installed(names, python, platform)
    return found


def _key(pin: Requirement) -> tuple[str, str]:
    return canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")


def _installed(
    pins: Iterable[Requirement], python: str, platform: str
) -> dict[tuple[str, str], str]:
    """Install what its marker allows there, into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        run_uv(
            *("pip", "install", "--quiet", "--no-deps", "--target", folder),
            *("--python-version", python, "--python-platform", platform),
            *map(str, pins),
        )
        return {
            (canonicalize_name(found.name), found.version): licence_of(found)
            for found in distributions(path=[folder])
        }


def licence_of(package: Distribution) -> str:
    """The licence that a package names, as SPDX writes it where that is clear."""
    metadata = package.metadata.json
    if known := BY_SOURCE.get(canonicalize_name(package.name)):
        return known
    if expression := metadata.get("license_expression"):
        return str(expression)
    classifiers = metadata.get("classifier", [])
    said = [one.removeprefix(CLASSIFIER) for one in classifiers if one.startswith(CLASSIFIER)]
    text = str(metadata.get("license", "")).strip()
    first = re.split(r"\n| {2,}| - ", text)[0].strip()
    for name in [first, *said]:
        if name in SPDX:
            return SPDX[name]
    if (
        re.match(r"(?!Copyright|UNKNOWN)[A-Za-z]", first)
        and first not in ANY_BSD
        and len(first) < 40
    ):
        return first
    return _bsd_of(package, text) if said or first else "unknown"


def _bsd_of(package: Distribution, text: str) -> str:
    """Which of the BSD licences: the third clause is the one about endorsement."""
    files = [
        Path(str(package.locate_file(one)))
        for one in package.files or []
        if re.search(r"licen[cs]e|copying", str(one), re.I)
    ]
    texts = [text, *(file.read_text(errors="replace") for file in files if file.is_file())]
    if not any("Redistribution and use" in one for one in texts):
        return "BSD"
    return "BSD-3-Clause" if any("endorse" in one for one in texts) else "BSD-2-Clause"


def debian_packages() -> dict[str, list[str]]:
    """The Debian packages that each Dockerfile of the course installs by name."""
    found = {}
    for path in sorted((ROOT / "lab").rglob("Dockerfile")):
        text = path.read_text().replace("\\\n", " ")
        if names := sorted(set(_installed_by_apt(text))):
            found[path.relative_to(ROOT).as_posix()] = names
    return found


def _installed_by_apt(text: str) -> Iterator[str]:
    for command in re.findall(r"apt-get (?:-\S+ )*install ([^&|;\n]*)", text):
        for word in command.split():
            if re.fullmatch(
                r"[a-z0-9][a-z0-9.+-]*[a-z0-9+]", word
            ):  # a final - leaves a package out
                yield word
