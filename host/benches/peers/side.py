"""What the Python sides share: arguments, pixels, networks, the documented snippets, the protocol.

A side is a child process of `cargo xtask bench trainer --peers` (or `core`). It reads requests from stdin, one
JSON object a line like {"do": "epoch", "data": "train.bin", "images": 1024}, calls its method of
that name with the other fields, and answers with one line. What a framework prints goes to stderr.
"""

import argparse
import functools
import json
import os
import re
import sys
import tomllib

# Before a framework is imported and prints: descriptor 1 becomes stderr, answers have their own.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

ADAM = {"rate": 1e-3, "epsilon": 1e-7}
SGD = {"rate": 1e-4, "momentum": 0.9}
"""What all sides train with; the momentum is Nesterov's."""

IMAGE = (32, 32, 3)
"""Height, width and channels of an image; its bytes are in this order."""


def arguments():
    """The command line, which all sides have in common."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", required=True)
    parser.add_argument("--network", required=True, help="one of our network files")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--dropout", choices=["on", "off"], required=True)
    parser.add_argument("--optimizer", choices=["adam", "sgd"], required=True)
    parser.add_argument("--interchange", help="the document whose snippets move weights")
    return parser.parse_args()


def layers(args):
    """The layers of the network file, dropout left out if it is off."""
    with open(args.network, "rb") as file:
        network = tomllib.load(file)
    assert tuple(network["input"]) == IMAGE
    left_out = [] if args.dropout == "on" else ["dropout"]
    return [layer for layer in network["layer"] if layer["kind"] not in left_out]


@functools.cache
def images(path):
    """Pixels between 0 and 1, [N, 32, 32, 3], and labels of a file of labels, then pixels."""
    import numpy as np

    raw = np.fromfile(path, dtype="uint8")
    count = len(raw) // (1 + 32 * 32 * 3)
    pixels = raw[count:].reshape(count, *IMAGE).astype("float32") / np.float32(255)
    return pixels, raw[:count].astype("int64")


def first(path, count):
    """The first images of a file, and their labels."""
    pixels, labels = images(path)
    assert count <= len(labels)
    return pixels[:count], labels[:count]


def snippet(args, heading):
    """The functions of the Python block under `## heading` of the document: what users copy."""
    with open(args.interchange, encoding="utf-8") as file:
        text = file.read()
    block = re.search(rf"^## {heading}$.*?^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    functions = {}
    exec(block[1], functions)
    return functions


def serve(side):
    """Answers requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(side, request.pop("do"))(**request)
        json.dump(answer, ANSWERS)
        ANSWERS.write("\n")
        ANSWERS.flush()
