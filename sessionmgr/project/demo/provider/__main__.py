"""``python -m sessionmgr.project.demo.provider``: the demo's identity provider, on its own."""

import logging
import os
import signal
import sys
from threading import Thread
from time import time  # noqa: TID251 - an entry point, and no database to ask
from types import FrameType

from sessionmgr.project.demo.provider.config import Unusable, from_environment
from sessionmgr.project.demo.provider.outage import Kind
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider


def main() -> int:
    """Serve until somebody asks for the end; return the exit code."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    try:
        config = from_environment(os.environ)
        try:
            provider = Provider(config, time)
        except OSError as error:
            raise Unusable(f"{config.folder} cannot be used ({error.strerror}).") from None
        server = Server(provider)
    except Unusable as problem:
        print(f"demo provider: {problem}", file=sys.stderr)  # noqa: T201
        return 1

    def stop(number: int, frame: FrameType | None) -> None:
        provider.outage.switch(Kind.NONE)
        # Not in this thread, which serves: it would wait for itself.
        Thread(target=server.shutdown).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with server:
        logging.info("serving on %s", config.issuer)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
