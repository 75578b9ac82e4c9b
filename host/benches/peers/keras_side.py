"""Keras on TensorFlow, through `fit` and `evaluate` as its users write them.

Variants `fit` and `plain` differ in the environment alone: oneDNN, off by default on some
processors, is forced on for `fit` and off for `plain` (TF_ENABLE_ONEDNN_OPTS). It is faster with it.
Only the loops are timed, not their preparation.
"""

import os
import time

from side import ADAM, IMAGE, SGD, arguments, first, layers, serve, snippet

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


def optimizer(name):
    """The optimizer of this name."""
    if name == "adam":
        return keras.optimizers.Adam(ADAM["rate"], epsilon=ADAM["epsilon"])
    return keras.optimizers.SGD(SGD["rate"], momentum=SGD["momentum"], nesterov=True)


class Keras:
    """A model and its data; each public method answers the request of its name."""

    def __init__(self, args):
        self.args = args
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        keras.utils.set_random_seed(args.seed)
        self.model = keras.Sequential(
            [keras.Input(IMAGE), *(layer(**entry) for entry in layers(args))]
        )
        self.model.compile(
            optimizer=optimizer(args.optimizer),
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

    def step(self, data):
        return self.epoch(data, self.args.batch)

    def epoch(self, data, count, shuffle=True):
        clock, (x, y) = Clock(), first(data, count)
        self.model.fit(
            x, y, batch_size=self.args.batch, shuffle=shuffle, verbose=0, callbacks=[clock]
        )
        return {"seconds": clock.seconds, "images": count}

    def evaluate(self, data, count, batch):
        clock, (x, y) = Clock(), first(data, count)
        loss, accuracy = self.model.evaluate(x, y, batch_size=batch, verbose=0, callbacks=[clock])
        return {"seconds": clock.seconds, "images": count, "loss": loss, "accuracy": accuracy}

    def losses(self, data, steps):
        """The loss of each of the first steps, in the order of the file."""
        losses, batch = [], self.args.batch
        x, y = first(data, steps * batch)
        for i in range(0, steps * batch, batch):
            self.model.reset_metrics()
            loss, _ = self.model.train_on_batch(x[i : i + batch], y[i : i + batch])
            losses.append(float(loss))
        return {"losses": losses}

    def predict(self, data, count):
        logits = self.model.predict(first(data, count)[0], batch_size=128, verbose=0)
        return {"probabilities": keras.ops.softmax(logits).numpy().ravel().tolist()}

    def load(self, path):
        snippet(self.args, "Keras")["load_mobula"](self.model, path)
        return {}

    def save(self, path):
        snippet(self.args, "Keras")["save_mobula"](self.model, path)
        return {}


serve(Keras(arguments()))
