"""A trajectory of one equation, from a config."""

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

from phix.recipes._equations import Box, Equation
from phix.recipes._starts import Start


Scheme = Literal[
    "ARK4",
    "ARS222",
    "ARS443",
    "BlanesMoan4",
    "BlanesMoan6",
    "CNAB2",
    "EGLM4",
    "EGLM5",
    "EGLM6",
    "ETDAB2",
    "ETDAB3",
    "ETDAB4",
    "ETDRK1",
    "ETDRK2",
    "ETDRK3",
    "ETDRK4",
    "Lawson3",
    "Lawson4",
    "Lawson5",
    "LawsonBS5",
    "SBDF2",
    "SBDF3",
    "Splitting4",
    "Splitting6",
    "StormerVerlet",
    "Strang",
    "Yoshida4",
    "Dopri5",
    "Dopri8",
    "Euler",
    "Heun",
    "Kvaerno5",
    "Tsit5",
]


@dataclasses.dataclass(frozen=True)
class Simulation:
    """A trajectory of any equation: `phix simulate`, with --plot and --animate.

    - `duration`: from time 0, non-dimensional.
    - `num_frames`: states kept, first and last included, evenly spaced.
    - `dt`: the longest step; without one the steps are chosen to the tolerances.
    - `scheme`: without one, the equation's own.
    """

    reference: ClassVar[str] = "examples in configs/simulate"
    equation: Equation
    grid: Box
    start: Start
    duration: float
    num_frames: int = 101
    dt: float | None = None
    scheme: Scheme | None = None
    precision: Literal["float32", "float64"] = "float32"

    def __post_init__(self):
        if not self.duration > 0:
            raise ValueError(f"duration must be positive, got {self.duration}")
        if self.num_frames < 2:
            raise ValueError(f"num_frames must be at least 2, got {self.num_frames}")

    def trajectory(self):
        """The `phix.data.Trajectory`."""
        import contextlib

        import jax
        import numpy as np

        from phix.integrate import AbstractSplitScheme, solve
        from phix.pde import KleinGordon

        double = self.precision == "float64"
        with jax.enable_x64(True) if double else contextlib.nullcontext():
            equation = self.equation.build(self.grid.build())
            u0 = self.start.build(equation, np.dtype(self.precision))
            ts = np.linspace(0.0, self.duration, self.num_frames)
            scheme = self._scheme()
            waves = isinstance(equation, KleinGordon)
            if waves and isinstance(scheme, AbstractSplitScheme):
                equation = equation.semilinear()
            return solve(equation, u0, ts, dt=self.dt, scheme=scheme)

    def simulate(self, path: Path) -> None:
        """Writes the trajectory, as HDF5 (`.h5`) or NetCDF (`.nc`)."""
        from phix.data import trajectory_path

        path = trajectory_path(path)
        self.trajectory().save(path)

    def _scheme(self):
        import diffrax

        from phix import integrate

        if self.scheme is None:
            return None
        room = integrate if self.scheme in integrate.__all__ else diffrax
        return getattr(room, self.scheme)()
