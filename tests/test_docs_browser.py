"""The documentation as a reader without a network meets it: every page in a real browser."""

import functools
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, ViewportSize, expect

from lab.course import ROOT

from .test_browser import PATIENCE, browser  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
WIDE, NARROW = ViewportSize(width=1360, height=900), ViewportSize(width=390, height=844)
NOT_LOADED = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "lab", "docs", "--build-only", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Logs errors only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Visit:
    """A window whose requests to anywhere but the site are refused and remembered."""

    def __init__(self, browser: Browser, address: str) -> None:  # noqa: F811
        context = browser.new_context(viewport=WIDE)
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.address = address
        self.elsewhere: list[str] = []
        self.problems: list[str] = []
        self.page.route("**/*", self._route)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:")):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":  # a file that is not there is one, too
            self.problems.append(f"{self.page.url}: {message.text}")

    def look(self, name: str) -> None:
        self.page.set_viewport_size(WIDE)
        self.page.goto(self.address + name, wait_until="load")
        drawings = self.page.locator("pre.mermaid").count()
        expect(self.page.locator("pre.mermaid > svg")).to_have_count(drawings, timeout=PATIENCE)
        expect(self.page.locator("pre.mermaid > svg[aria-roledescription=error]")).to_have_count(0)
        self.problems += [f"{name}: {image}" for image in self.page.evaluate(NOT_LOADED)]
        for size in (WIDE, NARROW):
            self.page.set_viewport_size(size)
            if wider := self.page.evaluate(TOO_WIDE):
                self.problems.append(f"{name}: {wider} pixels wider than {size['width']}")


def test_each_page_shows_its_pictures_without_a_network(
    browser: Browser,  # noqa: F811
    address: str,
    site: Path,
) -> None:
    visit = Visit(browser, address)
    names = [page.relative_to(site).as_posix() for page in sorted(site.rglob("*.html"))]
    names = [name for name in names if not name.startswith("_static/")]
    assert "lessons/09-ports.html" in names
    for name in names:
        visit.look(name)
    visit.page.context.close()
    assert visit.elsewhere == []
    assert visit.problems == []


def test_search_finds_a_check_without_a_network(browser: Browser, address: str) -> None:  # noqa: F811
    visit = Visit(browser, address)
    visit.page.goto(address + "search.html?q=must_survive_crash")
    expect(visit.page.locator("#search-results")).to_contain_text("container", timeout=PATIENCE)
    visit.page.context.close()
    assert visit.elsewhere == []
