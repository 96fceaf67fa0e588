"""A server that says exactly the bytes it is told, and then hangs up or keeps silent."""

from __future__ import annotations

import socket
from threading import Event, Thread

#: The end of a request's headers; what follows is of no interest here.
END = b"\r\n\r\n"


class Raw:
    """Takes each connection and answers it with ``said``, before or after it was asked.

    ``lets_go`` says whether the connection is closed then; else it stays open until ``close``.
    """

    def __init__(self, said: bytes, *, lets_go: bool = True, listens: bool = True) -> None:
        self.said = said
        self.lets_go = lets_go
        self.listens = listens
        self.asked: list[bytes] = []
        self.over = Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.listens:
                    self.asked.append(self._request(connection))
                connection.sendall(self.said)
            except ConnectionError:
                return
            if not self.lets_go:
                self.over.wait()

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        asked = b""
        while END not in asked:
            more = connection.recv(4096)
            if not more:
                break
            asked += more
        return asked

    def close(self) -> None:
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
