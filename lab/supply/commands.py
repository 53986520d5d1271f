"""The commands about the course's dependencies: ``bin/lab lock`` and ``bin/lab licenses``."""

import json

import click
from rich.console import Console
from rich.table import Table

from lab.course import ROOT
from lab.progress import say
from lab.supply import environment, licences, locks, record


@click.command(hidden=True)
@click.option(
    "--upgrade", is_flag=True, help="Take the newest versions that pyproject.toml allows."
)
def lock(upgrade: bool) -> None:
    """Write the locks, environment.yml and dependencies.json from pyproject.toml.

    Pins stay as they are if pyproject.toml's ranges allow it. Nothing is installed: the next
    bin/lab installs what the new locks name.
    """
    packages = locks.refresh(upgrade=upgrade)
    (ROOT / "environment.yml").write_text(environment.text())
    everything = [pin for name in locks.LOCKS for pin in locks.pins(ROOT / name)]
    record.write(packages, licences.of_packages(everything))
    say(f"Wrote {', '.join(locks.LOCKS)}, environment.yml and {record.PATH.name}.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def licenses(as_json: bool) -> None:
    """List the licences of the course and of everything that it installs or redistributes."""
    packages = [(one["name"], one["version"], one["licence"]) for one in record.read()]
    debian = licences.debian_packages()
    if as_json:
        document = {"course": licences.OWN, "python": packages, "debian": debian}
        click.echo(json.dumps(document, indent=2))
        return
    console = Console()
    table = Table("what", "licence", box=None, pad_edge=False)
    for what, licence in licences.OWN.items():
        table.add_row(what, licence)
    for name, version, licence in packages:
        table.add_row(f"{name} {version}", licence)
    console.print(table)
    console.print("\nDebian packages in images, by name (their dependencies come with them).")
    console.print("Each one's licence is in the image, in /usr/share/doc/PACKAGE/copyright.")
    for dockerfile, names in debian.items():
        console.print(f"\n{dockerfile}: {' '.join(names)}", soft_wrap=True)
