"""What real receivers add to a band, and what they make of strong and weak signals in it."""

import numpy as np
import pytest

from boltmod.runtime.cut.channel import keying
from boltmod.runtime.cut.channel.front_end import clean, constant
from boltmod.runtime.cut.listener import Listener, find_signals
from boltmod.runtime.cut.signal import Constraints
from hand_made_signals import BPSK, QPSK, Held, N, linear, noise, shifted


def keyed(rng, n, period, start=0, centre=0.1):
    """A carrier that is on and off at random, a preamble first, from a sample on."""
    n_bits = n // period
    bits = np.concatenate([np.arange(8) % 2, rng.integers(0, 2, n_bits)])[:n_bits]
    wave = np.zeros(N, np.complex128)
    wave[start : start + n_bits * period] = np.repeat(bits, period)
    return shifted(wave, centre)


def heard(wave, constraints=None):
    return find_signals(Held(wave), constraints)


def test_a_strong_burst_upon_a_weak_steady_line_is_found():
    rng = np.random.default_rng(1)
    wander = np.cumsum(rng.standard_normal(N)) * 0.02
    line = 0.1 * np.exp(2j * np.pi * (0.105 * np.arange(N) + wander))
    wave = keyed(rng, 60_000, 100, 40_000) * 3 + line + noise(rng, N, 0.1)
    each = heard(wave)[0]
    assert each.carrier_hz == pytest.approx(0.1, abs=3e-4)
    assert each.symbol_rate_hz == pytest.approx(0.01, rel=0.005)
    assert 40_000 - 2048 < each.spans[0][0] < each.spans[-1][1] < 100_000 + 2048


@pytest.mark.parametrize("image", [0.05, 0.2])
def test_an_overloaded_receiver_s_carrier_is_the_strongest_line(image):
    rng = np.random.default_rng(2)
    wave = keyed(rng, 120_000, 80, 30_000, 0.15) + noise(rng, N, 0.004)
    wave = wave + image * wave.conj()
    clipped = wave.real.clip(-0.4, 0.4) + 1j * wave.imag.clip(-0.4, 0.4)
    (each,) = heard(clipped)
    assert each.carrier_hz == pytest.approx(0.15, abs=5e-4)
    assert each.symbol_rate_hz == pytest.approx(1 / 80, rel=0.005)
    assert each.evidence.carrier == "the strongest line while it is on"


def test_tones_far_apart_lie_in_the_channel():
    rng = np.random.default_rng(3)
    tones = np.repeat(rng.choice([-0.15, 0.15], N // 80), 80) + 0.05
    wave = np.exp(2j * np.pi * np.cumsum(tones)) + noise(rng, N, 0.1)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.05, abs=1e-3)
    assert each.evidence.n_tones == 2
    assert each.evidence.frequency_deviation_hz == pytest.approx(0.15, rel=0.02)
    assert each.evidence.power_share > 0.8
    windows = [len(windows.samples) for windows in Listener()(Held(wave))]
    assert sum(windows) > 10


def voice(rng, n):
    """Noise from 0.002 to 0.08 cycles a sample in syllables, of peak 1."""
    taps = np.hanning(25) / np.hanning(25).sum()
    sound = np.convolve(rng.standard_normal(n), taps, "same")
    slow = np.repeat(rng.uniform(0.2, 1, n // 2000 + 1), 2000)[:n]
    sound = (sound - np.convolve(sound, np.ones(501) / 501, "same")) * slow
    return (sound / np.quantile(abs(sound), 0.999)).clip(-1, 1)


@pytest.mark.parametrize("depth", [0.3, 0.6, 0.9])
def test_a_carrier_with_a_voice_is_a_signal(depth):
    rng = np.random.default_rng(4)
    wave = shifted(1 + depth * voice(rng, N), 0.1) + noise(rng, N, 0.03)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.1, abs=1e-4)
    assert not each.symbol_rate_is_sure
    assert each.bandwidth_hz > 0.01


@pytest.mark.parametrize("has_pauses", [False, True])
def test_two_amplitudes_neither_of_them_nothing_are_a_signal(has_pauses):
    rng = np.random.default_rng(5)
    levels = np.repeat(rng.choice([0.5, 1.0], N // 100), 100)
    if has_pauses:
        levels = levels * (np.arange(N) % 40_000 < 20_000)
    (each,) = heard(shifted(levels, 0.02) + noise(rng, N, 0.05))
    assert each.symbol_rate_hz == pytest.approx(0.01, rel=0.005)
    assert each.evidence.keying == "amplitude"
    assert each.evidence.low_amplitude == pytest.approx(0.5, abs=0.05)


def test_a_bare_carrier_is_said_to_be_one():
    rng = np.random.default_rng(6)
    wave = shifted(np.ones(N), 0.123) + noise(rng, N, 0.3)
    listener = Listener()
    assert not list(listener(Held(wave)))
    (carrier,) = listener.carriers
    assert carrier.offset_hz == pytest.approx(0.123, abs=1e-3)
    assert carrier.snr_db > 20


@pytest.mark.parametrize("kind", ["a tone", "nothing"])
def test_what_is_given_is_obeyed(kind):
    rng = np.random.default_rng(7)
    wave = noise(rng, N, 0.1) + (kind == "a tone") * shifted(np.ones(N), 0.2)
    (each,) = heard(wave, Constraints(0.2, 0.05, 0.04))
    known = (each.offset_hz, each.carrier_hz, each.bandwidth_hz, each.symbol_rate_hz)
    assert known == pytest.approx((0.2, 0.2, 0.05, 0.04))


@pytest.mark.parametrize("level_db", [-10, 0, 10])
@pytest.mark.parametrize("centre", [0.0003, 0.03])
def test_a_spike_at_0_hz_is_taken_out(level_db, centre):
    rng = np.random.default_rng(8)
    wave = shifted(linear(rng, N, 0.1, QPSK), centre) + noise(rng, N, 0.2)
    (each,) = heard(wave + 10 ** (level_db / 20) * np.exp(0.7j))
    assert each.carrier_order == 4
    assert each.carrier_hz == pytest.approx(centre, abs=2e-4)
    assert each.symbol_rate_hz == pytest.approx(0.1, rel=1e-3)


def test_a_spike_s_level_is_told_and_a_carrier_of_its_own_stays():
    rng = np.random.default_rng(9)
    hiss = noise(rng, N, 0.2)
    spike = clean((linear(rng, N, 0.1, QPSK) + 0.5j + hiss).astype(np.complex64)).spike
    assert spike == pytest.approx(0.5j, abs=0.02)
    speech = 1 + 0.5 * voice(rng, N)
    assert clean((speech + hiss).astype(np.complex64)).spike == 0
    on_off = np.repeat(rng.integers(0, 2, N // 100), 100)
    assert clean((on_off + hiss).astype(np.complex64)).spike == 0


@pytest.mark.parametrize("filling", [0.0, -1 - 1j])
def test_samples_that_do_not_change_are_no_reception(filling):
    rng = np.random.default_rng(10)
    wave = shifted(linear(rng, N, 0.1, QPSK), 0.1) + noise(rng, N, 0.3)
    wave[:50_000] = wave[150_000:160_000] = filling
    (each,) = heard(wave)
    in_band_db = 10 * np.log10(1 / (0.09 * 0.13))
    assert each.snr_db == pytest.approx(in_band_db, abs=2)
    assert each.spans[0][0] == pytest.approx(50_000, abs=1024)
    assert sum(b - a for a, b in each.spans) == pytest.approx(140_000, abs=4096)


def test_a_short_run_of_equal_samples_is_reception():
    wave = np.round(noise(np.random.default_rng(11), 10_000, 0.5)).astype(np.complex64)
    wave[5000:5080] = 1
    assert np.flatnonzero(constant(wave, 64))[[0, -1]] == pytest.approx([5000, 5079], abs=4)


def test_impulses_hide_nothing_and_are_no_signals():
    rng = np.random.default_rng(12)
    wave = shifted(linear(rng, N, 0.1, BPSK), 0.1) + noise(rng, N, 0.2)
    for start in rng.integers(0, N - 10, 30):
        wave[start : start + 4] += 300 * noise(rng, 4, 1.0)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.1, abs=1e-4)
    assert each.symbol_rate_hz == pytest.approx(0.1, rel=1e-3)


def test_a_loud_start_hides_nothing_and_is_no_signal():
    rng = np.random.default_rng(13)
    wave = keyed(rng, 80_000, 100, 60_000) + noise(rng, N, 0.1)
    wave[:3000] *= 300
    (each,) = heard(wave.real.clip(-2, 2) + 1j * wave.imag.clip(-2, 2))
    assert each.carrier_hz == pytest.approx(0.1, abs=3e-4)
    assert each.spans[0][0] == pytest.approx(60_000, abs=2048)


def test_short_pulses_are_no_impulses():
    rng = np.random.default_rng(14)
    wave = np.zeros(N)
    starts = np.cumsum(rng.choice([240, 480], N // 500))
    for start in starts[starts < N - 1000]:
        wave[start : start + 12] = 1
    samples = (shifted(wave, 0.1) + noise(rng, N, 0.01)).astype(np.complex64)
    assert clean(samples).n_blanked == 0


def test_more_gain_for_a_while_is_no_signal():
    rng = np.random.default_rng(15)
    hiss = noise(rng, N, 1.0)
    hiss[80_000:120_000] *= 1.6
    wave = hiss + 6 * keyed(rng, 40_000, 100, 130_000)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.1, abs=3e-4)


def test_the_harmonics_of_a_clipped_burst_are_not_listed():
    rng = np.random.default_rng(16)
    wave = keyed(rng, 120_000, 100, 30_000, 0.13) + noise(rng, N, 0.005)
    clipped = wave.real.clip(-0.5, 0.5) + 1j * wave.imag.clip(-0.5, 0.5)
    (each,) = heard(clipped)
    assert each.carrier_hz == pytest.approx(0.13, abs=3e-4)


@pytest.mark.parametrize(("deviation", "period"), [(0.14, 26), (0.15, 52)])
def test_tones_far_apart_in_short_packets_are_one_signal(deviation, period):
    # Both are off in the pauses, which must not hide that they take turns in the packets.
    rng = np.random.default_rng(21)
    wave = np.zeros(N, np.complex128)
    for start in (12_000, 23_800, 31_000):
        tones = np.repeat(rng.choice([-deviation, deviation], 3200 // period), period)
        wave[start : start + len(tones)] = np.exp(2j * np.pi * np.cumsum(tones))
    (each,) = heard(shifted(wave, -0.05) + noise(rng, N, 0.3))
    assert each.evidence.n_tones == 2
    assert each.symbol_rate_hz == pytest.approx(1 / period, rel=0.005)


def test_a_broadcast_that_fills_the_band_is_more_than_its_carrier():
    # Its sidebands are gone in the pauses, and as wide as the band while somebody speaks.
    rng = np.random.default_rng(22)
    taps = np.hanning(5) / np.hanning(5).sum()
    sound = np.convolve(rng.standard_normal(N), taps, "same")
    sound *= np.repeat(rng.choice([0.0, 0.1, 0.2], N // 3000 + 1), 3000)[:N]
    wave = shifted(1 + sound, 0.01) + noise(rng, N, 0.003)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.01, abs=1e-4)
    assert each.bandwidth_hz > 0.3
    listener = Listener()
    list(listener(Held(shifted(np.ones(N), 0.01) + noise(rng, N, 0.003))))
    assert not listener.signals
    assert len(listener.carriers) == 1


def test_the_sidelobes_of_fast_keying_are_not_listed():
    rng = np.random.default_rng(23)
    wave = np.zeros(N, np.complex128)
    wave[20_000:29_600] = np.repeat(rng.integers(0, 2, 400), 24)
    (each,) = heard(shifted(wave, 0.02) + noise(rng, N, 0.02))
    assert each.carrier_hz == pytest.approx(0.02, abs=2e-3)


def test_a_packet_of_few_pulses_has_a_window():
    """Of eight samples a symbol it fills no quarter of one."""
    rng = np.random.default_rng(14)
    wave = keyed(rng, 20 * 100, 100, 60_000) + noise(rng, N, 0.05)
    (windows,) = Listener()(Held(wave))
    assert windows.signal.evidence.keying == "on-off"
    assert windows.samples.shape == (1, 1024)
    (span,) = windows.signal.spans
    assert 256 <= (span[1] - span[0]) * 1024 / windows.count < 512


def test_keying_by_hand_in_noise_is_keying():
    rng = np.random.default_rng(24)
    lengths = rng.choice([200, 600], 60) * rng.uniform(0.9, 1.1, 60)
    places = np.cumsum(lengths).astype(int)
    is_on = np.searchsorted(places, np.arange(places[-1]), side="right") % 2 == 0
    wave = is_on + noise(rng, len(is_on), 0.6)
    found = keying.measure(wave.astype(np.complex64))
    assert found is not None
    assert not found.is_frequency
    assert not found.is_clocked
    assert 55 <= found.n_edges <= 65


@pytest.mark.parametrize("product", [0.3, 0.5])
def test_two_tones_under_a_gaussian_pulse_are_not_four(product):
    rng = np.random.default_rng(25)
    period, width = 7, 7 * np.sqrt(np.log(2)) / (2 * np.pi * product)
    pulse = np.exp(-0.5 * (np.arange(-21, 22) / width) ** 2)
    pulses = np.convolve(
        np.repeat(rng.choice([-1.0, 1.0], 800), period), pulse / pulse.sum(), "same"
    )
    two = keying.kept_levels(pulses, period)
    assert two is not None
    assert len(two) == 2
    four = keying.kept_levels(np.repeat(rng.choice([-3.0, -1, 1, 3], 800), period), period)
    assert four == pytest.approx([-3, -1, 1, 3])


def test_sound_upon_a_frequency_is_no_four_tones():
    """Two tones of sound, 5.5 and 3.3 samples of its apparent symbols each."""
    rng = np.random.default_rng(26)
    period = 12
    tones = np.repeat(rng.choice([1 / 6, 0.3055], 300), 72) / period
    sound = np.sin(2 * np.pi * np.cumsum(tones))
    assert keying.kept_levels(sound, period) is None
    four = keying.kept_levels(np.repeat(rng.choice([-3.0, -1, 1, 3], 300), period), period)
    assert four == pytest.approx([-3, -1, 1, 3])


def test_a_carrier_that_overloads_the_converter_is_reception():
    rng = np.random.default_rng(31)
    bits = np.repeat(np.arange(60) % 2, rng.choice([500, 1500], 60))
    wave = np.zeros(N, np.complex128)
    wave[: len(bits)] = bits
    wave = 30 * shifted(wave, 0.0005) + noise(rng, N, 0.02)
    clipped = np.clip(wave.real, -1, 1) + 1j * np.clip(wave.imag, -1, 1)
    assert not constant(clipped, 64).any()
    (each,) = heard(clipped)
    assert each.evidence.keying == "on-off"
    assert each.carrier_hz == pytest.approx(0.0005, abs=1e-3)


def test_pauses_without_a_step_of_noise_are_pauses():
    rng = np.random.default_rng(32)
    wave = keyed(rng, 100_000, 400, 40_000)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.1, abs=2e-4)
    assert each.symbol_rate_hz == pytest.approx(1 / 400, rel=0.005)


def test_a_step_of_gain_beside_a_signal_is_no_signal():
    rng = np.random.default_rng(33)
    wave = keyed(rng, 120_000, 100, 40_000) * 0.5 + noise(rng, N, 0.3)
    wave = np.convolve(wave, np.hanning(5) / 2, "same")
    wave[:80_000] *= 10 ** (5 / 20)
    (each,) = heard(wave)
    assert each.carrier_hz == pytest.approx(0.1, abs=1e-3)


def test_signals_below_a_receiver_s_passband_are_found():
    rng = np.random.default_rng(34)
    taps = np.sinc(0.74 * np.arange(-60, 61)) * np.hanning(121)
    wave = noise(rng, N, 1.0) + 0.3 * shifted(linear(rng, N, 0.02, QPSK), 0.1) * 3
    wave = np.convolve(wave, taps, "same") + noise(rng, N, 0.02)
    assert any(abs(each.carrier_hz - 0.1) < 2e-3 for each in heard(wave) if each.carrier_hz)


@pytest.mark.parametrize("snr_db", [6, 9])
def test_a_weak_narrow_signal_is_no_wider_than_it_is(snr_db):
    rng = np.random.default_rng(35)
    width = 1.35 * 0.004
    wave = shifted(linear(rng, N, 0.004, QPSK), 0.2)
    wave[:60_000] = wave[160_000:] = 0
    (each,) = heard(wave + noise(rng, N, 10 ** (-snr_db / 20) / np.sqrt(width)))
    assert each.bandwidth_hz == pytest.approx(width, rel=0.35)
