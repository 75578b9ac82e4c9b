"""Plugins, their tasks and actors, as it is pleasant to call them.

Tells inputs and arguments of a call apart by what the plugin says of itself; everything else is native.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mobula import _native

_LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}
_log = logging.getLogger("mobula")

_lock = threading.Lock()
_shared: _native.Sandbox | None = None


def home() -> Path:
    """The home folder: MOBULA_HOME, or ~/.mobula."""
    named = os.environ.get("MOBULA_HOME")
    return Path(named) if named else Path.home() / ".mobula"


def sandbox() -> _native.Sandbox:
    """The sandbox that all plugins of this process share. It keeps compiled components in the home folder."""
    global _shared
    with _lock:
        if _shared is None:
            compiler = [sys.executable, "-m", "mobula._compile"] if sys.executable else None
            _shared = _native.Sandbox(os.fspath(home() / "cache"), compiler)
        return _shared


class Plugin:
    """A component: a file, or its bytes.

    `digest` is what a pipeline would pin (`blake3:…`): with it no other component is taken.
    """

    def __init__(
        self,
        component: str | os.PathLike[str] | bytes,
        *,
        digest: str | None = None,
        sandbox: _native.Sandbox | None = None,
    ) -> None:
        if isinstance(component, bytes):
            label, code = "component", component
        else:
            label = os.fspath(component)
            code = Path(component).read_bytes()
        self._native = (sandbox or globals()["sandbox"]()).load(code, label)
        if digest is not None and digest != self._native.digest:
            raise _native.PluginError(f"{label} is {self._native.digest}, but {digest} was asked for")
        #: What the plugin says of itself: name, version, tasks, actors, requests.
        self.manifest: dict[str, Any] = self._native.manifest()

    @property
    def name(self) -> str:
        return self.manifest["name"]

    @property
    def version(self) -> str:
        return self.manifest["version"]

    @property
    def digest(self) -> str:
        return self._native.digest

    @property
    def size(self) -> int:
        return self._native.size

    @property
    def imports(self) -> list[str]:
        return self._native.imports

    @property
    def exports(self) -> list[str]:
        return self._native.exports

    @property
    def tasks(self) -> list[str]:
        return [task["name"] for task in self.manifest["tasks"]]

    @property
    def actors(self) -> list[str]:
        return [actor["name"] for actor in self.manifest["actors"]]

    def task(self, name: str, **how: Any) -> "Task":
        """A task. Keywords are those of `Task.using`."""
        export = _named(self.manifest["tasks"], "task", name, self.name)
        return Task(self, export, _How().using(**how))

    def actor(self, name: str, *, state: bytes | None = None, how: Mapping[str, Any] | None = None,
              **args: Any) -> "Actor":
        """Makes an actor of a class, or restores one from the `state` that `Actor.snapshot` gave."""
        export = _named(self.manifest["actors"], "actor", name, self.name)
        chosen = _How().using(**(how or {}))
        call = chosen.call(name)
        if state is None:
            living = self._native.create_actor(name, json.dumps(args), call)
        elif args:
            raise _native.Invalid(f"actor {name} is restored from its state: it takes no arguments")
        else:
            living = self._native.restore_actor(name, state, call)
        return Actor(self, export, living, chosen)

    def __repr__(self) -> str:
        return f"Plugin({self.name} {self.version}, {self.digest[:19]})"


class _How:
    """What surrounds calls: seed, grants, limits, and who is told what a guest says."""

    def __init__(self, **chosen: Any) -> None:
        self._chosen = chosen

    def using(self, **more: Any) -> "_How":
        known = ("seed", "mounts", "env", "limits", "log", "progress", "metric", "emit", "stop")
        for name in more:
            if name not in known:
                raise TypeError(f"no keyword `{name}`: there are {', '.join(known)}")
        return _How(**{**self._chosen, **more})

    def call(self, stage: str) -> _native.Call:
        chosen = {"log": _to_logging, **self._chosen}
        for kind in ("mounts", "env", "limits"):
            if kind in chosen:
                chosen[kind] = dict(chosen[kind])
        if "mounts" in chosen:
            chosen["mounts"] = {name: os.fspath(path) for name, path in chosen["mounts"].items()}
        return _native.Call(stage, **chosen)


def _to_logging(level: str, message: str) -> None:
    _log.log(_LEVELS[level], "%s", message)


class Task:
    """A stateless export. Call it with its inputs and arguments by name; it gives a dictionary of fields.

    Arrays are read where they lie; do not write to them while the call runs.
    """

    def __init__(self, plugin: Plugin, export: dict[str, Any], how: _How) -> None:
        self._plugin, self._export, self._how = plugin, export, how
        self.__doc__ = export.get("doc") or None

    @property
    def name(self) -> str:
        return self._export["name"]

    def using(
        self,
        *,
        seed: int | None = None,
        mounts: Mapping[str, str | os.PathLike[str]] | None = None,
        env: Mapping[str, str] | None = None,
        limits: Mapping[str, int | float | str] | None = None,
        log: Callable[[str, str], object] | None = None,
        progress: Callable[[int, int | None], object] | None = None,
        metric: Callable[[str, int, float], object] | None = None,
        emit: Callable[[dict[str, Any]], object] | None = None,
        stop: _native.Stop | None = None,
    ) -> "Task":
        """The same task with other surroundings.

        `seed` is what its random numbers come from (0); `mounts` grants folders, read-only; `env` grants
        variables; `limits` are memory, timeout_s, output_bytes, log_bytes, tensor_bytes and handles; `log`,
        `progress`, `metric` and `emit` are called with what the guest says (logs go to `logging`
        otherwise); `stop` ends calls early.
        """
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        return Task(self._plugin, self._export, self._how.using(**given))

    def __call__(self, **fields: Any) -> dict[str, Any]:
        inputs, args = _split(self._export, fields)
        call = self._how.call(self.name)
        return self._plugin._native.run_task(self.name, args, inputs, call)

    def __repr__(self) -> str:
        return f"Task({self._plugin.name}/{self.name})"


class Actor:
    """A living instance of a plugin's class: its methods are called by name, one at a time.

    After a trap it is gone; make another from the newest `snapshot()`.
    """

    def __init__(self, plugin: Plugin, export: dict[str, Any], living: _native.Actor, how: _How) -> None:
        self._plugin, self._export, self._living, self._how = plugin, export, living, how

    def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """Calls a method with its inputs and arguments by name."""
        name = self._export["name"]
        export = _named(self._export["methods"], "method", method, f"actor {name}")
        inputs, args = _split(export, fields)
        return self._living.call(method, args, inputs, self._how.call(name))

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        if method.startswith("_") or all(one["name"] != method for one in self._export["methods"]):
            raise AttributeError(f"actor {self._export['name']} has no method `{method}`")
        return lambda **fields: self.call(method, **fields)

    def snapshot(self) -> bytes:
        """The whole state, for `Plugin.actor(…, state=…)`."""
        return self._living.snapshot()

    @property
    def alive(self) -> bool:
        """Whether it can still be called."""
        return self._living.alive

    def close(self) -> None:
        """Lets go of the instance and its memory."""
        self._living.close()

    def __enter__(self) -> "Actor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Actor({self._plugin.name}/{self._export['name']})"


def _named(exports: list[dict[str, Any]], kind: str, name: str, owner: str) -> dict[str, Any]:
    for export in exports:
        if export["name"] == name:
            return export
    there = ", ".join(export["name"] for export in exports) or "none"
    raise _native.Invalid(f"{owner} has no {kind} `{name}`: there is {there}")


def _split(export: dict[str, Any], fields: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Inputs are what the export declares as such; the others are arguments, which are JSON."""
    ports = {port["name"] for port in export.get("inputs", [])}
    inputs = {name: value for name, value in fields.items() if name in ports}
    args = {name: value for name, value in fields.items() if name not in ports}
    try:
        return inputs, json.dumps(args)
    except TypeError:
        wrong = next(name for name, value in args.items() if not _is_json(value))
        there = ", ".join(sorted(ports)) or "none"
        raise _native.Invalid(
            f"`{wrong}` is no input of {export['name']} (inputs: {there}), and no JSON for an argument"
        ) from None


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
