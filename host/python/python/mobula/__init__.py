"""Mobula: WebAssembly plugins in a sandbox, a native trainer, checkpoints that pay.

    >>> import mobula
    >>> subset = mobula.Plugin("subset.wasm").task("subset")
    >>> part = subset(images=x, labels=y, size=5000)
    >>> part["images"].shape
    (5000, 32, 32, 3)

A thin face of Mobula's own crates: limits, grants and the words of errors are those of the command line. The
GIL is released while a guest or the trainer runs.
"""

from mobula._native import (
    Cancelled,
    Controller,
    Damaged,
    Decision,
    Denied,
    Failed,
    Failure,
    HostFailure,
    Invalid,
    MobulaError,
    NotFound,
    OutOfBounds,
    OutOfMemory,
    PluginError,
    Quota,
    Stop,
    StoreError,
    Subject,
    Trainer,
    Trap,
    WorkerLost,
    __version__,
)
from mobula._plugin import Actor, Plugin, Task, home, sandbox
from mobula._store import Store

__all__ = [
    "Actor",
    "Cancelled",
    "Controller",
    "Damaged",
    "Decision",
    "Denied",
    "Failed",
    "Failure",
    "HostFailure",
    "Invalid",
    "MobulaError",
    "NotFound",
    "OutOfBounds",
    "OutOfMemory",
    "Plugin",
    "PluginError",
    "Quota",
    "Stop",
    "Store",
    "StoreError",
    "Subject",
    "Task",
    "Trainer",
    "Trap",
    "WorkerLost",
    "__version__",
    "home",
    "sandbox",
]
