"""Other people's data sets in RadioML 2018.01A's layout."""

import json
import pickle
import pickletools

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.data import safe_pickle
from boltmod.data.convert import Naming, convert, known_class
from boltmod.data.radioml import RadioMLFile
from boltmod.errors import ConfigError, DataFormatError
from boltmod.modulation import CLASSES

N = 48
IDS = np.repeat(np.arange(24), 2)
SNRS = np.tile([10, 30], 24)
X = np.random.default_rng(0).standard_normal((N, 1024, 2)).astype(np.float32)
Y = np.eye(24, dtype=np.int64)[IDS]


def hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def matlab(path, attributes=True, **arrays):
    """Dimensions in the opposite order, as MATLAB writes them."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            array = np.asarray(array)
            if np.iscomplexobj(array):
                pairs = np.zeros(array.shape, [("real", "<f8"), ("imag", "<f8")])
                pairs["real"], pairs["imag"] = array.real, array.imag
                array = pairs
            file[name] = array.T
            if attributes:
                file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(126) + b"\x00\x02")
    return path


def old_matlab(path, **arrays):
    savemat(path, arrays)
    return path


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def assert_same(path, x=X, ids=IDS, snrs=SNRS, tolerance=0):
    with RadioMLFile(path) as file:
        np.testing.assert_array_equal(file.class_ids, ids)
        np.testing.assert_array_equal(file.snr_labels, snrs)
        read = file.read(np.arange(len(file)))
    np.testing.assert_allclose(read, np.asarray(x).transpose(0, 2, 1), atol=tolerance)


def refusal(kind, source, *arguments):
    with pytest.raises(kind) as error:
        convert(source, source.with_name("refused.hdf5"), *arguments)
    assert not source.with_name("refused.hdf5").exists()
    return str(error.value).replace(str(source), "FILE")


COMPLEX = X[..., 0] + 1j * X[..., 1]


@pytest.mark.parametrize(
    ("make", "name", "arrays"),
    [
        (hdf5, "a.h5", {"X": X, "Y": Y, "Z": SNRS[:, None]}),
        (hdf5, "a.h5", {"x": X.astype(">f8"), "y": IDS, "snr": SNRS.astype(float)}),
        (hdf5, "a.h5", {"Data": X.transpose(0, 2, 1), "Labels": Y.T, "Z": SNRS}),
        (hdf5, "a.h5", {"iq": COMPLEX, "mods": np.array(CLASSES, "S")[IDS], "SNR": SNRS}),
        (matlab, "a.mat", {"X": X.astype(float), "Y": Y.astype(float), "Z": SNRS[:, None]}),
        (matlab, "a.mat", {"X": COMPLEX, "Y": Y.astype(np.uint8), "Z": SNRS[None]}),
        (old_matlab, "a.mat", {"X": X, "Y": Y.astype(float), "Z": SNRS.astype(float)}),
        (
            old_matlab,
            "a.mat",
            {"X": COMPLEX, "labels": np.array(CLASSES, object)[IDS], "snr": SNRS},
        ),
        (npz, "a.npz", {"X": X, "Y": Y.astype(bool), "Z": SNRS}),
        (npz, "a.npz", {"samples": COMPLEX, "labels": np.array(CLASSES)[IDS], "snrs": SNRS}),
    ],
)
def test_one_data_set_in_many_layouts(tmp_path, make, name, arrays):
    made = convert(make(tmp_path / name, **arrays), tmp_path / "out.hdf5")
    assert (made.n_frames, made.n_left_out, made.frame_length) == (N, {}, 1024)
    assert_same(tmp_path / "out.hdf5")


def test_matlab_that_does_not_say_that_it_is(tmp_path):
    source = matlab(tmp_path / "a.mat", attributes=False, X=X, Y=Y, Z=SNRS[:, None])
    convert(source, tmp_path / "out.hdf5")
    assert_same(tmp_path / "out.hdf5")


def test_halves_keep_what_they_have(tmp_path):
    source = npz(tmp_path / "a.npz", X=X.astype(np.float16), Y=Y, Z=SNRS)
    convert(source, tmp_path / "out.hdf5")
    assert_same(tmp_path / "out.hdf5", tolerance=2e-3)


def test_frames_are_put_in_order(tmp_path):
    order = np.random.default_rng(1).permutation(N)
    for make, name in ((hdf5, "a.h5"), (npz, "a.npz"), (matlab, "a.mat")):
        source = make(tmp_path / name, X=X[order], Y=Y[order], Z=SNRS[order])
        convert(source, tmp_path / f"{name}.hdf5")
        assert_same(tmp_path / f"{name}.hdf5")


def test_long_frames_are_cut(tmp_path):
    source = hdf5(tmp_path / "a.h5", X=np.concatenate([X, X[:, ::-1], X[:, :7]], 1), Y=Y, Z=SNRS)
    made = convert(source, tmp_path / "out.hdf5")
    assert (made.n_frames, made.frame_length) == (2 * N, 2055)
    both = np.stack([X, X[:, ::-1]], 1).reshape(-1, 1024, 2)
    assert_same(tmp_path / "out.hdf5", both, IDS.repeat(2), SNRS.repeat(2))


# RadioML 2016

KEYS = [("QAM16", 18), ("BPSK", -4), ("WBFM", 0), ("CPFSK", 2), ("AM-DSB", 18), ("PAM4", 0)]
CELLS = {key: np.random.default_rng(i).standard_normal((3, 2, 128)).astype(np.float32)
         for i, key in enumerate(KEYS)}  # fmt: skip


def python_2_pickle(path, cells):
    """Protocol 2, class names as byte strings, arrays as NumPy of that time wrote them."""
    content = pickle.dumps(cells, protocol=2)
    assert b"numpy._core" in content
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    # Text of Python 3 (X, four bytes of length) as byte strings of Python 2 (U, one byte).
    for name in {name for name, _ in cells}:
        new = pickle.SHORT_BINSTRING + bytes([len(name)]) + name.encode()
        content = content.replace(
            pickle.BINUNICODE + len(name).to_bytes(4, "little") + name.encode(), new
        )
    assert "SHORT_BINSTRING" in {op.name for op, _, _ in pickletools.genops(content)}
    path.write_bytes(content)
    return path


def test_radioml_2016(tmp_path):
    source = python_2_pickle(tmp_path / "RML2016.10a_dict.pkl", CELLS)
    out = tmp_path / "out.hdf5"
    done = CliRunner().invoke(app, ["data", "convert", str(source), str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{out}: 12 frames of 4 classes\n"
        "frames of 128 samples, repeated to 1024\n"
        "left out: 3 frames of AM-DSB, which is none of the 24 classes; --classes AM-DSB=CLASS "
        "says what it is\n"
        "left out: 3 frames of CPFSK, which is none of the 24 classes; --classes CPFSK=CLASS says "
        "what it is\n"
    )
    wanted = [("4ASK", 0, "PAM4"), ("BPSK", -4, "BPSK"), ("16QAM", 18, "QAM16"), ("FM", 0, "WBFM")]
    frames = np.concatenate([np.tile(CELLS[name, snr], 8) for _, snr, name in wanted])
    ids = np.repeat([CLASSES.index(name) for name, _, _ in wanted], 3)
    snrs = np.repeat([snr for _, snr, _ in wanted], 3)
    assert_same(out, frames.transpose(0, 2, 1), ids, snrs)


def test_what_a_name_of_2016_means_can_be_said(tmp_path):
    source = python_2_pickle(tmp_path / "a.pkl", CELLS)
    arguments = ["--classes", "AM-DSB=AM-DSB-WC", "--json"]
    done = CliRunner().invoke(
        app, ["data", "convert", str(source), str(tmp_path / "out.hdf5"), *arguments]
    )
    document = json.loads(done.stdout)
    assert document["n_by_class"] == {"4ASK": 3, "BPSK": 3, "16QAM": 3, "AM-DSB-WC": 3, "FM": 3}
    assert document["n_left_out"] == {"CPFSK": 3}


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_arrays_of_every_protocol(tmp_path, protocol):
    path = tmp_path / "x.pkl"
    content = {"x": X[:2], "n": np.float64(3), ("a", 1): np.array(["b"])}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    read = safe_pickle.load(path)
    np.testing.assert_array_equal(read["x"], X[:2])
    assert read["n"] == 3


class Evil:
    def __init__(self, *call):
        self._call = call

    def __reduce__(self):
        return self._call[0], tuple(self._call[1:])


@pytest.mark.parametrize(
    ("evil", "asked"),
    [
        (Evil(__import__("os").system, "touch pwned"), "posix.system"),
        (Evil(eval, "open('pwned', 'w')"), "builtins.eval"),
        (Evil(getattr, X, "tofile"), "builtins.getattr"),
        (Evil(np.load, "x"), "numpy.load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_that_would_run_code(tmp_path, monkeypatch, evil, asked, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pkl"
    content = pickle.dumps({("BPSK", 2): evil}, protocol=protocol)
    path.write_bytes(content)
    asked = asked.replace("builtins", "__builtin__") if protocol < 3 else asked
    message = refusal(DataFormatError, path)
    assert message.startswith("FILE must be a pickle of NumPy's arrays and nothing else, which it")
    assert "which may run code" in message
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps([1, 2])])
def test_what_is_no_data_set(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    assert refusal(DataFormatError, path).startswith("FILE must be a ")


# Classes

ELEVEN = ["OOK", "4ASK", "BPSK", "QPSK", "8PSK", "16QAM", "AM-SSB-SC", "AM-DSB-SC", "FM", "GMSK",
          "OQPSK"]  # fmt: skip


def eleven(tmp_path, classes):
    ids = np.repeat(np.arange(11), 2)
    return hdf5(tmp_path / "a.h5", X=X[:22], Y=classes(ids), Z=SNRS[:22]), ids


@pytest.mark.parametrize(
    "classes",
    [lambda ids: np.eye(11, dtype=int)[ids], lambda ids: ids, lambda ids: ids + 1],
    ids=["rows", "from 0", "from 1"],
)
def test_the_order_of_classes_is_asked_for(tmp_path, classes):
    source, ids = eleven(tmp_path, classes)
    assert refusal(ConfigError, source) == (
        "--classes must name the 11 classes of FILE in the order of their numbers, for the file "
        "does not say which they are: --classes BPSK,QPSK,..."
    )
    convert(source, tmp_path / "out.hdf5", Naming.parse(", ".join(ELEVEN)))
    order = np.array([CLASSES.index(name) for name in ELEVEN])[ids]
    back = np.lexsort((SNRS[:22], order))
    assert_same(tmp_path / "out.hdf5", X[:22][back], order[back], SNRS[:22][back])
    source, _ = eleven(tmp_path, classes)
    assert "--classes must name" in refusal(ConfigError, source, Naming.parse("BPSK,QPSK"))


def test_numbers_that_may_begin_at_0_or_1_are_refused(tmp_path):
    source = hdf5(tmp_path / "a.h5", X=X[:4], Y=np.array([1, 1, 2, 2]), Z=SNRS[:4])
    assert refusal(ConfigError, source, Naming.parse("BPSK,QPSK,8PSK")) == (
        "--classes must name as many classes as FILE has numbers, and it has 1 to 2 for 3 names: "
        "name each, from the number 0 or 1 on"
    )
    convert(source, tmp_path / "out.hdf5", Naming.parse("BPSK,QPSK"))
    assert_same(tmp_path / "out.hdf5", X[:4], [3, 3, 4, 4], SNRS[:4])


@pytest.mark.parametrize(
    ("name", "meant"),
    [("QAM16", "16QAM"), ("qam-64", "64QAM"), ("PAM4", "4ASK"), ("8psk", "8PSK"), ("PSK8", "8PSK"),
     ("WBFM", "FM"), ("amssbwc", "AM-SSB-WC"), ("QPSK", "QPSK"), ("APSK32", "32APSK"),
     ("AM-DSB", None), ("CPFSK", None), ("BFM", None)],
)  # fmt: skip
def test_how_others_spell_the_classes(name, meant):
    assert known_class(name) == meant


def test_what_is_told_must_fit(tmp_path):
    source = hdf5(tmp_path / "a.h5", X=X, Y=Y)
    assert refusal(ConfigError, source) == (
        "FILE must say each frame's SNR, and does not: give one for all with --snr"
    )
    convert(source, tmp_path / "out.hdf5", None, 12)
    assert_same(tmp_path / "out.hdf5", snrs=np.full(N, 12))
    source = hdf5(tmp_path / "b.h5", X=X, Y=Y, Z=SNRS + 1)
    assert refusal(DataFormatError, source).startswith(
        "SNRs of FILE must be labels of -20, -18, ... 30 dB, not 11 at frame 0"
    )
    with pytest.raises(ConfigError, match="'CPFSK' is none"):
        Naming.parse("GFSK=CPFSK")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "Z": SNRS}, "FILE must hold classes, called y or classes or class, not only X, "
         "Z: rename the array"),
        ({"X": X[:9], "Y": Y, "Z": SNRS}, "samples of FILE must be (n, length, 2), (n, 2, length) "
         "or complex (n, length) with as many frames as labels, 48, not (9, 1024, 2): save it so"),
        ({"X": X[..., 0], "Y": Y, "Z": SNRS}, "samples of FILE must be (n, length, 2), (n, 2, "
         "length) or complex (n, length), not (48, 1024): save it so"),
    ],
)  # fmt: skip
def test_arrays_that_leave_doubts(tmp_path, arrays, message):
    assert refusal(DataFormatError, npz(tmp_path / "a.npz", **arrays)) == message
