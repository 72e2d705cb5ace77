"""The browser of the tests leaves other tests alone."""

import asyncio
from pathlib import Path


def test_pages_run(open_page, tmp_path: Path):
    path = tmp_path / "page.html"
    path.write_text("<p>before</p><script>document.body.innerText = 6 * 7</script>")
    page = open_page(path.as_uri(), width=400)
    assert page.inner_text("body") == "42"
    assert page.viewport_size == {"width": 400, "height": 800}


def test_other_event_loops_run(chromium):
    async def answer() -> int:
        return 42

    assert asyncio.run(answer()) == 42
