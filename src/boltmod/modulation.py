"""The 24 modulation classes of RadioML 2018.01A, in the order of its labels.

Source: T. O'Shea, T. Roy, T. C. Clancy, "Over-the-Air Deep Learning Based Radio Signal
Classification", IEEE JSTSP 12(1), 2018, table I. The `classes.txt` that travels with the data set
lists another order, which its own labels do not follow; `MISLEADING_ORDER` holds it so that it can
be recognised.
"""

from __future__ import annotations

from enum import Enum

FRAME_LENGTH = 1024
"""Complex samples in a frame."""

SNR_LABELS = tuple(range(-20, 32, 2))
"""The 26 SNR labels of the data set. A label is a label: the true SNR in dB is about twice it."""

FRAMES_PER_CELL = 4096
"""Frames of each (class, SNR) pair in the full-size data set."""


class Family(Enum):
    """What carries the information."""

    ASK = "amplitude-shift keying"
    PSK = "phase-shift keying"
    APSK = "amplitude and phase-shift keying"
    QAM = "quadrature amplitude modulation"
    AM = "analog amplitude modulation"
    FM = "analog frequency modulation"
    CPM = "continuous-phase modulation"


class Modulation(Enum):
    """One modulation class: its name as printed everywhere, and its family.

    Examples:
        >>> import boltmod
        >>> boltmod.Modulation.QPSK.label, boltmod.Modulation.QPSK.index, boltmod.CLASSES[4]
        ('QPSK', 4, 'QPSK')
    """

    OOK = ("OOK", Family.ASK)
    ASK4 = ("4ASK", Family.ASK)
    ASK8 = ("8ASK", Family.ASK)
    BPSK = ("BPSK", Family.PSK)
    QPSK = ("QPSK", Family.PSK)
    PSK8 = ("8PSK", Family.PSK)
    PSK16 = ("16PSK", Family.PSK)
    PSK32 = ("32PSK", Family.PSK)
    APSK16 = ("16APSK", Family.APSK)
    APSK32 = ("32APSK", Family.APSK)
    APSK64 = ("64APSK", Family.APSK)
    APSK128 = ("128APSK", Family.APSK)
    QAM16 = ("16QAM", Family.QAM)
    QAM32 = ("32QAM", Family.QAM)
    QAM64 = ("64QAM", Family.QAM)
    QAM128 = ("128QAM", Family.QAM)
    QAM256 = ("256QAM", Family.QAM)
    AM_SSB_WC = ("AM-SSB-WC", Family.AM)
    AM_SSB_SC = ("AM-SSB-SC", Family.AM)
    AM_DSB_WC = ("AM-DSB-WC", Family.AM)
    AM_DSB_SC = ("AM-DSB-SC", Family.AM)
    FM = ("FM", Family.FM)
    GMSK = ("GMSK", Family.CPM)
    OQPSK = ("OQPSK", Family.PSK)

    def __init__(self, label: str, family: Family) -> None:
        self.label = label
        self.family = family

    @property
    def index(self) -> int:
        """The class's label in the data set, 0 to 23."""
        return CLASSES.index(self.label)


CLASSES: tuple[str, ...] = tuple(m.label for m in Modulation)
"""The 24 class names, `CLASSES[label]` being the name of an integer label."""

N_CLASSES = len(CLASSES)

UNKNOWN = "unknown"
"""What has no name here: another modulation, or several signals."""

UNKNOWN_ID = N_CLASSES
"""Its class id, where a network knows it."""

NAMED_BESIDE = ("2FSK", "4FSK", "AFSK", "OFDM", "LoRa chirp", "carrier", "noise")
"""What a receiver hears that is none of the 24 classes and has a name nevertheless.

2FSK with GFSK; AFSK is two tones on an FM carrier; a LoRa chirp is any chirp spread spectrum.
"""

FIELD_CLASSES = (*CLASSES, UNKNOWN, *NAMED_BESIDE)
"""The classes of a network for the field; the first 24 are RadioML's."""

MISLEADING_ORDER = (
    "32PSK", "16APSK", "32QAM", "FM", "GMSK", "32APSK", "OQPSK", "8ASK", "BPSK", "8PSK",
    "AM-SSB-SC", "4ASK", "16PSK", "64APSK", "128QAM", "128APSK", "AM-DSB-SC", "AM-SSB-WC",
    "64QAM", "QPSK", "256QAM", "AM-DSB-WC", "OOK", "16QAM",
)  # fmt: skip
"""The order in the data set's own `classes.txt`, which is wrong."""
