"""Where a library meets a stranger's bytes, and the process that keeps within limits."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boltmod import confined as module
from boltmod.confined import ConfinedError, Limits, confined
from boltmod.errors import DataFormatError, ModelFormatError
from boltmod.untrusted import parse_json, parse_toml, read_by, read_bytes, visible

# What the other process calls.


def doubled(number):
    return 2 * number


def counted(n, tell):
    for done in range(1, n + 1):
        tell(done, n)
    return {"n": n, "path": Path("x")}


def refused(text):
    raise ModelFormatError(text)


def broken():
    raise ZeroDivisionError("ours")


def killed():
    os.kill(os.getpid(), 11)


def sleeping():
    time.sleep(60)


def hungry():
    return len(bytearray(3 << 30))


def printing():
    print("noise")
    os.write(1, b"noise\n")
    return 1


def calling(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return "no network"
    return "connected"


def ask(name, *arguments, **options):
    return confined(f"test_untrusted:{name}", *arguments, about="FILE", **options)


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch):
    here = os.path.dirname(__file__)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def test_what_a_function_returns_and_says_comes_back():
    told = []
    found = ask("counted", 3, progress=lambda *where: told.append(where))
    assert found == {"n": 3, "path": "x"}
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_is_printed_there_is_no_answer():
    assert ask("printing") == 1


def test_errors_of_boltmods_come_back_as_they_are():
    with pytest.raises(ModelFormatError, match=r"^wrong, mend it$"):
        ask("refused", "wrong, mend it")


def test_a_defect_comes_back_with_its_traceback():
    with pytest.raises(ConfinedError, match=r"in broken\n.*\nZeroDivisionError: ours"):
        ask("broken")


def test_a_process_that_dies_is_one_line():
    with pytest.raises(DataFormatError) as error:
        ask("killed")
    assert str(error.value) == (
        "FILE must be read by a process of 2 GB within 60 s, and ended it (SIGSEGV): take another "
        "file, or give it more time with --limit"
    )


def test_time_has_a_limit():
    with pytest.raises(DataFormatError, match="within 1 s, and needs longer: "):
        ask("sleeping", limits=Limits(1))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count it so")
def test_memory_has_a_limit():
    with pytest.raises(DataFormatError, match="of 2 GB within 60 s, and needs more memory: "):
        ask("hungry")


def test_there_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert calling(port) == "connected"
        assert ask("calling", port) == "no network"


def test_where_a_system_has_no_other_network_python_refuses_it(monkeypatch):
    with pytest.raises(PermissionError, match=r"^socket\.connect is not for a process"):
        module._refuse_network("socket.connect", ())


# Libraries.


def test_what_a_library_is_known_to_raise_is_one_line(tmp_path):
    with pytest.raises(DataFormatError) as error, read_by("h5py", tmp_path, "HDF5", "copy it"):
        raise RuntimeError("bad heap\nmore of it")
    assert str(error.value) == f"{tmp_path} must be HDF5, which it is not (bad heap): copy it"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (MemoryError(), "it asks for more memory than there is"),
        (RecursionError("maximum"), "it is nested too deep"),
        (KeyError("a"), "there is no 'a'"),
        (ValueError("x" * 500), "x" * 200 + "..."),
    ],
)
def test_reasons_in_words(tmp_path, reason, said):
    reading = read_by("python", tmp_path, "JSON", "mend it", ModelFormatError)
    with pytest.raises(ModelFormatError) as error, reading:
        raise reason
    assert str(error.value) == f"{tmp_path} must be JSON, which it is not ({said}): mend it"


def test_what_is_unknown_is_a_defect_and_names_the_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    with pytest.raises(ZeroDivisionError) as error, read_by("h5py", path, "HDF5", "copy it"):
        raise ZeroDivisionError
    assert error.value.__notes__ == [
        "This is a defect of boltmod, which must read a file or refuse it in one line. Please "
        f"report it with the file {path}, SHA-256 "
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad."
    ]


def test_errors_of_boltmods_pass(tmp_path):
    with pytest.raises(ModelFormatError, match=r"^own$"), read_by("h5py", tmp_path, "", ""):
        raise ModelFormatError("own")


def test_files_have_a_bound():
    with pytest.raises(DataFormatError) as error:
        read_bytes(Path("/dev/zero"), 1 << 20, "a text")
    assert str(error.value) == (
        "/dev/zero must be a text of at most 1 MiB, and is larger: check the name"
    )


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff\xfe\xff", b"{", b'{"a": 1e}'])
def test_json_of_any_kind(tmp_path, text):
    with pytest.raises(DataFormatError, match="must be JSON, which it is not"):
        parse_json(text, tmp_path)


@pytest.mark.parametrize("text", [b"a = " + b"[" * 100_000, b"\xff", b"a ="])
def test_toml_of_any_kind(tmp_path, text):
    with pytest.raises(DataFormatError, match="not TOML: "):
        parse_toml(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BPSK", "BPSK"),
        ("Ω\n\tx", "Ω\n\tx"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J\r", "\\x9b2J\\r"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_what_a_terminal_obeys_is_written_out(text, shown):
    assert visible(text) == shown


def test_the_console_writes_it_out_too():
    script = (
        "from boltmod.cli.terminal import stdout; from rich.table import Table; "
        "t = Table('a'); t.add_row('\\x1b]0;title\\x07'); stdout.print(t); "
        "stdout.print('x \\x1b[2J', markup=False)"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert b"\x1b" not in printed
    assert b"\\x1b]0;t" in printed
    assert b"x \\x1b[2J" in printed
