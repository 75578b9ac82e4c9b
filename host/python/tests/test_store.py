"""The store and the controller."""

import json
import os
import subprocess

import mobula
import pytest
from conftest import PLUGINS, PROGRAM, TOP


def test_checkpoints_are_kept_and_proved(tmp_path):
    store = mobula.Store(tmp_path)
    state = os.urandom(100_000)
    digest = store.save_checkpoint("c-mine-1", state, stage="train", actor="trainer", position=3, name="best")
    row = store.checkpoints()[0]
    assert (row["id"], row["digest"], row["position"], row["name"]) == ("c-mine-1", digest, 3, "best")
    assert mobula.Store(tmp_path).load_checkpoint("c-mine") == state
    assert store.verify() == []
    store.remove_checkpoint("c-mine-1")
    with pytest.raises(mobula.NotFound, match="no checkpoint `c-mine-1`"):
        store.load_checkpoint("c-mine-1")


def test_runs_of_the_command_line_are_read(tmp_path):
    data = tmp_path / "data"
    run = lambda *args: subprocess.run([PROGRAM, "--home", tmp_path / "home", *args], check=True, capture_output=True)
    run("data", "synth", "--out", data, "--train", "500", "--test", "200")
    tiny = TOP / "host/tests/data/tiny.toml"
    args = ["--set", f"stage.load.mounts.data={data}", "--plugin-dir", PLUGINS, "--set", "checkpoint.policy=always"]
    report = json.loads(run("run", tiny, "--json", *args).stdout)
    store = mobula.Store(tmp_path / "home")
    (row,) = store.runs()
    assert (row["run"], row["status"]) == (report["run"], "succeeded")
    events = store.events("last")
    assert events[0]["body"]["type"] == "run_started" and events[-1]["body"]["type"] == "run_ended"
    assert store.events("last", after=len(events) - 1) == events[-1:]
    newest = [one for one in store.checkpoints("last") if one["actor"] == "trainer"]
    net = mobula.Trainer.restore(store.load_checkpoint(newest[0]["id"]))
    assert net.epochs >= 1
    assert store.pipeline("last")["name"] == row["pipeline"]


def test_the_controller_saves_when_it_pays_and_says_why():
    controller = mobula.Controller("adaptive", overhead=0.05)
    trainer = controller.subject("trainer")
    decisions, unsaved_s = [], 0.0
    for epoch in range(200):
        unsaved_s += 30.0
        decision = controller.decide_state(
            trainer, now_s=30.0 * (epoch + 1), runtime_s=30.0, unsaved_s=unsaved_s, bytes=8 << 20
        )
        decisions.append(bool(decision))
        if decision:
            controller.saved(trainer, blocking_s=2.0, background_s=4.0, durable_s=4.0, bytes=8 << 20)
            unsaved_s = 0.0
        if epoch == 100:
            controller.failed(trainer, now_s=30.0 * (epoch + 1), lost_s=unsaved_s)
            taught = controller.restored(trainer, now_s=30.0 * (epoch + 1) + 1, restore_s=0.1, units_kept=1)
            assert "benefit" in taught["text"]
    assert 1 < sum(decisions) < 200
    assert str(decision).startswith(("SAVE", "NO")) and decision.cost_s > 0
    assert "unknown policy `sometimes`" in str(pytest.raises(mobula.Invalid, mobula.Controller, "sometimes").value)


def test_policies_without_judgement_do_what_they_are_called():
    for policy, want in [("always", [True] * 4), ("never", [False] * 4), ("every=2", [False, True, False, True])]:
        controller = mobula.Controller(policy)
        subject = controller.subject("a")
        got = []
        for unit in range(4):
            decision = controller.decide_state(subject, now_s=unit + 1.0, runtime_s=1.0, unsaved_s=1.0)
            got.append(decision.checkpoint)
            if decision:
                controller.saved(subject, blocking_s=0, background_s=0, durable_s=0, bytes=1)
        assert got == want, policy
