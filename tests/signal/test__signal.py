"""Laws that every class and every profile must obey."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boltmod.modulation import CLASSES, N_CLASSES, SNR_LABELS, Modulation
from boltmod.signal import noise
from boltmod.signal.draws import draw, source_window
from boltmod.signal.generator import generate
from boltmod.signal.modulators import groups
from boltmod.signal.profile import FIELD, PROFILES, TEXTBOOK, TWIN, Profile, profile_from

CPU = torch.device("cpu")
CLEAN = (TWIN, TEXTBOOK)


def signal(label: int, profile: Profile, n: int = 512) -> torch.Tensor:
    """Noise-free windows of a class, (n, 2, time)."""
    ids = torch.full((n,), label)
    ((modulator, _),) = groups(ids)
    frame, _ = modulator(ids, draw(3, 0, n, profile, CPU), profile)
    return frame


@pytest.mark.parametrize("profile", CLEAN, ids=lambda p: p.name)
@pytest.mark.parametrize("label", range(N_CLASSES), ids=CLASSES)
def test_every_class_has_mean_power_one(label: int, profile: Profile) -> None:
    power = signal(label, profile).square().sum(1).mean()
    assert power.item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["twin", "textbook", "field"])
def test_frames_do_not_depend_on_the_batch_in_any_profile(name: str) -> None:
    ids = torch.arange(150) % N_CLASSES
    snr = torch.tensor(SNR_LABELS)[torch.arange(150) % 26]
    whole = generate(ids, snr, 2, profile=PROFILES[name])
    assert torch.isfinite(whole).all()
    part = generate(ids[70:93], snr[70:93], 2, first_frame=70, profile=PROFILES[name])
    assert torch.equal(part, whole[70:93])


@pytest.mark.parametrize("profile", CLEAN, ids=lambda p: p.name)
@settings(max_examples=10, deadline=None)
@given(label=st.integers(0, N_CLASSES - 1), snr_label=st.integers(-5, 30))
def test_measured_snr_is_the_true_snr_of_the_label(
    profile: Profile, label: int, snr_label: int
) -> None:
    ids = torch.full((64,), label)
    wanted = noise.snr_db_of_label(torch.tensor([float(snr_label)]), profile.noise).item()
    # The same seed without noise: what is left of a frame, after scaling, is the noise.
    noisy = generate(ids, torch.full((64,), snr_label), 9, profile=profile).double()
    clean = generate(ids, torch.full((64,), 100), 9, profile=profile).double()
    scale = (noisy * clean).sum((1, 2)) / clean.square().sum((1, 2))
    residual = noisy - scale[:, None, None] * clean
    ratio = (scale[:, None, None] * clean).square().mean() / residual.square().mean()
    assert 10 * torch.log10(ratio).item() == pytest.approx(wanted, abs=0.6)


def test_a_label_is_about_half_the_true_snr_in_the_twin_and_all_of_it_in_the_textbook() -> None:
    labels = torch.tensor([-20.0, 0.0, 30.0])
    twin = noise.snr_db_of_label(labels, TWIN.noise)
    assert twin.tolist() == pytest.approx([-39.2, 0.8, 60.8])
    assert noise.snr_db_of_label(labels, TEXTBOOK.noise).tolist() == [-20.0, 0.0, 30.0]


def test_frames_are_normalised_over_their_window() -> None:
    ids = torch.full((4096,), Modulation.QPSK.index)
    # The published figure is the mean over all labels: noise alone scatters less about one.
    frames = generate(ids, torch.tensor(SNR_LABELS)[torch.arange(4096) % 26], 4)
    assert frames.square().sum(1).mean().item() == pytest.approx(1.0029, abs=0.001)
    alone = profile_from("twin", {"normalisation_samples": 1024})
    frames = generate(ids[:64], torch.full((64,), 30), 4, profile=alone)
    centred = frames - frames.mean(-1, keepdim=True)
    assert torch.allclose(centred.square().sum(1).mean(-1), torch.ones(64), atol=1e-4)


def test_outside_noise_is_drawn_from_its_exact_distribution() -> None:
    n, n_outside, std = 4000, 1024, 0.7
    stream = torch.Generator().manual_seed(0)
    outside = torch.randn(1, 2, n_outside, generator=stream).expand(n, -1, -1)
    frame = torch.zeros(n, 2, 1024)
    normals = torch.randn(n, noise.N_REST_NORMALS, generator=stream)
    amplitude = torch.full((n,), std)
    fast = noise.scale(frame, outside[:, :, ::1], amplitude, normals, n_outside)
    drawn = outside + std * torch.randn(n, 2, n_outside, generator=stream)
    window = torch.cat([frame, drawn], 2)
    mean = window.mean(-1, keepdim=True)
    slow = (window - mean).square().sum(1).mean(-1).rsqrt()
    assert fast.mean().item() == pytest.approx(slow.mean().item(), rel=2e-3)
    assert fast.std().item() == pytest.approx(slow.std().item(), rel=0.06)


def test_twin_outside_samples_continue_the_window() -> None:
    window = source_window(TWIN)
    assert (window.length, window.n_outside, window.total) == (1024, 1024, 2048)


@pytest.mark.parametrize("label", range(N_CLASSES), ids=CLASSES)
def test_field_signal_has_power_one_where_there_is_signal(label: int) -> None:
    from boltmod.signal import channel

    ids = torch.full((256,), label)
    ((modulator, _),) = groups(ids)
    draws = draw(5, 0, 256, FIELD, CPU)
    received = channel.propagate(modulator(ids, draws, FIELD)[0], draws, FIELD.channel)
    occupied = draws.within("occupied", FIELD.channel).clamp_max(1)
    power = received[:, :, -1024:].square().sum(1).mean(-1) / occupied
    assert torch.allclose(power, torch.ones(256), atol=1e-3)
