"""PyTorch with a loop as its users write it, in three variants.

`nchw`           eager, in PyTorch's own order of channels
`channels_last`  eager, in the order that its CPU kernels prefer
`compile`        the same through torch.compile (Inductor, which needs a C++ compiler)

All have the fused optimizer, and the bench tells the allocator to keep freed pages (MALLOC_* in the
environment), which is faster.
"""

import functools
import time

import torch
from torch import nn

from side import ADAM, SGD, arguments, images, layers, serve, snippet


def network(entries):
    """Our layers; inputs of stride 2 are padded at the end alone, as Keras' "same" does it."""
    modules, height, channels, flat = [], 32, 3, None
    for entry in entries:
        match entry["kind"]:
            case "conv":
                stride = entry.get("stride", 1)
                if stride == 2:
                    modules.append(nn.ZeroPad2d((0, 1, 0, 1)))
                padding = 1 if stride == 1 else 0
                modules.append(nn.Conv2d(channels, entry["filters"], 3, stride, padding))
                height, channels = height // stride, entry["filters"]
            case "batch_norm":
                norm = nn.BatchNorm2d if flat is None else nn.BatchNorm1d
                modules.append(norm(flat or channels, eps=1e-3, momentum=0.01))
            case "relu":
                modules.append(nn.ReLU(inplace=True))
            case "leaky_relu":
                modules.append(nn.LeakyReLU(0.3, inplace=True))
            case "max_pool":
                modules.append(nn.MaxPool2d(2))
                height //= 2
            case "dropout":
                modules.append(nn.Dropout(entry["rate"]))
            case "flatten":
                modules.append(nn.Flatten())
                flat = height * height * channels
            case "dense":
                modules.append(nn.Linear(flat, entry["units"]))
                flat = entry["units"]
            case kind:
                raise ValueError(kind)
    return nn.Sequential(*modules)


def optimizer(name, parameters):
    """The optimizer of this name, in one kernel for all parameters."""
    if name == "adam":
        return torch.optim.Adam(parameters, lr=ADAM["rate"], eps=ADAM["epsilon"], fused=True)
    rate, momentum = SGD["rate"], SGD["momentum"]
    return torch.optim.SGD(parameters, lr=rate, momentum=momentum, nesterov=True, fused=True)


class Torch:
    """A model and its data; each public method answers the request of its name."""

    def __init__(self, args):
        self.args = args
        torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        nchw = args.variant == "nchw"
        self.format = torch.contiguous_format if nchw else torch.channels_last
        self.model = network(layers(args)).to(memory_format=self.format)
        self.optimizer = optimizer(args.optimizer, self.model.parameters())
        self.loss = nn.CrossEntropyLoss()
        compiled = args.variant == "compile"
        self.run = torch.compile(self.model, dynamic=False) if compiled else self.model

    @functools.cache
    def _images(self, data):
        x, y = images(data)
        x = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self.format)
        return x, torch.from_numpy(y)

    def _first(self, data, count):
        x, y = self._images(data)
        assert count <= len(x)
        return x[:count], y[:count]

    def describe(self):
        buffers = [b for b in self.model.buffers() if b.is_floating_point()]
        capability = torch.backends.cpu.get_cpu_capability()
        onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
        return {
            "parameters": sum(t.numel() for t in [*self.model.parameters(), *buffers]),
            "versions": f"torch {torch.__version__}",
            "settings": f"{torch.get_num_threads()} threads, {onednn}, {capability}, fused {self.args.optimizer}",
        }

    def _step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.run(x)
        loss = self.loss(logits, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (logits.detach().argmax(1) == y).sum()

    def step(self, data):
        return self.epoch(data, self.args.batch)

    def epoch(self, data, count, shuffle=True):
        self.model.train()
        x, y = self._first(data, count)
        begun = time.perf_counter()
        order = torch.randperm(count) if shuffle else torch.arange(count)
        loss, hits = 0.0, 0
        for batch in order.split(self.args.batch):
            xs = x[batch].contiguous(memory_format=self.format)
            score = self._step(xs, y[batch])
            loss, hits = loss + score[0] * len(batch), hits + score[1]
        # As every user reads them, and with them waits for all work.
        _ = float(loss) / count, int(hits) / count
        return {"seconds": time.perf_counter() - begun, "images": count}

    def evaluate(self, data, count, batch):
        self.model.eval()
        x, y = self._first(data, count)
        begun = time.perf_counter()
        loss, hits = 0.0, 0
        with torch.inference_mode():
            for xs, ys in zip(x.split(batch), y.split(batch)):
                logits = self.run(xs)
                loss += self.loss(logits, ys) * len(ys)
                hits += (logits.argmax(1) == ys).sum()
        loss, accuracy = float(loss) / count, int(hits) / count
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "images": count, "loss": loss, "accuracy": accuracy}

    def losses(self, data, steps):
        """The loss of each of the first steps, in the order of the file."""
        self.model.train()
        x, y = self._first(data, steps * self.args.batch)
        batches = zip(x.split(self.args.batch), y.split(self.args.batch))
        return {"losses": [float(self._step(xs, ys)[0]) for xs, ys in batches]}

    def predict(self, data, count):
        self.model.eval()
        with torch.inference_mode():
            logits = self.model(self._first(data, count)[0])
        return {"probabilities": logits.softmax(1).flatten().tolist()}

    def load(self, path):
        snippet(self.args, "PyTorch")["load_mobula"](self.model, path)
        return {}

    def save(self, path):
        snippet(self.args, "PyTorch")["save_mobula"](self.model, path)
        return {}


serve(Torch(arguments()))
