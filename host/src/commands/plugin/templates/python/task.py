"""The plugin `{{name}}`: say here what it is for."""

from array import array

from mobula import Annotated, Tensor, TensorBuilder, arg, context, plugin, port, task

plugin("{{name}}", "0.1.0")


@task(outputs={"images": port("The pixels as numbers.", dtype="f32")})
def {{ident}}(
    images: Annotated[Tensor, port(dtype="u8", shape="[N, …]")],
    *,
    factor: Annotated[float, arg("What each pixel is multiplied by.", min=0)] = 1.0,
):
    """Turn pixels into numbers, and multiply them."""
    scaled = TensorBuilder("f32", images.shape[1:], images.rows)
    # Part by part: images of any size need little memory here.
    for start, rows, values in images.parts():
        scaled.push(array("f", (value * factor for value in values)))
        context.progress(start + rows, images.rows)
    return {"images": scaled.finish()}
