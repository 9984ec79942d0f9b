"""``python -m influence app``: the port, the address that it prints, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from influence import InfluenceError, serve

ROOT = Path(__file__).parents[1]


@pytest.fixture
def taken() -> socket.socket:
    """A port on which somebody listens."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_free_port_is_kept_and_a_taken_one_is_not(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with taken:
        assert port < serve.free_port(port) < port + 100
    assert serve.free_port(port) == port


def test_where_no_port_is_free_is_one_sentence(taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_PORTS_TRIED", 1)
    with taken, pytest.raises(InfluenceError, match="choose another with --port"):
        serve.free_port(taken.getsockname()[1])


def test_a_checkout_serves_its_own_first_page() -> None:
    assert serve.script() == ROOT / "app.py"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_with_its_server(taken: socket.socket, ending: signal.Signals) -> None:
    port = taken.getsockname()[1]
    with taken:
        command = [sys.executable, "-m", "influence", "app", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith(f"Port {port} is taken, so the explorer uses port ")
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None
            with urllib.request.urlopen(found[0], timeout=30) as page:
                assert b"<title>Streamlit" in page.read()
            process.send_signal(ending)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", int(found[1])), timeout=5):
        pass
