"""The app: requests -> questions -> answers. Needs the extra `serve`.

    app = create_app(spacy.load("training/model-best"))

It is an ordinary FastAPI app, which can be mounted in another one.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from spacy.language import Language

from ..errors import Errors
from .answers import Answer, Answerer, AnyQuestion, Question, SpanQuestion
from .batching import Batcher, QueueFullError
from .corrections import Corrections, check_span
from .settings import ServeSettings

try:
    from fastapi import FastAPI, HTTPException, Request, Response
    from fastapi.concurrency import run_in_threadpool
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse

    from . import schemas
    from .gate import Gate, Stopping
    from .metrics import CONTENT_TYPE, Metrics
except ImportError as error:
    raise ImportError(Errors.L361) from error

_VERSION = version("spacy-lstm-ner")
_JSON = "application/json"
# Seconds after which a client may try again.
_RETRY_AFTER = "1"
# Messages show so much of the name of a field.
_SHOWN = 50
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Problem, "description": "Not readable as JSON"},
    413: {"model": schemas.Problem, "description": "Too long, or too many texts"},
    422: {"model": schemas.Problem, "description": "Not as described here"},
    500: {"model": schemas.Problem, "description": "This request failed"},
    503: {"model": schemas.Problem, "description": "Too many requests wait"},
}


def create_app(
    nlp: Language,
    settings: ServeSettings = ServeSettings(),  # noqa: B008 (immutable)
) -> FastAPI:
    """Make the app.

    nlp (Language): A trained pipeline with a recognizer. From now on, only the app may
        use it: it is not changed, but used in a thread of the app's own.
    settings (ServeSettings): What the app accepts.
    RETURNS (FastAPI): The app. `app.state.stopping` is a `Stopping`.
    RAISES ValueError: If the pipeline has no recognizer or several (L206), or if there
        is another file in the place of the corrections (L201, L366).
    """
    service = Service(nlp, settings)
    app = FastAPI(
        title="spacy-lstm-ner",
        summary=f"Named entities by the pipeline {_name(nlp)}",
        version=_VERSION,
        lifespan=service.lifespan,
        # These pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    routes: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("POST", "/entities", service.entities, _answers(schemas.EntitiesAnswer)),
        (
            "POST",
            "/alternatives",
            service.alternatives,
            _answers(schemas.AlternativesAnswer),
        ),
        ("POST", "/corrections", service.correct, _answers(schemas.CorrectionAnswer)),
        ("GET", "/labels", service.labels, {}),
        ("GET", "/settings", service.show_settings, {}),
        ("GET", "/health", service.health, {}),
        ("GET", "/metrics", service.show_metrics, {"response_class": Response}),
        ("GET", "/", service.page, {"response_class": HTMLResponse}),
    ]
    for method, path, endpoint, options in routes:
        app.add_api_route(path, endpoint, methods=[method], **options)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_middleware(
        Gate,
        paths={path for _, path, _, _ in routes},
        max_bytes=settings.max_bytes,
        metrics=service.metrics,
        stopping=service.stopping,
    )
    app.state.stopping = service.stopping
    return app


def _answers(model: type[Any]) -> dict[str, Any]:
    return {"responses": {200: {"model": model}, **_REFUSED}}


class Service:
    """The endpoints of one app."""

    def __init__(self, nlp: Language, settings: ServeSettings) -> None:
        self._settings = settings
        self._answerer = Answerer(nlp, settings.component)
        self._nlp = nlp
        self.metrics = Metrics(lambda: len(self._batcher))
        self._batcher: Batcher[AnyQuestion, list[Answer]] = Batcher(
            self._answerer,
            wait=settings.wait_ms / 1000,
            max_waiting=settings.max_waiting,
            on_batch=self.metrics.count_batch,
        )
        path = settings.corrections
        self._corrections = None if path is None else Corrections(path)
        self.stopping = Stopping()
        self._page = files(__package__).joinpath("page.html").read_text("utf8")
        self._page_headers = {
            "Content-Security-Policy": _policy(self._page),
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """At the end, answer all requests that have begun."""
        yield
        await self._batcher.close()

    async def entities(self, request: schemas.EntitiesRequest) -> Response:
        """Find the entities of one text or of several."""
        texts = [request.text] if isinstance(request.text, str) else request.text
        self._check(texts)
        question = Question(
            texts,
            threshold=request.threshold,
            decoding=request.decoding,
            candidates=request.candidates,
            n_best=request.n_best,
            tokens=request.tokens,
        )
        return _json({"results": await self._ask(question)})

    async def alternatives(self, request: schemas.AlternativesRequest) -> Response:
        """Tell where the probability of a span goes: to other labels, to other
        boundaries, or to no entity."""
        self._check([request.text])
        try:
            check_span(request.text, request.start, request.end)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        question = SpanQuestion(request.text, request.start, request.end)
        (answer,) = await self._ask(question)
        return _json(answer)

    async def correct(
        self, request: Request, correction: schemas.CorrectionRequest
    ) -> Response:
        """Save a text with its entities, as a person has corrected them."""
        if self._corrections is None:
            raise HTTPException(403, Errors.L371)
        self._check_origin(request)
        self._check([correction.text])
        save = self._corrections.save
        try:
            n_texts, replaced = await run_in_threadpool(
                save, correction.text, correction.spans
            )
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return _json({"n_texts": n_texts, "replaced": replaced})

    async def labels(self) -> schemas.LabelsAnswer:
        """The labels of the recognizer."""
        return schemas.LabelsAnswer(labels=list(self._answerer.ner.labels))

    async def show_settings(self) -> schemas.SettingsAnswer:
        """The settings of the recognizer, and what the service accepts."""
        ner, limits = self._answerer.ner.settings, self._settings
        return schemas.SettingsAnswer(
            language=self._nlp.meta["lang"],
            decoding=ner.decoding,
            threshold=ner.threshold,
            label_thresholds=dict(ner.label_thresholds),
            candidates=ner.candidates,
            max_chars=limits.max_chars,
            max_texts=limits.max_texts,
            max_bytes=limits.max_bytes,
            corrections=self._corrections is not None,
        )

    async def health(self) -> schemas.HealthAnswer:
        """Whether the service is up."""
        return schemas.HealthAnswer(
            status="stopping" if self.stopping.has_begun else "ok",
            pipeline=_name(self._nlp),
            version=_VERSION,
        )

    async def show_metrics(self) -> Response:
        """Numbers for Prometheus."""
        return Response(self.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def page(self) -> HTMLResponse:
        """The page for people."""
        return HTMLResponse(self._page, headers=self._page_headers)

    async def _ask(self, question: AnyQuestion) -> list[Answer]:
        try:
            return await self._batcher.ask(question)
        except QueueFullError as error:
            message = Errors.L365.format(n=len(self._batcher))
            headers = {"Retry-After": _RETRY_AFTER}
            raise HTTPException(503, message, headers) from error
        # A pipeline's components may raise exceptions of any type. The batcher has
        # logged this one; only its request gets 500.
        except Exception as error:
            raise HTTPException(500, Errors.L372) from error

    def _check(self, texts: Sequence[str]) -> None:
        """Refuse texts that are too many or too long."""
        limits = self._settings
        if len(texts) > limits.max_texts:
            message = Errors.L363.format(n=len(texts), limit=limits.max_texts)
            raise HTTPException(413, message)
        for i, text in enumerate(texts):
            if len(text) > limits.max_chars:
                message = Errors.L362.format(i=i, n=len(text), limit=limits.max_chars)
                raise HTTPException(413, message)

    def _check_origin(self, request: Request) -> None:
        """Refuse requests that another site makes a browser send."""
        hosts = self._settings.hosts
        host, origin = (request.headers.get(name) for name in ("host", "origin"))
        is_ours = hosts is None or _parts(f"//{host}")[0] in hosts
        if not is_ours or (origin is not None and _parts(origin)[1] != host):
            message = Errors.L370.format(
                hosts="any name" if hosts is None else " or ".join(sorted(hosts)),
                host=host,
                origin=origin,
            )
            raise HTTPException(403, message)


def _name(nlp: Language) -> str:
    return f"{nlp.meta['lang']}_{nlp.meta['name']}"


def _parts(url: str) -> tuple[str | None, str | None]:
    """The name of the host of a URL, and the name with the port; None if there are
    none."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.netloc or None
    except ValueError:
        return None, None


def _json(value: Any, status: int = 200) -> Response:
    """An answer. Escapes make it valid for any text."""
    return Response(json.dumps(value), status, media_type=_JSON)


def _policy(page: str) -> str:
    """The Content-Security-Policy of the page: its own script and style, and requests
    to this server."""
    hashes = {}
    for name in ("script", "style"):
        _, _, rest = page.partition(f"<{name}>")
        content = rest.partition(f"</{name}>")[0]
        digest = b64encode(sha256(content.encode("utf8")).digest()).decode("ascii")
        hashes[name] = f"'sha256-{digest}'"
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src "
        f"{hashes['style']}; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


async def _refuse(request: Request, error: Exception) -> Response:
    """Tell what is wrong with a request, without repeating it."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    told = [
        f"{'.'.join(str(part)[:_SHOWN] for part in each['loc'])}: {each['msg']}"
        for each in problems
    ]
    return _json({"detail": "; ".join(told[:10]) or "not valid"}, 422)
