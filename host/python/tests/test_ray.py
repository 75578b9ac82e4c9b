"""Pipelines on a real Ray cluster of three nodes on this machine: the same answers as on the embedded engine,
also when workers, actors, nodes and the driver die."""

import json
import os
import signal
import subprocess
import sys
import time

import mobula
import pytest
from conftest import PLUGINS, PROGRAM, TOP, component
from mobula import _native

ray = pytest.importorskip("ray", reason="Ray is not installed")
TINY = TOP / "host/tests/data/tiny.toml"
STREAM = TOP / "host/pipelines/stream.toml"
#: Seconds after which something is stuck.
STUCK_S = 240


@pytest.fixture(scope="module")
def cluster():
    """A head without processors, where the drivers are, and two nodes that work."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=2)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "synth"
    args = ["data", "synth", "--train", "500", "--test", "200", "--out", folder]
    subprocess.run([PROGRAM, *args], check=True, capture_output=True)
    return folder


class Side:
    """One engine, with a home folder of its own."""

    def __init__(self, home, data, cluster=None):
        self.home, self.data, self.cluster = home, data, cluster

    def command(self, *args):
        own = [sys.executable, "-m", "mobula.ray"] if self.cluster else [PROGRAM]
        return [str(part) for part in [*own, "--home", self.home, *args]]

    def how(self):
        address = ["--address", self.cluster.address] if self.cluster else []
        return ["--json", "--plugin-dir", str(PLUGINS), *address]

    def start(self, file, *sets):
        sets = [part for one in (f"stage.load.mounts.data={self.data}", *sets) for part in ("--set", one)]
        command = self.command("run", file, *sets, *self.how())
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        out, err = process.communicate(timeout=STUCK_S)
        assert process.returncode == 0, err
        return json.loads(out.strip().splitlines()[-1])

    def run(self, file, *sets):
        return self.end(self.start(file, *sets))

    def resume(self):
        command = self.command("runs", "resume", "last", *self.how())
        ended = subprocess.run(command, capture_output=True, text=True, timeout=STUCK_S)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.strip().splitlines()[-1])

    def events(self):
        try:
            return [event["body"] for event in mobula.Store(self.home).events("last")]
        except mobula.NotFound:
            return []


@pytest.fixture
def on_ray(cluster, data, tmp_path):
    return Side(tmp_path / "ray", data, cluster)


@pytest.fixture
def embedded(data, tmp_path):
    return Side(tmp_path / "embedded", data)


LONG = "stage.train.repeat=30"


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """Digests of a run where nothing fails, on the embedded engine: short and long."""
    side = Side(tmp_path_factory.mktemp("undisturbed"), data)
    return {"short": digests(side.run(TINY)), "long": digests(side.run(TINY, LONG))}


def digests(report):
    assert report["status"] == "succeeded", report
    return {actor["name"]: actor["state_digest"] for actor in report["actors"]}


def outputs(report):
    """What stages gave, without the times that they measured."""
    measured = ("seconds", "images_per_s")
    return {
        (stage["name"], stage["index"]): {k: v for k, v in stage["outputs"].items() if k not in measured}
        for stage in report["stages"]
        if stage["status"] == "succeeded"
    }


def pids(title):
    """Processes that Ray calls so, such as `ray::load`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as opened:
                words = opened.read().decode(errors="replace")
        except OSError:
            continue
        if words.startswith(title):
            found.append(int(pid))
    return found


def wait_for(what, process=None):
    until = time.monotonic() + STUCK_S
    while time.monotonic() < until:
        found = what()
        if found:
            return found
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.005)
    raise AssertionError("it never happened")


def epochs(side, least):
    """Waits until so many epochs are in the history."""
    trained = lambda: sum(e["type"] == "stage_finished" and e["stage"]["name"] == "train" for e in side.events())
    return lambda: trained() >= least


@pytest.mark.parametrize("plugin", ["subset", "subset-python", "subset-js"])
def test_both_engines_give_the_same(plugin, on_ray, embedded):
    component(plugin)
    sets = [f"stage.{name}.task={plugin}/subset" for name in ("train_subset", "test_subset")]
    here, there = embedded.run(TINY, *sets), on_ray.run(TINY, *sets)
    assert digests(here) == digests(there)
    assert outputs(here) == outputs(there)
    assert here["result"] == there["result"]
    # A trainer's state tells how long its epochs took; everything else is the same byte for byte.
    timed = ("train", "evaluate")
    saved = lambda report: {
        (c["stage"], c["index"]): c["digest"] for c in report["checkpoints"] if c["stage"] not in timed
    }
    both = saved(here).keys() & saved(there).keys()
    assert both and all(saved(here)[one] == saved(there)[one] for one in both)
    # What calls say on the way is in the history of both.
    metrics = lambda side: [(e["name"], e["step"], e["value"]) for e in side.events() if e["type"] == "metric"]
    assert sorted(metrics(embedded)) == sorted(metrics(on_ray))


def test_an_actor_that_wants_all_processors_leaves_one_for_tasks(on_ray, undisturbed):
    report = on_ray.run(TINY, "actor.trainer.cpus=4")
    assert digests(report) == undisturbed["short"]
    said = [e["message"] for e in on_ray.events() if e["type"] == "log"]
    assert any("takes 0 of 4 cpus" in message for message in said), said


def test_a_task_too_large_for_each_machine_says_so_and_waits_for_one(on_ray, cluster, undisturbed):
    process = on_ray.start(TINY, "stage.train_subset.cpus=3")
    waits = "waits until a machine with 3 cpus"
    logs = lambda: [e["message"] for e in on_ray.events() if e["type"] == "log"]
    wait_for(lambda: any(waits in message for message in logs()), process)
    large = cluster.add_node(num_cpus=3)
    try:
        report = on_ray.end(process)
    finally:
        cluster.remove_node(large)
    assert digests(report) == undisturbed["short"]


def test_streams_and_lists_give_the_same(on_ray, embedded):
    here, there = embedded.run(STREAM), on_ray.run(STREAM)
    assert digests(here) == digests(there) and outputs(here) == outputs(there)


def test_a_task_whose_worker_is_killed_is_made_again(on_ray, undisturbed):
    process = on_ray.start(TINY)
    for pid in wait_for(lambda: pids("ray::load"), process):
        os.kill(pid, signal.SIGKILL)
    report = on_ray.end(process)
    assert digests(report) == undisturbed["short"]
    lost = [e for e in on_ray.events() if e["type"] == "stage_failed"]
    assert lost and lost[0]["stage"]["name"] == "load" and lost[0]["kind"] == "worker-lost" and lost[0]["retried"]


def test_an_actor_whose_worker_is_killed_goes_on_from_its_checkpoint(on_ray, undisturbed):
    process = on_ray.start(TINY, LONG)
    wait_for(epochs(on_ray, 4), process)
    killed = wait_for(lambda: [pid for pid in pids("ray::ActorHost.call")], process)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    report = on_ray.end(process)
    assert digests(report) == undisturbed["long"]
    restored = [one for one in report["recoveries"] if one["stage"] == "train"]
    assert restored and restored[0]["from_checkpoint"] and restored[0]["restored_to"] > 0


def test_a_node_that_is_gone_is_done_without(on_ray, cluster, undisturbed):
    lose_the_trainers_node(on_ray.start(TINY, LONG), on_ray, cluster, undisturbed)


GUESS = """
[[stage]]
name = "{name}"
actor = "trainer"
method = "predict"
inputs = {{ images = "load.x_train" }}
"""
PICK = """
[[stage]]
name = "pick"
task = "subset/subset"
inputs = { images = "guess.probabilities", labels = "guess_again.probabilities" }
args = { size = 100 }
"""


def test_what_an_actor_gave_outlives_its_node(on_ray, cluster, undisturbed, tmp_path):
    many = tmp_path / "many"
    # Over 100 KB of probabilities: Ray sends less along with the answer.
    args = ["data", "synth", "--train", "4000", "--test", "200", "--out", many]
    subprocess.run([PROGRAM, *args], check=True, capture_output=True)
    train = '[[stage]]\nname = "train"\n'
    before, after = TINY.read_text().split(train)
    stages, checkpoint = after.split("[checkpoint]")
    parts = [before, GUESS.format(name="guess"), train, stages, GUESS.format(name="guess_again"), PICK]
    file = tmp_path / "guess.toml"
    file.write_text("\n".join([*parts, "[checkpoint]", checkpoint]))
    (tmp_path / "tiny-net.toml").write_bytes((TINY.parent / "tiny-net.toml").read_bytes())
    alone = Side(tmp_path / "alone", many)
    on_ray.data = many
    expected = {"long": digests(alone.run(file, LONG))}
    lose_the_trainers_node(on_ray.start(file, LONG), on_ray, cluster, expected)


def lose_the_trainers_node(process, on_ray, cluster, undisturbed):
    wait_for(epochs(on_ray, 4), process)
    living = wait_for(lambda: pids("ray::ActorHost"), process)
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    parent = lambda pid: int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    node = next(raylets[parent(pid)] for pid in living if parent(pid) in raylets)
    cluster.remove_node(node, allow_graceful=False)
    try:
        report = on_ray.end(process)
    finally:
        cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
    assert digests(report) == undisturbed["long"]
    assert [one for one in report["recoveries"] if one["stage"] == "train"]


@pytest.mark.parametrize("engine", ["ray", "embedded"])
def test_a_run_whose_driver_is_killed_is_resumed_by_both_engines(engine, on_ray, undisturbed, data):
    process = on_ray.start(TINY, LONG)
    wait_for(epochs(on_ray, 3), process)
    process.kill()
    process.communicate()
    assert mobula.Store(on_ray.home).run("last")["status"] == "interrupted"
    side = on_ray if engine == "ray" else Side(on_ray.home, data)
    assert digests(side.resume()) == undisturbed["long"]
    assert any(e["type"] == "run_started" and e["resumed"] for e in side.events())


def test_a_run_is_interrupted_and_keeps_what_it_has(on_ray, undisturbed):
    process = on_ray.start(TINY, LONG)
    wait_for(epochs(on_ray, 2), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=STUCK_S)
    assert process.returncode == 130
    assert digests(on_ray.resume()) == undisturbed["long"]


def test_the_failure_of_a_guest_is_told_as_on_one_machine(on_ray, embedded):
    wrong = "stage.train_subset.args.size=501"
    told = []
    for side in (on_ray, embedded):
        process = side.start(TINY, wrong)
        _, err = process.communicate(timeout=STUCK_S)
        assert process.returncode == 1
        told.append(next(line for line in err.splitlines() if "stage train_subset failed" in line))
    assert told[0].split("failed: ", 1)[1] == told[1].split("failed: ", 1)[1]


def test_the_command_line_hands_over_to_python(cluster, data, tmp_path, undisturbed):
    side = Side(tmp_path, data)
    command = [PROGRAM, "--home", tmp_path, "run", TINY, "--engine", "ray", "--set", f"stage.load.mounts.data={data}"]
    how = ["--address", cluster.address, "--python", sys.executable, "--json"]
    ended = subprocess.run([*command, *how], capture_output=True, text=True, timeout=STUCK_S)
    assert ended.returncode == 0, ended.stderr
    assert digests(json.loads(ended.stdout.strip().splitlines()[-1])) == undisturbed["short"]
    assert side.events()[-1]["status"] == "succeeded"


def test_what_is_missing_is_told(tmp_path):
    run = lambda *how: subprocess.run(
        [PROGRAM, "--home", tmp_path, "run", TINY, "--engine", "ray", *how], capture_output=True, text=True
    )
    nowhere = run("--python", tmp_path / "python")
    assert nowhere.returncode == 2 and "--python" in nowhere.stderr
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    bare.chmod(0o755)
    without = run("--python", bare)
    assert without.returncode == 2 and "pip install mobula[ray]" in without.stderr


def test_a_node_takes_only_the_component_that_the_run_is_bound_to(tmp_path):
    node = _native.Node(str(tmp_path))
    code = component("subset").read_bytes()
    digest = mobula.Plugin(code).digest
    changed = code[:-1] + bytes([code[-1] ^ 1])
    with pytest.raises(mobula.Denied, match=f"bound to component {digest}, but was sent blake3:"):
        node.admit(digest, changed)
    assert not node.has(digest)
    node.admit(digest, code)
    assert node.has(digest)
