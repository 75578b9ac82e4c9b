"""Keras on TensorFlow, through `fit` and `evaluate` as its users write them.

Variant `fit`. oneDNN's kernels are off by default on some processors; the bench sets
TF_ENABLE_ONEDNN_OPTS=1, which is faster. Only the loops are timed, not their preparation.
"""

import os
import time

from side import IMAGE, arguments, images, layers, serve, snippet

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import tensorflow as tf
from keras import layers as kl


class Clock(keras.callbacks.Callback):
    """Takes the time of an epoch or an evaluation."""

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begun

    def on_test_begin(self, logs=None):
        self.begun = time.perf_counter()

    def on_test_end(self, logs=None):
        self.seconds = time.perf_counter() - self.begun


def layer(kind, **with_):
    """The Keras layer of one entry of a network file."""
    match kind:
        case "conv":
            return kl.Conv2D(with_["filters"], 3, strides=with_.get("stride", 1), padding="same")
        case "batch_norm":
            return kl.BatchNormalization(momentum=0.99, epsilon=1e-3)
        case "relu":
            return kl.ReLU()
        case "leaky_relu":
            return kl.LeakyReLU(negative_slope=0.3)
        case "max_pool":
            return kl.MaxPooling2D(2)
        case "dropout":
            return kl.Dropout(with_["rate"])
        case "flatten":
            return kl.Flatten()
        case "dense":
            return kl.Dense(with_["units"])
        case "global_avg_pool":
            return kl.GlobalAveragePooling2D()
    raise ValueError(kind)


class Keras:
    """A model and its data; each public method answers the request of its name."""

    def __init__(self, args):
        self.args = args
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        keras.utils.set_random_seed(args.seed)
        self.x, self.y = images(args.data)
        self.model = keras.Sequential(
            [keras.Input(IMAGE), *(layer(**entry) for entry in layers(args))]
        )
        self.model.compile(
            optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-7),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )

    def describe(self):
        onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        return {
            "parameters": self.model.count_params(),
            "versions": f"keras {keras.__version__}, tensorflow {tf.__version__}",
            "settings": f"fit, {threads} intra-op threads, oneDNN {onednn}",
        }

    def step(self):
        return self.epoch(self.args.batch)

    def epoch(self, images, shuffle=True):
        clock = Clock()
        x, y, batch = self.x[:images], self.y[:images], self.args.batch
        self.model.fit(x, y, batch_size=batch, shuffle=shuffle, verbose=0, callbacks=[clock])
        return {"seconds": clock.seconds, "images": images}

    def evaluate(self, images, batch):
        """Of the images to train on: for the time alone."""
        return self._evaluate(self.x[:images], self.y[:images], batch)

    def test(self):
        return self._evaluate(*globals()["images"](self.args.test), 128)

    def _evaluate(self, x, y, batch):
        clock = Clock()
        loss, accuracy = self.model.evaluate(x, y, batch_size=batch, verbose=0, callbacks=[clock])
        return {"seconds": clock.seconds, "images": len(x), "loss": loss, "accuracy": accuracy}

    def losses(self, steps):
        """The loss of each of the first steps, in the order of the file."""
        losses = []
        for i in range(0, steps * self.args.batch, self.args.batch):
            self.model.reset_metrics()
            batch = slice(i, i + self.args.batch)
            losses.append(float(self.model.train_on_batch(self.x[batch], self.y[batch])[0]))
        return {"losses": losses}

    def predict(self, count):
        x, _ = images(self.args.test)
        logits = self.model.predict(x[:count], batch_size=128, verbose=0)
        return {"probabilities": keras.ops.softmax(logits).numpy().ravel().tolist()}

    def load(self, path):
        snippet(self.args, "Keras")["load_mobula"](self.model, path)
        return {}

    def save(self, path):
        snippet(self.args, "Keras")["save_mobula"](self.model, path)
        return {}


serve(Keras(arguments()))
