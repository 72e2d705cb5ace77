"""Requests that arrive together are answered together.

One thread works on one batch at a time. Meanwhile, further questions wait, and form the
next batch. If the thread is idle, the first question waits for others, but only if
others can be expected: until as many have come as the batch before had, or until the
waiting time is over. So a single user does not wait at all.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

logger = logging.getLogger("spacy.lstm_ner")

# A batch takes no further question once it has this number of texts or characters.
_MAX_TEXTS, _MAX_CHARS = 256, 200_000
# Questions are refused if this number of characters waits.
_MAX_WAITING_CHARS = 20_000_000


class HasTexts(Protocol):
    """A question about texts."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts."""


Q = TypeVar("Q", bound=HasTexts)
A = TypeVar("A")


class QueueFullError(Exception):
    """Too many questions wait already."""


class _Waiting(NamedTuple, Generic[Q, A]):
    question: Q
    n_chars: int
    since: float
    answer: "asyncio.Future[A]"


class Batcher(Generic[Q, A]):
    """Answers questions in batches, in a thread of its own, which begins with the first
    question. All calls come from one event loop.

    answer (Callable): From the questions of a batch to their answers. If it fails, each
        question is tried again alone, and only those fail that fail alone.
    wait (float): How long an idle thread waits for further questions, in seconds.
    max_waiting (int): Number of questions that may wait.
    on_batch (Callable[[int, int], None]): Is told the questions and the texts of each
        batch.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Q]], Sequence[A]],
        *,
        wait: float,
        max_waiting: int,
        on_batch: Callable[[int, int], None],
    ) -> None:
        self._answer, self._wait = answer, wait
        self._max_waiting, self._on_batch = max_waiting, on_batch
        self._waiting: deque[_Waiting[Q, A]] = deque()
        self._n_chars = 0
        self._n_expected = 1
        self._changed = asyncio.Event()
        self._is_closing = False
        self._thread = ThreadPoolExecutor(1, "lstm-ner")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """The number of questions that wait."""
        return len(self._waiting)

    async def close(self) -> None:
        """Answer all questions that were asked, and end the thread."""
        self._is_closing = True
        self._changed.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def ask(self, question: Q) -> A:
        """Answer a question.

        RAISES QueueFullError: If too many questions wait.
        RAISES Exception: What `answer` raises for this question alone.
        """
        n_chars = sum(map(len, question.texts))
        is_full = len(self._waiting) >= self._max_waiting
        if is_full or (self._n_chars and self._n_chars + n_chars > _MAX_WAITING_CHARS):
            raise QueueFullError
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = loop.create_task(self._run())
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append(_Waiting(question, n_chars, loop.time(), future))
        self._n_chars += n_chars
        self._changed.set()
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while await self._has_batch():
            batch = self._take()
            questions = [each.question for each in batch]
            outcomes = await loop.run_in_executor(self._thread, self._try, questions)
            for each, outcome in zip(batch, outcomes, strict=True):
                if each.answer.done():  # nobody waits for it any more
                    continue
                if isinstance(outcome, Exception):
                    each.answer.set_exception(outcome)
                else:
                    each.answer.set_result(outcome)

    async def _has_batch(self) -> bool:
        """Wait for a batch. There is none if all are answered and no more come."""
        loop = asyncio.get_running_loop()
        while not self._waiting:
            if self._is_closing:
                return False
            self._changed.clear()
            await self._changed.wait()
        deadline = self._waiting[0].since + self._wait
        while len(self._waiting) < self._n_expected and not self._is_closing:
            left = deadline - loop.time()
            if left <= 0:
                break
            self._changed.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        return True

    def _take(self) -> list[_Waiting[Q, A]]:
        """Remove the questions of the next batch from those that wait."""
        batch = []
        n_texts = n_chars = 0
        while self._waiting and n_texts < _MAX_TEXTS and n_chars < _MAX_CHARS:
            each = self._waiting.popleft()
            self._n_chars -= each.n_chars
            if not each.answer.done():
                batch.append(each)
                n_texts += len(each.question.texts)
                n_chars += each.n_chars
        self._n_expected = max(len(batch), 1)
        if batch:
            self._on_batch(len(batch), n_texts)
        return batch

    def _try(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        """Answer a batch, in the thread. Failures are among the answers."""
        try:
            return self._answer(questions)
        # A pipeline's components may raise exceptions of any type. One that left this
        # method would end the loop, and all later requests would wait for ever.
        except Exception as error:
            if len(questions) == 1:
                logger.exception("a request failed")
                return [error]
        return [self._try([question])[0] for question in questions]
