"""Ray as a side of `cargo xtask bench core --peers`: what its tasks, actors and objects cost.

The protocol is that of side.py; every request but `describe` is {"do": name, "count": calls}, whose
answer has a `value`. Ray gets as many processors as we give ourselves; its dashboard and its reports
of usage are off, which favours it. It listens on loopback only.
"""

import os
import platform
import statistics
import sys
import time

CPUS = 2
STORE_BYTES = 1_500_000_000
"""Room for objects: several of what `hand_off_ms` hands over."""

ROWS, ROW_BYTES, TAKEN = 50_000, 3072, 5_000
"""The training images of CIFAR-10, and how many of them the task returns."""


def loopback_only():
    """Starts this script again in a network namespace that has nothing but `lo`.

    Some of Ray's servers listen on every interface whatever its options say, so it takes a namespace
    to keep them off the network. That needs root or user namespaces; without them Ray is not run.
    """
    with open("/proc/net/dev", encoding="ascii") as file:
        interfaces = {line.split(":")[0].strip() for line in file.readlines()[2:]}
    if interfaces == {"lo"}:
        return
    if os.environ.get("MOBULA_PEERS_LOOPBACK"):
        sys.exit(f"a new network namespace has {interfaces}: Ray is not started")
    os.environ["MOBULA_PEERS_LOOPBACK"] = "1"
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    shell = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    os.execvp("unshare", ["unshare", "--net", *rights, "--", *shell, sys.executable, *sys.argv])


def latency_us(call, count):
    """Median of calls one at a time."""
    import ray

    found = []
    for _ in range(count):
        begun = time.perf_counter()
        ray.get(call())
        found.append(time.perf_counter() - begun)
    return {"value": statistics.median(found) * 1e6}


def throughput_per_s(call, count):
    """Calls a second, all submitted before any is waited for."""
    import ray

    begun = time.perf_counter()
    ray.get([call() for _ in range(count)])
    return {"value": count / (time.perf_counter() - begun)}


class RaySide:
    """A node on this machine."""

    def __init__(self):
        import ray

        ray.init(
            num_cpus=CPUS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=STORE_BYTES,
            _node_ip_address="127.0.0.1",
        )

        @ray.remote
        def nothing():
            return None

        @ray.remote
        class Counter:
            def __init__(self):
                self.count = 0

            def add(self, amount):
                self.count += amount
                return self.count

        self.nothing = nothing
        self.counter_class = Counter
        self.counter = None
        self.images = None

    def describe(self):
        import numpy
        import ray

        versions = f"Ray {ray.__version__}, Python {platform.python_version()}"
        return {"versions": f"{versions}, numpy {numpy.__version__}"}

    def task_us(self, count):
        return latency_us(self.nothing.remote, count)

    def tasks_per_s(self, count):
        return throughput_per_s(self.nothing.remote, count)

    def actor_us(self, count):
        return latency_us(self._add, count)

    def actor_calls_per_s(self, count):
        return throughput_per_s(self._add, count)

    def _add(self):
        if self.counter is None:
            self.counter = self.counter_class.remote()
        return self.counter.add.remote(1)

    def hand_off_ms(self, count):
        """Images go in by reference, shuffled ones come out. Unlike ours, the task need not choose."""
        import numpy as np
        import ray

        if self.images is None:
            draws = np.random.default_rng(0)
            self.pixels = draws.integers(0, 256, (ROWS, ROW_BYTES), dtype="uint8")
            self.chosen = draws.permutation(ROWS)[:TAKEN]
            self.images = ray.put(self.pixels)
            self.subset = ray.remote(lambda images, chosen: images[chosen])
        found = []
        for _ in range(count):
            begun = time.perf_counter()
            taken = ray.get(self.subset.remote(self.images, self.chosen))
            found.append(time.perf_counter() - begun)
            assert (taken == self.pixels[self.chosen]).all()
            del taken
        return {"value": statistics.median(found) * 1e3}


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    loopback_only()
    import side

    side.serve(RaySide())
