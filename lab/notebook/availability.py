"""How long something does not answer: ask it many times a second while commands run."""

import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import pairwise
from threading import Event, Thread
from typing import TYPE_CHECKING

from lab.notebook.clusterwatch import Mark, watch_cluster
from lab.notebook.errors import LessonError
from lab.notebook.plots import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GIVE_UP_SECONDS = 5.0
"""So long after the last answer, none is expected any more."""

_PAUSE_SECONDS = 0.02
_ANSWER_SECONDS = 1.0
_LIMIT_SECONDS = 60.0
_SETTLED_SECONDS = 1.0
"""So long every request must have been answered, until what the commands did is taken for over."""

# Of Okabe and Ito's palette, which every kind of eye tells apart; a print in grey has the stripes.
_ANSWERED = {"color": "#0072b2"}
_UNANSWERED = {"facecolor": "#e69f00", "hatch": "///", "edgecolor": "black", "linewidth": 0}
_LINE = 0.28
"""Of a mark's text, in rows of the plot."""
_SEEN_SHARE = 0.002
"""Of the plot's width, what a request needs so that one sees it."""


@dataclass(frozen=True)
class Request:
    """One request, in seconds since the recording began; `answered` with a status below 400."""

    began: float
    ended: float
    answered: bool


@dataclass
class Answers:
    """What came of asking `url` again and again, and what the cluster reported meanwhile. `print`
    says it.
    """

    name: str
    url: str
    requests: list[Request] = field(default_factory=list, repr=False)
    marks: list[Mark] = field(default_factory=list, repr=False)

    @property
    def outage(self) -> float | None:
        """The longest time without an answer, in seconds; None if no answer came any more."""
        if self.requests and not self.requests[-1].answered:
            return None
        if all(each.answered for each in self.requests):
            return 0.0
        good = [each.ended for each in self.requests if each.answered]
        return max((later - earlier for earlier, later in pairwise(good)), default=0.0)

    @property
    def lost(self) -> float:
        """The share of the requests that got no answer, from 0 to 1."""
        return sum(not each.answered for each in self.requests) / max(len(self.requests), 1)

    @property
    def result(self) -> str:
        """The outage in words; where the cluster was watched, how many requests it took."""
        if self.marks:
            number = len(self.requests)
            return f"{round(self.lost * number)} of {number} requests got no answer"
        if self.outage is None:
            return "no answer any more"
        return (
            f"{self.outage:.2f} s without an answer"
            if self.outage
            else "every request was answered"
        )

    def __str__(self) -> str:
        marks = (f"  after {mark.seconds:.1f} s {mark.text}" for mark in self.marks)
        return "\n".join([f"{self.name}: {self.result}", *marks])


@contextmanager
def record_answers(
    name: str, url: str, *, give_up_seconds: float = GIVE_UP_SECONDS, pods: str | None = None
) -> Iterator[Answers]:
    """Ask `url` fifty times a second during the `with` block, and until its outcome is clear.

    That is: until every request of a second was answered, or none of the last `give_up_seconds`.
    `name` is what the plot calls it. With `pods` (`"app=site"`) the cluster is watched, too:
    `.marks` has what became of the nodes and of the Pods with this label, and the recording
    continues until the Pods are complete again, for five minutes at most.

    Raises LessonError if `url` does not answer at the beginning.

    >>> with record_answers("docker run", "http://localhost:8017") as alone:
    ...     %shell docker kill alone
    >>> print(alone)
    docker run: no answer any more
    """
    recording, stop, began = Answers(name, url), Event(), time.monotonic()
    if not _answers(url):
        raise LessonError(
            f"{url} does not answer, so there is nothing to measure.\nTry: curl {url}"
        )
    recording.requests.append(Request(0.0, 0.0, True))
    asking = Thread(target=_ask, args=(recording, stop, began), daemon=True)
    with ExitStack() as stack:
        watch = watch_cluster(pods, began, recording.marks) if pods else None
        settle = stack.enter_context(watch) if watch else None
        asking.start()
        try:
            yield recording
            if settle:
                settle()
            _wait_until_clear(recording, give_up_seconds)
        finally:
            stop.set()
            asking.join()


def _ask(recording: Answers, stop: Event, start: float) -> None:
    while not stop.is_set():
        began = time.monotonic()
        answered = _answers(recording.url)
        recording.requests.append(Request(began - start, time.monotonic() - start, answered))
        stop.wait(_PAUSE_SECONDS)


def _answers(url: str) -> bool:
    # A connection of its own for each request, so that a Service chooses anew; and round any proxy
    # that is set.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS) as reply:
            reply.read()
    # Refused, reset, too late, 4xx and 5xx; no HTTP; half an answer.
    except (OSError, ValueError, HTTPException):
        return False
    return True


def _wait_until_clear(recording: Answers, give_up_seconds: float) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < _LIMIT_SECONDS:
        late = _of_late(recording, _SETTLED_SECONDS)
        if passed > _SETTLED_SECONDS and all(each.answered for each in late):
            return
        if not any(each.answered for each in _of_late(recording, give_up_seconds)):
            return
        time.sleep(_PAUSE_SECONDS)


def _of_late(recording: Answers, seconds: float) -> list[Request]:
    requests = list(recording.requests)  # the other thread goes on adding to it
    return [each for each in requests if each.ended > requests[-1].ended - seconds]


def answer_plot(*recordings: Answers) -> Plot:
    """Plot recordings below each other: when requests were answered, and when not.

    >>> answer_plot(alone, restarted, replaced)
    """
    # Importing matplotlib takes as long as everything else here: only when something is plotted.
    from matplotlib.figure import Figure

    if not recordings:
        raise LessonError("No recording was named.\nTry: answer_plot(alone)")
    lines = max(len(each.marks) for each in recordings) * _LINE
    figure = Figure(figsize=(8, 0.5 * (len(recordings) + lines) + 1.1), layout="constrained")
    axis = figure.subplots()
    width = 1.35 * max(each.requests[-1].ended for each in recordings)
    for row, recording in enumerate(recordings):
        if recording.marks:
            _draw_marked(axis, row, recording, width * _SEEN_SHARE)
        else:
            _draw(axis, row, recording)
        axis.text(
            recording.requests[-1].ended, row, f"  {recording.result}", va="center", fontsize=9
        )
    axis.set_yticks(range(len(recordings)), [each.name for each in recordings])
    axis.set_ylim(len(recordings) - 0.4 + lines, -0.6)
    axis.set_xlabel("seconds since the recording began")
    axis.set_title("Answered (blue) and not (orange, striped)", loc="left", fontsize=11)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.margins(x=0)
    axis.set_xlim(0, width)
    return Plot(figure, "\n".join(map(str, recordings)))


def _draw(axis: "Axes", row: int, recording: Answers) -> None:
    for began, seconds, answered in _spans(recording.requests):
        axis.broken_barh(
            [(began, seconds)], (row - 0.3, 0.6), **(_ANSWERED if answered else _UNANSWERED)
        )


def _draw_marked(axis: "Axes", row: int, recording: Answers, least: float) -> None:
    """Each request: answered in the upper half, and not in the lower one, since one that waits in
    vain would hide those that are answered; below them, what the cluster reported.
    """
    for answered, top, style in ((True, -0.3, _ANSWERED), (False, 0.0, _UNANSWERED)):
        bars = [
            (each.began, max(each.ended - each.began, least))
            for each in recording.requests
            if each.answered == answered
        ]
        axis.broken_barh(bars, (row + top, 0.3), **style)
    # The earliest goes down furthest, so that no line crosses a text.
    for number, mark in enumerate(reversed(recording.marks), 1):
        end = row + 0.3 + number * _LINE
        axis.plot([mark.seconds] * 2, [row - 0.3, end], color="black", linewidth=1)
        axis.text(mark.seconds, end, f" {mark.text}", va="bottom", fontsize=9)


def _spans(requests: Iterable[Request]) -> Iterator[tuple[float, float, bool]]:
    """Begin, length and kind of each stretch of time in which requests came out the same."""
    began, answered, ended = 0.0, True, 0.0
    for request in requests:
        if request.answered != answered:
            if ended > began:
                yield began, ended - began, answered
            began, answered = ended, request.answered
        ended = request.ended
    yield began, ended - began, answered
