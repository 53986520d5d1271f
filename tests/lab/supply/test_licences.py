"""The licences of what the course installs and passes on."""

import re
from pathlib import Path

from click.testing import CliRunner
from packaging.licenses import canonicalize_license_expression

from lab.cli import main
from lab.course import ROOT
from lab.supply import licences, record


def test_each_package_has_a_licence_that_spdx_knows() -> None:
    said = {one["licence"] for one in record.read()}
    assert {one for one in said if canonicalize_license_expression(one) != one} == set()


def test_text_of_each_licence_of_the_course_is_there() -> None:
    assert "Permission is hereby granted" in (ROOT / "LICENSE").read_text()
    for name in set(licences.OWN.values()) - {"MIT", licences.NOT_STATED}:
        assert len((ROOT / "LICENSES" / f"{name}.txt").read_text()) > 10_000


def test_command_lists_the_course_python_and_debian() -> None:
    done = CliRunner().invoke(main, ["licenses"])
    assert done.exit_code == 0
    for line in (
        r"code +MIT",
        r"course/.+CC-BY-4\.0",
        r"course/notes\.md .+NOASSERTION",
        r"nbgrader \S+ +BSD-3-Clause",
    ):
        assert re.search(line, done.output)
    assert re.search(r"lab/inside/Dockerfile: .*docker\.io .*tini", done.output)
    assert "nodejs" in done.output
    assert "libnginx-mod-stream" not in done.output  # named with a final -: left out


def test_licence_of_a_package_that_names_none_is_read_from_its_text(tmp_path: Path) -> None:
    info = tmp_path / "a-1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("a-1.dist-info/LICENSE,,\n")
    (info / "METADATA").write_text(
        "Name: a\nVersion: 1\nClassifier: License :: OSI Approved :: BSD License\n"
    )
    found = licences.distributions(path=[str(tmp_path)])
    (info / "LICENSE").write_text("Redistribution and use ... to endorse or promote")
    assert [licences.licence_of(one) for one in found] == ["BSD-3-Clause"]
