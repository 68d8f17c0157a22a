"""Windows of trajectories in files, as samples for training; and their statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from phix._errors import require
from phix.data._reader import TrajectoryReader


class Windows:
    """Windows of frames over the samples of a reader; each is read when asked for.

    `windows[i]` is a dictionary of arrays on the host: `us`, `"length channels
    *space"`, their times `ts`, and `params` by name. Made for `phix.train.HostSource`.

    **Arguments:**

    - `reader`: an open file.
    - `length`: frames in a window; all if `None`.
    - `stride`: frames from the start of a window to that of the next.
    - `samples`: numbers of the samples taken, such as those for training; all if
        `None`.

    **Raises:** `ValueError` for windows that do not fit, or samples that are not there.
    """

    def __init__(
        self,
        reader: TrajectoryReader,
        length: int | None = None,
        *,
        stride: int = 1,
        samples: Sequence[int] | None = None,
    ):
        length = reader.num_frames if length is None else length
        require(
            0 < length <= reader.num_frames,
            f"length: got {length}; wanted 1 to {reader.num_frames}, the frames of "
            f"{reader.path}",
        )
        require(stride > 0, f"stride: got {stride}; wanted a positive number")
        self.reader, self.length = reader, length
        self.samples = read_samples(reader, samples)
        self.starts = range(0, reader.num_frames - length + 1, stride)

    def __len__(self) -> int:
        return len(self.samples) * len(self.starts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample, place = divmod(range(len(self))[index], len(self.starts))
        sample, start = self.samples[sample], self.starts[place]
        part = (sample, start, start + self.length)
        return {
            "us": self.reader.read(*part),
            "ts": self.reader.ts(*part),
            "params": self.reader.params(*part),
        }


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Mean, deviation, least and greatest value of each channel, in double precision.

    `nn.Standardiser(jnp.asarray(s.mean), jnp.asarray(s.std))` normalises by them.
    """

    mean: np.ndarray
    std: np.ndarray
    least: np.ndarray
    greatest: np.ndarray


def statistics(
    reader: TrajectoryReader, samples: Sequence[int], *, frames: int = 64
) -> Statistics:
    """Statistics of each channel over samples, read once, a part at a time.

    Of parts of $n$ numbers with mean $m$ and sum of squared deviations $M$, two join as
    $M = M_a + M_b + (m_b - m_a)^2 n_a n_b / (n_a + n_b)$, which loses no digits where
    the mean is large.

    **Arguments:**

    - `reader`: an open file.
    - `samples`: numbers of those to learn from: the training part, never all.
    - `frames`: how many are in memory at a time.

    **Returns:** a `Statistics`.

    **Raises:** `ValueError` as `TrajectoryReader.read`, and for samples that are not
    there.

    ??? cite "Reference"
        Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for
        computing sample variances, 1979.
    """
    require(frames > 0, f"frames: got {frames}; wanted a positive number")
    channels = len(reader.channels)
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    least, greatest = np.full(channels, np.inf), np.full(channels, -np.inf)
    for sample in read_samples(reader, samples):
        for start in range(0, reader.num_frames, frames):
            us = reader.read(sample, start, min(start + frames, reader.num_frames))
            us = np.moveaxis(us, 1, 0).reshape(channels, -1).astype(np.float64)
            number, part = us.shape[1], us.mean(1)
            delta, total = part - mean, count + number
            squares += ((us - part[:, None]) ** 2).sum(1)
            squares += delta**2 * (count * number / total)
            mean += delta * (number / total)
            count = total
            least = np.minimum(least, us.min(1))
            greatest = np.maximum(greatest, us.max(1))
    return Statistics(mean, np.sqrt(squares / count), least, greatest)


def read_samples(
    reader: TrajectoryReader, samples: Sequence[int] | None
) -> tuple[int, ...]:
    """The numbers of samples, if they are there."""
    chosen = tuple(range(len(reader)) if samples is None else map(int, samples))
    require(
        len(chosen) > 0 and all(0 <= i < len(reader) for i in chosen),
        f"samples: got {chosen[:8]}; wanted some of 0 to {len(reader) - 1}, those of "
        f"{reader.path}",
    )
    return chosen
