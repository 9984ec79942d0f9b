"""The explorer's server: which script it serves, on which port, and when it is ready."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from influence import homes
from influence.errors import InfluenceError

_HOST = "127.0.0.1"
_PORTS_TRIED = 100


def script() -> Path:
    """Find the explorer's first page: in a wheel inside the package, in a checkout beside it.

    Raises
    ------
    InfluenceError
        If it is in neither place.
    """
    package = Path(__file__).parent
    for path in (package / "_app" / "app.py", package.parent / "app.py"):
        if path.exists():
            return path
    raise InfluenceError(f"The explorer is not installed with {package}: install this project again.")


def free_port(first: int) -> int:
    """Find the first free port from ``first`` on.

    Raises
    ------
    InfluenceError
        If the next hundred are all taken, or ``first`` is no port.
    """
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            if sys.platform != "win32":  # where the option lets two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except PermissionError as error:
                raise InfluenceError(f"Port {port} needs special rights: choose one of 1024 or more.") from error
            except OSError:
                continue
            return port
    raise InfluenceError(f"No port from {first} on is free: choose another with --port.")


def serve(port: int) -> int:
    """Serve the explorer until it is stopped; print the address to open once it is ready.

    Parameters
    ----------
    port : int
        Where that is taken, the next free port is used.

    Returns
    -------
    int
        The server's exit status; 0 if it was stopped by Ctrl-C or SIGTERM.
    """
    path, free = script(), free_port(port)
    if free != port:
        print(f"Port {port} is taken, so the explorer uses port {free}.", flush=True)
    if not homes.precomputed_home().is_dir():
        print(
            f"No results come with an installed package: those in {homes.results_home()} are shown, and a clone of "
            "the project's repository has others.",
            flush=True,
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = ["--server.port", str(free), "--logger.hideWelcomeMessage", "true", "--logger.level", "warning"]
    server = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(path), *options])
    threading.Thread(target=_announce, args=(server, free), daemon=True).start()
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def _announce(server: "subprocess.Popen[bytes]", port: int) -> None:
    while server.poll() is None:
        connection = http.client.HTTPConnection(_HOST, port, timeout=1)
        try:
            connection.request("GET", "/_stcore/health")
            ready = connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            ready = False
        finally:
            connection.close()
        if ready:
            print(f"The explorer is ready: open http://{_HOST}:{port} in a browser. Ctrl-C stops it.", flush=True)
            return
        time.sleep(0.1)
