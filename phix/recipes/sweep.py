"""Many trajectories of one equation, from a config."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from phix.recipes._sweep_points import SweepPoints
from phix.recipes.simulation import Simulation


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Trajectories of any equation at many points: `phix sweep`.

    - `points`: which numbers of the simulation vary, and how.
    - `simulation`: one of them, as for `phix simulate`.
    - `devices`: how many take part; by default all, and on CPUs one for each core.
    - `chunk`: points that a device runs together; by default found, and kept.
    - `seconds`: about how much work a block holds, which is what a kill may lose.
    """

    reference: ClassVar[str] = "examples in configs/sweep"
    points: SweepPoints
    simulation: Simulation
    devices: int | None = None
    chunk: int | None = None
    seconds: float = 1.0

    def sweep(self, directory: Path, *, progress: bool = True) -> None:
        """Runs or continues the sweep, and writes its figure and its report."""
        import contextlib

        import jax

        from phix.parallel import initialise, make_mesh, use_cores

        use_cores(self.devices)
        initialise()
        mesh = make_mesh(self.devices)
        double = self.simulation.precision == "float64"
        with jax.enable_x64(True) if double else contextlib.nullcontext():
            self._sweep(directory, mesh, progress)

    def _sweep(self, directory: Path, mesh, progress: bool) -> None:
        import contextlib

        import jax

        from phix.data import RunDirectory
        from phix.recipes._run_folder import run_folder
        from phix.recipes._sweep_report import write_report
        from phix.sweeps import sweep

        names = self._names()
        points = {names[path]: column for path, column in self._points().items()}
        _keep_programs(directory.resolve() / "programs")
        with contextlib.ExitStack() as stack:
            run = directory
            if jax.process_index() == 0:
                run = stack.enter_context(run_folder(self, directory))
            dataset = sweep(
                self._function(names),
                points,
                run,
                mesh=mesh,
                partition="auto" if self.simulation.scheme == "Kvaerno5" else "shard",
                chunk=self.chunk,
                seconds=self.seconds,
                progress=progress,
            )
            if isinstance(run, RunDirectory):
                write_report(run, dataset, list(points))

    def _names(self) -> dict[str, str]:
        """Path to the shortest end of it that no other path has."""
        paths = list(self.points.build())
        ends = {path: path.rpartition(".")[2] for path in paths}
        unique = len(set(ends.values())) == len(ends)
        return ends if unique else {path: path for path in paths}

    def _points(self) -> dict:
        """The columns by path, in the type of the number that stands there."""
        import numpy as np

        from phix.recipes._varied import number_at

        equation = self.simulation.equation.build(self.simulation.grid.build())
        columns, known = self.points.build(), list(equation.parameters)
        for path, column in columns.items():
            head, _, rest = path.partition(".")
            if head not in ("equation", "start"):
                raise ValueError(
                    f"points: {path!r} cannot vary; take numbers of the equation or of "
                    "the start, such as 'equation.nu'"
                )
            if head == "equation" and rest.rpartition(".")[2] not in known:
                raise ValueError(
                    f"points: {path!r} is no parameter of the equation, which has "
                    f"{', '.join(sorted(known))}"
                )
            whole = isinstance(number_at(self.simulation, path), int)
            columns[path] = np.asarray(column, np.int32 if whole else np.float64)
        return columns

    def _function(self, names: dict[str, str]):
        """The simulation as a function of its parameters."""
        from phix.recipes._varied import varied

        def trajectory(parameters):
            values = {path: parameters[name] for path, name in names.items()}
            return varied(self.simulation, values).trajectory()

        return trajectory


def _keep_programs(folder: Path) -> None:
    """Compiled programs stay in the run, so that it soon goes on after a stop."""
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
