"""The store of a home folder."""

from __future__ import annotations

import os

from mobula import _native
from mobula._plugin import home as default_home


class Store(_native.Store):
    """Runs and their events, checkpoints, plugins; the home folder of the command line when not said."""

    def __new__(cls, home: str | os.PathLike[str] | None = None) -> "Store":
        return super().__new__(cls, os.fspath(home if home is not None else default_home()))
