"""What SigMF's signal extension says of a modulation class.

Source: SigMF, "The signal SigMF Extension Namespace v1.0.0", section 3.1, "The Detail Object"
(github.com/sigmf/SigMF, extensions/signal.sigmf-ext.md). It has no word for APSK, whose points are
some of a quadrature amplitude modulation's.
"""

from __future__ import annotations

from typing import Any

EXTENSION = {"name": "signal", "version": "1.0.0", "optional": True}
KEY = "signal:detail"
_DIGITAL, _ANALOG = {"type": "digital"}, {"type": "analog"}
_KEYINGS = {"ASK": "ask", "PSK": "psk", "QAM": "qam", "FSK": "fsk"}
_OTHERS: dict[str, dict[str, Any]] = {
    "OOK": _DIGITAL | {"mod_class": "ook", "order": 2},
    "BPSK": _DIGITAL | {"mod_class": "psk", "order": 2},
    "QPSK": _DIGITAL | {"mod_class": "psk", "order": 4},
    "OQPSK": _DIGITAL | {"mod_class": "psk", "order": 4, "symbol_variant": "offset"},
    "GMSK": _DIGITAL | {"mod_class": "msk", "order": 2, "class_variant": "GMSK"},
    "AFSK": _DIGITAL | {"mod_class": "fsk", "order": 2, "class_variant": "AFSK"},
    "OFDM": _DIGITAL | {"carrier_variant": "multi_carrier", "multiplexing": "ofdm"},
    "LoRa chirp": _DIGITAL | {"spreading": "css"},
    "AM-SSB-WC": _ANALOG | {"mod_class": "ssb", "carrier_variant": "with_carrier"},
    "AM-SSB-SC": _ANALOG | {"mod_class": "ssb", "carrier_variant": "suppressed_carrier"},
    "AM-DSB-WC": _ANALOG | {"mod_class": "dsb", "carrier_variant": "with_carrier"},
    "AM-DSB-SC": _ANALOG | {"mod_class": "dsb", "carrier_variant": "suppressed_carrier"},
    "FM": _ANALOG | {"mod_class": "fm"},
}


def detail_of(class_name: str) -> dict[str, Any]:
    """The detail object of a class; empty if the extension has nothing to say of it."""
    if class_name in _OTHERS:
        return dict(_OTHERS[class_name])
    order = class_name.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    keying = class_name[len(order) :]
    if not order.isdigit():
        return {}
    if keying == "APSK":
        return _DIGITAL | {"mod_class": "qam", "order": int(order), "class_variant": "APSK"}
    if keying not in _KEYINGS:
        return {}
    return _DIGITAL | {"mod_class": _KEYINGS[keying], "order": int(order)}
