from boltmod.modulation import CLASSES, MISLEADING_ORDER, SNR_LABELS, Modulation


def test_labels_follow_the_paper() -> None:
    assert [CLASSES[i] for i in (0, 3, 8, 12, 17, 22, 23)] == [
        "OOK", "BPSK", "16APSK", "16QAM", "AM-SSB-WC", "GMSK", "OQPSK",
    ]  # fmt: skip
    assert all(CLASSES[m.index] == m.label for m in Modulation)


def test_the_misleading_order_holds_the_same_classes() -> None:
    assert sorted(MISLEADING_ORDER) == sorted(CLASSES)
    assert MISLEADING_ORDER != CLASSES


def test_the_grid_has_26_labels() -> None:
    assert len(SNR_LABELS) == 26
    assert (SNR_LABELS[0], SNR_LABELS[-1]) == (-20, 30)
