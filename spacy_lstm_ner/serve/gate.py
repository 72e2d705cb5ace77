"""What each request passes: the limit of its size, counts, headers of the answer."""

import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Errors
from .metrics import Metrics

_TOO_LARGE = 413


class Stopping:
    """Whether the server has been told to stop: it finishes what has begun, and asks
    clients to open no further requests on their connections."""

    def __init__(self) -> None:
        self.has_begun = False


class Gate:
    """Middleware of ASGI around the app.

    app (ASGIApp): The app.
    paths (Collection[str]): The paths that are counted by their names.
    max_bytes (int): Largest size of a body.
    metrics (Metrics): Counts the requests.
    stopping (Stopping): Whether connections are to be closed behind an answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: Collection[str],
        max_bytes: int,
        metrics: Metrics,
        stopping: Stopping,
    ) -> None:
        self._app, self._paths, self._max_bytes = app, paths, max_bytes
        self._metrics, self._stopping = metrics, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        path = path if path in self._paths else "other"
        n_bytes = 0

        async def limited() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._max_bytes:
                raise HTTPException(_TOO_LARGE, self._too_large())
            return message

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if self._stopping.has_begun or message["status"] == _TOO_LARGE:
                    headers["Connection"] = "close"
                seconds = time.perf_counter() - begin
                self._metrics.count_request(path, message["status"], seconds)
            await send(message)

        stated = Headers(scope=scope).get("content-length", "")
        if stated.isdecimal() and int(stated) > self._max_bytes:
            refusal = JSONResponse({"detail": self._too_large()}, _TOO_LARGE)
            await refusal(scope, receive, told)
        else:
            await self._app(scope, limited, told)

    def _too_large(self) -> str:
        return Errors.L364.format(limit=self._max_bytes)
