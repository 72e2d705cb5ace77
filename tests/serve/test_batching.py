"""Batches of questions: which are answered together, and what fails."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from spacy_lstm_ner.serve.batching import Batcher, QueueFullError


@dataclass
class Asked:
    texts: Sequence[str]


class Echo:
    """Answers with the number of characters, slowly if wanted; "bad" fails."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[int] = []
        self.is_open = threading.Event()
        self.is_open.set()

    def __call__(self, questions: Sequence[Asked]) -> list[int]:
        self.is_open.wait()
        time.sleep(self.seconds)
        self.batches.append(len(questions))
        if any("bad" in question.texts for question in questions):
            raise ValueError("bad")
        return [sum(map(len, question.texts)) for question in questions]


def run(
    echo: Echo,
    use: Callable[[Batcher[Asked, int]], Coroutine[Any, Any, Any]],
    **settings: Any,
) -> Any:
    options = {"wait": 0.005, "max_waiting": 1000, "on_batch": lambda *_: None}

    async def main() -> Any:
        batcher: Batcher[Asked, int] = Batcher(echo, **{**options, **settings})
        try:
            return await use(batcher)
        finally:
            echo.is_open.set()
            await batcher.close()

    return asyncio.run(main())


async def ask_all(batcher: Batcher[Asked, int], texts: Sequence[str]) -> list[Any]:
    asked = (batcher.ask(Asked([text])) for text in texts)
    return await asyncio.gather(*asked, return_exceptions=True)


def test_questions_that_come_together_are_answered_together():
    echo = Echo()
    told = []
    texts = ["x" * i for i in range(20)]
    found = run(
        echo,
        lambda batcher: ask_all(batcher, texts),
        on_batch=lambda *counts: told.append(counts),
    )
    assert found == list(range(20))
    assert sum(echo.batches) == 20
    assert len(echo.batches) == 1
    assert told == [(20, 20)]


def test_questions_behind_a_slow_batch_form_the_next_one():
    echo = Echo(0.05)

    async def use(batcher):
        first = asyncio.create_task(batcher.ask(Asked(["a"])))
        await asyncio.sleep(0.01)
        return await first, await ask_all(batcher, ["b", "cc", "ddd"])

    assert run(echo, use) == (1, [1, 2, 3])
    assert echo.batches == [1, 3]


def test_waits_for_as_many_as_came_before_but_not_longer():
    echo = Echo()

    async def use(batcher):
        await ask_all(batcher, ["a", "b", "c"])
        asked = [asyncio.create_task(batcher.ask(Asked(["a"])))]
        for _ in range(2):
            await asyncio.sleep(0.01)
            asked.append(asyncio.create_task(batcher.ask(Asked(["b"]))))
        await asyncio.gather(*asked)
        begin = time.monotonic()
        await batcher.ask(Asked(["alone"]))  # three came before: waits in vain
        waited = time.monotonic() - begin
        begin = time.monotonic()
        await batcher.ask(Asked(["alone"]))
        return waited, time.monotonic() - begin

    first, second = run(echo, use, wait=0.3)
    assert echo.batches == [3, 3, 1, 1]
    assert first >= 0.29
    assert second < 0.2


def test_large_batches_are_cut():
    echo = Echo()

    async def use(batcher):
        many = [asyncio.create_task(batcher.ask(Asked(["a"] * 100))) for _ in range(4)]
        long = [asyncio.create_task(batcher.ask(Asked(["a" * 150_000])))] * 1
        more = [asyncio.create_task(batcher.ask(Asked(["a" * 150_000])))] * 1
        last = asyncio.create_task(batcher.ask(Asked(["a"])))
        return await asyncio.gather(*many, *long, *more, last)

    assert run(echo, use) == [100] * 4 + [150_000] * 2 + [1]
    assert echo.batches == [3, 3, 1]


def test_only_the_faulty_question_fails(caplog: pytest.LogCaptureFixture):
    echo = Echo()
    found = run(echo, lambda batcher: ask_all(batcher, ["a", "bad", "ccc"]))
    assert found[::2] == [1, 3]
    assert isinstance(found[1], ValueError)
    assert echo.batches == [3, 1, 1, 1]
    assert len(caplog.records) == 1
    assert run(echo, lambda batcher: batcher.ask(Asked(["fine"]))) == 4


def test_too_many_are_refused_and_the_others_answered():
    echo = Echo()
    echo.is_open.clear()

    async def use(batcher):
        first = asyncio.create_task(batcher.ask(Asked(["a"])))
        await asyncio.sleep(0.05)  # it is being answered
        others = [asyncio.create_task(batcher.ask(Asked(["bb"]))) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(batcher) == 2
        echo.is_open.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    found = run(echo, use, max_waiting=2)
    assert found[:3] == [1, 2, 2]
    assert isinstance(found[3], QueueFullError)


def test_too_many_characters_are_refused():
    echo = Echo()
    echo.is_open.clear()
    long = "a" * 15_000_000

    async def use(batcher):
        first = asyncio.create_task(batcher.ask(Asked(["a"])))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(batcher.ask(Asked([long])))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await batcher.ask(Asked([long]))
        third = asyncio.create_task(batcher.ask(Asked(["ccc"])))
        await asyncio.sleep(0)
        echo.is_open.set()
        return await asyncio.gather(first, second, third)

    assert run(echo, use) == [1, 15_000_000, 3]


def test_nobody_waits_any_more():
    """A question whose client is gone is not answered."""
    echo = Echo()
    echo.is_open.clear()

    async def use(batcher):
        first = asyncio.create_task(batcher.ask(Asked(["a"])))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.ask(Asked(["bb"])))
        other = asyncio.create_task(batcher.ask(Asked(["ccc"])))
        await asyncio.sleep(0)
        gone.cancel()
        first.cancel()
        await asyncio.sleep(0)
        echo.is_open.set()
        return await other

    assert run(echo, use) == 3
    assert echo.batches == [1, 1]


def test_the_end_answers_all_that_were_asked():
    echo = Echo(0.02)

    async def use(batcher):
        asked = [asyncio.create_task(batcher.ask(Asked(["a" * i]))) for i in range(9)]
        await asyncio.sleep(0.01)
        asked += [asyncio.create_task(batcher.ask(Asked(["bb"]))) for _ in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        assert all(task.done() for task in asked)
        return [task.result() for task in asked]

    assert run(echo, use, wait=60) == [*range(9), 2, 2, 2]


def test_nothing_was_asked():
    async def use(batcher):
        return len(batcher)

    assert run(Echo(), use) == 0
