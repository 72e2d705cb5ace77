"""Settings of the service."""

from dataclasses import dataclass
from pathlib import Path

from ..checks import check_at_least

# Names under which a server on the loopback interface is reached.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


@dataclass(frozen=True)
class ServeSettings:
    """What a service accepts, and how long it waits.

    component: Name of the recognizer, if the pipeline has several.
    max_chars: Largest number of characters (code points) of a text.
    max_texts: Largest number of texts of a request.
    max_bytes: Largest size of the body of a request.
    max_waiting: Number of requests that may wait for their answers. Further ones are
        refused (503).
    wait_ms: How long a request may wait for others that it is answered with, in ms.
    corrections: File for the corrections from the page; None: there are none.
    hosts: Names of the server, without ports, under which the page may send
        corrections; None: any.
    RAISES ValueError (L048): If a limit is too small.
    """

    component: str | None = None
    max_chars: int = 100_000
    max_texts: int = 1_000
    max_bytes: int = 4_000_000
    max_waiting: int = 1_000
    wait_ms: float = 5.0
    corrections: Path | None = None
    hosts: frozenset[str] | None = None

    def __post_init__(self) -> None:
        check_at_least(
            1,
            max_chars=self.max_chars,
            max_texts=self.max_texts,
            max_bytes=self.max_bytes,
            max_waiting=self.max_waiting,
        )
        check_at_least(0, wait_ms=self.wait_ms)
