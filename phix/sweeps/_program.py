"""The compiled part of a sweep: how many points at a time, and on which devices."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import require
from phix._types import Array, PRNGKeyArray, PyTree
from phix.parallel import batch_axes, batch_map, num_batch_parts, refuse_host
from phix.sweeps._outcome import outcome
from phix.sweeps._points import Points
from phix.sweeps._screen import screened


# Of a CPU's memory only the cache is fast: with the work of all points of a chunk in
# the second level, Burgers runs took a sixth of the time of ten times as many points.
_CPU_CACHE = 2**20
_SHARE = 0.5  # of an accelerator's memory
_BLOCK_BYTES = 2**26
_PROBE = 8


class Sizes(NamedTuple):
    """Points per device: run together, and written together (a multiple of these)."""

    chunk: int
    block: int


class Program:
    """`fn` at many points: over the devices of a mesh, in chunks, with a result code.

    **Arguments:**

    - `fn`: the function of one point.
    - `points`: the columns.
    - `key`: folded with the index of a point for `fn(..., key=...)`, or None.
    - `mesh`, `partition`: as for `batch_map`.
    - `hopeless`: says of which points nothing is to be had, or None.
    """

    def __init__(
        self,
        fn: Callable,
        points: Points,
        key: PRNGKeyArray | None,
        mesh: Mesh | None,
        partition: str,
        hopeless: Callable | None = None,
    ):
        if mesh is not None and jax.process_count() > 1:
            mesh = mesh.local_mesh
        self.points, self.mesh, self.partition = points, mesh, partition
        self.devices = 1 if mesh is None else num_batch_parts(mesh)
        self.number = len(next(iter(points.values())))

        def of_rows(fn):
            def at(parameters, index):
                if key is None:
                    return fn(parameters)
                return fn(parameters, key=jr.fold_in(key, index))

            return at

        self.fn, self.at = fn, of_rows(fn)
        self.hopeless = None if hopeless is None else of_rows(hopeless)

    def shapes(self) -> PyTree:
        """What `fn` returns for one point, as shapes."""
        one = jax.tree.map(lambda x: x[0], self.inputs(np.zeros(1, int), place=False))
        if self.hopeless is not None:
            said = eqx.filter_eval_shape(self.hopeless, *one)
            shape = getattr(said, "shape", None)
            require(shape == (), f"hopeless: gives {said}, wanted one Boolean a point")
        return eqx.filter_eval_shape(self.at, *one)

    def inputs(self, index: np.ndarray, place: bool = True) -> tuple:
        """The parameters of points, each device's part on that device."""
        index = np.minimum(index, self.number - 1)
        rows = ({n: c[index] for n, c in self.points.items()}, index.astype(np.uint32))
        if self.mesh is None or not place:
            return jax.tree.map(jnp.asarray, rows)
        sharding = NamedSharding(self.mesh, PartitionSpec(batch_axes(self.mesh)))
        return jax.tree.map(lambda x: jax.device_put(x, sharding), rows)

    def compiled(self, chunk: int, *, screen: bool = True) -> Callable:
        """The map of inputs to (codes, arrays by name), compiled per shape."""

        def code_and_arrays(parameters, index):
            return outcome(self.at(parameters, index))

        if self.hopeless is None or not screen:
            mapped = batch_map(
                code_and_arrays, self.mesh, partition=self.partition, chunk=chunk
            )
            return jax.jit(mapped)
        run = screened(code_and_arrays, self.hopeless, chunk)
        if self.mesh is None:
            return jax.jit(run)
        refuse_host(self.fn)
        spec = PartitionSpec(batch_axes(self.mesh))
        options = {"in_specs": spec, "out_specs": spec, "check_vma": False}
        return jax.jit(jax.shard_map(run, mesh=self.mesh, **options))

    def sizes(self, chunk: int | None, seconds: float) -> Sizes:
        """Chunks that fit the memory, and blocks that take about so many seconds.

        A few points are compiled to see what memory they take and run to see how long.
        """
        share = -(-self.number // (self.devices * jax.process_count()))
        working, written, each = self._probe(min(_PROBE, share))
        most = max(1, _BLOCK_BYTES // max(written, 1))
        if chunk is None:
            fitting = _budget(jax.devices()[0]) // max(working, 1)
            chunk = _power_of_two(min(fitting, most, share))
        wanted = min(seconds / max(each, 1e-9), most, share)
        return Sizes(chunk, max(chunk, chunk * _power_of_two(int(wanted / chunk))))

    def _probe(self, number: int) -> tuple[int, int, float]:
        """Bytes that a point takes while it runs and when it is done, and seconds."""
        inputs = self.inputs(np.arange(number * self.devices))
        # As if all were to be run: points without a hope tell nothing of the others.
        compiled = self.compiled(number, screen=False).lower(*inputs).compile()
        try:
            seconds = _shortest(lambda: jax.block_until_ready(compiled(*inputs)))
        except jax.errors.JaxRuntimeError as error:
            if number == 1 or not out_of_memory(error):
                raise
            return self._probe(number // 2)
        working, written = _bytes_of(compiled)
        return working // number, written // number, seconds / number


def local_parts(out: PyTree) -> list[PyTree]:
    """The rows that each device holds, in order, as NumPy arrays without a copy."""

    def rows(x: Array) -> list[np.ndarray]:
        shards = sorted(x.addressable_shards, key=lambda s: s.index[0].start or 0)
        return [np.asarray(shard.data) for shard in shards]

    leaves, tree = jax.tree.flatten(out)
    return [tree.unflatten(part) for part in zip(*map(rows, leaves), strict=True)]


def out_of_memory(error: Exception) -> bool:
    """Whether a device had not enough memory."""
    return isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error)
    )


def _shortest(call: Callable) -> float:
    """Seconds of a call; a short one is repeated, since its first time misleads."""
    times: list[float] = []
    while sum(times) < 0.1 and len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _bytes_of(compiled: Any) -> tuple[int, int]:
    """Bytes on a device while a program runs, and those of its results."""
    memory = compiled.memory_analysis()
    out = memory.output_size_in_bytes
    return memory.temp_size_in_bytes + memory.argument_size_in_bytes + out, out


def _budget(device: Any) -> int:
    if device.platform == "cpu":
        return _CPU_CACHE
    stats = device.memory_stats() or {}
    return int(_SHARE * stats.get("bytes_limit", 2**32))


def _power_of_two(number: int) -> int:
    """The largest one that is not larger."""
    return 1 << max(int(number), 1).bit_length() - 1
