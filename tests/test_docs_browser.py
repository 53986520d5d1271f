"""The documentation as a reader without a network meets it: every page in a real browser."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, ViewportSize, expect

from lab.course import ROOT

from .test_browser import PATIENCE, browser  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
ADDRESS = "http://docs.invalid/"
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


class Visit:
    """A window without a network: the site's files are handed to it, all else is refused and
    noted.
    """

    def __init__(self, browser: Browser, site: Path) -> None:  # noqa: F811
        context = browser.new_context(viewport=WIDE)
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.site = site
        self.elsewhere: list[str] = []
        self.problems: list[str] = []
        self.page.route("**/*", self._route)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _route(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        file = self.site / address.path.lstrip("/")
        if route.request.url.startswith(ADDRESS) and file.is_file():
            route.fulfill(path=file)
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":  # a file that is not there is one, too
            self.problems.append(f"{self.page.url}: {message.text}")

    def look(self, name: str) -> None:
        self.page.set_viewport_size(WIDE)
        self.page.goto(ADDRESS + name, wait_until="load")
        drawings = self.page.locator("pre.mermaid").count()
        drawn = self.page.locator("pre.mermaid > svg:not([aria-roledescription=error])")
        assert self.problems == []  # before a diagram is waited for: they may be why it is missing
        expect(drawn).to_have_count(drawings, timeout=PATIENCE)
        self.problems += [f"{name}: {image}" for image in self.page.evaluate(NOT_LOADED)]
        for size in (WIDE, NARROW):
            self.page.set_viewport_size(size)
            if wider := self.page.evaluate(TOO_WIDE):
                self.problems.append(f"{name}: {wider} pixels wider than {size['width']}")


def test_each_page_shows_its_pictures_without_a_network(
    browser: Browser,  # noqa: F811
    site: Path,
) -> None:
    visit = Visit(browser, site)
    names = [page.relative_to(site).as_posix() for page in sorted(site.rglob("*.html"))]
    names = [name for name in names if not name.startswith("_static/")]
    assert "lessons/09-ports.html" in names
    for name in names:
        visit.look(name)
    visit.page.context.close()
    assert visit.elsewhere == []
    assert visit.problems == []


def test_search_finds_a_check_without_a_network(browser: Browser, site: Path) -> None:  # noqa: F811
    visit = Visit(browser, site)
    visit.page.goto(ADDRESS + "search.html?q=must_survive_crash")
    expect(visit.page.locator("#search-results")).to_contain_text("container", timeout=PATIENCE)
    visit.page.context.close()
    assert visit.elsewhere == []
