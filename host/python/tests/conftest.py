"""What the tests share: the plugins that `cargo xtask plugins` built, a home folder of their own, small data."""

import os
from pathlib import Path

import numpy as np
import pytest

TOP = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
PLUGINS = TARGET / "release" / "plugins"
HOSTILE = TARGET / "release" / "test-plugins" / "hostile.wasm"
PROGRAM = TARGET / "release" / "mobula"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Compiled components are kept from one run of the tests to the next, everything else is new."""
    folder = tmp_path_factory.mktemp("home")
    cache = TARGET / "tmp" / "python-cache"
    cache.mkdir(parents=True, exist_ok=True)
    (folder / "cache").symlink_to(cache)
    os.environ["MOBULA_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def images():
    """Twelve images of 32 × 32 × 3 and a label each."""
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    return pixels, np.arange(12, dtype=np.uint8) % 10


def component(name):
    """The file of a plugin that was built."""
    file = PLUGINS / f"{name}.wasm"
    if not file.is_file():
        pytest.fail(f"{file} is not there: `cargo xtask plugins` builds it")
    return file
