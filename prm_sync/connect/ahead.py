"""Fetching ahead: one thread asks for the next pages while the consumer works on this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")
GRACE_S = 5.0  #: longest wait for the item that is being made when the iterator is closed


def ahead(source: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """The items of `source`, made in a thread of its own, at most `depth` of them waiting.

    An error of the source is raised where its item would have come. Closing the iterator stops the thread after the
    item it is at, and waits for that: whose connection is closed under a call waits for the call's time-out, or reads
    from another connection that got the number of the first.
    """
    ready: queue.SimpleQueue[tuple[T | None, Exception | None, bool]] = queue.SimpleQueue()
    room, stop = threading.Semaphore(depth), threading.Event()

    def run() -> None:
        try:
            while True:
                room.acquire()
                if stop.is_set():
                    return
                item = next(source, _END)
                ready.put((None, None, True) if item is _END else (item, None, False))  # type: ignore[arg-type]
                if item is _END:
                    return
        except Exception as error:  # noqa: BLE001 - it is raised again in the consumer's thread
            ready.put((None, error, True))
        finally:
            if isinstance(source, Generator):  # it may look ahead itself, in a thread of its own
                source.close()

    thread = threading.Thread(target=run, name="pages ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            room.release()
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        room.release()
        if thread is not threading.current_thread():  # where a collector closes it
            thread.join(GRACE_S)


_END = object()
