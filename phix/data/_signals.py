"""Being asked to stop, politely."""

import signal
import threading
from types import FrameType


class StopSignal:
    """While open, Ctrl-C (SIGINT) and SIGTERM only set a flag, to be looked at when
    it is safe to stop. A second Ctrl-C raises `KeyboardInterrupt` at once.

    Outside the main thread, where Python allows no handlers, it does nothing.

    !!! example
        ```python
        with StopSignal() as stop:
            while not stop:
                work()
        ```
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            # A handler that was not set from Python reads as None.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
