"""Compiles one component in a process of its own, within limits; started by the sandbox."""

import sys

from mobula import _native

if __name__ == "__main__":
    sys.exit(_native.compile_child())
