"""Random rows of a data set, without replacement: the plugin `subset`, in Python. The host copies the rows:
no pixel enters this plugin."""

from mobula import Annotated, Random, Tensor, arg, context, invalid, plugin, port, task

plugin("subset-python", "0.1.0")


@task(
    outputs={
        "images": port("Rows of `images`, as many as `size`."),
        "labels": port("The same rows of `labels`, where there are labels."),
    }
)
def subset(
    images: Tensor,
    labels: Tensor | None = None,
    *,
    size: Annotated[int, arg("How many rows.", min=0)],
    stratified: Annotated[bool, arg("Take of each label its share, by the largest remainder.")] = False,
    seed: Annotated[int | None, arg("Another seed than that of the stage.")] = None,
):
    """Take `size` random rows of a data set, without replacement."""
    count = images.rows
    if labels is not None and labels.rows != count:
        raise invalid(f"{count} rows of images, but {labels.rows} of labels")
    if size > count:
        raise invalid(f"size {size} of only {count} rows")
    random = Random(context.seed() if seed is None else seed)
    if not stratified:
        chosen = choose(list(range(count)), size, random)
    elif labels is None:
        raise invalid("stratified needs the input `labels`")
    elif labels.dtype in ("f32", "f64"):
        raise invalid(f"labels of {labels.dtype}: stratified needs whole numbers")
    else:
        chosen = stratify(labels.values(), size, random)
    return {"images": images.gather(chosen), "labels": labels and labels.gather(chosen)}


def choose(rows, size, random):
    """The first `size` places of a Fisher-Yates shuffle."""
    for i in range(size):
        other = i + random.below(len(rows) - i)
        rows[i], rows[other] = rows[other], rows[i]
    return rows[:size]


def stratify(labels, size, random):
    """Of each label its share of `size`, in random order."""
    by_label = {}
    for row, label in enumerate(labels):
        by_label.setdefault(label, []).append(row)
    groups = [rows for _, rows in sorted(by_label.items())]
    shares = [divmod(len(rows) * size, len(labels)) for rows in groups]
    quotas = [whole for whole, _ in shares]
    order = sorted(range(len(groups)), key=lambda i: -shares[i][1])
    for i in order[: size - sum(quotas)]:
        quotas[i] += 1
    chosen = []
    for rows, quota in zip(groups, quotas):
        chosen += choose(rows, quota, random)
    return choose(chosen, size, random)
