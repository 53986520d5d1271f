"""``bin/lab feedback``."""

from pathlib import Path

import click

from grader.commands.options import course_option, student_option
from lab.errors import LabError
from lab.progress import say


@click.command("feedback")
@click.argument("assignment")
@student_option
@course_option("solutions/, submitted/ and the gradebook")
def feedback_command(assignment: str, students: tuple[str, ...], course: Path) -> None:
    """Write each student's feedback page again, with marks and comments given by hand since."""
    from grader.course import Course
    from grader.gradebook.record import ensure_current
    from grader.pages.feedback import write

    place = Course(course.resolve())
    ensure_current(place)
    graded = [
        entry.parent.name
        for entry in sorted((place.root / "autograded").glob("*/*"))
        if entry.name == assignment
    ]
    wanted = [student for student in graded if student in students or not students]
    if unknown := sorted(set(students) - set(graded)) or ([] if wanted else ["anyone"]):
        raise LabError(
            f"{assignment} has not been graded for {', '.join(unknown)}.",
            f"bin/lab grade {assignment}",
        )
    for student in wanted:
        write(place, assignment, student)
    say(f"Wrote {len(wanted)} feedback pages: feedback/STUDENT/{assignment}/")
