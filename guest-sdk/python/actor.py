"""Actors of the plugin. The class of a resource has to stand in a module that is named as its interface."""

import json

from componentize_py_types import Err
from mobula import _guarded, _named, _put, _Registry
from wit_world.imports import types


class Instance:
    def __init__(self, owner, made):
        self.owner, self.made = owner, made
        self.cls, self.version, _, self.methods = _Registry.actors[owner]

    @classmethod
    def create(cls, owner, args, inputs):
        kind, _, create, _ = _named(_Registry.actors, owner, "actor", _Registry.name)
        place = f"actor `{owner}`"

        def make():
            given, checked = create.take(place, args, inputs)
            return kind(*given.values(), **checked)

        return cls(owner, _guarded(place, make))

    @classmethod
    def restore(cls, owner, version, state):
        kind, own, _, _ = _named(_Registry.actors, owner, "actor", _Registry.name)
        if version != own:
            message = f"the state of {owner} has version {version}, this plugin reads only {own}"
            raise Err(types.Error_Invalid(message))
        made = kind.__new__(kind)
        try:
            made.__dict__.update(json.loads(bytes(state)))
        except ValueError as error:
            raise Err(types.Error_Invalid(f"state of {owner}: {error}")) from None
        return cls(owner, made)

    def call(self, method, args, inputs):
        export = _named(self.methods, method, "method", self.owner)
        place = f"method `{self.owner}.{method}`"
        return _guarded(place, lambda: _put(export.call(place, args, inputs, (self.made,))))

    def snapshot(self):
        state = _guarded(f"state of {self.owner}", lambda: json.dumps(self.made.__dict__, sort_keys=True))
        return self.version, state.encode()
