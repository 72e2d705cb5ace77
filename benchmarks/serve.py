"""Speed and memory of `serve`, beside FastAPI with `ner`, and a loop of `nlp(text)`.

    python benchmarks/serve.py MODEL NER texts.txt --json serve.json

MODEL has an `lstm_ner`, NER a `ner` of spaCy; both were trained on the same data. Each
server is a process on the first core, and the clients are one process on the second
core. Each client sends a text, waits for the answer, and sends the next one, on one
connection. The servers take turns for several rounds. The clients' share of their core
shows whether they are the bottleneck: well below 1, they are not.

Then texts of words that never came before are sent, and the memory of the server is
compared before and after. At the end the server gets SIGTERM while all clients work,
and requests without an answer are counted. Needs Linux and the extra `serve`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

_SERVER_CORE, _CLIENT_CORE = 0, 1


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="pipeline with an lstm_ner")
    parser.add_argument("ner", help="pipeline with spaCy's ner")
    parser.add_argument("texts", type=Path, help="a text per line")
    parser.add_argument("--requests", type=int, default=20_000, help="to each server")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--words", type=int, default=1_000_000, help="new words to send"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    args = parser.parse_args()
    os.sched_setaffinity(0, {_CLIENT_CORE})
    texts = [t for t in args.texts.read_text("utf8").splitlines() if t.strip()]
    n = args.requests // args.rounds
    rows: dict[str, list[dict[str, float]]] = {}
    with serve(args.model) as (ours, port), peer(args.ner) as peer_port:
        sides = {"serve": port, "FastAPI and ner": peer_port}
        for side_port in sides.values():  # warm up
            asyncio.run(load(side_port, texts, 500, args.clients))
        for i in range(args.rounds):
            for name, side_port in sides.items():
                row = asyncio.run(load(side_port, texts, n, args.clients))
                rows.setdefault(name, []).append(row)
            for name, pipeline in (("nlp(text)", args.model), ("ner(text)", args.ner)):
                seconds = loop(pipeline, args.texts, min(n, 1000))
                rows.setdefault(name, []).append({"per second": 1 / seconds})
            rates = {
                name: round(found[-1]["per second"]) for name, found in rows.items()
            }
            print(f"round {i + 1}", rates, flush=True)
        found: dict[str, Any] = {
            name: {key: statistics.median(r[key] for r in found) for key in found[0]}
            for name, found in rows.items()
        }
        for name in list(rows)[1:]:
            ratios = [
                a["per second"] / b["per second"]
                for a, b in zip(rows["serve"], rows[name], strict=True)
            ]
            found[f"serve to {name}"] = [
                statistics.median(ratios),
                min(ratios),
                max(ratios),
            ]
        if args.words:
            found["memory"] = asyncio.run(memory(port, args.words))
        found["stopped"] = asyncio.run(stop(ours, port, texts, args.clients))
    for name, value in found.items():
        print(name, json.dumps(value))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")


# Servers


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process on its core, and its port."""
    process = subprocess.Popen(
        ["taskset", "-c", str(_SERVER_CORE), sys.executable, *command],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "running on http" in line:
                yield process, int(line.rsplit(":", 1)[1].split()[0])
                break
    finally:
        process.kill()
        process.wait()


def serve(model: str) -> Any:
    """Our server."""
    return started(["-m", "spacy", "lstm-ner", "serve", model, "--port", "0"])


@contextlib.contextmanager
def peer(model: str) -> Iterator[int]:
    """FastAPI as one writes it for a pipeline, with uvicorn's own defaults."""
    code = (
        "import spacy, uvicorn\n"
        "from fastapi import FastAPI\n"
        "from pydantic import BaseModel\n"
        f"nlp = spacy.load({model!r})\n"
        "class Text(BaseModel):\n"
        "    text: str\n"
        "app = FastAPI()\n"
        "@app.post('/entities')\n"
        "async def entities(request: Text):\n"
        "    with nlp.memory_zone():\n"
        "        doc = nlp(request.text)\n"
        "        return {'entities': [{'start': e.start_char, 'end': e.end_char,\n"
        "            'label': e.label_} for e in doc.ents]}\n"
        "uvicorn.run(app, port=0, access_log=False)\n"
    )
    with started(["-c", code]) as (_, port):
        yield port


def loop(model: str, texts: Path, n: int) -> float:
    """Seconds per text of `nlp(text)`, on the core of the servers."""
    code = (
        "import spacy, time, itertools\n"
        f"nlp = spacy.load({model!r})\n"
        f"lines = [t for t in open({str(texts)!r}, encoding='utf8') if t.strip()]\n"
        f"lines = list(itertools.islice(itertools.cycle(lines), {n}))\n"
        "[nlp(t) for t in lines[:200]]\n"
        "begin = time.perf_counter()\n"
        "for t in lines: nlp(t)\n"
        "print((time.perf_counter() - begin) / len(lines))\n"
    )
    command = ["taskset", "-c", str(_SERVER_CORE), sys.executable, "-c", code]
    return float(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )


# Clients


class Client:
    """Sends requests on one connection, one after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seconds: list[float] = []

    async def send(self, text: str) -> bool:
        """Send a text; return whether the connection stays open."""
        if not hasattr(self, "_writer"):
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self.port
            )
        body = json.dumps({"text": text}).encode()
        head = (
            "POST /entities HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        begin = time.perf_counter()
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status, lower = int(answer[9:12]), answer.lower()
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        if status != 200:
            raise RuntimeError(f"the server answers {status}")
        self.seconds.append(time.perf_counter() - begin)
        return b"connection: close" not in lower

    def close(self) -> None:
        """Close the connection."""
        if hasattr(self, "_writer"):
            self._writer.close()


async def load(port: int, texts: list[str], n: int, n_clients: int) -> dict[str, float]:
    """Send n requests by several clients."""
    clients = [Client(port) for _ in range(n_clients)]
    work = iter(range(n))

    async def run(client: Client) -> None:
        for i in work:
            await client.send(texts[i % len(texts)])
        client.close()

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(run, clients))
    seconds = time.perf_counter() - begin
    cpu = time.process_time() - cpu
    took = sorted(1000 * each for client in clients for each in client.seconds)
    assert len(took) == n
    return {
        "per second": n / seconds,
        "p50 ms": took[n // 2],
        "p99 ms": took[n * 99 // 100],
        "clients' share of their core": cpu / seconds,
    }


async def memory(port: int, n_words: int) -> dict[str, float]:
    """Resident memory in MB, before and after words that are all new."""
    rng = random.Random(0)
    client = Client(port)

    async def send(n: int) -> None:
        for _ in range(n // 200):
            words = (
                "".join(rng.choices(string.ascii_lowercase, k=10)) for _ in range(200)
            )
            await client.send(" ".join(words))

    await send(20_000)
    before = await resident(port)
    await send(n_words)
    after = await resident(port)
    client.close()
    return {"words": n_words, "before MB": before, "after MB": after}


async def resident(port: int) -> float:
    """Resident memory of the server in MB."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    line = next(
        x for x in answer.splitlines() if x.startswith("process_resident_memory_bytes ")
    )
    return float(line.split()[1]) / 1e6


async def stop(
    process: subprocess.Popen[str], port: int, texts: list[str], n_clients: int
) -> dict[str, int]:
    """Send SIGTERM while all clients work."""
    clients = [Client(port) for _ in range(n_clients)]
    lost = 0

    async def run(client: Client) -> None:
        nonlocal lost
        try:
            while await client.send(random.choice(texts)):
                pass
        except (OSError, asyncio.IncompleteReadError):
            lost += 1
        client.close()

    running = asyncio.gather(*map(run, clients))
    await asyncio.sleep(2)
    process.send_signal(signal.SIGTERM)
    await running
    return {"answered": sum(len(client.seconds) for client in clients), "lost": lost}


if __name__ == "__main__":
    main()
