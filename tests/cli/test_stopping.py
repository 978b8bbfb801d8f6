import os
import signal

import pytest

from boltmod.cli.stopping import asked_to_stop


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_first_request_asks_and_the_second_interrupts(first: int, second: int) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    asked: list[str] = []

    def interrupted_twice() -> None:
        with asked_to_stop(lambda: asked.append("stop")):
            os.kill(os.getpid(), first)
            assert asked == ["stop"]
            os.kill(os.getpid(), second)

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()
    assert asked == ["stop"]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
