"""The driver's side of a run on Ray: puts what the engine wants done into Ray's words.

Decides nothing: when a call is tried again, what is saved and what is restored is the engine's business.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import os
import pickle
import threading
import time
import uuid
from typing import Any

import numpy as np
import ray
from ray import exceptions as ray_errors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mobula import _native
from mobula.ray import _worker

#: How often a call that waits looks whether it is to end.
LOOK_S = 0.25
#: How long a restarted actor may take to be there again: a node that is gone is noticed within half of it.
RESTART_S = 120.0
#: How long a cancelled call may take to end by itself.
CANCEL_S = 10.0

#: What Ray says when objects are gone and cannot be made again by it.
_LOST = (ray_errors.ObjectLostError, ray_errors.ObjectFetchTimedOutError)
#: What it says when a process or a machine is gone.
_GONE = (
    ray_errors.WorkerCrashedError,
    ray_errors.ActorDiedError,
    ray_errors.ActorUnavailableError,
    ray_errors.NodeDiedError,
    ray_errors.OutOfMemoryError,
    ray_errors.LocalRayletDiedError,
)


def join(address: str | None) -> "Executor":
    """Joins a cluster: `auto` and HOST:PORT are one that runs, `local` is a new one on this machine."""
    if not ray.is_initialized():
        how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if address is None and not os.environ.get("RAY_ADDRESS"):
                try:
                    ray.init(address="auto", **how)
                except ConnectionError:
                    ray.init(include_dashboard=False, **how)
            elif address == "local":
                ray.init(address="local", include_dashboard=False, **how)
            else:
                ray.init(address=address, **how)
        except Exception as error:
            raise RuntimeError(f"no Ray cluster at {address or 'auto'}: {error}") from None
    return Executor()


class Part:
    """A Ray object of some arrays, and which of them is meant."""

    def __init__(self, ref: ray.ObjectRef, number: int) -> None:
        self.ref, self.number, self.lost = ref, number, False


class Executor:
    """Carries out calls on a cluster. Its methods are called from threads of the engine."""

    def __init__(self) -> None:
        self.cpus = float(ray.cluster_resources().get("CPU", 1.0))
        self._calls = itertools.count()
        self._components: dict[str, ray.ObjectRef] = {}
        self._actors: dict[str, Any] = {}
        self._reserved: dict[str, float] = {}
        self._tellings: dict[str, _Telling] = {}
        self._lock = threading.Lock()
        self._task = ray.remote(_worker.run_task)
        self._stream = ray.remote(_worker.stream_task)
        self._host = ray.remote(concurrency_groups={"control": 1})(_worker.ActorHost)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        mailbox = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(_worker.Mailbox)
        self._mailbox_name = f"mailbox-{uuid.uuid4().hex}"
        named = mailbox.options(name=self._mailbox_name, namespace=_worker.NAMESPACE)
        self._mailbox = named.remote()
        self._with = functools.lru_cache(maxsize=1024)(self._options)
        self._fitting: set[tuple[float, int | None]] = set()
        self._closing = False
        self._listener = threading.Thread(target=self._listen, name="mobula-listen", daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Lets go of the cluster: nobody may ask Ray for anything after it has ended."""
        self._closing = True
        self._mailbox.put.remote("", 0, [], None)
        self._listener.join(timeout=10)

    def reserve(self, actor: str, cpus: float) -> float:
        """Processors that an actor has for its life: what it asks for, but one is left for tasks. Ray lets
        them wait for ever otherwise, in a pipeline that runs on one machine."""
        with self._lock:
            others = sum(held for name, held in self._reserved.items() if name != actor)
            self._reserved[actor] = held = cpus if others + cpus <= self.cpus - 1 else 0
            return held

    def release(self, actor: str) -> None:
        """The actor has ended."""
        with self._lock:
            self._reserved.pop(actor, None)

    def say_what_lacks(self, cpus: float, memory: int | None, told) -> None:
        """Tells of a call that waits for a machine which the cluster does not have; Ray itself says nothing."""
        if (cpus, memory) in self._fitting:
            return
        if (lack := _lack(cpus, memory)) is None:
            self._fitting.add((cpus, memory))
        else:
            told.log("warn", lack)

    # Components and inputs.

    def component(self, digest: str, file: str) -> ray.ObjectRef:
        """The component's bytes in the object store, put there once."""
        with self._lock:
            if digest not in self._components:
                with open(file, "rb") as opened:
                    self._components[digest] = ray.put(np.frombuffer(opened.read(), np.uint8))
            return self._components[digest]

    def _send(self, inputs: list[tuple[str, str, Any]]) -> tuple[list[Any], list[ray.ObjectRef], list[Part]]:
        """Inputs as workers read them, the objects that they are in, and the parts that were named."""
        sent, refs, named = [], [], []

        def place(ref: ray.ObjectRef) -> int:
            if ref not in refs:
                refs.append(ref)
            return refs.index(ref)

        for name, kind, payload in inputs:
            if kind == "part":
                part, start, length, dtype, shape = payload
                named.append(part)
                payload = (place(part.ref), part.number, start, length, dtype, tuple(shape))
            elif kind == "tensor":
                kind = "part"
                ref = ray.put([payload])
                payload = (place(ref), 0, 0, payload.nbytes, payload.dtype.name, payload.shape)
            sent.append((name, kind, payload))
        return sent, refs, named

    def bring(self, part: Part) -> np.ndarray:
        """The array itself, from wherever it is."""
        try:
            return ray.get(part.ref)[part.number]
        except (*_LOST, ray_errors.RayError) as error:
            part.lost = True
            raise _native.HostFailure(f"an object of the cluster is lost: {_first_line(error)}") from None

    # Calls.

    def _options(self, streams: bool, returns: int, name: str, cpus, retries: int, memory):
        """The remote function with what a stage takes: making it takes longer than a small call."""
        options: dict[str, Any] = {"num_cpus": cpus, "max_retries": retries, "name": name}
        if memory is not None:
            options["memory"] = memory
        if streams:
            # Two Ray objects are one of ours; a few are made ahead of their readers.
            options.update(num_returns="streaming", _generator_backpressure_num_objects=8)
            return self._stream.options(**options)
        return self._task.options(num_returns=returns, **options)

    def run_task(self, digest, file, spec, stage, name, takes, declared, inputs, told):
        """A task, to its end; gives its fields. `name` is what messages call it, `takes` are processors, further
        attempts and bytes of memory."""
        cpus, retries, memory = takes
        self.say_what_lacks(cpus, memory, told)
        sent, refs, named = self._send(inputs)
        remote = self._with(told.streams, 1 + declared, name.split("[")[0], cpus, retries, memory)
        call = self._begin(told)
        try:
            if told.streams:
                component = self.component(digest, os.fspath(file))
                sending = (call, digest, True, spec, stage, name, told.seed, sent, 1, self._mailbox_name)
                given = remote.remote(pickle.dumps(sending), component, *refs)
                return self._read_stream(call, given, told, named, retries)
            # Most processes have the component: it is sent to those that ask for it.
            for component in ([], [digest]):
                sending = (call, digest, bool(component), spec, stage, name, told.seed, sent, declared)
                component = [self.component(digest, os.fspath(file)) for digest in component]
                sending = pickle.dumps((*sending, self._mailbox_name), pickle.HIGHEST_PROTOCOL)
                given = remote.remote(sending, *component, *refs)
                answer_ref, *parts = given if declared else [given]
                answer = self._wait(answer_ref, told, named, retries, lambda: ray.cancel(answer_ref))
                answer = pickle.loads(answer)
                if "missing" not in answer:
                    return self._ended(call, answer, parts, told)
                self._tell_attempts(answer, told)
            raise _native.HostFailure(f"a worker of Ray did not take component {digest}")
        finally:
            self._tellings.pop(call, None)

    def _read_stream(self, call, given, told, named, retries):
        stop = lambda: ray.cancel(given)
        while True:
            ref = self._next(given, told, stop)
            kind, value = pickle.loads(self._wait(ref, told, named, retries, stop))
            part = self._next(given, told, stop)
            if kind == "end":
                return self._ended(call, value, [part], told)
            told.emit(_fields(value, [part]))

    def _next(self, given, told, stop):
        """The next reference of a generator, unless the call is to end."""
        while True:
            ref = given._next_sync(timeout_s=LOOK_S)
            if not ref.is_nil():
                return ref
            if told.cancelled():
                stop()
                raise _native.Cancelled("the call was cancelled")

    def create_actor(self, component, spec, state, told):
        """An actor, from its state where there is one."""
        return Actor(self, component, spec, state, told)

    def _begin(self, told) -> str:
        call = f"{id(self):x}-{next(self._calls)}"
        self._tellings[call] = _Telling(told)
        return call

    def _wait(self, ref, told, named, retries, stop):
        """Waits for an answer; what Ray says becomes a failure of the engine's kinds."""
        cancelled_at = None
        while True:
            try:
                return ray.get(ref, timeout=LOOK_S)
            except ray_errors.GetTimeoutError:
                if cancelled_at is None and told.cancelled():
                    cancelled_at = time.monotonic()
                    stop()
                if cancelled_at is not None and time.monotonic() > cancelled_at + CANCEL_S:
                    raise _native.Cancelled("the call was cancelled") from None
            except ray_errors.TaskCancelledError:
                raise _native.Cancelled("the call was cancelled") from None
            except _GONE as error:
                why = _first_line(error)
                # Ray has tried as often as it was told to.
                for _ in range(retries):
                    told.tried_again(why)
                raise _native.WorkerLost(why) from None
            except _LOST as error:
                self._mark(named)
                raise _native.HostFailure(f"an input was lost: {_first_line(error)}") from None
            except ray_errors.RayTaskError as error:
                if isinstance(error.cause, RuntimeError) and "its state is gone" in str(error.cause):
                    raise _native.WorkerLost(str(error.cause)) from None
                if any(isinstance(error.cause, kind) for kind in _LOST):
                    self._mark(named)
                raise _native.HostFailure(f"the worker failed: {error.cause!r}") from None
            except ray_errors.RayError as error:
                raise _native.HostFailure(_first_line(error)) from None

    def _mark(self, named: list[Part]) -> None:
        """Finds out which of these are gone."""
        for part in named:
            try:
                ray.wait([part.ref], timeout=0, fetch_local=True)
                ray.get(part.ref, timeout=30)
            except ray_errors.RayError:
                part.lost = True

    def _tell_attempts(self, answer, told):
        """Ray began a task again whose process or machine died: the history has each attempt."""
        for _ in range(answer.get("attempt", 0)):
            told.tried_again(f"a worker of Ray died; Ray began the task again on {answer['from']}")

    def _ended(self, call, answer, parts, told):
        self._tell_attempts(answer, told)
        self._tellings[call].tell(0, answer["said"])
        told.used(*answer["used"])
        if answer["failure"] is not None:
            kind, message = answer["failure"]
            raise _failure(kind, message)
        return _fields(answer["fields"], parts)

    # What calls say while they run.

    def _listen(self) -> None:
        while not self._closing:
            try:
                for call, start, said, at in ray.get(self._mailbox.take.remote()):
                    telling = self._tellings.get(call)
                    if telling is not None:
                        telling.tell(start, said, at)
            except (ray_errors.ActorUnavailableError, ray_errors.ActorDiedError):
                time.sleep(1.0)
            except ray_errors.RayError:
                return


class _Telling:
    """What was told of one call already: an answer says all of it again."""

    def __init__(self, told) -> None:
        self._told, self._count, self._lock = told, 0, threading.Lock()

    def tell(self, start: int, said: list[Any], at: Any = None) -> None:
        with self._lock:
            for kind, *what in said[max(0, self._count - start) :]:
                if kind == "log":
                    self._told.log(*what)
                else:
                    self._told.metric(*what)
            self._count = max(self._count, start + len(said))
            if at is not None:
                self._told.progress(*at)


class Actor:
    """An actor of the run: a Ray actor, with the state that the engine gave it."""

    _lives = itertools.count()

    def __init__(self, executor: Executor, component, spec, state, told) -> None:
        self._executor, self._spec = executor, json.loads(spec)
        self.whole = True
        self._name = self._spec["name"]
        self._life = f"{id(executor):x}-{next(self._lives)}"
        digest, ref = None, None
        if component is not None:
            digest, file = component
            ref = executor.component(digest, os.fspath(file))
        limits = self._spec["limits"]
        asked = 1 if limits["cpus"] is None else limits["cpus"]
        self._reserved = executor.reserve(self._name, asked)
        if self._reserved < asked:
            told.log("info", f"takes {self._reserved:g} of {asked:g} cpus for its life, so that tasks have some as well")
        executor.say_what_lacks(self._reserved, limits["memory_bytes"], told)
        begin = (self._life, digest, ref, spec, self._name, state, told.seed)
        answer = pickle.loads(self._reach(lambda host: host.begin.remote(*begin), told))
        if answer["failure"] is not None:
            raise _failure(*answer["failure"])
        told.log("debug", f"lives on {answer['from']}")

    def _host(self):
        """The Ray actor: the one that Ray restarted, or a new one."""
        actors = self._executor._actors
        if self._name not in actors:
            limits = self._spec["limits"]
            options: dict[str, Any] = {
                "num_cpus": self._reserved,
                "max_restarts": limits["retries"],
                "max_task_retries": 0,
            }
            if limits["memory_bytes"] is not None:
                options["memory"] = limits["memory_bytes"]
            actors[self._name] = self._executor._host.options(**options).remote()
        return actors[self._name]

    def _reach(self, ask, told):
        """Asks, again while Ray restarts the process; one that Ray has given up is replaced."""
        until = time.monotonic() + RESTART_S
        while True:
            ref = ask(self._host())
            try:
                while True:
                    try:
                        return ray.get(ref, timeout=LOOK_S)
                    except ray_errors.GetTimeoutError:
                        if told.cancelled():
                            raise _native.Cancelled("the call was cancelled") from None
            except ray_errors.ActorDiedError as error:
                self._executor._actors.pop(self._name, None)
                why = error
            except ray_errors.ActorUnavailableError as error:
                why = error
            except ray_errors.RayError as error:
                raise _native.HostFailure(_first_line(error)) from None
            if time.monotonic() > until:
                raise _native.WorkerLost(_first_line(why))
            time.sleep(LOOK_S)

    def call(self, spec, stage, name, inputs, told):
        executor = self._executor
        sent, refs, named = executor._send(inputs)
        host, call = self._host(), executor._begin(told)
        sending = (self._life, call, spec, stage, name, told.seed, sent, executor._mailbox_name)
        try:
            answer_ref, part = host.call.options(num_returns=2).remote(pickle.dumps(sending), *refs)
            answer = pickle.loads(executor._wait(answer_ref, told, named, 0, lambda: host.stop.remote(call)))
            self.whole = answer["alive"]
            if any(kind == "part" for _, kind, _ in answer["fields"]):
                # Nobody can make them again once the state has gone on: they are on two machines before the
                # call counts.
                self._get(part)
            return executor._ended(call, answer, [part], told)
        except _native.WorkerLost:
            self.whole = False
            raise
        finally:
            executor._tellings.pop(call, None)

    def _get(self, ref):
        try:
            return ray.get(ref)
        except ray_errors.RayError as error:
            self.whole = False
            raise _native.WorkerLost(_first_line(error)) from None

    def snapshot(self) -> bytes:
        return self._get(self._host().snapshot.remote(self._life))

    def state_digest(self) -> str:
        return self._get(self._host().state_digest.remote(self._life))

    def close(self) -> None:
        """The engine has let go of it. A process that Ray restarts is kept, for the next life."""
        if self.whole and (host := self._executor._actors.pop(self._name, None)) is not None:
            self._executor.release(self._name)
            ray.kill(host)


def _fields(told: list[Any], parts: list[ray.ObjectRef]) -> list[Any]:
    fields = []
    for name, kind, payload in told:
        if kind == "part":
            at, number, dtype, shape = payload
            payload = (Part(parts[at], number), dtype, list(shape))
        fields.append((name, kind, payload))
    return fields


def _lack(cpus: float, memory: int | None) -> str | None:
    """What a call waits for that no machine of the cluster has."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {"CPU": cpus, "memory": memory or 0}
    if any(all(node.get(what, 0) >= much for what, much in wanted.items()) for node in machines):
        return None
    largest = {what: max((node.get(what, 0) for node in machines), default=0) for what in wanted}
    return (
        f"waits until a machine with {cpus:g} cpus and {memory or 0} bytes of memory joins the cluster: "
        f"the largest has {largest['CPU']:g} and {largest['memory']:.0f}"
    )


def _failure(kind: str, message: str) -> Exception:
    for found in _native.Failure.__subclasses__():
        if found.kind == kind:
            return found(message)
    return _native.HostFailure(message)


def _first_line(error: BaseException) -> str:
    """What Ray says goes over many lines."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
