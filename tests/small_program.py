"""A program of every kind of step on frames of 64 samples, small enough to look at every wire."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from boltmod.integer import form
from boltmod.integer.form import FRAMES, Integers, Program
from boltmod.integer.receiver import level_integers
from boltmod.integer.steps import Growing, live_steps

LENGTH = 64


class _Net:
    """Steps with random numbers in them."""

    def __init__(self, seed: int, length: int = LENGTH) -> None:
        self.rng = np.random.default_rng(seed)
        self.growing, self.length = Growing(length), length

    def quantised(self, most: int) -> str:
        bounds = (np.full(2, -most - 1), np.full(2, most))
        thresholds = (np.arange(-most, most + 1) - 0.5).astype(np.float32) / 4
        return self.growing.add(
            form.Quantise, (FRAMES,), (2, self.length), bounds,
            thresholds=thresholds, lowest=-most - 1, scale=0.25,
        )  # fmt: skip

    def requantised(
        self, sources: tuple[str, ...], low: int, high: int, even: bool, scale: int = 1
    ) -> str:
        """Count thresholds that are evenly spaced, so that a multiplication exists, or not."""
        steps = [self.growing[name] for name in sources]
        n = steps[0].shape[0]
        coefficients = self.rng.choice([-3, -1, 1, 2], (len(sources), n))
        if even:
            coefficients = np.ones((len(sources), n), np.int64)
            if scale > 1:
                coefficients = self.rng.integers(scale // 2, scale, (len(sources), n))
        rows = []
        for channel in range(n):
            ends = [
                sorted((c * int(s.low[channel]), c * int(s.high[channel])))
                for c, s in zip(coefficients[:, channel].tolist(), steps, strict=True)
            ]
            least, most = sum(low for low, _ in ends), sum(high for _, high in ends)
            if even:
                row = np.ceil(np.linspace(least, most + 1, high - low + 2)[1:-1])
            else:
                row = np.sort(self.rng.integers(least, most + 2, high - low))
            rows.append(row.astype(np.int64))
        bounds = (np.full(n, low), np.full(n, high))
        return self.growing.add(
            form.Requantise, sources, steps[0].shape, bounds,
            coefficients=coefficients, thresholds=np.array(rows), lowest=low,
        )  # fmt: skip

    def rounded(self, source: str, low: int, high: int, shift: int) -> str:
        """Drop bits, rounding to the nearest level, ties to the even one."""
        step, levels = self.growing[source], np.arange(low + 1, high + 1)
        n = step.shape[0]
        row = levels * 2**shift - 2 ** (shift - 1) + levels % 2
        row = np.clip(row, step.range[0], step.range[1] + 1)
        return self.growing.add(
            form.Requantise, (source,), step.shape, (np.full(n, low), np.full(n, high)),
            coefficients=np.ones((1, n), np.int64), thresholds=np.tile(row, (n, 1)), lowest=low,
        )  # fmt: skip

    def weights(self, *shape: int) -> Integers:
        return self.rng.integers(-7, 8, shape) * (self.rng.random(shape) < 0.6)

    def power(self, x: str) -> str:
        g, length = self.growing, self.growing[x].shape[1]
        i, q = (g.move(x, (c, c + 1), 0, length) for c in (0, 1))
        return g.sum((g.product(i, i), g.product(q, q)), (1, 1))

    def instant(self, scores: str) -> str:
        n = self.growing[scores].shape[1]
        limits = np.where(np.arange(2 * n - 1) < n - 1, -1, 0)
        return self.growing.add(
            form.Instant, (scores,), (1, n), (np.zeros(1), np.ones(1)), limits=limits
        )

    def choose(self, x: str, at: str) -> str:
        step, kernel = self.growing[x], self.growing[at].shape[1]
        shape = (step.shape[0], step.shape[1] // kernel)
        return self.growing.add(form.Choose, (x, at), shape, (step.low, step.high), kernel=kernel)

    def level(self, x: str, power: str, most: int) -> str:
        step, strength = self.growing[x], self.growing[power]
        reach = (max(-step.range[0], step.range[1]), strength.range[1])
        worth = (Fraction(1, 16), Fraction(1, 50))
        found = level_integers(Fraction(1), worth, Fraction(1, 4), reach, most + 1)
        assert found is not None
        n = step.shape[0]
        return self.growing.add(
            form.Level, (x, power), step.shape, (np.full(n, -most - 1), np.full(n, most)),
            factor=found.factor, addend=found.addend, shift=found.shift, most=most,
        )  # fmt: skip

    def finished(self, x: str, name: str) -> Program:
        bias = self.rng.integers(-9, 9, 5)
        weights = self.weights(5, 1, self.growing[x].shape[1])
        how = {"stride": 1, "pad": 0, "groups": 1}
        scores = self.growing.convolve(x, weights, how, 1, bias)
        steps = live_steps(self.growing.steps, scores)
        return Program(name, tuple("abcde"), "unit_std", steps, Fraction(1), {})


def two_scale_program(seed: int) -> Program:
    """Sums of two convolutions of scales so far apart that their factors have twenty bits."""
    net = _Net(seed)
    g = net.growing
    x = net.quantised(127)
    how = {"stride": 4, "pad": 1, "groups": 1}
    x = net.requantised((g.convolve(x, net.weights(6, 2, 5), how, 16),), -64, 63, True)
    same = g.convolve(x, net.weights(6, 1, 3), {"stride": 1, "pad": 1, "groups": 6}, 16)
    other = g.convolve(x, net.weights(6, 6, 1), {"stride": 1, "pad": 0, "groups": 1}, 16)
    x = net.requantised((same, other), 0, 63, True, scale=1 << 20)
    x = net.requantised((g.total(x, 16, 16, 1, 1),), 0, 31, True)
    return net.finished(g.reshape(x, (1, 6)), "two scales")


def levelled_program(seed: int) -> Program:
    """Gain control alone, of more levels than a frame has clocks if four samples come at once."""
    net = _Net(seed)
    x = net.quantised(31)
    x = net.level(x, net.growing.total(net.power(x), LENGTH, LENGTH, 1, 1), 31)
    x = net.growing.total(x, LENGTH, LENGTH, 1, 1)
    return net.finished(net.growing.reshape(x, (1, 2)), "levelled")


def rounded_program(seed: int) -> Program:
    """Products of powers of two, whose levels' edges are met exactly, at three paces."""
    net = _Net(seed)
    g = net.growing
    x = net.rounded(net.power(net.quantised(7)), 0, 15, 3)
    x = net.rounded(
        g.convolve(x, net.weights(3, 1, 4), {"stride": 4, "pad": 0, "groups": 1}, 16), -8, 7, 4
    )
    x = net.rounded(g.total(x, 16, 16, 1, 1), -31, 31, 1)
    return net.finished(g.reshape(x, (1, 3)), "rounded")


def small_program(seed: int) -> Program:
    """Symbol timing, gain control, products with the past, convolutions, pools, a dense layer."""
    net = _Net(seed)
    g = net.growing
    x = net.quantised(7)
    x = g.total(g.move(x, (0, 2), -1, LENGTH + 3), 4, 1, 1, LENGTH)
    x = net.requantised((x,), -8, 7, True)
    sums = g.total(net.power(x), 16, 1, 4, 4)
    twice = g.sum((g.move(sums, (0, 1), 0, 6), g.move(sums, (0, 1), -2, 6)), (1, 1))
    around = g.total(twice, 2, 1, 1, 5)
    at = net.instant(g.move(around, (0, 1), 0, 4))
    later = g.move(x, (0, 2), 2, LENGTH)
    x = g.join((net.choose(x, at), net.choose(later, at)))
    x = net.requantised((x,), -8, 7, False)
    x = net.level(x, g.total(net.power(x), 16, 16, 1, 1), 7)
    past = g.move(x, (0, 1), -1, 16)
    lag = g.sum((g.product(g.move(x, (0, 1), 0, 16), past), g.move(x, (1, 2), 0, 16)), (1, -1))
    x = net.requantised((g.join((x, lag)),), -4, 3, False)
    how = {"stride": 1, "pad": 2, "groups": 1}
    x = net.requantised((g.convolve(x, net.weights(4, 5, 5), how, 16),), 0, 7, True)
    x = g.maximum(x, 2, 2, 8)
    same = g.convolve(x, net.weights(4, 1, 3), {"stride": 1, "pad": 1, "groups": 4}, 8)
    other = g.convolve(x, net.weights(4, 4, 1), {"stride": 1, "pad": 0, "groups": 1}, 8)
    both = net.requantised((same, other), 0, 7, False)
    x = g.sum((both, x), (1, 1))
    last = {"stride": 2, "pad": 1, "groups": 1}
    x = net.requantised((g.convolve(x, net.weights(3, 4, 3), last, 4),), 0, 7, True)
    x = g.join((g.maximum(x, 4, 1, 1), g.total(x, 4, 4, 1, 1)))
    x = net.requantised((x,), -8, 7, False)
    return net.finished(g.reshape(x, (1, 6)), "small")


def channelwise_program(seed: int) -> Program:
    """Convolutions channel by channel at two strides; weights all zero, one alone, far apart."""
    net = _Net(seed)
    g = net.growing
    x = net.quantised(7)
    how = {"stride": 2, "pad": 4, "groups": 2}
    x = net.requantised((g.convolve(x, net.weights(4, 1, 9), how, 32),), 0, 7, True)
    weights = net.weights(4, 1, 7)
    weights[0], weights[1], weights[2] = 0, [0, 0, 0, -7, 0, 0, 0], [-5, 0, 0, 0, 0, 0, 3]
    how = {"stride": 2, "pad": 3, "groups": 4}
    x = net.requantised((g.convolve(x, weights, how, 16, np.arange(4)),), -8, 7, True)
    how = {"stride": 1, "pad": 2, "groups": 4}
    x = g.convolve(x, net.weights(4, 1, 5), how, 16)
    x = net.requantised((g.total(x, 16, 16, 1, 1),), -31, 31, True)
    return net.finished(g.reshape(x, (1, 4)), "channelwise")


TURNS_LENGTH = 256
"""Samples of a frame of `turns_program`."""


def turns_program(seed: int) -> Program:
    """As the small one, of frames that fill eight lanes and of multiplications alone."""
    net, length = _Net(seed, TURNS_LENGTH), TURNS_LENGTH
    g = net.growing
    received = net.quantised(300)
    ahead = g.move(received, (0, 2), -1, length)
    sizes = [
        net.requantised((g.sum((received, ahead), signs),), 0, 63, True)
        for signs in ((1, -1), (-1, 1))
    ]
    size = g.total(g.sum(tuple(sizes), (1, 1)), 4, 4, 1, length // 4)
    x = g.total(g.move(received, (0, 2), -1, length + 3), 4, 1, 1, length)
    x = net.requantised((x,), -32, 31, True)
    sums = g.total(net.power(x), length // 4, 1, 4, 4)
    twice = g.sum((g.move(sums, (0, 1), 0, 6), g.move(sums, (0, 1), -2, 6)), (1, 1))
    around = g.total(twice, 2, 1, 1, 5)
    at = net.instant(g.move(around, (0, 1), 0, 4))
    later = g.move(x, (0, 2), 2, length)
    x = g.join((net.choose(x, at), net.choose(later, at)))
    length //= 4
    x = net.requantised((x,), -16, 15, True)
    x = net.level(x, g.total(net.power(x), length, length, 1, 1), 15)
    past = g.move(x, (0, 1), -1, length)
    lag = g.sum((g.product(g.move(x, (0, 1), 0, length), past), net.power(x)), (-1, 1))
    x = net.requantised((g.join((x, lag, size)),), -8, 7, True)
    how = {"stride": 1, "pad": 2, "groups": 1}
    x = net.requantised((g.convolve(x, net.weights(4, 7, 5), how, length),), 0, 7, True)
    length //= 2
    x = g.maximum(x, 2, 2, length)
    same = g.convolve(x, net.weights(4, 1, 3), {"stride": 1, "pad": 1, "groups": 4}, length)
    other = g.convolve(x, net.weights(4, 4, 1), {"stride": 1, "pad": 0, "groups": 1}, length)
    both = net.requantised((same, other), 0, 7, True)
    x = g.sum((both, x), (1, 1))
    length //= 2
    last = {"stride": 2, "pad": 1, "groups": 1}
    x = net.requantised((g.convolve(x, net.weights(5, 4, 3), last, length),), 0, 7, True)
    x = g.join((g.maximum(x, length, 1, 1), g.total(x, length, length, 1, 1)))
    x = net.requantised((x,), -8, 7, True)
    return net.finished(g.reshape(x, (1, 10)), "turns")


def turns_frames(n_frames: int, seed: int) -> Integers:
    """Quantised frames of several levels, one silent and one saturated."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 200, (n_frames, 1, 1))
    levels = np.rint(rng.normal(0, 1, (n_frames, 2, TURNS_LENGTH)) * size)
    levels = np.clip(levels, -301, 300).astype(np.int64)
    levels[1::5], levels[2::5] = 0, 300
    return levels


def small_frames(n_frames: int, seed: int) -> Integers:
    """Quantised frames: noise of several levels, one silent and one saturated."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(1, 6, (n_frames, 1, 1))
    levels = np.rint(rng.normal(0, 1, (n_frames, 2, LENGTH)) * size)
    levels = np.clip(levels, -8, 7).astype(np.int64)
    levels[1::5], levels[2::5] = 0, 7
    return levels
