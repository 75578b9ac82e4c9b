"""What a Python plugin imports: tensors, errors, logging, and the decorators that make functions and classes
exports of a plugin. The manifest is written from annotations and docstrings.

A parameter before the `*` is an input by its name, one after it is an argument:

    plugin("take", "0.1.0")

    @task(outputs={"rows": port("The first rows.")})
    def take(images: Tensor, *, size: Annotated[int, arg("How many rows.", min=0)]):
        '''Take the first `size` rows.'''
        return {"rows": images.slice(0, size)}
"""

import inspect
import json
import traceback
import types as python_types
from typing import Annotated, Any, Union, get_args, get_origin

from componentize_py_types import Err
from wit_world.imports import context as _context
from wit_world.imports import stream as _stream
from wit_world.imports import tensors as _tensors
from wit_world.imports import types as _types
from wit_world.imports import values as _values

__all__ = [
    "Annotated", "Json", "PluginError", "Random", "Tensor", "TensorBuilder", "actor", "arg", "cancelled",
    "context", "emit", "failed", "invalid", "plugin", "port", "task",
]  # fmt: skip


class PluginError(Exception):
    """How a plugin fails; the kind decides what the host does next."""

    def __init__(self, wire, message):
        super().__init__(message)
        self.wire = wire


def invalid(message):
    """The caller's mistake: not tried again."""
    return PluginError(_types.Error_Invalid(str(message)), message)


def failed(message):
    """The plugin's own failure: tried again."""
    return PluginError(_types.Error_Failed(str(message)), message)


def cancelled():
    """The run was cancelled."""
    return PluginError(_types.Error_Cancelled(), "cancelled")


class context:
    """What a stage may say to and ask of its host."""

    @staticmethod
    def log(level, message):
        _context.log(_context.Level[level.upper()], str(message))

    @staticmethod
    def info(message):
        context.log("info", message)

    @staticmethod
    def warn(message):
        context.log("warn", message)

    @staticmethod
    def progress(done, total=None):
        _context.progress(done, total)

    @staticmethod
    def metric(name, step, value):
        _context.metric(name, step, float(value))

    @staticmethod
    def seed():
        """The seed of this stage in this run, 64 bits."""
        return _context.seed()

    @staticmethod
    def cancelled():
        return _context.cancelled()


class Json:
    """The annotation of an input that is a JSON document."""


KINDS = {"bool": (1, "B"), "u8": (1, "B"), "s32": (4, "i"), "s64": (8, "q"), "f32": (4, "f"), "f64": (8, "d")}
# Bytes read or written at a time.
PART = 256 << 10


class Tensor:
    """An immutable tensor in the host; the first axis counts rows."""

    def __init__(self, handle):
        self.handle = handle

    @staticmethod
    def of(dtype, shape, values):
        """A tensor of these values: `Tensor.of("f32", [2, 2], [1, 2, 3, 4])`."""
        builder = TensorBuilder(dtype, shape[1:], shape[0])
        builder.push(values)
        return builder.finish()

    @property
    def dtype(self):
        return self.handle.dtype().name.lower()

    @property
    def shape(self):
        return list(self.handle.shape())

    @property
    def rows(self):
        return self.shape[0]

    @property
    def row_len(self):
        """Bytes of one row."""
        size = KINDS[self.dtype][0]
        for axis in self.shape[1:]:
            size *= axis
        return size

    @property
    def byte_len(self):
        return self.handle.byte_len()

    def read(self, offset, length):
        """`length` bytes from `offset`."""
        return _ours(lambda: self.handle.read(offset, length))

    def values(self, start=0, count=None):
        """`count` rows from `start`, as a flat memoryview of numbers."""
        count = self.rows - start if count is None else count
        row = self.row_len
        data = bytearray()
        while len(data) < row * count:
            data += self.read(start * row + len(data), min(PART, row * count - len(data)))
        return memoryview(data).cast(KINDS[self.dtype][1])

    def parts(self, lot=None):
        """The rows, some at a time: `for start, rows, values in images.parts():`."""
        lot = lot or max(1, PART // max(1, self.row_len))
        for start in range(0, self.rows, lot):
            rows = min(lot, self.rows - start)
            yield start, rows, self.values(start, rows)

    def gather(self, rows):
        """A new tensor of these rows. The host copies them: the bytes never enter the plugin."""
        return Tensor(_ours(lambda: self.handle.gather(list(rows))))

    def slice(self, start, count):
        """A view of `count` rows from `start`; nothing is copied."""
        return Tensor(_ours(lambda: self.handle.slice(start, count)))

    def dup(self):
        return Tensor(self.handle.dup())


class TensorBuilder:
    """A tensor in the making; its rows are known in advance."""

    def __init__(self, dtype, row_shape, rows):
        if dtype not in KINDS:
            raise invalid(f"no dtype `{dtype}`: {', '.join(KINDS)}")
        self.dtype = dtype
        kind = _types.Dtype[dtype.upper()]
        self.handle = _ours(lambda: _tensors.Builder.create(list(row_shape), kind, rows))

    def push(self, values):
        """The next elements: numbers, or anything with a buffer of this type."""
        from array import array

        code = KINDS[self.dtype][1]
        same = isinstance(values, (memoryview, array)) and memoryview(values).format == code
        data = memoryview(values if same else array(code, values)).cast("B")
        for at in range(0, len(data), PART):
            part = bytes(data[at : at + PART])
            _ours(lambda: self.handle.append(part))

    def append_rows(self, source, rows):
        """The next rows, copied by the host from another tensor."""
        _ours(lambda: self.handle.append_rows(source.handle, list(rows)))

    def finish(self):
        return Tensor(_ours(lambda: _tensors.Builder.finish(self.handle)))


class Random:
    """Random numbers from a seed, the same on every machine and in every language: SplitMix64."""

    ALL = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed & self.ALL

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.ALL
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.ALL
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.ALL
        return z ^ (z >> 31)

    def below(self, bound):
        """A whole number below `bound`, each as likely (Lemire, 2019)."""
        while True:
            product = (self.bits() >> 32) * bound
            low = product & 0xFFFFFFFF
            if low >= bound or low >= ((1 << 32) - bound) % max(bound, 1):
                return product >> 32


def emit(fields):
    """Hands one object of a stream to its readers."""
    wire = _put(fields)
    _ours(lambda: _stream.emit(wire))


def _ours(call):
    """Calls the host, whose errors become ours."""
    try:
        return call()
    except Err as error:
        raise PluginError(error.value, getattr(error.value, "value", "cancelled")) from None


def port(doc="", *, dtype=None, shape=None, kind=None):
    """What an input or output is, in words and types."""
    said = {"doc": doc, "dtype": dtype, "shape": shape, "kind": kind}
    return {key: value for key, value in said.items() if value}


def arg(doc="", *, min=None, max=None, one_of=None):
    """What an argument may be."""
    said = {"description": doc, "minimum": min, "maximum": max, "enum": one_of}
    return {key: value for key, value in said.items() if value not in (None, "")}


class _Registry:
    name, version, mounts = "unnamed", "0.0.0", []
    tasks, actors = {}, {}


def plugin(name, version, *, mounts=()):
    """Names the plugin. `mounts` are the folders that it asks to be granted."""
    _Registry.name, _Registry.version, _Registry.mounts = name, version, list(mounts)


def task(function=None, *, outputs=None):
    """Makes a function an export without state."""

    def register(function):
        _Registry.tasks[function.__name__] = _Export(function, outputs)
        return function

    return register(function) if function else register


def actor(cls=None, *, version=1, outputs=None):
    """Makes a class an export with state. Its public methods can be called; its attributes are the state, and
    must be JSON. `outputs` describes them by the names of the methods."""

    def register(cls):
        public = inspect.getmembers(cls, inspect.isfunction)
        methods = {
            name: _Export(function, (outputs or {}).get(name), skip=1)
            for name, function in public
            if not name.startswith("_")
        }
        _Registry.actors[cls.__name__] = (cls, version, _Export(cls.__init__, None, skip=1), methods)
        return cls

    return register(cls) if cls else register


JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", list: "array", dict: "object"}
CHECKS = {
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


def _unwrap(annotation):
    """The type, what `port` or `arg` say, and whether it may be None."""
    said = {}
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        said = next((note for note in notes if isinstance(note, dict)), {})
    optional = False
    if get_origin(annotation) in (Union, python_types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        optional = len(inner) < len(get_args(annotation))
        annotation = inner[0]
        if get_origin(annotation) is Annotated:
            annotation, more, _ = _unwrap(annotation)
            said = {**more, **said}
    return get_origin(annotation) or annotation, said, optional


def _misfit(known, pattern, shape):
    """Why a shape is not as a port writes it, such as `[N, …, 3]`; `known` are the lengths of names in this call."""
    parts = [part.strip() for part in pattern.strip("[]").split(",")]
    gaps = [i for i, part in enumerate(parts) if part in ("…", "...")]
    words = [part for part in parts if part not in ("…", "...")]
    if not (pattern.startswith("[") and pattern.endswith("]")) or not all(word.isalnum() for word in words):
        return None
    wrong = f"it takes the shape {pattern}, but got {shape}"
    if len(shape) < len(words) or (not gaps and len(shape) != len(words)):
        return wrong
    split = gaps[0] if gaps else len(words)
    tail = len(words) - split
    lengths = list(shape[:split]) + list(shape[len(shape) - tail :] if tail else [])
    for word, length in zip(words, lengths):
        if word.isdigit():
            if int(word) != length:
                return wrong
        elif known.setdefault(word, length) != length:
            return f"its shape is {shape}, where {word} of {pattern} is {known[word]} elsewhere"
    return None


class _Export:
    """A function with its inputs (before the `*`) and arguments (after it)."""

    def __init__(self, function, outputs, skip=0):
        self.function, self.doc = function, inspect.getdoc(function) or ""
        self.inputs, self.args = {}, None
        self.outputs = outputs or {}
        if function is object.__init__:
            return
        for parameter in list(inspect.signature(function).parameters.values())[skip:]:
            kind, said, optional = _unwrap(parameter.annotation)
            has_default = parameter.default is not parameter.empty
            if parameter.kind is parameter.KEYWORD_ONLY:
                schema = dict(said)
                if kind in JSON_TYPES:
                    schema["type"] = [JSON_TYPES[kind], "null"] if optional else JSON_TYPES[kind]
                if has_default:
                    schema["default"] = parameter.default
                self.args = {**(self.args or {}), parameter.name: schema}
            else:
                wire = {Json: "json", bytes: "bytes"}.get(kind, "tensor")
                entry = {"name": parameter.name, "kind": wire, **said}
                if has_default or optional:
                    entry["optional"] = True
                self.inputs[parameter.name] = entry

    def describe(self, name):
        schema = None
        if self.args is not None:
            required = [name for name, schema in self.args.items() if "default" not in schema]
            schema = {"type": "object", "properties": self.args, "required": required, "additionalProperties": False}
        outputs = [{"name": name, **said} for name, said in self.outputs.items()]
        return {"name": name, "doc": self.doc, "args": schema, "inputs": list(self.inputs.values()), "outputs": outputs}

    def take(self, place, args, fields):
        """The parameters of a call, held against ports and schemas."""
        given, axes = {}, {}
        for name, value in fields:
            entry = self.inputs.get(name)
            if entry is None:
                raise invalid(f"{place}: no input is called `{name}`: there is {', '.join(self.inputs) or 'none'}")
            got = {_values.Value_Tensor: "tensor", _values.Value_Json: "json"}.get(type(value), "bytes")
            if got != entry["kind"]:
                raise invalid(f"{place}: input `{name}` takes {entry['kind']}, but got {got}")
            if got == "tensor":
                given[name] = Tensor(value.value)
                wanted = entry.get("dtype")
                if wanted and given[name].dtype != wanted:
                    raise invalid(
                        f"{place}: input `{name}` takes a tensor of {wanted}, but got one of {given[name].dtype}"
                    )
                why = _misfit(axes, entry.get("shape", ""), given[name].shape)
                if why:
                    raise invalid(f"{place}: input `{name}`: {why}")
            else:
                given[name] = json.loads(value.value) if got == "json" else value.value
        for name, entry in self.inputs.items():
            if name not in given and not entry.get("optional"):
                raise invalid(f"{place}: input `{name}` is missing: it takes a {entry['kind']}")
        # In the order of the signature, not in that of the pipeline.
        return {name: given.get(name) for name in self.inputs}, self.check(place, json.loads(args or "{}") or {})

    def check(self, place, given):
        known = self.args or {}
        for name in given:
            if name not in known:
                there = f"there is {', '.join(known)}" if known else "it takes no args"
                raise invalid(f"{place}: args: unknown field `{name}`, {there}")
        checked = {}
        for name, schema in known.items():
            if name not in given:
                if "default" not in schema:
                    raise invalid(f"{place}: args: missing field `{name}`")
                checked[name] = schema["default"]
                continue
            value = given[name]
            types = schema.get("type", [])
            types = types if isinstance(types, list) else [types]
            if types and not any(CHECKS[kind](value) for kind in types):
                raise invalid(f"{place}: args.{name}: {json.dumps(value)} is no {' or '.join(types)}")
            number = CHECKS["number"](value)
            if number and value < schema.get("minimum", value):
                raise invalid(f"{place}: args.{name}: {value} is below {schema['minimum']}")
            if number and value > schema.get("maximum", value):
                raise invalid(f"{place}: args.{name}: {value} is above {schema['maximum']}")
            if "enum" in schema and value not in schema["enum"]:
                raise invalid(f"{place}: args.{name}: `{value}` is none of {', '.join(schema['enum'])}")
            checked[name] = value
        return checked

    def call(self, place, args, fields, owner=()):
        inputs, checked = self.take(place, args, fields)
        return self.function(*owner, *inputs.values(), **checked)


def _put(fields):
    out = []
    for name, value in (fields or {}).items():
        if value is None:
            continue
        if isinstance(value, Tensor):
            out.append((name, _values.Value_Tensor(value.handle)))
        elif isinstance(value, (bytes, bytearray)):
            out.append((name, _values.Value_Bytes(bytes(value))))
        else:
            try:
                out.append((name, _values.Value_Json(json.dumps(value, allow_nan=False))))
            except (TypeError, ValueError) as error:
                raise failed(f"output `{name}` is no JSON: {error}") from None
    return out


def _guarded(place, call):
    """Runs what the author wrote: an exception that is none of ours is the plugin's own failure, with its place."""
    try:
        try:
            return call()
        except PluginError:
            raise
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = " < ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(frames))
            raise failed(f"{place}: {type(error).__name__}: {error}; in {where}") from None
    except PluginError as error:
        raise Err(error.wire) from None


def _named(all, name, what, owner):
    if name not in all:
        raise Err(_types.Error_Invalid(f"{owner} has no {what} `{name}`: {', '.join(all)}"))
    return all[name]


def _describe():
    actors = []
    for name, (cls, _, create, methods) in _Registry.actors.items():
        made = create.describe(name)
        described = [export.describe(method) for method, export in methods.items()]
        actors.append({
            "name": name, "doc": inspect.getdoc(cls) or "", "args": made["args"], "inputs": made["inputs"],
            "methods": described,
        })  # fmt: skip
    tasks = [export.describe(name) for name, export in _Registry.tasks.items()]
    return json.dumps({
        "name": _Registry.name, "version": _Registry.version, "tasks": tasks, "actors": actors,
        "requests": {"mounts": _Registry.mounts},
    })  # fmt: skip


def _run(name, args, inputs):
    export = _named(_Registry.tasks, name, "task", _Registry.name)
    place = f"task `{name}`"
    return _guarded(place, lambda: _put(export.call(place, args, inputs)))
