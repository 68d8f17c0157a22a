import functools
import gc
import os
import threading
from importlib.metadata import version
from pathlib import Path


# Compiled programs are kept between runs and shared with the processes tests start.
# JAX reads these when it is first imported, hence before the other imports.
_CACHE = Path(__file__).parents[1] / ".jax_cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Tiny shapes spend their time in the compiler; what it leaves out changes no answer.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# The older emitters compile small programs in three quarters of the time, and one part
# is compiled sooner than several. XLA ends the process at a flag it does not know,
# hence only with versions that were tried.
TRIED = version("jaxlib") in ("0.10.0", "0.10.1", "0.10.2")
if TRIED:
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    )

# Batched LU decompositions wait for threads of the pool they run on: as many at once as
# it has threads never end. Two cores make a pool of two.
os.environ.setdefault("NPROC", "8")

import jax  # noqa: E402
import jax.random as jr  # noqa: E402
import pytest  # noqa: E402


jax.config.update("jax_enable_x64", os.environ.get("PHIX_TEST_X64", "1") == "1")


# Traced programs are many objects that live for long: looking through them at every
# 700th takes a twentieth of the time.
gc.set_threshold(5_000, 10, 10)


def _share_contexts():
    """One context of MLIR for the programs of a file. JAX makes one for each, which
    takes a third of the time of lowering a small one, and two megabytes; programs are
    the same. It has no setting for that, hence only with versions that were tried."""
    from jax._src.interpreters import mlir
    from jaxlib.mlir import ir

    make = mlir.make_ir_context
    shared = functools.cache(make)

    def context():
        # Lowered while another program is, here or in another thread, it would be
        # written into that.
        alone = threading.current_thread() is threading.main_thread()
        return shared() if alone and ir.Context.current is None else make()

    mlir.make_ir_context = context
    return shared.cache_clear


forget_context = _share_contexts() if TRIED else lambda: None


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Compiled programs hold maps of memory, of which a process may have some 65,000:
    with those of all files the compiler ends in a segmentation fault."""
    yield
    jax.clear_caches()
    forget_context()


@pytest.fixture
def getkey():
    """Fresh keys, the same ones in every run of one test."""
    key = jr.key(0)
    count = 0

    def get():
        nonlocal count
        count += 1
        return jr.fold_in(key, count)

    return get
