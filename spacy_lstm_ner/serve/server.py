"""The server: uvicorn, which finishes what has begun before it stops."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import spacy

from ..data.json_lines import parse_json
from ..errors import Errors
from .settings import ServeSettings

try:
    import uvicorn
    from fastapi import FastAPI

    from .app import create_app
except ImportError as error:
    raise ImportError(Errors.L361) from error

# The environment variable with the pipeline and the settings of `make_app`.
VARIABLE = "SPACY_LSTM_NER_SERVE"
# Seconds between SIGTERM and the end of idle connections.
_DRAIN = 0.5


def run(
    model: str, settings: ServeSettings, *, host: str, port: int, workers: int
) -> None:
    """Serve a pipeline until the process is told to stop.

    model (str): The pipeline: its folder or its name.
    settings (ServeSettings): What the service accepts.
    host (str): Address to listen on.
    port (int): Port to listen on.
    workers (int): Number of processes. Each has the whole pipeline in memory.
    RAISES ValueError: As `create_app`, and if several processes are to write one file
        of corrections (L367).
    """
    if workers > 1 and settings.corrections is not None:
        raise ValueError(Errors.L367.format(workers=workers))
    # Errors in the pipeline or in settings are told here, not in each process.
    app: Any = _draining(create_app(spacy.load(model), settings))
    options: dict[str, Any] = {}
    if workers > 1:
        values = {name: v for name, v in asdict(settings).items() if v is not None}
        if settings.hosts is not None:
            values["hosts"] = sorted(settings.hosts)
        os.environ[VARIABLE] = json.dumps({"model": model, **values})
        app, options = f"{__name__}:make_app", {"factory": True, "workers": workers}
    uvicorn.run(app, host=host, port=port, access_log=False, **options)


def make_app() -> FastAPI:
    """The app of the pipeline and the settings that the environment variable
    SPACY_LSTM_NER_SERVE names in JSON, for servers that are given a factory.

    RAISES ValueError (L373): If the variable has something else.
    """
    text = os.environ.get(VARIABLE, "")
    values = parse_json(text)
    try:
        model = str(values.pop("model"))
        if "corrections" in values:
            values["corrections"] = Path(values["corrections"])
        if "hosts" in values:
            values["hosts"] = frozenset(values["hosts"])
        settings = ServeSettings(**values)
    except (AttributeError, KeyError, TypeError) as err:
        message = Errors.L373.format(variable=VARIABLE, value=text)
        raise ValueError(message) from err
    return _draining(create_app(spacy.load(model), settings))


def _draining(app: FastAPI) -> FastAPI:
    """Let an app lose no request at SIGTERM.

    uvicorn closes idle connections at once, and with them a request that is just under
    way. So SIGTERM reaches uvicorn a moment later. Until then, no new connections are
    accepted, and answers say `Connection: close`, so that clients close their
    connections themselves. A second SIGTERM reaches uvicorn at once.
    """
    inner, stopping = app.router.lifespan_context, app.state.stopping

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        uvicorns: Any = signal.getsignal(signal.SIGTERM)
        # uvicorn's handler is a method of its server; in a thread, it has none.
        server: Any = getattr(uvicorns, "__self__", None)

        def begin() -> None:
            for listener in server.servers:
                listener.close()
            stopping.has_begun = True
            loop.call_later(_DRAIN, uvicorns, signal.SIGTERM, None)

        def handle(number: int, frame: Any) -> None:
            if stopping.has_begun:
                uvicorns(number, frame)
            else:
                loop.call_soon_threadsafe(begin)

        if isinstance(server, uvicorn.Server):
            signal.signal(signal.SIGTERM, handle)
        async with inner(app) as state:
            yield state

    app.router.lifespan_context = lifespan
    return app
