"""Tells schemathesis how a component is sent: as the bytes that it made up."""

import schemathesis


@schemathesis.serializer("application/wasm")
def component(_, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
