"""``bin/lab report``: what a class has learned, on one page: points, checks, the commonest
mistakes, and who needs a look.

Made from what is recorded (grader/gradebook/journal.py) and the marks in the gradebook; nothing is
run. The page needs nothing from elsewhere and runs no script; all that students wrote is escaped.
"""

import csv
import io
from datetime import UTC, datetime

from grader.pages.summary import REASONS, Report
from grader.pages.template import PAGES


def page(report: Report) -> str:
    """The HTML page."""
    from grader.pages.plots import checks_plot, points_plot, seconds_plot

    plots = {
        "points": points_plot(report),
        "checks": checks_plot(report),
        "seconds": seconds_plot(report),
    }
    time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return PAGES.get_template("report.html.jinja").render(
        report=report, plots=plots, reasons=REASONS, made=time
    )


def table(report: Report) -> str:
    """The checks as CSV."""
    from grader.pages.export import harmless

    text = io.StringIO()
    columns = [
        "check",
        "max_points",
        "passed",
        "partly",
        "failed",
        "skipped",
        "waiting",
        "commonest_message",
        "times",
    ]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for check in report.checks:
        message, times = check.messages[0] if check.messages else ("", 0)
        numbers = (check.passed, check.partly, check.failed, check.skipped, check.waiting)
        writer.writerow(
            [harmless(check.name), f"{check.max_points:g}", *numbers, harmless(message), times]
        )
    return text.getvalue()
