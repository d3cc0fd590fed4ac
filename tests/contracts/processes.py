"""Another process with a store: does what it is told, line by line, until it is killed.

Run as a program it is that process; imported, it is the handle on it.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]


class StoreProcess:
    def __init__(self, spec: Any) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.contracts.processes", spec.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        )

    def do(self, verb: str, *arguments: Any) -> Any:
        """The answer of the call, or the code of the store error it ended with."""
        self.tell(verb, *arguments)
        return self.answer()

    def tell(self, verb: str, *arguments: Any) -> None:
        assert self._child.stdin
        self._child.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._child.stdin.flush()

    def answer(self) -> Any:
        assert self._child.stdout
        line = self._child.stdout.readline()
        assert line, "the process died"
        return json.loads(line)

    def kill(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe
            pipe.close()


class _Worker:
    """The verbs that the process understands."""

    def __init__(self, spec: list[Any]) -> None:
        from zones.stores.registry import build

        self.spec = spec
        self.open_store = lambda: build(*spec)
        self.staged: Any = None

    def stage(self, token: str, key: str) -> int:
        self.staged = self.open_store().stage(token, key)
        return self.staged.offset

    def append(self, size: int) -> int:
        from tests.contracts.pattern import pattern

        self.staged.append(pattern(self.staged.offset, size))
        return self.staged.offset

    def append_for_ever(self, size: int) -> None:
        """Says after every flush how far it got."""
        while True:
            self.append(size)
            say(self.staged.flush())

    def flush(self) -> int:
        return self.staged.flush()

    def commit(self) -> None:
        self.staged.commit()

    def abort(self) -> None:
        self.staged.abort()

    def close(self) -> None:
        self.staged.close()

    def crash_at(self, line: int, token: str, key: str, sizes: list[int]) -> dict[str, Any]:
        """Write and commit in a fork of this process that kills itself at the n-th line of the store's code.

        Says how it ended, the last offset that the fork had been told is durable, and, where it
        came to its end, how many lines there are.
        """
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            self._write_all(line, token, key, sizes, write_end)
        os.close(write_end)
        with os.fdopen(read_end) as told:
            end = {"durable": 0, "committed": False, "lines": None}
            for said in told:
                end |= json.loads(said)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed != bool(end["lines"]), "the fork failed by itself"
        return end

    def _write_all(self, line: int, token: str, key: str, sizes: list[int], tell: int) -> NoReturn:
        def say(**what: Any) -> None:
            os.write(tell, (json.dumps(what) + "\n").encode())

        try:
            seen = die_at(line)
            self.stage(token, key)
            for size in sizes:
                self.append(size)
                say(durable=self.flush())
            self.commit()
            say(committed=True)
            say(lines=seen())
        except BaseException:
            sys.settrace(None)
            traceback.print_exc()
        finally:
            os._exit(0)


def die_at(line: int) -> Callable[[], int]:
    """SIGKILL for this process when it comes to its n-th line within zones/stores. Gives a count of lines."""
    lines = 0
    here = str(ROOT / "zones" / "stores")

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(here):
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    return lambda: lines


def say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    import django

    django.setup()
    from zones.stores.base import StoreError

    worker = _Worker(json.loads(sys.argv[1]))
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        try:
            say(getattr(worker, verb)(*arguments))
        except StoreError as error:
            say(error.code)


if __name__ == "__main__":
    main()
