"""What runs in Ray's workers: tasks and actors of a run, through the same crates as on one machine.

A failure of a guest is an answer, not an exception: Ray retries what Ray lost, the engine decides about
everything else.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
import threading
import time
from typing import Any

import numpy as np
import ray

from mobula import _native
from mobula._plugin import home

#: Where mailboxes are found.
NAMESPACE = "mobula"
#: Seconds between two tellings of what a call says while it runs.
TELL_S = 0.25

_lock = threading.Lock()
_shared: _native.Node | None = None


def node() -> _native.Node:
    """The sandbox of this process. Compiled components are kept on the machine, for all its processes."""
    global _shared
    with _lock:
        if _shared is None:
            compiler = [sys.executable, "-m", "mobula._compile"] if sys.executable else None
            _shared = _native.Node(os.fspath(home() / "cache"), compiler)
        return _shared


def lacks(digest: str | None, component: np.ndarray | None) -> bool:
    """Whether this process has to be sent the component first. Bytes of another digest are refused."""
    if digest is None or node().has(digest):
        return False
    if component is None:
        return True
    node().admit(digest, component.tobytes())
    return False


_mailboxes: dict[str, Any] = {}


def _mailbox(name: str) -> Any:
    """The driver's mailbox. Its handle travels once to a process: with each call it would cost more than the
    call itself."""
    if name not in _mailboxes:
        _mailboxes[name] = ray.get_actor(name, namespace=NAMESPACE)
    return _mailboxes[name]


class Teller:
    """Keeps what a call says: it goes to the driver now and then, and the rest with the answer."""

    def __init__(self, call: str, mailbox: str | None) -> None:
        self.call, self.mailbox = call, mailbox
        self.said: list[tuple[Any, ...]] = []
        self.told = 0
        self.at: tuple[int, int | None] | None = None

    def log(self, level: str, message: str) -> None:
        self.said.append(("log", level, message))

    def metric(self, name: str, step: int, value: float) -> None:
        self.said.append(("metric", name, step, value))

    def progress(self, done: int, total: int | None) -> None:
        self.at = (done, total)

    def tell(self) -> None:
        """Sends what was said since; nobody waits for it, and the answer has it again."""
        at, self.at = self.at, None
        new = self.said[self.told :]
        if self.mailbox is not None and (new or at is not None):
            _mailbox(self.mailbox).put.remote(self.call, self.told, new, at)
            self.told += len(new)


class _Beat(threading.Thread):
    """Tells what the calls of this process say, while they run."""

    def __init__(self) -> None:
        super().__init__(name="mobula-tell", daemon=True)
        self.tellers: set[Teller] = set()

    def run(self) -> None:
        while True:
            time.sleep(TELL_S)
            for teller in list(self.tellers):
                try:
                    teller.tell()
                except Exception:  # The driver is gone, or Ray: the answer would have it again.
                    continue


_beat = _Beat()


def _perform(teller: Teller, seed: int, name: str, run: Any, emit: Any = None, stop: Any = None) -> Any:
    """Makes one call; gives what the driver is told of it, and its fields."""
    call = _native.Call(
        name, seed=seed, log=teller.log, metric=teller.metric, progress=teller.progress, emit=emit, stop=stop
    )
    with _lock:
        if not _beat.is_alive():
            _beat.start()
    _beat.tellers.add(teller)
    began, failure, fields = time.thread_time(), None, []
    try:
        fields = run(call)
    except _native.Failure as error:
        failure = (error.kind, str(error))
    except KeyboardInterrupt:
        failure = ("cancelled", f"{name} was cancelled")
    finally:
        _beat.tellers.discard(teller)
    used = call.used
    cpu_s = time.thread_time() - began + used["helpers_cpu_s"]
    used = (cpu_s, used["memory_peak_bytes"], used["bytes_in"], used["bytes_out"], used["cold"])
    return {"failure": failure, "used": used, "said": teller.said}, fields


def place() -> str:
    """Which process this is, for people."""
    return f"{ray.util.get_node_ip_address()} ({socket.gethostname()}), process {os.getpid()}"


def _attempt() -> int:
    """How often Ray began this task before."""
    try:
        return ray._private.worker.global_worker.core_worker.get_current_task_attempt_number()
    except AttributeError:  # A Ray that does not tell.
        return 0


def gather(inputs: list[tuple[str, str, Any]], parts: tuple[Any, ...]) -> list[tuple[str, str, Any]]:
    """Inputs with their arrays: views of what lies in this machine's object store."""
    gathered = []
    for name, kind, payload in inputs:
        if kind == "part":
            at, number, start, length, dtype, shape = payload
            flat = parts[at][number].reshape(-1).view(np.uint8)
            kind, payload = "tensor", flat[start : start + length].view(dtype).reshape(shape)
        gathered.append((name, kind, payload))
    return gathered


def scatter(fields: list[tuple[str, str, Any]], count: int) -> tuple[list[Any], list[list[Any]]]:
    """Arrays go into so many parts, one after another; the rest is told, and what was not to be expected."""
    told, parts = [], [[] for _ in range(count)]
    for name, kind, payload in fields:
        if kind == "tensor" and count > 0:
            part = min(sum(map(bool, parts)), count - 1)
            parts[part].append(payload)
            payload = (part, len(parts[part]) - 1, payload.dtype.name, payload.shape)
            kind = "part"
        told.append((name, kind, payload))
    return told, parts


def run_task(sent, *parts):
    """A task; gives what is told of it, and its parts.

    What is sent and told is pickled here: of bytes Ray makes nothing, while its own way takes a tenth of a
    millisecond for each value.
    """
    call, digest, has, spec, stage, name, seed, inputs, count, mailbox = pickle.loads(sent)
    component, parts = (parts[0], parts[1:]) if has else (None, parts)
    try:
        if lacks(digest, component):
            answer = {"missing": True}
            _count_attempts(answer)
            return (pickle.dumps(answer), *[[]] * count) if count else pickle.dumps(answer)
    except _native.Failure as error:
        answer, fields = {"failure": (error.kind, str(error)), "used": (0.0, 0, 0, 0, True), "said": []}, []
    else:
        run = lambda made: node().run_task(digest, spec, stage, gather(inputs, parts), made)
        answer, fields = _perform(Teller(call, mailbox), seed, name, run)
    _count_attempts(answer)
    answer["fields"], filled = scatter(fields, count)
    told = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    return (told, *filled) if count else told


def _count_attempts(answer: dict[str, Any]) -> None:
    attempt = _attempt()
    if attempt:
        answer["attempt"], answer["from"] = attempt, place()


def stream_task(sent, *parts):
    """A task that streams: for each object what is told of it and its part, at the end the answer."""
    call, digest, has, spec, stage, name, seed, inputs, _, mailbox = pickle.loads(sent)
    component, parts = (parts[0], parts[1:]) if has else (None, parts)
    teller, given = Teller(call, mailbox), queue.Queue(maxsize=1)
    stop, stopped = _native.Stop(), threading.Event()

    def emit(fields):
        while not stopped.is_set():
            try:
                return given.put(("item", fields), timeout=0.1)
            except queue.Full:
                continue

    def run(made):
        lacks(digest, component)
        return node().run_task(digest, spec, stage, gather(inputs, parts), made)

    begun: dict[str, Any] = {}
    _count_attempts(begun)

    def work():
        given.put(("end", _perform(teller, seed, name, run, emit=emit, stop=stop)))

    thread = threading.Thread(target=work, name="mobula-stream", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = given.get()
            if kind == "end":
                answer, fields = value
                answer.update(begun)
                answer["fields"], filled = scatter(fields, 1)
                yield pickle.dumps(("end", answer))
                yield filled[0]
                return
            named = [(key, *_kind_of(field)) for key, field in value.items()]
            told, filled = scatter(named, 1)
            yield pickle.dumps(("item", told))
            yield filled[0]
    finally:
        stopped.set()
        stop.set()


def _kind_of(value: Any) -> tuple[str, Any]:
    import json

    if isinstance(value, np.ndarray):
        return "tensor", value
    if isinstance(value, bytes):
        return "bytes", value
    return "json", json.dumps(value)


class ActorHost:
    """One actor of a run. Ray restarts the process; the state comes from the driver, which has it stored."""

    def __init__(self) -> None:
        self._living: _native.NodeActor | None = None
        #: Which life of the actor this is: a process that Ray restarted has none, and refuses calls.
        self._life: str | None = None
        self._stops: dict[str, _native.Stop] = {}

    def begin(self, life, digest, component, spec, name, state, seed):
        """Makes the actor, from its state where there is one."""
        self._life = self._living = None

        def run(made):
            lacks(digest, component)
            return node().create_actor(digest, spec, state, made)

        answer, living = _perform(Teller("", None), seed, name, run)
        answer["from"] = place()
        if answer["failure"] is None:
            self._living, self._life = living, life
        return pickle.dumps(answer)

    def _check(self, life: str) -> _native.NodeActor:
        if self._living is None or self._life != life:
            raise RuntimeError("the actor's process was restarted, and its state is gone")
        return self._living

    def call(self, sent, *parts):
        life, call, spec, stage, name, seed, inputs, mailbox = pickle.loads(sent)
        living = self._check(life)
        teller, stop = Teller(call, mailbox), self._stops.setdefault(call, _native.Stop())
        run = lambda made: living.call(spec, stage, gather(inputs, parts), made)
        answer, fields = _perform(teller, seed, name, run, stop=stop)
        self._stops.pop(call, None)
        answer["alive"] = answer["failure"] is None or living.alive
        answer["fields"], filled = scatter(fields, 1)
        return (pickle.dumps(answer), filled[0])

    def snapshot(self, life):
        return self._check(life).snapshot()

    def state_digest(self, life):
        return self._check(life).state_digest()

    @ray.method(concurrency_group="control")
    def stop(self, call):
        """Asks the call under way to end."""
        self._stops.setdefault(call, _native.Stop()).set()

    @ray.method(concurrency_group="control")
    def place(self):
        return os.getpid(), place()


class Mailbox:
    """What calls say while they run, on its way to the driver. Nothing depends on it: answers have it again."""

    #: Messages that wait; the oldest go first.
    WAITING_MAX = 10_000

    def __init__(self) -> None:
        import asyncio

        self._waiting: list[Any] = []
        self._came = asyncio.Event()

    async def put(self, call, start, said, at):
        self._waiting.append((call, start, said, at))
        del self._waiting[: -self.WAITING_MAX]
        self._came.set()

    async def take(self):
        """Waits for messages, a while."""
        import asyncio

        try:
            await asyncio.wait_for(self._came.wait(), timeout=5)
        except asyncio.TimeoutError:
            pass
        self._came.clear()
        taken, self._waiting = self._waiting, []
        return taken
