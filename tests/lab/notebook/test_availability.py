"""A server that goes away and comes back, asked all the while."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lab.notebook.availability import GIVE_UP_SECONDS, Answers, Request, answer_plot, record_answers
from lab.notebook.clusterwatch import Mark
from lab.notebook.errors import LessonError


class Site:
    """An HTTP server on a port of its own that can be stopped and started again."""

    status, promised = 200, 0

    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(site.status)
                self.send_header("Content-Length", str(site.promised))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._handler = Handler
        self._port = 0
        self.start()

    def start(self) -> None:
        self._server = HTTPServer(("127.0.0.1", self._port), self._handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.stop()


def test_what_never_stops_answering_has_no_outage(site: Site) -> None:
    with record_answers("site", site.url) as answers:
        pass
    assert answers.outage == 0
    assert str(answers) == "site: every request was answered"


def test_an_outage_is_as_long_as_it_was(site: Site) -> None:
    with record_answers("site", site.url) as answers:
        began = time.monotonic()
        site.stop()
        time.sleep(0.5)
        site.start()
        away = time.monotonic() - began
    assert answers.outage is not None
    assert 0.4 < answers.outage < away + 0.3
    assert str(answers) == f"site: {answers.outage:.2f} s without an answer"


def test_an_outage_that_begins_after_the_block_is_not_missed(site: Site) -> None:
    away: list[float] = []

    def go_away_for_a_while() -> None:
        began = time.monotonic()
        site.stop()
        time.sleep(0.4)
        site.start()
        away.append(time.monotonic() - began)

    with record_answers("site", site.url) as answers:
        threading.Timer(0.5, go_away_for_a_while).start()
    assert answers.outage is not None
    assert 0.3 < answers.outage < away[0] + 0.3


def test_what_does_not_come_back_is_given_up(site: Site) -> None:
    began = time.monotonic()
    with record_answers("site", site.url, give_up_seconds=1) as answers:
        site.stop()
    assert time.monotonic() - began < GIVE_UP_SECONDS
    assert answers.outage is None
    assert str(answers) == "site: no answer any more"
    site.start()


def test_an_error_page_is_no_answer(site: Site) -> None:
    with record_answers("site", site.url, give_up_seconds=1) as answers:
        site.status = 503
    assert answers.outage is None


def test_half_an_answer_is_no_answer(site: Site) -> None:
    with record_answers("site", site.url, give_up_seconds=1) as answers:
        site.promised = 10
    assert answers.outage is None


def test_what_does_not_answer_at_all_cannot_be_measured(site: Site) -> None:
    site.status = 500
    with pytest.raises(
        LessonError, match=r"does not answer, so there is nothing to measure\.\nTry: curl"
    ):
        record_answers("site", site.url).__enter__()


def test_the_plot_says_the_same_as_text() -> None:
    three = Answers("three Pods", "", [Request(0, 0.1, True)])
    gone = Answers("docker run", "", [Request(0, 0.1, True), Request(0.1, 0.2, False)])
    plot = answer_plot(three, gone)
    assert str(plot) == "three Pods: every request was answered\ndocker run: no answer any more"
    assert plot._repr_mimebundle_()["image/png"].startswith("iVBOR")


def test_a_plot_has_what_the_cluster_reported() -> None:
    requests = [Request(0, 0.1, True), Request(0.1, 1.1, False), Request(1.1, 1.2, True)]
    marks = [Mark(0.1, "lab-2 is switched off"), Mark(1.1, "lab-2 is NotReady")]
    plot = answer_plot(Answers("off", "", requests, marks), Answers("on", "", requests[:1]))
    assert str(plot).splitlines() == [
        "off: 1 of 3 requests got no answer",
        "  after 0.1 s lab-2 is switched off",
        "  after 1.1 s lab-2 is NotReady",
        "on: every request was answered",
    ]
    (axis,) = plot.figure.axes
    texts = {text.get_text().strip(): text for text in axis.texts}
    assert texts["lab-2 is switched off"].get_position()[0] == 0.1
    heights = [texts[mark.text].get_position()[1] for mark in marks]
    assert heights == sorted(heights, reverse=True), "no line crosses a text"


def test_what_was_not_answered_is_seen_without_colour() -> None:
    gone = Answers("docker run", "", [Request(0, 0.1, True), Request(0.1, 0.2, False)])
    answered, unanswered = answer_plot(gone).figure.axes[0].collections
    assert (answered.get_hatch() or "") != unanswered.get_hatch()


def test_a_plot_of_nothing_says_what_to_do() -> None:
    with pytest.raises(LessonError, match="No recording was named"):
        answer_plot()
