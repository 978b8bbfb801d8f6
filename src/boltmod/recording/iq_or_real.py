"""Whether components are I and Q in turn or real samples, where a file's ending has both meanings.

Every second sample of a real signal and those between are two copies of it, half a sample apart:
at each frequency the phase of their cross-spectrum is that of the delay, or half a turn more where
the copy is mirrored. I and Q are a quarter of a turn apart where a signal lies on one side of the
middle of the band, and do not depend on each other where it lies on both.

Source: Oppenheim, Schafer, "Discrete-Time Signal Processing", 3rd ed., 4.6 (sampling rate
reduction); 12.4 (complex signals of one sideband); for the mean frequency as in
`runtime/framing.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.raw import SampleFormat

AMBIGUOUS = (".s16", ".s8", ".u8", ".f32", ".u16", ".f64", ".s16le", ".f32le", ".f64le")
"""Endings that one half of the programs give to I and Q, the other to real samples."""
_SEGMENT = 256
_MOST_SEGMENTS = 1024
_LEAST_SEGMENTS = 8
_LIKE = 0.25
"""How alike two halves of a real signal are at least, 1 being the same."""
_TOO_LIKE = 0.02
"""A signal at the very edge of the band is as much the one as the other."""
_EDGE = 0.47
"""Mean frequency in cycles a pair from which on a signal lies at the edge of the band: a real one
at a quarter of its rate, where receivers put their intermediate frequency, is no different there.
"""
_UNEVEN = 0.05
"""Share of the power that one half of a real signal has more than the other at most."""
_N_PLACES = 64
"""Where a long file is looked at: a burst need not come at its beginning."""
_COLOURED = 2.0
"""How much stronger than their mean those frequencies are that hold a signal, as power counts."""


def of_samples(path: Path, sample_format: SampleFormat) -> bool | None:
    """Tell from a file's samples, at some places of it, whether they are real.

    Args:
        path: The file, nothing but samples.
        sample_format: Of its components, as real samples.

    Returns:
        None if they do not tell.
    """
    segment = 2 * _SEGMENT * sample_format.component_bytes
    at_once = segment * _MOST_SEGMENTS // _N_PLACES
    n_bytes = path.stat().st_size
    contents = []
    with path.open("rb") as file:
        for place in range(_N_PLACES):
            apart = max(at_once, (n_bytes - at_once) // (_N_PLACES - 1) // segment * segment)
            file.seek(place * apart)
            contents.append(file.read(at_once))
    return of_content(b"".join(contents), sample_format)


def of_content(content: bytes, sample_format: SampleFormat) -> bool | None:
    """As `of_samples`, of stored bytes."""
    n_bytes = 2 * _SEGMENT * sample_format.component_bytes
    whole = len(content) // n_bytes * n_bytes
    if whole < _LEAST_SEGMENTS * n_bytes:
        return None
    components = sample_format.decode(content[:whole]).real.astype(np.float64)
    if not np.isfinite(components).all() or np.abs(components).max() > 1e15:
        return None
    return is_real(components)


def is_real(components: NDArray[np.float64]) -> bool | None:
    """As `of_samples`, of components in memory, (2 * 256 * n,)."""
    halves = components.reshape(-1, _SEGMENT, 2)
    halves = halves - halves.mean(axis=(0, 1))
    taper = np.hanning(_SEGMENT)[:, np.newaxis]
    even, odd = np.moveaxis(np.fft.rfft(halves * taper, axis=1), 2, 0)
    # The outermost frequencies have no other side, and those near 0 hold what is left of a mean.
    inner = slice(2, -2)
    power = np.sqrt((np.abs(even) ** 2).mean(0) * (np.abs(odd) ** 2).mean(0))[inner]
    if not power.sum():
        return None
    cross = (odd * even.conj()).mean(0)[inner]
    turned = cross**2 / (power**2).sum()
    as_real = float((turned * np.exp(-2j * np.pi * np.fft.rfftfreq(_SEGMENT)[inner])).real.sum())
    as_iq = float(-turned.real.sum())
    turn = np.sum((halves[:, 1:] @ (1, 1j)) * (halves[:, :-1] @ (1, -1j)))
    is_at_edge = abs(np.angle(turn)) > 2 * np.pi * _EDGE
    if max(as_real, as_iq) > _LIKE:
        of_even, of_odd = ((np.abs(each[:, inner]) ** 2).sum() for each in (even, odd))
        is_even = abs(of_even - of_odd) < _UNEVEN * (of_even + of_odd)
        if as_real > as_iq + _TOO_LIKE and is_even:
            return True
        return None if is_at_edge or abs(as_real - as_iq) < _TOO_LIKE else False
    is_coloured = bool((power**2).mean() > _COLOURED * power.mean() ** 2)
    return False if is_coloured and not is_at_edge else None


def is_ambiguous(word: str) -> bool:
    """Whether a format's name or ending has both meanings."""
    return f".{word.lower().removeprefix('.')}" in AMBIGUOUS


def told_apart(path: Path, assumed: SampleFormat, named: bool | None) -> tuple[SampleFormat, str]:
    """The sample format of a file where its name has two meanings, and why.

    Args:
        path: The file.
        assumed: The format if its samples are real.
        named: Whether its name says that it is real; None if it does not say.
    """
    seen = of_samples(path, assumed) if named is None and path.is_file() else None
    if named is not None:
        reason = "as its name says"
    elif seen is not None:
        reason = "as its samples say"
    else:
        reason = "for nothing says otherwise"
    is_iq = not (True if named is None and seen is None else named or seen)
    sample_format = assumed.iq if is_iq else assumed
    meaning, other = ("I and Q in turn", "--real") if is_iq else ("real samples", "--iq")
    return sample_format, f"{path.name} is read as {meaning}, {reason}: {other} if not"
