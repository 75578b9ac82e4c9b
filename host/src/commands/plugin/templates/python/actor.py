"""The plugin `{{name}}`: say here what it is for."""

from mobula import Annotated, Tensor, actor, arg, context, plugin, port

plugin("{{name}}", "0.1.0")

TOTAL = {"rows": port("Rows.", kind="json"), "sum": port("The sum of their pixels.", kind="json")}


@actor(outputs={"add": TOTAL, "total": TOTAL})
class {{class}}:
    """Sums pixels over many calls."""

    def __init__(self, *, start: Annotated[int, arg("What the sum begins with.", min=0)] = 0):
        # Attributes are what is kept from call to call, and saved with a checkpoint.
        self.rows = 0
        self.sum = start

    def add(self, images: Annotated[Tensor, port(dtype="u8", shape="[N, …]")]):
        """Take in more images."""
        # Part by part: images of any size need little memory here.
        for _, rows, values in images.parts():
            self.rows += rows
            self.sum += sum(values)
        context.metric("sum", self.rows, self.sum)
        return self.total()

    def total(self):
        """What was seen so far."""
        return {"rows": self.rows, "sum": self.sum}
