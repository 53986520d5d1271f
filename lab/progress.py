"""Progress on standard error: a bar for each long step, nothing on standard output."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True, highlight=False)


class Step:
    """One running step: ``advance`` moves its bar, ``note`` says what it is doing."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, completed: int, total: int) -> None:
        """``completed`` of ``total`` units are done."""
        self._progress.update(self._task, completed=completed, total=total)

    def note(self, text: str) -> None:
        """Show a text after the bar, cut to one short line."""
        self._progress.update(self._task, note=text.strip()[:60])


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show a bar while the block runs and one line with its duration afterwards."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None, note="")
        yield Step(progress, task)
        seconds = progress.tasks[0].elapsed or 0
    console.print(f"[green]✓[/] {title} [dim]({seconds:.1f} s)")


def say(text: str) -> None:
    """Print one line for the person at the terminal."""
    console.print(text)
