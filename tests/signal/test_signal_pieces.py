"""Each piece of the generator by itself, against theory."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boltmod.errors import ConfigError
from boltmod.modulation import Modulation
from boltmod.signal import analog, channel, constellations, cpm, linear, pulses
from boltmod.signal.draws import block_seed, draw
from boltmod.signal.generator import generate
from boltmod.signal.profile import (
    TEXTBOOK,
    TWIN,
    AmplitudeModulation,
    FrequencyModulation,
    Gmsk,
    Message,
    Profile,
    parameters,
    profile_from,
)
from boltmod.signal.window import Window

ALPHABETS = [m for m in Modulation if constellations.is_linear(m)]
SIZES = (2, 4, 8, 2, 4, 8, 16, 32, 16, 32, 64, 128, 16, 32, 64, 128, 256, 4)
WINDOW = Window(n_outside=0)


@pytest.mark.parametrize(("modulation", "size"), list(zip(ALPHABETS, SIZES, strict=True)))
def test_alphabets_have_their_order_and_mean_power_one(modulation: Modulation, size: int) -> None:
    points = constellations.points(modulation, TWIN.linear.constellations)
    assert len(set(points.tolist())) == len(points) == size
    assert points.abs().square().mean().item() == pytest.approx(1)


@pytest.mark.parametrize("modulation", [m for m in ALPHABETS if m.family.name != "ASK"])
def test_alphabets_but_ask_are_symmetric_about_zero(modulation: Modulation) -> None:
    points = constellations.points(modulation, TWIN.linear.constellations)
    assert points.mean().abs().item() == pytest.approx(0, abs=1e-12)
    mirrored = (-points[:, None] - points).abs().amin(1)
    assert mirrored.max().item() < 1e-9


@pytest.mark.parametrize(("order", "levels"), [(16, 4), (32, 6), (64, 8), (128, 12), (256, 16)])
def test_qam_is_square_or_cross(order: int, levels: int) -> None:
    points = constellations.qam(order)
    assert len(points.real.unique()) == len(points.imag.unique()) == levels
    has_corner = points.abs().max().item() > math.sqrt(2) * (levels - 1) - 1e-6
    assert has_corner == (levels**2 == order)


def test_the_table_gives_every_symbol_equally_often() -> None:
    table = constellations.table(TWIN.linear.constellations, torch.device("cpu"))
    for modulation, size in zip(ALPHABETS, SIZES, strict=True):
        _, count = table[modulation.index].unique(dim=0, return_counts=True)
        assert count.tolist() == [256 // size] * size


@settings(max_examples=30, deadline=None)
@given(
    exponent=st.sampled_from([1.0, 2.0, 3.0]),
    rolloff=st.floats(0.2, 0.5),
    delay=st.floats(-1, 1),
)
def test_taps_are_the_impulse_response(exponent: float, rolloff: float, delay: float) -> None:
    a = torch.tensor([[rolloff]])
    taps = pulses.taps(
        torch.tensor([delay]),
        lambda f: pulses.cosine_power_spectrum(f, a.expand_as(f), exponent),
        32,
        8,
    )[0]
    time = torch.arange(8)[:, None] / 8 + 16 - torch.arange(32) - delay
    expected = pulses.impulse_response(time.reshape(-1).double(), rolloff, exponent)
    # The series repeats after 64 symbols, so what is beyond ±32 symbols folds in.
    assert torch.allclose(taps.reshape(-1).double(), expected, atol=2e-3 if exponent == 1 else 2e-4)


def test_a_raised_cosine_has_no_intersymbol_interference_and_its_root_is_orthogonal() -> None:
    symbol_times = torch.arange(-6, 7).double()
    raised = pulses.impulse_response(symbol_times, 0.3, 2.0)
    assert torch.allclose(raised, (symbol_times == 0).double(), atol=1e-6)
    time = torch.arange(-40 * 8, 40 * 8 + 1).double() / 8
    root = pulses.impulse_response(time, 0.3, 1.0)
    shifted = [(root[: len(root) - 8 * k] * root[8 * k :]).sum().item() / 8 for k in range(4)]
    assert shifted == pytest.approx([1, 0, 0, 0], abs=1e-3)


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, 3.7])
def test_pulse_energy_is_the_integral_of_its_spectrum(exponent: float) -> None:
    frequency = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    for rolloff in (0.1, 0.46, 1.0):
        a = torch.full_like(frequency, rolloff)
        spectrum = pulses.cosine_power_spectrum(frequency, a, exponent)
        integral = torch.trapezoid(spectrum.square(), frequency).item()
        closed = pulses.energy(torch.tensor([rolloff]), exponent).item()
        assert closed == pytest.approx(integral, abs=1e-4)


def test_the_spectrum_of_a_linear_class_is_its_pulse_s() -> None:
    profile = profile_from("twin", {"linear.pulse.rolloff": 0.4})
    n = 512
    draws = draw(1, 0, n, profile, torch.device("cpu"))
    ids = torch.full((n,), Modulation.QAM16.index)
    symbols = draws.symbols[:, : linear.n_symbols(WINDOW, profile.linear)]
    rolloff = torch.full((n,), 0.4)
    frame, _ = linear.modulate(ids, symbols, draws.timing, rolloff, profile.linear, WINDOW)
    window = torch.hann_window(1024)
    iq = torch.complex(frame[:, 0], frame[:, 1]) * window
    spectrum = torch.fft.fft(iq).abs().square().mean(0) / window.square().sum()
    frequency = torch.fft.fftfreq(1024) * 8
    theory = pulses.cosine_power_spectrum(frequency, torch.full_like(frequency, 0.4), 3.0).square()
    theory = theory * 8 / pulses.energy(torch.tensor([0.4]), 3.0)
    seen = theory > theory.max() * 1e-4
    error = 10 * torch.log10(spectrum[seen] / theory[seen])
    # One periodogram bin of 512 frames is good to about 0.2 dB; neighbours leak near the edge.
    assert error.abs().max().item() < 1.2
    assert error.mean().abs().item() < 0.05


def test_oqpsk_delays_q_by_half_a_symbol() -> None:
    ids = torch.tensor([Modulation.OQPSK.index])
    stream = torch.Generator().manual_seed(0)
    bytes_ = torch.randint(0, 256, (1, 143), generator=stream, dtype=torch.uint8)
    half, rolloff = torch.tensor([0.5]), torch.tensor([0.4])
    frame, _ = linear.modulate(ids, bytes_, half, rolloff, TWIN.linear, WINDOW)
    symbols = linear.symbols(ids, bytes_, TWIN.linear)
    # Symbol k lies at sample 8(k − 8) + 8(timing − 1/2), and Q four samples later.
    for plane, late in ((0, 0), (1, 4)):
        seen = frame[0, plane, late::8][:120]
        sent = symbols[0, plane, 8 : 8 + len(seen)]
        assert torch.corrcoef(torch.stack([seen, sent]))[0, 1].item() > 0.95


@pytest.mark.parametrize("shape", [TWIN.gmsk, TEXTBOOK.gmsk, Gmsk("gaussian", 0.7, 0.3)])
def test_gmsk_turns_by_its_modulation_index_a_bit(shape: Gmsk) -> None:
    ones = torch.full((1, 64), 1, dtype=torch.uint8)
    phase = cpm.phase(ones, torch.tensor([0.3]), shape)[0].double()
    turns = (phase[200] - phase[120]) / 10 / math.pi
    # The measured pulse is cut off a little early.
    assert turns.item() == pytest.approx(shape.modulation_index, rel=5e-3)


def test_gmsk_has_a_constant_envelope() -> None:
    bits = torch.randint(0, 256, (8, 300), dtype=torch.uint8)
    frame, outside = cpm.modulate(bits, torch.rand(8), TWIN.gmsk, Window())
    assert torch.allclose(frame.square().sum(1), torch.ones(8, 1024), atol=1e-5)
    assert outside.shape == (8, 2, 256)


@pytest.mark.parametrize("tilt", [0.0, -6.0])
def test_messages_have_unit_variance_and_keep_to_their_band(tilt: float) -> None:
    shape = Message(low=0.01, high=0.05, tilt_db=tilt)
    normals = torch.randn(
        600, 2 * analog.n_lines(shape), generator=torch.Generator().manual_seed(1)
    )
    message, _ = analog.message(normals, torch.zeros(600), shape, Window())
    assert message.var().item() == pytest.approx(1, abs=0.03)
    power = torch.fft.rfft(message * torch.hann_window(1024)).abs().square().mean(0)
    inside = power[8:54].sum() / power.sum()
    assert inside.item() > 0.999
    slope = 10 * torch.log10(power[44:48].mean() / power[20:24].mean())
    assert slope.item() == pytest.approx(tilt * math.log2(46 / 22), abs=0.8)


def numbers(n: int, message: Message, window: Window = WINDOW) -> analog.Randomness:
    """Randomness for n messages, all of what is outside lying after the window."""
    n_samples = window.length + window.n_outside // window.stride
    return analog.Randomness(
        torch.randn(n, 2 * analog.n_lines(message)), torch.zeros(n), torch.randn(n, n_samples)
    )


def test_without_quadrature_both_sidebands_are_left_and_the_message_is_in_phase() -> None:
    shape = AmplitudeModulation(Message(0.02, 0.08), depth=0.3, hiss=0.05)
    window = Window()
    made = numbers(256, shape.message, window)
    frame, rest = analog.single_sideband(made, shape, window)
    assert frame[:, 1].abs().max().item() == 0
    assert frame.square().sum(1).mean().item() == pytest.approx(1, abs=0.01)
    scale = 1 / math.hypot(1, 0.3, 0.05)
    power = torch.fft.rfft(frame[:, 0] * torch.hann_window(1024)).abs().square().mean(0)
    power /= torch.hann_window(1024).square().sum()
    assert power[120:500].mean().item() == pytest.approx((0.05 * scale) ** 2, rel=0.03)
    assert rest[:, 0].mean().item() == pytest.approx(scale, rel=0.01)


def test_the_twins_messages_are_those_of_its_second_version() -> None:
    assert TWIN.title == "twin 2"
    iq = generate(torch.tensor([17, 18]).repeat(500), torch.full((1000,), 30), 7)
    power = iq.square().sum(1).mean(-1)
    # Published: 64.1 and 29.2 over all labels, of which some eleven count; heavy-tailed.
    assert 100 < power[::2].median().item() < 250
    assert 50 < power[1::2].median().item() < 90


def test_single_sideband_has_one_side() -> None:
    shape = AmplitudeModulation(Message(0.02, 0.08), carrier=0.0, depth=1.0, quadrature=1.0)
    frame, _ = analog.single_sideband(numbers(64, shape.message), shape, WINDOW)
    iq = torch.complex(frame[:, 0], frame[:, 1]) * torch.hann_window(1024)
    power = torch.fft.fft(iq).abs().square().mean(0)
    assert (power[512:].sum() / power[:512].sum()).item() < 1e-5


def test_double_sideband_has_its_carrier_at_one_thirty_second() -> None:
    shape = TWIN.analog.am_dsb_wc
    made = numbers(16, shape.message)
    frame, _ = analog.double_sideband(made, torch.zeros(16), shape, WINDOW)
    assert frame[:, 1].abs().max().item() == 0
    power = torch.fft.rfft(frame[:, 0]).abs().square().mean(0)
    assert power.argmax().item() == 32


def test_fm_deviates_as_asked() -> None:
    shape = FrequencyModulation(Message(high=2e-3), deviation=0.01, carrier_frequency=0.1)
    made = numbers(500, shape.message)
    frame, _ = analog.frequency_modulation(made, shape, WINDOW)
    iq = torch.complex(frame[:, 0], frame[:, 1])
    frequency = (iq[:, 1:] * iq[:, :-1].conj()).angle() / (2 * math.pi)
    assert frequency.mean().item() == pytest.approx(0.1, abs=1e-3)
    assert frequency.std().item() == pytest.approx(0.01, rel=0.05)


def test_rotate_is_a_complex_exponential() -> None:
    planes = torch.randn(5, 2, 1024)
    phase, offset = torch.rand(5) * 6, torch.randn(5) * 1e-3
    turned = channel.rotate(planes, phase, offset)
    factor = torch.polar(torch.ones(5, 1024), phase[:, None] + offset[:, None] * torch.arange(1024))
    expected = torch.complex(planes[:, 0], planes[:, 1]) * factor
    assert torch.allclose(torch.complex(turned[:, 0], turned[:, 1]), expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(step=st.floats(0.6, 1.6), frequency=st.floats(-0.09, 0.09))
def test_resampling_a_tone_gives_the_tone(step: float, frequency: float) -> None:
    time = torch.arange(1700).double()
    tone = torch.polar(torch.ones_like(time), 2 * math.pi * frequency * time)
    source = torch.view_as_real(tone).T.float()[None]
    result = channel.resample(source, torch.tensor([step]), 1000)
    late = 8 + step * torch.arange(1000).double()
    expected = torch.polar(torch.ones_like(late), 2 * math.pi * frequency * late)
    error = torch.view_as_real(expected).T.float() - result[0]
    assert error.abs().max().item() < 0.02


def test_fir_is_a_convolution() -> None:
    planes, taps = torch.randn(3, 2, 64), torch.randn(3, 5)
    filtered = channel.fir(planes, taps)
    padded = torch.nn.functional.pad(planes, (4, 0))
    expected = torch.stack([(padded[0, 1, t : t + 5] * taps[0].flip(0)).sum() for t in range(64)])
    assert torch.allclose(filtered[0, 1], expected, atol=1e-5)


def test_low_pass_passes_and_stops() -> None:
    taps = channel.low_pass(torch.tensor([0.5]))
    response = torch.fft.rfft(taps[0], 1024).abs()
    assert response[:200].min().item() > 0.98
    assert response[330:].max().item() < 0.02
    whole = channel.low_pass(torch.tensor([1.0]))[0]
    assert whole[16].item() == pytest.approx(1, abs=1e-6)


def test_path_gains_are_rayleigh_or_fixed() -> None:
    profile = profile_from("field", {"channel": {"rice_factor_db": -60}})
    draws = draw(1, 0, 6400, profile, torch.device("cpu"))
    power = channel.paths(draws, profile.channel).square().sum(1)
    assert power.sum(1).mean().item() == pytest.approx(1, abs=0.03)
    # Rayleigh: the power of a path is exponential, its standard deviation is its mean.
    assert (power[:, 0].std() / power[:, 0].mean()).item() == pytest.approx(1, abs=0.06)
    fixed = profile_from("field", {"channel": {"rice_factor_db": 60}})
    gains = channel.paths(draw(1, 0, 64, fixed, torch.device("cpu")), fixed.channel)
    assert torch.allclose(gains[:, 0, 0], torch.ones(64), atol=0.01)


def test_blocks_of_one_seed_never_share_a_stream() -> None:
    seeds = {block_seed(1, b) for b in range(20_000)} | {block_seed(2, b) for b in range(20_000)}
    assert len(seeds) == 40_000


def test_a_product_does_not_depend_on_the_other_rows() -> None:
    rows, table = torch.randn(200, 40), torch.randn(40, 300)
    whole = pulses.rows_times_table(rows, table)
    assert torch.allclose(whole, rows @ table, atol=1e-4)
    for part in (slice(0, 1), slice(63, 66), slice(7, 200)):
        assert torch.equal(pulses.rows_times_table(rows[part], table), whole[part])


def test_every_parameter_has_its_source() -> None:
    rows = list(parameters(TWIN))
    assert len(rows) > 40
    assert all(source for _, _, _, source in rows)
    assert len({name for name, *_ in rows}) == len(rows)


def test_overrides_reach_every_depth() -> None:
    profile = profile_from(
        "textbook",
        {
            "linear": {"pulse": {"rolloff": 0.25}},
            "channel.gain_db": [-3, 3],
            "gmsk.pulse": "measured",
        },
    )
    assert profile.linear.pulse.rolloff == (0.25, 0.25)
    assert profile.channel.gain_db == (-3.0, 3.0)
    assert profile.gmsk.pulse == "measured"
    assert profile_from("twin") is TWIN


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("twine", {}, "profile must be twin, textbook, field, not 'twine'; choose one of them"),
        (
            "twin",
            {"channel.gain": 1},
            "profile parameter must be one of carrier_offset, carrier_offset_std, dc_std, gain_db, "
            "gain_step_db, impulse_db, impulses, iq_gain_db, iq_phase, n_paths, noise_colour, "
            "occupied, overload_db, path_decay, phase_noise_std, receiver_bandwidth, "
            "rice_factor_db, samples_per_symbol, selection, squelched, timing_drift, not "
            "'channel.gain'; boltmod.signal.profile.parameters lists them all",
        ),
        (
            "twin",
            {"linear.pulse.rolloff": "wide"},
            "profile parameter linear.pulse.rolloff must be 2 numbers, not 'wide'; change it in "
            "the recipe",
        ),
        (
            "twin",
            {"linear.pulse.exponent": 99},
            "Pulse.exponent must be 0.5 to 8, not 99.0; change it in the profile's overrides",
        ),
        (
            "twin",
            {"linear.pulse.rolloff": [0.4, 0.3]},
            "Pulse.rolloff must be (lowest, highest), not (0.4, 0.3); swap them",
        ),
        (
            "twin",
            {"gmsk.pulse": "square"},
            "profile parameter gmsk.pulse must be measured or gaussian, not 'square'; change it in "
            "the recipe",
        ),
        (
            "twin",
            {"channel.n_paths": 2},
            "Profile.normalisation_samples must be 1024 plus a multiple of 128, and 1024 with an "
            "impaired channel, not 2048; set it to 1024",
        ),
    ],
)
def test_a_wrong_override_is_one_line(
    name: str, overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        profile_from(name, overrides)


def test_the_snippets_of_the_twin_s_page_run() -> None:
    page = (Path(__file__).parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Profile] = {}
    exec(snippet, names)
    assert names["clean"].channel.n_paths == 1
    assert names["sharp"].linear.pulse.rolloff == (0.2, 0.3)
