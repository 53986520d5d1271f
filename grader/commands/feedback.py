"""``bin/lab feedback``."""

from pathlib import Path

import click

from grader.commands.options import course_option, student_option
from lab.progress import say


@click.command("feedback")
@click.argument("assignment")
@student_option
@course_option("solutions/, submitted/ and the gradebook")
def feedback_command(assignment: str, students: tuple[str, ...], course: Path) -> None:
    """Write each student's feedback page again, with marks and comments given by hand since."""
    from grader.course import Course
    from grader.pages.feedback import write_all

    written = write_all(Course(course.resolve()), assignment, students)
    pages = "page" if len(written) == 1 else "pages"
    say(f"Wrote {len(written)} feedback {pages}: feedback/STUDENT/{assignment}/")
