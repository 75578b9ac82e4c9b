"""Plugins, their tasks and actors, through the sandbox."""

import subprocess
import sys
import threading
import time

import mobula
import numpy as np
import pytest
from conftest import HOSTILE, component


@pytest.fixture(scope="module")
def subset():
    return mobula.Plugin(component("subset"))


@pytest.fixture(scope="module")
def hostile():
    if not HOSTILE.is_file():
        pytest.fail(f"{HOSTILE} is not there: `cargo test -p mobula-sandbox` builds it")
    return mobula.Plugin(HOSTILE)


def test_a_task_takes_arrays_and_gives_arrays(subset, images):
    pixels, labels = images
    part = subset.task("subset", seed=3)(images=pixels, labels=labels, size=5)
    assert part["images"].shape == (5, 32, 32, 3) and part["images"].dtype == np.uint8
    rows = [int(np.flatnonzero((pixels == row).all((1, 2, 3)))[0]) for row in part["images"]]
    assert len(set(rows)) == 5 and (labels[rows] == part["labels"]).all()


def test_the_same_seed_gives_the_same_rows_and_another_one_others(subset, images):
    pixels, labels = images
    take = lambda seed: subset.task("subset", seed=seed)(images=pixels, labels=labels, size=6)["labels"]
    assert (take(1) == take(1)).all()
    assert any((take(1) != take(seed)).any() for seed in range(2, 6))


def test_plugins_of_all_languages_give_the_same_rows(subset, images):
    pixels, labels = images
    want = subset.task("subset", seed=9)(images=pixels, labels=labels, size=7)
    for name in ("subset-python", "subset-js"):
        got = mobula.Plugin(component(name)).task("subset", seed=9)(images=pixels, labels=labels, size=7)
        assert (got["images"] == want["images"]).all() and (got["labels"] == want["labels"]).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_every_type_of_elements_comes_back_as_it_went_in(subset, dtype):
    values = (np.arange(40).reshape(8, 5) % 2 + np.arange(8)[:, None] * 3).astype(dtype)
    part = subset.task("subset")(images=values, labels=np.arange(8, dtype=np.uint8), size=8)
    assert part["images"].dtype == values.dtype
    assert (part["images"] == values[part["labels"]]).all()


def test_arrays_that_are_no_block_of_memory_are_read_right(subset):
    wide = np.arange(240, dtype=np.int32).reshape(12, 20)
    for array in (wide[::2, ::3], np.asfortranarray(wide)[:6], wide[::-1][:6]):
        part = subset.task("subset")(images=array, labels=np.arange(6, dtype=np.uint8), size=6)
        assert (part["images"] == array[part["labels"]]).all()


def test_wrong_arrays_are_refused_by_name(subset):
    task = subset.task("subset")
    labels = np.zeros(2, np.uint8)
    for array, words in [
        (np.zeros((2, 3), np.uint16), "`images` is of uint16"),
        (np.zeros((2, 3), ">f4"), "`images` is of >f4"),
        (np.array(3, np.uint8), "`images` has no axes"),
        (object(), "`images` is neither an array, nor bytes, nor JSON"),
    ]:
        with pytest.raises(mobula.Invalid, match=words):
            task(images=array, labels=labels, size=1)
    with pytest.raises(mobula.Invalid, match="`size` is no input of subset"):
        task(images=labels, labels=labels, size=np.zeros(3))


def test_names_that_are_not_there_are_told_with_those_that_are(subset):
    with pytest.raises(mobula.Invalid, match="subset has no task `load`: there is subset"):
        subset.task("load")
    with pytest.raises(mobula.Invalid, match="no actor"):
        subset.actor("Stats")
    with pytest.raises(TypeError, match="no keyword `sed`"):
        subset.task("subset", sed=1)


def test_a_component_is_taken_only_with_the_digest_that_was_asked_for(subset):
    file = component("subset")
    assert mobula.Plugin(file.read_bytes(), digest=subset.digest).digest == subset.digest
    with pytest.raises(mobula.PluginError, match="blake3:0000 was asked for"):
        mobula.Plugin(file, digest="blake3:0000")
    with pytest.raises(mobula.PluginError, match="is no WebAssembly component"):
        mobula.Plugin(b"something else")


def test_an_actor_keeps_its_state_over_calls_and_snapshots(images):
    pixels, _ = images
    plugin = mobula.Plugin(component("running-stats"))
    stats = plugin.actor("RunningStats")
    first = stats.update(images=pixels[:4])
    state = stats.snapshot()
    last = stats.update(images=pixels[4:])
    assert (first["count"], last["count"]) == (4 * 32 * 32, 12 * 32 * 32)
    assert np.allclose(last["mean"], pixels.mean((0, 1, 2)))
    again = plugin.actor("RunningStats", state=state)
    assert again.update(images=pixels[4:]) == last
    assert again.snapshot() == stats.snapshot()
    with stats:
        assert stats.alive
    assert not stats.alive
    with pytest.raises(mobula.Invalid, match="the actor was closed"):
        stats.update(images=pixels)


def test_grants_are_denied_unless_given(tmp_path):
    load = mobula.Plugin(component("cifar10-load")).task("load")
    with pytest.raises(mobula.Failure, match="data") as failure:
        load()
    assert failure.value.kind in ("denied", "failed", "invalid")
    row = np.arange(3073, dtype=np.uint8)
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        (tmp_path / name).write_bytes((row % 10).tobytes())
    got = load.using(mounts={"data": tmp_path})()
    assert got["x_train"].shape == (5, 32, 32, 3) and got["y_test"].tolist() == [0]


def test_limits_are_named_as_on_the_command_line(subset, images):
    pixels, labels = images
    task = subset.task("subset", limits={"tensor_bytes": 1000})
    with pytest.raises(mobula.Quota, match=r"limit tensor bytes \(1000 B\) reached in task subset") as failure:
        task(images=pixels, labels=labels, size=5)
    assert failure.value.kind == "quota"
    with pytest.raises(mobula.Invalid, match="no limit `memry`"):
        subset.task("subset", limits={"memry": 1})(images=pixels, labels=labels, size=1)


def test_a_trap_is_an_exception_and_nothing_else(hostile):
    with pytest.raises(mobula.Trap) as failure:
        hostile.task("panics")(amount=3)
    assert failure.value.kind == "trap"


def test_a_guest_that_loops_is_stopped_from_another_thread(hostile):
    stop = mobula.Stop()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    with pytest.raises(mobula.Cancelled):
        hostile.task("loops", stop=stop)()
    timer.join()


def test_python_goes_on_while_a_guest_runs(hostile):
    ended, count = threading.Event(), 0

    def spin():
        with pytest.raises(mobula.Quota, match="limit time"):
            hostile.task("loops", limits={"timeout_s": 0.5})()
        ended.set()

    thread = threading.Thread(target=spin)
    thread.start()
    while not ended.is_set():
        count += 1
        time.sleep(0.001)
    thread.join()
    # Where the GIL were held, this thread would not have run at all.
    assert count > 10


def test_ctrl_c_ends_a_guest():
    code = (
        "import _thread, threading, mobula, sys\n"
        f"task = mobula.Plugin({str(HOSTILE)!r}).task('loops')\n"
        "threading.Timer(0.3, _thread.interrupt_main).start()\n"
        "try:\n    task()\nexcept KeyboardInterrupt:\n    sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 7


def test_what_a_callback_raises_ends_the_call(images):
    pixels, labels = images
    batches = mobula.Plugin(component("batches")).task("batches")
    seen = []

    def take(batch):
        seen.append(batch["images"].shape[0])
        if len(seen) == 2:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        batches.using(emit=take)(images=pixels, labels=labels, size=5)
    assert seen == [5, 5]
    seen.clear()
    whole = batches.using(emit=lambda batch: seen.append(len(batch["labels"])))
    assert whole(images=pixels, labels=labels, size=5) == {"batches": 3, "rows": 12} and seen == [5, 5, 2]


def test_exceptions_of_all_kinds_have_one_family():
    kinds = {c.kind for c in mobula.Failure.__subclasses__()}
    assert len(kinds) == 11 and "worker-lost" in kinds
    assert issubclass(mobula.Failure, mobula.MobulaError) and issubclass(mobula.NotFound, mobula.StoreError)
