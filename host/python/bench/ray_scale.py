"""What saturates first as a Ray cluster grows: the arithmetic of `host/RAY.md`, from measured costs.

    python ray_scale.py [--task-ms 0.98] [--events-per-s 60000] [--save-mb-per-s 110] [--link-mb-per-s 1170] …

The driver spends `task-ms` of processor time on each task (taken as if one thread spent it all), the store takes
`events-per-s` and `save-mb-per-s`, and the driver's link carries every state that is saved. A node has `cpus`
processors; a task runs `task-s`, an actor's unit `unit-s`, with one actor for each node and a state of
`state-mb`, of which the policy saves one in `save-every`.
"""

from __future__ import annotations

import argparse
import sys

DEFAULTS = {
    "task_ms": 0.98,
    "events_per_s": 60_000.0,
    "save_mb_per_s": 110.0,
    "link_mb_per_s": 1170.0,
    "thread_kb": 40.0,
    "cpus": 32.0,
    "task_s": 10.0,
    "unit_s": 30.0,
    "state_mb": 8.0,
    "save_every": 4.0,
}


def row(nodes, asked):
    """Load of each part as a share of what it can do."""
    tasks = nodes * asked.cpus / asked.task_s
    saves = nodes / asked.unit_s / asked.save_every
    saved = saves * asked.state_mb
    return {
        "tasks_per_s": tasks,
        "driver": tasks * asked.task_ms / 1e3,
        "events": (3 * tasks + 5 * nodes / asked.unit_s) / asked.events_per_s,
        "store": saved / asked.save_mb_per_s,
        "link": saved / asked.link_mb_per_s,
        "threads_mb": nodes * asked.cpus * asked.thread_kb / 1e3,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in DEFAULTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value)
    asked = parser.parse_args()
    lines = [
        "| nodes | tasks/s | driver | history | store | link | threads of the driver |",
        "|---|---|---|---|---|---|---|",
    ]
    for nodes in (10, 100, 1000):
        found = row(nodes, asked)
        share = lambda name: f"{100 * found[name]:.1f} %"
        lines.append(
            f"| {nodes:,} | {found['tasks_per_s']:,.0f} | {share('driver')} | {share('events')} | {share('store')} "
            f"| {share('link')} | {nodes * asked.cpus:,.0f} ({found['threads_mb']:,.0f} MB) |"
        )
    driver_s = asked.task_ms / 1e3
    for nodes in (10, 100, 1000):
        lines.append(f"{nodes} nodes: the driver is full when tasks run {nodes * asked.cpus * driver_s:.2f} s or less")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
