"""A progress bar with the time left and live numbers."""

import sys
from collections.abc import Mapping

from tqdm import tqdm


class Progress:
    """A bar on stderr: steps done, rate, time left and the latest scalars.

    On a terminal it is redrawn a few times a second; elsewhere (a file, a pipe) it
    prints a line every half minute.

    **Arguments:**

    - `total`: number of steps in all.
    - `initial`: steps already done, when a run resumes.
    - `enabled`: `False` prints nothing.
    - `label`: what is going on.
    """

    def __init__(
        self,
        total: int,
        *,
        initial: int = 0,
        enabled: bool = True,
        label: str = "fit",
    ):
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=initial,
            disable=not enabled,
            desc=label,
            file=sys.stderr,
            dynamic_ncols=terminal,
            ncols=None if terminal else 100,
            mininterval=0.2 if terminal else 30.0,
            delay=0.0 if terminal else 30.0,
            leave=terminal,
        )

    def update(self, step: int, scalars: Mapping[str, float] | None = None) -> None:
        """Moves the bar to `step` and shows `scalars`."""
        if scalars:
            shown = {name: f"{float(x):.3g}" for name, x in scalars.items()}
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update(step - self._bar.n)

    def advance(self) -> None:
        """Moves the bar by one step."""
        self._bar.update(1)

    def message(self, text: str) -> None:
        """Prints a line without breaking the bar."""
        if not self._bar.disable:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.close()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
