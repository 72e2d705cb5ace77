"""A headless Chromium that tests drive, one per process, with one page."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No page reaches the network. The tests run as root in containers, where Chromium's own
# sandbox can't start.
_OPTIONS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-sandbox",
)


class Chromium(NamedTuple):
    """The page of the browser, and the event loop of Playwright that talks to it."""

    page: "Page"
    loop: asyncio.AbstractEventLoop


def _find_chromium() -> str | None:
    named = os.environ.get("CHROME")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Chromium. Tests get its page from `open_page`.

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
        page = browser.new_page()
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield Chromium(page, loop)
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def open_page(chromium: Chromium) -> Iterator[Callable[..., "Page"]]:
    """Opens a URL in the page: `open_page(url, width=1280, height=800,
    color_scheme="light", permissions=[])`. All tests share the page, since a process
    for another one would take two seconds of processor time.

    The test fails if the page logs an error or asks another host for something.
    """
    page, hosts, troubles = chromium.page, set(), []

    def note_console(message: Any) -> None:
        if message.type == "error":
            troubles.append(message.text)

    def note_error(error: Any) -> None:
        troubles.append(str(error))

    def note_request(request: Any) -> None:
        asked = urlsplit(request.url)
        if asked.scheme not in ("data", "blob") and asked.netloc not in hosts:
            troubles.append(f"request of {request.url}")

    def open_page(
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        color_scheme: str = "light",
        permissions: Sequence[str] = (),
    ) -> "Page":
        hosts.add(urlsplit(url).netloc)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        page.context.grant_permissions(permissions)
        page.goto(url)
        return page

    listeners = {
        "console": note_console,
        "pageerror": note_error,
        "request": note_request,
    }
    asyncio._set_running_loop(chromium.loop)
    for event, listener in listeners.items():
        page.on(event, listener)
    yield open_page
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    page.context.clear_permissions()
    page.goto("about:blank")
    asyncio._set_running_loop(None)
    assert troubles == []
