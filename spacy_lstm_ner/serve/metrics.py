"""Numbers about the service, for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counts of one app.

    waiting (Callable[[], int]): The number of requests that wait for their answers.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "lstm_ner_requests",
            "Requests, by path and status",
            ["path", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "lstm_ner_request_seconds",
            "Time from a request to its answer, by path",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._texts = Counter(
            "lstm_ner_texts", "Texts that were analysed", registry=self._registry
        )
        self._batch = Histogram(
            "lstm_ner_batch_requests",
            "Number of requests that were answered together",
            buckets=_SIZES,
            registry=self._registry,
        )
        gauge = Gauge(
            "lstm_ner_waiting_requests",
            "Requests that wait for their answers",
            registry=self._registry,
        )
        gauge.set_function(waiting)

    def count_batch(self, n_questions: int, n_texts: int) -> None:
        """Count a batch."""
        self._batch.observe(n_questions)
        self._texts.inc(n_texts)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is answered.

        path (str): One of a few names, because each is kept.
        """
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All numbers in the text format of Prometheus."""
        return bytes(generate_latest(self._registry))
