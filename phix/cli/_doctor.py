"""What is installed here, whether it computes right, and what is known to go wrong."""

import dataclasses
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterator
from typing import Any


PACKAGES = (
    "phix-jax",
    "jax",
    "jaxlib",
    "equinox",
    "diffrax",
    "lineax",
    "optax",
    "orbax-checkpoint",
    "numpy",
)
_MARKS = {"right": "✓", "known trouble": "!", "wrong": "✗"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report; `verdict` is a key of `_MARKS`."""

    verdict: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{_MARKS[self.verdict]} {self.name}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What known trouble depends on, so that it can be told without the machine."""

    jax: tuple[int, ...]
    platform: str
    devices: int
    processes: int
    cores: int
    environment: dict[str, str]
    matmul: str | None

    @classmethod
    def here(cls) -> "Facts":
        """Those of this process; starts JAX."""
        import jax

        cores = getattr(os, "sched_getaffinity", None)
        return cls(
            jax=_numbers(jax.__version__),
            platform=jax.default_backend(),
            devices=jax.local_device_count(),
            processes=jax.process_count(),
            cores=len(cores(0)) if cores else os.cpu_count() or 1,
            environment=dict(os.environ),
            matmul=getattr(jax.config, "jax_default_matmul_precision", None),
        )


def examine() -> Iterator[Finding]:
    """All findings, each as soon as it is known."""
    yield Finding("right", "versions", ", ".join(_versions()))
    facts = Facts.here()
    yield Finding("right", "devices", ", ".join(_devices()))
    for name, check in CHECKS.items():
        yield _run(name, check)
    for text in known_trouble(facts):
        yield Finding("known trouble", "known trouble", text)


def known_trouble(facts: Facts) -> list[str]:
    """Combinations that were seen to fail, each with what to do."""
    said, environment = [], facts.environment
    if facts.jax < (0, 10):
        said.append(
            f"jax {'.'.join(map(str, facts.jax))} is older than 0.10, which phix is "
            "written for: pip install -U jax"
        )
    if facts.platform == "cpu" and facts.cores <= 2 and "NPROC" not in environment:
        said.append(
            "with two threads XLA may stand still for ever in batched LU "
            "decompositions (implicit steps under vmap): set NPROC=8 first"
        )
    if facts.platform == "cpu" and facts.devices > facts.cores:
        said.append(
            f"{facts.devices} CPU devices share {facts.cores} cores: right for tests, "
            "slow for work; see phix.parallel.use_cores"
        )
    tasks = environment.get("SLURM_NTASKS") or environment.get("OMPI_COMM_WORLD_SIZE")
    if facts.processes == 1 and (tasks or "1").isdecimal() and int(tasks or 1) > 1:
        said.append(
            f"one of {tasks} tasks, but this process is alone: call "
            "phix.parallel.initialise() before anything else of JAX"
        )
    if facts.platform == "gpu" and "XLA_PYTHON_CLIENT_PREALLOCATE" not in environment:
        said.append(
            "JAX takes three quarters of a GPU's memory when it starts; where others "
            "use it too set XLA_PYTHON_CLIENT_PREALLOCATE=false"
        )
    if facts.matmul not in (None, "float32", "highest", "default"):
        said.append(
            f"jax_default_matmul_precision is {facts.matmul!r}; what decides a result "
            "in phix asks for more by itself, your own matrices do not"
        )
    return said


def check_fft() -> str:
    """The transform of noise there and back, and beside NumPy's."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    u = np.random.default_rng(0).normal(size=(48, 64)).astype(np.float32)
    truth = np.fft.rfft2(u.astype(float))
    worst = 0.0
    for device in jax.local_devices():
        waves = jax.jit(jnp.fft.rfft2)(jax.device_put(u, device))
        back = jax.jit(lambda w: jnp.fft.irfft2(w, u.shape))(waves)
        gaps = np.abs(waves - truth).max() / np.abs(truth).max(), np.abs(back - u).max()
        worst = float(np.max([worst, *gaps]))  # of NaN, NaN
    _require(bool(worst < 1e-5), f"an FFT is wrong by {worst:.1e}")
    return f"right to {worst:.0e} on {jax.local_device_count()} device(s)"


def check_gradient() -> str:
    """Of a short solve, beside central differences."""
    import jax
    import jax.numpy as jnp

    from phix import solve
    from phix.pde import KuramotoSivashinsky
    from phix.space import Grid

    equation = KuramotoSivashinsky(Grid(32, (0.0, 22.0)))
    x = equation.space.axes[0]
    shape = jnp.stack([jnp.sin(x * 2 * jnp.pi / 22), jnp.cos(x * 4 * jnp.pi / 22)])

    def energy(a):
        u0 = (a @ shape)[None].astype(jnp.float32)
        return jnp.mean(solve(equation, u0, [0.0, 1.0], dt=0.1).us[-1] ** 2)

    a, way, h = jnp.array([1.0, 0.5]), jnp.array([0.6, -0.8]), 1e-2
    by_ad = float(jax.grad(energy)(a) @ way)
    by_differences = float((energy(a + h * way) - energy(a - h * way)) / (2 * h))
    gap = abs(by_ad / by_differences - 1)
    _require(gap < 1e-2, f"a gradient is {by_ad:.6g}, differences {by_differences:.6g}")
    return f"of ten steps, {gap:.0e} from differences in float32"


def check_collectives() -> str:
    """A sum over all devices of this process."""
    import jax
    import numpy as np
    from jax.sharding import PartitionSpec

    from phix.parallel import BATCH_AXIS, make_mesh

    count = jax.device_count()
    spec = PartitionSpec(BATCH_AXIS)
    summed = jax.jit(
        jax.shard_map(
            lambda x: jax.lax.psum(x, BATCH_AXIS),
            mesh=make_mesh(),
            in_specs=spec,
            out_specs=PartitionSpec(),
        )
    )
    found = float(summed(np.arange(1.0, count + 1, dtype=np.float32))[0])
    wanted = count * (count + 1) / 2
    _require(found == wanted, f"the sum of 1 to {count} over devices gave {found:g}")
    return f"a sum over {count} device(s) in {jax.process_count()} process(es)"


CHECKS: dict[str, Callable[[], str]] = {
    "FFT": check_fft,
    "gradient": check_gradient,
    "collectives": check_collectives,
}


def _run(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding("right", name, check())
    except Exception as error:  # whatever is wrong with a machine is a finding
        return Finding("wrong", name, f"{type(error).__name__}: {error}")


def _require(right: bool, text: str) -> None:
    if not right:
        raise ArithmeticError(text)


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {sys.platform}"
    for package in PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package} missing"


def _devices() -> Iterator[str]:
    import jax

    for device in jax.local_devices():
        memory: dict[str, Any] = device.memory_stats() or {}
        size = memory.get("bytes_limit")
        room = f" with {size / 2**30:.1f} GiB" if size else ""
        yield f"{device} ({device.device_kind}{room})"


def _numbers(version: str) -> tuple[int, ...]:
    parts = (part for part in version.split(".")[:3])
    return tuple(int(part) for part in parts if part.isdecimal())
