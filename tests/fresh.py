"""Scripts in fresh processes, without the seconds in which each imports spaCy.

A server process, one for all tests of a process, imports spaCy and nothing else. For
each script it forks a child, which runs the script and ends.
"""

import atexit
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def run_fresh(script: str, env: Mapping[str, str] | None = None) -> str:
    """Run a script in a process that has imported spaCy alone; return what it printed.
    It must succeed. Hashes of strings are others than in the process of the tests."""
    server = _start()
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        request = json.dumps([script, dict(env or {}), str(out), str(err)])
        server.stdin.write(f"{request}\n")
        server.stdin.flush()
        status = server.stdout.readline().strip()
        printed, errors = out.read_text("utf8"), err.read_text("utf8")
    assert status == "0", f"{printed}\n{errors}"
    return printed


def run_fresh_spacy(*args: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command of spaCy in such a process; return what it printed."""
    argv = ["spacy", *map(str, args)]
    script = (
        "import sys\n"
        "from spacy.cli import setup_cli\n"
        f"sys.argv = {argv!r}\n"
        "setup_cli()\n"
    )
    return run_fresh(script, env)


@cache
def _start() -> subprocess.Popen[str]:
    """Start the server; it ends with this process."""
    server = subprocess.Popen(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf8",
    )
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[str]) -> None:
    server.communicate()
    _start.cache_clear()


def _serve() -> None:
    """Run the scripts that stdin asks for, and print the exit status of each."""
    import spacy  # noqa: F401, PLC0415

    sys.path.remove(str(Path(__file__).parent))
    for line in sys.stdin:
        script, env, *outputs = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.update(env)
            for number, path in enumerate(outputs, start=1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
            sys.exit(_run(script))  # waits for the processes that the script started
        print(os.waitpid(child, 0)[1], flush=True)


def _run(script: str) -> int:
    status = 0
    try:
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    _serve()
