"""Blocks one after the other: computing, fetching and writing at the same time."""

import collections
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from phix._errors import PhixError, Result
from phix.data import JsonLines, Progress, StopSignal
from phix.sweeps._program import Program, local_parts, out_of_memory
from phix.sweeps._store import NOT_RUN, Store


_WAITING = 2  # blocks whose writing may lag behind
_ENOUGH = 8


class _Piece(NamedTuple):
    """What is dispatched at once: some rows of one block on each device."""

    blocks: list[int]
    chunk: int
    part: int
    of: int


class Driver:
    """Does the blocks that a store lacks."""

    def __init__(
        self, program: Program, store: Store, log: JsonLines | None, bar: Progress
    ) -> None:
        self.program, self.store, self.log, self.bar = program, store, log, bar
        self.status = store.status()
        self.compiled: dict[int, Callable] = {}
        self.writing: collections.deque[tuple[int, Future]] = collections.deque()
        self.written: set[int] = set()  # by this process: need not be read back
        self.parts: list[list] = []
        self.rates: list[float] = []
        self.fetched = time.perf_counter()
        self.began = self.fetched
        earlier = [] if log is None else log.read()
        self.best = max((r.get("undisturbed", 0.0) for r in earlier), default=0.0)

    def finish(self, stop: StopSignal) -> None:
        """Runs until all is there and readable, or until asked to stop."""
        while not stop:
            todo = self._share(self.store.missing())
            if not todo:
                mine = self._share(range(self.store.num_blocks))
                todo = self.store.damaged([b for b in mine if b not in self.written])
            if not todo:
                return
            self.status = self.store.status()
            try:
                with ThreadPoolExecutor(1, "writer") as self.pool:
                    try:
                        self._advance(todo, stop)
                    finally:
                        self._settle(0)
            except jax.errors.JaxRuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._halve(error)

    def _share(self, blocks: Iterable[int]) -> list[int]:
        """The blocks of this process."""
        return [b for b in blocks if b % jax.process_count() == jax.process_index()]

    def _advance(self, todo: list[int], stop: StopSignal) -> None:
        ahead = None
        self.parts, self.fetched = [], time.perf_counter()
        for piece in self._pieces(todo):
            if stop and piece.part == 0:
                break
            if ahead is not None:
                # Programs of one CPU do not wait for each other: two at a time would
                # share its cache. So the next one starts when this one has ended.
                jax.block_until_ready(ahead[1])
            try:
                running = piece, self._dispatch(piece)
            finally:  # what runs already is kept if this one cannot
                if ahead is not None:
                    self._fetch(*ahead)
            ahead = running
        if ahead is not None:
            self._fetch(*ahead)

    def _pieces(self, todo: list[int]) -> Iterator[_Piece]:
        """Blocks of one chunk size, as many at a time as there are devices. Where the
        size was halved they are dispatched in parts, so that results take less too."""
        store, devices = self.store, self.program.devices
        for chunk, group in itertools.groupby(todo, key=store.chunk_of):
            blocks, of = list(group), max(1, store.first_chunk // chunk)
            for first in range(0, len(blocks), devices):
                now = blocks[first : first + devices]
                yield from (_Piece(now, chunk, part, of) for part in range(of))

    def _dispatch(self, piece: _Piece) -> Any:
        devices, size = self.program.devices, self.store.block // piece.of
        # Where blocks run out, the last one is done twice and kept once.
        blocks = piece.blocks + piece.blocks[-1:] * (devices - len(piece.blocks))
        first = np.array(blocks) * self.store.block + piece.part * size
        index = (first[:, None] + np.arange(size)).ravel()
        if piece.chunk not in self.compiled:
            self.compiled[piece.chunk] = self.program.compiled(piece.chunk)
        return self.compiled[piece.chunk](*self.program.inputs(index))

    def _fetch(self, piece: _Piece, out) -> None:
        """Waits for a piece and hands whole blocks to the writer."""
        parts = local_parts(out)[: len(piece.blocks)]
        self.parts.append(parts)
        if piece.part + 1 < piece.of:
            return
        now = time.perf_counter()
        points = sum(self._size(block) for block in piece.blocks)
        self.rates.append(points / (now - self.fetched))
        self.fetched = now
        for block, *mine in zip(piece.blocks, *self.parts, strict=True):
            codes = np.concatenate([code for code, _ in mine])
            arrays = [arrays for _, arrays in mine]
            future = self.pool.submit(self.store.write, block, arrays, codes)
            self.writing.append((block, future))
            self.status[self.store.rows(block)] = codes[: self._size(block)]
        self.parts = []
        self._settle(_WAITING * self.program.devices)

    def _settle(self, left: int) -> None:
        """Waits until only so many blocks are still being written."""
        done = 0
        while len(self.writing) > left:
            block, future = self.writing.popleft()
            try:
                future.result()
            except OSError as error:
                raise OSError(
                    f"cannot write to {self.store.path} ({error}); what was committed "
                    "is kept: free some space, and the same call goes on"
                ) from error
            self.written.add(block)
            done += 1
        if done:
            self._report()

    def _report(self) -> None:
        if self.log is None:
            return
        if jax.process_count() > 1:
            self.status = self.store.status()
        status = self.status.copy()
        for block, _ in self.writing:
            status[self.store.rows(block)] = NOT_RUN
        done, failed = int((status >= 0).sum()), int((status > 0).sum())
        # The first block of a start may have waited for the compiler, and what few
        # blocks take tells little of an undisturbed run.
        mine = statistics.median(self.rates[1:] or self.rates)
        rate = mine * jax.process_count()
        if len(self.rates) > _ENOUGH or not self.best:
            self.best = max(self.best, rate)
        wall = max(time.time() - self.store.started, time.perf_counter() - self.began)
        record = {
            "points": done,
            "failed": failed,
            "rate": rate,
            "undisturbed": self.best,
            "goodput": min(1.0, done / (self.best * wall)),
            "seconds_left": (self.store.number - done) / rate,
        }
        self.log.write(record)
        self.bar.update(done, {k: record[k] for k in ("rate", "goodput", "failed")})

    def _halve(self, error: Exception) -> None:
        """Halves the chunk size from the first block that is missing."""
        if jax.process_count() > 1:
            raise PhixError(
                f"out of memory in process {jax.process_index()} of several, which "
                f"cannot change the chunk size alone ({error}); begin anew with a "
                f"smaller chunk than {self.store.chunks[-1][1]}",
                Result.solver_failed,
            ) from error
        block = self.store.missing()[0]
        first, size = block * self.store.block, self.store.chunk_of(block)
        if size == 1:
            raise PhixError(
                f"not even one point fits the memory of a device ({error}); take a "
                "smaller grid, fewer frames, or more devices for one point",
                Result.solver_failed,
            ) from error
        self.store.change_chunk(first, size // 2)
        self.bar.message(f"out of memory: chunks of {size // 2} from point {first} on")

    def _size(self, block: int) -> int:
        rows = self.store.rows(block)
        return rows.stop - rows.start
