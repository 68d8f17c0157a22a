"""Batches of data that do not fit onto the device, read while it computes."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import require
from phix._types import IntScalar, PRNGKeyArray
from phix.train._batch import Batch
from phix.train._source import AbstractEpochs, checked_size, real_dtype


@runtime_checkable
class Samples(Protocol):
    """What can be counted and asked for by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class HostSource(AbstractEpochs):
    """Batches of samples that the host reads one by one, from files as large as may be.

    The batch of a step is a pure function of the step, as with `ArraySource`: a run
    that was killed goes on with the batches it would have had, and no position is
    saved. While the device works on a batch a thread reads the next one; at most two
    are in memory.

    **Arguments:**

    - `samples`: a sequence, `len(samples)` and `samples[i]`, of pytrees of NumPy arrays
        of the same shapes: `phix.data.Windows`, a `grain.MapDataset` (which can map and
        filter), or your own. It is read from one thread at a time.
    - `batch_size`: samples in a batch.

    **Raises:** `ValueError` for no samples or a batch size that is not positive; while
    training, with the number of the sample, for one that cannot be read or has other
    shapes than the first.

    With several processes every one reads the whole batch.
    """

    batch_size: int = eqx.field(static=True)
    reader: "_Ahead" = eqx.field(static=True)

    def __init__(self, samples: Samples, batch_size: int):
        require(len(samples) > 0, "samples: there are none.")
        self.batch_size = checked_size(batch_size, len(samples))
        self.reader = _Ahead(samples)

    @property
    def num_samples(self) -> int:
        """Number of samples in an epoch."""
        return len(self.reader.samples)

    def draw(self, step: IntScalar, *, key: PRNGKeyArray) -> Batch:
        index = self.index(step, key=key)
        following = self.index(jnp.asarray(step) + 1, key=key)
        samples = jax.pure_callback(
            self.reader,
            self.reader.shapes(self.batch_size),
            index,
            following,
            vmap_method="sequential",
        )
        weight = self.inside(step).astype(real_dtype(samples))
        return Batch(samples, weight, jnp.arange(self.batch_size, dtype=jnp.int32))


class _Ahead:
    """Reads samples by their numbers, and those that follow in a thread."""

    def __init__(self, samples: Samples):
        self.samples = samples
        first = jtu.tree_map(_on_device, samples[0])
        self._rows, self._treedef = jtu.tree_flatten(first)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="samples")
        self._next: tuple[bytes, Future] | None = None

    def shapes(self, batch_size: int) -> Any:
        """Of a batch."""
        rows = [
            jax.ShapeDtypeStruct((batch_size, *row.shape), row.dtype)
            for row in self._rows
        ]
        return jtu.tree_unflatten(self._treedef, rows)

    def __call__(self, index: Any, following: Any) -> Any:
        index, following = np.asarray(index), np.asarray(following)
        expected, self._next = self._next, None
        if expected is not None and expected[0] == index.tobytes():
            batch = expected[1].result()
        else:
            batch = self._thread.submit(self._read, index).result()
        self._next = following.tobytes(), self._thread.submit(self._read, following)
        return batch

    def _read(self, index: np.ndarray) -> Any:
        rows = [self._row(int(i)) for i in index]
        return jtu.tree_map(lambda *leaves: np.stack(leaves), *rows)

    def _row(self, number: int) -> Any:
        try:
            row = jtu.tree_map(_on_device, self.samples[number])
        except Exception as error:
            raise ValueError(f"samples[{number}] cannot be read: {error}") from error
        leaves, treedef = jtu.tree_flatten(row)
        require(
            treedef == self._treedef
            and all(
                a.shape == b.shape and a.dtype == b.dtype
                for a, b in zip(leaves, self._rows, strict=True)
            ),
            f"samples[{number}] is not shaped like samples[0]: got "
            f"{jtu.tree_map(lambda x: f'{x.dtype}{list(x.shape)}', row)}",
        )
        return row


def _on_device(x: Any) -> np.ndarray:
    """As JAX will hold it: in float32 where x64 is off."""
    x = np.asarray(x)
    return x.astype(jax.dtypes.canonicalize_dtype(x.dtype))
