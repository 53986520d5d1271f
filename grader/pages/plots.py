"""The plots of a report: SVG, so that they print well, need no script and stay sharp."""

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from grader.pages.summary import Report

# Colour and hatching of each status: who cannot tell the colours apart sees the hatching.
STYLES = {
    "passed": ("#1a7f37", ""),
    "partly": ("#d4a72c", "//"),
    "failed": ("#d1242f", "xx"),
    "skipped": ("#8c959f", ".."),
    "waiting": ("#54aeff", "--"),
}
INCHES = 8.0
MOST_BARS = 25


def points_plot(report: "Report") -> Markup:
    """How many earned how much."""
    figure = Figure(figsize=(INCHES, 2.4), layout="constrained")
    axes = figure.subplots()
    top = report.max_points or 1.0
    bars = min(MOST_BARS, int(top) + 1)
    half = top / (bars - 1) / 2 if bars > 1 else 0.5  # a bar stands around its points
    axes.hist(
        report.points, bins=bars, range=(-half, top + half), color="#0969da", edgecolor="white"
    )
    axes.axvline(report.median, color="#d1242f", linewidth=1.5, label=f"median {report.median:g}")
    axes.set(xlabel=f"points of {top:g}", ylabel="submissions", xlim=(-half, top + half))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return _svg(
        figure,
        f"Distribution of points: median {report.median:g}, mean {report.mean:.1f} of {top:g}",
    )


def checks_plot(report: "Report") -> Markup:
    """Each check: who passed it and who did not."""
    names = [_short(check.name) for check in report.checks]
    figure = Figure(figsize=(INCHES, 0.6 + 0.32 * max(len(names), 1)), layout="constrained")
    axes = figure.subplots()
    left = [0] * len(names)
    for status, (colour, hatch) in STYLES.items():
        counts = [getattr(check, status) for check in report.checks]
        if any(counts):
            axes.barh(
                range(len(names)),
                counts,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=status,
                height=0.7,
            )
            left = [start + count for start, count in zip(left, counts, strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("submissions")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if names:
        axes.legend(frameon=False, ncols=len(STYLES), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    worst = max(report.checks, key=lambda check: check.failed + check.partly, default=None)
    return _svg(
        figure, f"Results of each check; most often missed: {worst.name if worst else 'none'}"
    )


def seconds_plot(report: "Report") -> Markup:
    """How long grading took, the slowest last."""
    figure = Figure(figsize=(INCHES, 1.8), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(1, len(report.seconds) + 1), sorted(report.seconds), color="#8250df")
    axes.set(xlabel="submissions, the slowest last", ylabel="seconds", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _svg(
        figure,
        f"Seconds to grade: from {min(report.seconds, default=0):.1f} to"
        f" {max(report.seconds, default=0):.1f}",
    )


def _short(name: str, most: int = 60) -> str:
    """A label, without what matplotlib would take for a formula."""
    name = name.replace("`", "")
    return (name if len(name) <= most else name[: most - 1] + "…").replace("$", r"\$")


def _svg(figure: Figure, description: str) -> Markup:
    """The drawing as an element of the page, and its meaning in words."""
    text = io.StringIO()
    with mpl.rc_context(
        {"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "course"}
    ):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    element = drawing[drawing.index("<svg") :]
    return (
        Markup('<figure role="img" aria-label="{}">').format(description)
        + Markup(element)  # noqa: S704  (matplotlib drew it)
        + Markup("</figure>")
    )
