"""Pipelines on a Ray cluster: `python -m mobula.ray run FILE`, or `mobula run FILE --engine ray`.

The engine stays in the driver: it decides, retries, saves, restores and writes the history. Calls are carried
out by Ray: tasks as Ray tasks, actors as Ray actors, objects in Ray's object store.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs a command of the command line with the calls of its run on Ray. Gives the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if _starts_one(arguments):
        # Ray listens on every interface: nobody but this run's processes may talk to it. It reads these when it
        # is imported, and before 2.52 not at all.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    from mobula import _native
    from mobula.ray import _driver

    # The engine has handlers of its own, which save what can be saved.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    compiler = [sys.executable, "-m", "mobula._compile"] if sys.executable else []
    joined: list[_driver.Executor] = []

    def join(address: str | None) -> _driver.Executor:
        joined.append(_driver.join(address))
        return joined[-1]

    try:
        return _native.run_on(["mobula", *arguments], join, compiler)
    finally:
        for executor in joined:
            executor.close()
        ray.shutdown()


def _starts_one(arguments: list[str]) -> bool:
    """Whether a cluster will be started for this run: where none is named, and none runs here."""
    named = [after for flag, after in zip(arguments, arguments[1:], strict=False) if flag == "--address"]
    named += [one.removeprefix("--address=") for one in arguments if one.startswith("--address=")]
    if named:
        return named[-1] == "local"
    running = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    return not os.environ.get("RAY_ADDRESS") and not running.exists()
