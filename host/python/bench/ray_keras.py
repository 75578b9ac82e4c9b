"""The reference pipeline as a program of Ray and Keras would be written: tasks load and draw, an actor trains.

    python ray_keras.py DATA EPOCHS
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

BEGAN = time.perf_counter()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402,F401  Said at once where it is missing.
import numpy as np  # noqa: E402
import ray  # noqa: E402


@ray.remote(num_returns=4)
def load(folder):
    def read(files):
        rows = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])
        return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, 0].copy()

    return *read(sorted(Path(folder).glob("data_batch_*.bin"))), *read([Path(folder) / "test_batch.bin"])


@ray.remote(num_returns=2)
def subset(images, labels, size, seed):
    rows = np.random.default_rng(seed).permutation(len(images))[:size]
    return images[rows], labels[rows]


@ray.remote(num_cpus=0)
class Trainer:
    def __init__(self):
        # Ray leaves an actor one thread unless it reserves more; all of them are ours to compare with.
        os.environ["OMP_NUM_THREADS"] = str(os.cpu_count())
        import keras
        from keras import layers

        def block(filters):
            return [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]

        stack = [layers.Input((32, 32, 3)), layers.Rescaling(1 / 255)]
        for first, second in ((32, 32), (64, 128), (128, 128)):
            stack += [*block(first), *block(second), layers.MaxPooling2D(), layers.Dropout(0.25)]
        stack += [layers.Flatten(), layers.Dense(128), layers.BatchNormalization(), layers.ReLU()]
        stack += [layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
        self.net = keras.Sequential(stack)
        self.net.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def train_epoch(self, images, labels):
        began = time.perf_counter()
        self.net.fit(images, labels, batch_size=64, epochs=1, validation_split=0.1, verbose=0)
        return time.perf_counter() - began

    def evaluate(self, images, labels):
        loss, accuracy = self.net.evaluate(images, labels, verbose=0)
        return {"test_accuracy": float(accuracy), "test_loss": float(loss)}


def main():
    folder, epochs = sys.argv[1], int(sys.argv[2])
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    began = time.perf_counter()
    x_train, y_train, x_test, y_test = load.remote(folder)
    train, test = subset.remote(x_train, y_train, 5000, 7), subset.remote(x_test, y_test, 1000, 8)
    trainer = Trainer.remote()
    taken = [ray.get(trainer.train_epoch.remote(*train)) for _ in range(epochs)]
    result = ray.get(trainer.evaluate.remote(*test))
    run_s = time.perf_counter() - began
    row = {"side": "plain Ray + Keras", "run_s": run_s, "epoch_s": min(taken), "result": result}
    sys.stdout.write(json.dumps({**row, "process_s": time.perf_counter() - BEGAN}) + "\n")


if __name__ == "__main__":
    main()
