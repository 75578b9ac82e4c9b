"""Joins the plugin to the exports of the world. `componentize-py` starts here."""

import mobula
import plugin  # noqa: F401, the author's module


class Meta:
    def describe(self):
        return mobula._describe()


class Task:
    def run(self, name, args, inputs):
        return mobula._run(name, args, inputs)


class Actor:
    pass
