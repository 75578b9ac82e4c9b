"""The native trainer, as the command line's."""

import numpy as np
import mobula
import pytest



@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    labels = (np.arange(96) % 2).astype(np.uint8)
    pixels = rng.integers(0, 100, (96, 32, 32, 3), dtype=np.uint8)
    pixels[labels == 1] += 120
    return pixels, labels


def trainer(**more):
    return mobula.Trainer("strided-593k", seed=5, **more)


def test_what_is_easy_is_learned(data):
    pixels, labels = data
    net = trainer(threads=2)
    seen = []
    reports = [net.train_epoch(pixels, labels, batch_size=16, progress=lambda *at: seen.append(at)) for _ in range(4)]
    assert seen[:2] == [(16, 96), (32, 96)] and len(seen) == 24
    assert reports[-1]["accuracy"] > 0.9 and reports[-1]["epoch"] == 3 and net.epochs == 4
    found = net.evaluate(pixels, labels)
    shares = net.predict(pixels)
    assert shares.shape == (96, 10) and np.allclose(shares.sum(1), 1, atol=1e-5)
    assert found["accuracy"] == pytest.approx((shares.argmax(1) == labels).mean())
    assert [one["loss"] for one in net.history] == [one["loss"] for one in reports]


def test_a_snapshot_goes_on_as_if_nothing_had_been_between(data):
    first = trainer(threads=1)
    first.train_epoch(*data, batch_size=32)
    other = mobula.Trainer.restore(first.snapshot(), threads=2)
    assert other.state_digest() == first.state_digest()
    for net in (first, other):
        net.train_epoch(*data, batch_size=32)
    assert other.state_digest() == first.state_digest()
    fresh = trainer()
    assert fresh.state_digest() != first.state_digest()
    fresh.load_weights(first.weights())
    assert (fresh.predict(data[0]) == first.predict(data[0])).all()


def test_an_epoch_that_is_interrupted_leaves_nothing_behind(data):
    net = trainer()
    before = net.state_digest()

    def enough(done, total):
        if done >= 48:
            raise StopIteration(done)

    with pytest.raises(StopIteration):
        net.train_epoch(*data, batch_size=16, progress=enough)
    assert net.state_digest() == before and net.epochs == 0


def test_mistakes_are_told_in_the_words_of_the_command_line(data):
    pixels, labels = data
    for words, make in [
        ("model `resnet` is unknown", lambda: mobula.Trainer("resnet")),
        ("unknown field `learnin_rate`", lambda: mobula.Trainer(learnin_rate=1)),
        ("`learning_rate` is -1", lambda: mobula.Trainer(learning_rate=-1)),
        ("`batch_size` is 0", lambda: trainer().train_epoch(pixels, labels, batch_size=0)),
        ("must be a tensor of u8", lambda: trainer().evaluate(pixels.astype(np.float32), labels)),
        ("label 200 of image 0", lambda: trainer().evaluate(pixels, labels + np.uint8(200))),
    ]:
        with pytest.raises(mobula.Invalid, match=words):
            make()
    with pytest.raises(mobula.Damaged, match="the snapshot cannot be used"):
        mobula.Trainer.restore(b"nothing")
