"""A headless Chromium that tests drive, one per process."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No page reaches the network. The tests run as root in containers, where Chromium's own
# sandbox can't start.
_OPTIONS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-sandbox",
)


class Chromium(NamedTuple):
    """The browser, and the event loop of Playwright that talks to it."""

    browser: "Browser"
    loop: asyncio.AbstractEventLoop


def _find_chromium() -> str | None:
    named = os.environ.get("CHROME")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Chromium, without pages. Tests get them from `open_page`.

    Between its calls Playwright leaves its event loop set as the running one, and no
    other test of the process could run a loop of its own. So the loop is set only for
    tests that use the browser.
    """
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    path = _find_chromium()
    if path is None:
        pytest.skip(f"found none of {', '.join(_NAMES)}: install one, or set CHROME")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield Chromium(browser, loop)
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def open_page(chromium: Chromium) -> Iterator[Callable[..., "Page"]]:
    """Opens pages: `open_page(url, width=1280, height=800, color_scheme="light")`, and
    other options of Playwright's `new_context`.

    The test fails if a page logs an error or asks another host for something.
    """
    contexts, troubles = [], []

    def open_page(
        url: str, *, width: int = 1280, height: int = 800, **options: Any
    ) -> "Page":
        host = urlsplit(url).netloc
        viewport = {"width": width, "height": height}
        context = chromium.browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()

        def note_console(message: Any) -> None:
            if message.type == "error":
                troubles.append(message.text)

        def note_request(request: Any) -> None:
            asked = urlsplit(request.url)
            if asked.scheme not in ("data", "blob") and asked.netloc != host:
                troubles.append(f"request of {request.url}")

        page.on("console", note_console)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", note_request)
        page.goto(url)
        return page

    asyncio._set_running_loop(chromium.loop)
    yield open_page
    for context in contexts:
        context.close()
    asyncio._set_running_loop(None)
    assert troubles == []
