"""Pipelines on a Ray cluster: `python -m mobula.ray run FILE`, or `mobula run FILE --engine ray`.

The engine stays in the driver: it decides, retries, saves, restores and writes the history. Calls are carried
out by Ray: tasks as Ray tasks, actors as Ray actors, objects in Ray's object store.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs a command of the command line with the calls of its run on Ray. Gives the exit code."""
    import ray

    from mobula import _native
    from mobula.ray import _driver

    # The engine has handlers of its own, which save what can be saved.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    arguments = sys.argv[1:] if arguments is None else arguments
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
