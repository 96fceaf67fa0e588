"""A wire to a server that a test can cut, block, or slow to a byte at a time."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Lock, Thread


class FaultProxy:
    """Listens on a free port of the loopback and relays to ``target`` while it is ``up``.

    Each change cuts the connections that are open.
    """

    def __init__(self, target: tuple[str, int] | None = None, pace: float = 1.0) -> None:
        self.target = target
        self.pace = pace
        self.port = 0
        self.lock = Lock()
        self.listener: socket.socket | None = None
        self.open: set[socket.socket] = set()
        self.changed = Event()
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Relay, at full speed."""
        self._change("relay")

    def hang(self) -> None:
        """Take connections and what is sent, and answer nothing."""
        self._change("hang")

    def trickle(self, pace: float = 1.0) -> None:
        """Relay what is asked at once, and the answer at a byte every ``pace`` seconds."""
        self.pace = pace
        self._change("trickle")

    def down(self) -> None:
        """Refuse connections."""
        with self.lock:
            self.changed.set()
            for each in [*self.open, *([self.listener] if self.listener else [])]:
                # Wakes whoever waits for it in another thread, as a close does not.
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self.open.clear()
            self.listener = None

    close = down

    def _change(self, mode: str) -> None:
        self.down()
        self.changed = Event()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        arguments = (self.listener, mode, self.changed)
        Thread(target=self._accept, args=arguments, daemon=True).start()

    def _accept(self, listener: socket.socket, mode: str, changed: Event) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with self.lock:
                    if changed.is_set():
                        client.close()
                        return
                    self.open.add(client)
                arguments = (client, mode, changed)
                Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, client: socket.socket, mode: str, changed: Event) -> None:
        if mode == "hang":
            changed.wait()
            return
        assert self.target is not None
        with suppress(OSError), socket.create_connection(self.target) as server:
            with self.lock:
                self.open.add(server)
            back = Thread(target=self._pump, args=(server, client, mode, changed), daemon=True)
            back.start()
            self._pump(client, server, "relay", changed)
            back.join()
        with self.lock:
            self.open.discard(server)
            self.open.discard(client)
        client.close()

    def _pump(self, source: socket.socket, sink: socket.socket, mode: str, changed: Event) -> None:
        size = 1 if mode == "trickle" else 65536
        with suppress(OSError):
            while chunk := source.recv(size):
                if mode == "trickle" and changed.wait(self.pace):
                    return
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
