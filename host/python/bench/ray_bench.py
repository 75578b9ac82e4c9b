"""`cargo xtask bench ray`: the reference pipeline on the embedded engine, on Ray through us, and as a plain
Ray + Keras program; what we add to a task of Ray's, and to a worker's memory.

    python ray_bench.py PROGRAM PLUGINS NOTHING [--epochs N] [--tasks N] [--json FILE]

NOTHING is a component with a task `nothing`. Every number is of this run on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ray

TOP = Path(__file__).resolve().parents[3]
REFERENCE = TOP / "host/pipelines/cifar10.toml"


#: Calls of one side, one after another, before it is another's turn.
TURN = 20
#: Tasks that are all there to begin with.
MANY = 2000


class Quiet:
    """What the engine is told of a call, of which nothing is kept here."""

    seed, streams = 7, False

    def log(self, *_): ...
    def metric(self, *_): ...
    def progress(self, *_): ...
    def used(self, *_): ...
    def tried_again(self, *_): ...
    def cancelled(self):
        return False


def seconds(call, count):
    """Seconds of each of so many calls, one after another."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


def middle(values):
    values = sorted(values)
    quarter = len(values) // 4
    return statistics.median(values), values[quarter], values[-quarter - 1]


def private_bytes(pid):
    """Memory that would be free if the process were gone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


def pipelines(program, plugins, epochs):
    """The same work on three engines."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        subprocess.run([program, "data", "synth", "--out", data, "--train", "6000", "--test", "1000"], check=True, capture_output=True)
        sets = ["--set", f"stage.load.mounts.data={data}", "--set", f"stage.train.repeat={epochs}"]
        how = ["run", REFERENCE, "--json", "--plugin-dir", plugins, *sets]
        sides = {"embedded": [program], "Ray through us": [sys.executable, "-m", "mobula.ray"]}
        for name, own in sides.items():
            home = Path(folder) / name.replace(" ", "-")
            address = ["--address", "local"] if name != "embedded" else []
            for turn in ("first", "second"):
                began = time.perf_counter()
                ended = subprocess.run([*own, "--home", home, *how, *address], capture_output=True, text=True)
                if ended.returncode != 0:
                    raise SystemExit(f"{name}: {ended.stderr}")
                report = json.loads(ended.stdout.strip().splitlines()[-1])
                epoch = [s["ended_s"] - s["started_s"] for s in report["stages"] if s["name"] == "train"]
                rows.append(
                    {
                        "side": f"{name}, {turn} run",
                        "process_s": time.perf_counter() - began,
                        "run_s": report["wall_s"],
                        "epoch_s": min(epoch),
                        "result": report["result"],
                        "digest": report["actors"][0]["state_digest"],
                    }
                )
        keras = Path(__file__).with_name("ray_keras.py")
        ended = subprocess.run([sys.executable, keras, data, str(epochs)], capture_output=True, text=True)
        if ended.returncode == 0:
            rows.append(json.loads(ended.stdout.strip().splitlines()[-1]))
        else:
            why = ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else "no word"
            rows.append({"side": "plain Ray + Keras", "missing": why})
    return rows


def overhead(nothing, count):
    """A task that does nothing: of Ray itself, and of a plugin through us. In turns, so that both see the same
    machine."""
    from mobula.ray import _driver

    executor = _driver.join("local")
    plain = ray.remote(lambda: None).options(num_cpus=1)
    # No worker has run anything of ours yet.
    seconds(lambda: ray.get(plain.remote()), count)
    workers = {"plain": largest_worker()}
    import mobula

    plugin = mobula.Plugin(nothing)
    limits = {"retries": 3, "retry": {}, "timeout_s": None, "memory_bytes": None, "cpus": None}
    kind = {"kind": "task", "plugin": plugin.name, "version": None, "export": "nothing"}
    spec = json.dumps({"name": "nothing", "kind": kind, "repeat": None, "inputs": {}, "args": {}, "mounts": {}, "limits": limits})
    stage = json.dumps({"name": "nothing", "index": 0, "repeated": False})
    told = Quiet()
    sent = os.urandom(700)
    passing = ray.remote(lambda sent: sent).options(num_cpus=1)
    ours = lambda: executor.run_task(plugin.digest, nothing, spec, stage, "nothing", (1.0, 3, None), 0, [], told)
    sides = {"ray_s": lambda: ray.get(plain.remote()), "bytes_s": lambda: ray.get(passing.remote(sent)), "ours_s": ours}
    taken = {name: [] for name in sides}
    for _ in range(1 + count // TURN):
        for name, call in sides.items():
            taken[name] += seconds(call, TURN)
    # The first turn finds nothing in place yet.
    sides = {name: middle(all[TURN:]) for name, all in taken.items()}
    direct = plugin.task("nothing")
    direct()
    alone = seconds(direct, count)
    workers["ours"] = largest_worker(b"_native")
    began = time.perf_counter()
    ray.get([plain.remote() for _ in range(MANY)])
    at_once = MANY / (time.perf_counter() - began)
    executor.close()
    ray.shutdown()
    return {**sides, "sandbox_s": middle(alone), "memory": workers, "plain_per_s": at_once}


def many(nothing):
    """Tasks a second of a pipeline whose tasks are all there to begin with, from its history."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "many.toml"
        each = f"{{ over = {[0] * MANY}, as = 'amount' }}"
        file.write_text(f"[[stage]]\nname = 'talks'\ntask = 'hostile/talks'\nforeach = {each}\n")
        how = ["run", file, "--json", "--plugin-dir", Path(nothing).parent, "--address", "local"]
        command = [sys.executable, "-m", "mobula.ray", "--home", folder, *how]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"many tasks: {ended.stderr}")
        ends = sorted(stage["ended_s"] for stage in json.loads(ended.stdout.strip().splitlines()[-1])["stages"])
        # Workers start and compile during the first of them.
        first = MANY // 4
        return (MANY - 1 - first) / (ends[-1] - ends[first])


def largest_worker(mapped=b""):
    """Private bytes of the largest worker for tasks that has mapped such a file."""
    found = [0]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes()
            if name.startswith(b"ray::IDLE") and mapped in Path(f"/proc/{pid}/maps").read_bytes():
                found.append(private_bytes(pid))
        except OSError:
            continue
    return max(found)


def table(document):
    ms = lambda row: f"{1e3 * row[0]:.3f} ({1e3 * row[1]:.3f}–{1e3 * row[2]:.3f})"
    yield "| pipeline | process s | run s | fastest epoch s | result |"
    yield "|---|---|---|---|---|"
    for row in document["pipelines"]:
        if "missing" in row:
            yield f"| {row['side']} | – | – | – | not measured: {row['missing']} |"
        else:
            result = ", ".join(f"{name} {value:.4f}" for name, value in row["result"].items())
            yield f"| {row['side']} | {row['process_s']:.1f} | {row['run_s']:.2f} | {row['epoch_s']:.2f} | {result} |"
    tasks = document["tasks"]
    yield ""
    yield "| a task that does nothing | ms: median (middle half) |"
    yield "|---|---|"
    yield f"| Ray's own round trip | {ms(tasks['ray_s'])} |"
    yield f"| Ray's, where 700 bytes go there and back | {ms(tasks['bytes_s'])} |"
    yield f"| a plugin's task through us | {ms(tasks['ours_s'])} |"
    yield f"| of this the sandbox | {ms(tasks['sandbox_s'])} |"
    added = tasks["ours_s"][0] / tasks["ray_s"][0] - 1
    yield f"\nadded to Ray's round trip: {100 * added:.1f} %"
    yield "\n| tasks that do nothing, all there to begin with | a second |\n|---|---|"
    yield f"| plain Ray, `ray.get` of them all | {tasks['plain_per_s']:.0f} |"
    yield f"| a pipeline's, with its history | {tasks['ours_per_s']:.0f} |"
    yield "\n| the largest worker after as many tasks | private MB |\n|---|---|"
    for name, size in tasks["memory"].items():
        yield f"| {name} | {size / 1e6:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program"), parser.add_argument("plugins"), parser.add_argument("nothing")
    parser.add_argument("--epochs", type=int, default=3), parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--json")
    asked = parser.parse_args()
    document = {
        "$type": "bench.ray",
        "ray": ray.__version__,
        "cpus": os.cpu_count(),
        "tasks": {**overhead(asked.nothing, asked.tasks), "ours_per_s": many(asked.nothing)},
        "pipelines": pipelines(asked.program, asked.plugins, asked.epochs),
    }
    sys.stdout.write("\n".join(table(document)) + "\n")
    if asked.json:
        Path(asked.json).write_text(json.dumps(document, indent=2) + "\n")
    digests = {row["digest"] for row in document["pipelines"] if "digest" in row}
    if len(digests) != 1:
        sys.exit(f"the engines do not agree: {digests}")


if __name__ == "__main__":
    main()
