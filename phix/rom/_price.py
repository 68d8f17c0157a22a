"""What a reduced model costs, beside the solver it stands for."""

import math
import time
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float, RealScalar
from phix.data import Trajectory
from phix.metrics import relative_l2
from phix.pde import AbstractDiscrete, AbstractEquation
from phix.rom._coarse import Resolution, Solver, coarsest
from phix.rom._data import TrainingData, training_data
from phix.rom._forecast import forecast
from phix.rom._invert import acceptance, invert_frames
from phix.rom._model import ReducedModel
from phix.rom._readout import Readout
from phix.space import Grid


_PARTS = ("latents", "sensors", "fields")
_SOLVERS = ("solver", "coarse solver")
_READ = "coarse solver, read"
# Calls behind the time of an inversion, which is long.
_FEW = 3


class Price(eqx.Module):
    r"""What forecasts cost; made by `price`.

    - `seconds`: median seconds of one trajectory, and of `batch` of them at once, for
      `"inversion"` of the first frame on the whole grid, a forecast of `"latents"`, of
      the fields at `"sensors"`, of whole `"fields"`, for the `"solver"`, the
      `"coarse solver"` and, where the sensors are known, the `"coarse solver, read"` at
      them in all frames. Compilation is counted for none.
    - `frames`, `batch`: how many.
    - `error`: of the forecasts, averaged over test trajectories and frames.
    - `coarse`, `coarse_error`: the coarsened solver, `None` where there is none.
    - `fine`: the solver as it is.
    - `spent`: seconds of making the data and training.
    """

    seconds: dict[str, tuple[float, float]]
    frames: int
    batch: int
    error: float
    fine: Resolution
    coarse: Resolution | None
    coarse_error: float
    spent: float

    def gain(self, part: str, solver: str = "solver") -> tuple[float, float]:
        """How often faster a forecast is than the solver, from a latent that is known:
        one trajectory, and a batch."""
        one, many = zip(self.seconds[solver], self.seconds[part], strict=True)
        return one[0] / one[1], many[0] / many[1]

    def breakeven(self, part: str, solver: str = "solver") -> tuple[float, float]:
        r"""How many solves must be wanted before the model has paid for itself: `spent`
        over what each saves, the inversion counted; one at a time, and in batches.
        Infinite where nothing is saved."""
        counts = []
        for place, size in enumerate((1, self.batch)):
            own = self.seconds[part][place] + self.seconds["inversion"][place]
            saved = (self.seconds[solver][place] - own) / size
            counts.append(math.inf if saved <= 0 else float(-(-self.spent // saved)))
        return counts[0], counts[1]

    def summary(self) -> dict:
        """The numbers by name, as JSON knows them; infinity is `None`."""
        solvers = [s for s in _SOLVERS if s in self.seconds]
        return {
            "seconds": {name: list(pair) for name, pair in self.seconds.items()},
            "frames": self.frames,
            "batch": self.batch,
            "error": self.error,
            "coarse": None if self.coarse is None else list(self.coarse),
            "coarse_error": self.coarse_error,
            "spent": self.spent,
            "gain": {s: {p: list(self.gain(p, s)) for p in _PARTS} for s in solvers},
            "breakeven": {
                s: {
                    p: [n if math.isfinite(n) else None for n in self.breakeven(p, s)]
                    for p in _PARTS
                }
                for s in solvers
            },
        }

    def rows(self) -> list[list[str]]:
        """The table of `print`: a head, and a row for each thing timed."""
        solvers = [s for s in _SOLVERS if s in self.seconds]
        table = [
            [
                f"seconds for {self.frames} frames",
                "one",
                f"{self.batch} at once",
                *(f"{name} over it" for name in solvers),
                *(f"pays after, {name}" for name in solvers),
            ]
        ]
        for name, pair in self.seconds.items():
            cells = [name, *(f"{value:.2e}" for value in pair)]
            if name in _PARTS:
                cells += [_ratios(self.gain(name, s)) for s in solvers]
                cells += [_counts(self.breakeven(name, s)) for s in solvers]
            table.append(cells + [""] * (len(table[0]) - len(cells)))
        return table

    def notes(self) -> list[str]:
        """What the rows stand for."""
        lines = [f"solver: {_described(self.fine)}."]
        if self.coarse is not None:
            lines.append(
                f"coarse solver: {_described(self.coarse)}, error "
                f"{self.coarse_error:.3g}; that of the model {self.error:.3g}."
            )
        if _READ in self.seconds:
            ratios = _ratios(self.gain("sensors", _READ))
            lines.append(f"coarse solver, read, over sensors: {ratios}.")
        lines.append(
            f"a / b: one at a time / {self.batch} at once. Solves after which the "
            f"model pays: {self.spent:.3g} s of data and training over what each one "
            "saves, its inversion counted."
        )
        return lines

    def __str__(self) -> str:
        """The table and what it means."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
        return "\n".join([*lines, *self.notes()])


def price(
    model: ReducedModel,
    test: TrainingData | Trajectory | tuple,
    *,
    train: TrainingData | Trajectory | tuple,
    solver: AbstractEquation | Callable,
    dt: RealScalar | None,
    sensors: Float[Array, "points dim"] | Readout,
    fields: Readout | None = None,
    scheme: dfx.AbstractSolver | None = None,
    latent_dt: RealScalar | None = None,
    between: str = "latents",
    inverting: Callable = invert_frames,
    places: Float[Array, "points dim"] | None = None,
    batch: int = 64,
    spent: float = 0.0,
    rounds: int = 15,
    grid: Grid | None = None,
) -> Price:
    r"""What forecasts of a model cost, beside its solver as it is and as coarse as the
    model's own error allows.

    The coarsened solver is searched for over grids of down to an eighth of the nodes an
    axis and over steps of up to sixteen output intervals: the fastest one whose mean
    error on the test trajectories, brought to the fine grid and all frames, is not
    above the model's. Fields change grids by their modes where all sides are periodic.

    All are timed compiled, one after the other in every round, and the medians taken.
    A solver is timed for the fields on its own grid and times: reading sensors from
    them and refining them is not counted against it. What the coarse one takes with its
    sensors read in all frames is a line of its own.

    **Arguments:**

    - `model`: a `ReducedModel`.
    - `test`, `train`: trajectories as for `error_report`; the tests' first frames are
      where forecasts start.
    - `solver`: `solver(grid) -> equation` on any grid of the box; or the equation on
      the grid of the data alone, which is not coarsened then.
    - `dt`, `scheme`: of the solver as it is, as for `solve`; `dt=None` for an equation
      with a native step.
    - `latent_dt`, `between`: step of the forecasts, and what is found between steps, as
      for `forecast`; see `longest_step`.
    - `sensors`: points at which few values of a field are wanted, or their `readout`.
    - `inverting`: `inverting(model, us, grid, accept=…)`, in place of `invert_frames`;
      for example that with `likely=True` and few `nodes`.
    - `places`: the points of a `readout`, for the coarse solver to be read at.
    - `fields`: a `readout` on the grid of the tests, to be priced and judged in place
      of the decoder.
    - `batch`: trajectories that are forecast together.
    - `spent`: seconds of making the data and of training, for the breakeven count.
    - `rounds`: calls behind each median.
    - `grid`: of plain arrays.

    **Returns:** a `Price`; `print` shows it.

    **Raises:** `ValueError` for test trajectories that do not share their times, or a
    solver without `dt` that has no step of its own.
    """
    test, train = (
        training_data(data, parameters=model.parameters, grid=grid)
        for data in (test, train)
    )
    ts = np.asarray(test.ts[0])
    require(
        bool(np.all(np.asarray(test.ts) == ts)),
        "test trajectories must share their times; price them one by one",
    )
    require(
        test.cond.ndim == 2,
        "inputs that vary in time are not priced; give trajectories with constant ones",
    )
    known = isinstance(solver, AbstractEquation)
    build = (lambda _: solver) if known else solver
    native = isinstance(build(test.grid), AbstractDiscrete)
    require(
        native or dt is not None,
        "dt is None, but the solver has no native step; give the step it takes",
    )
    fine = Resolution(test.grid.shape, _steps_in(float(np.max(np.diff(ts))), dt))
    family = Solver(build, scheme, test)
    accept = acceptance(model, train.us, train.grid)
    invert = _inverting(model, test, accept, inverting)
    # As many as are timed: one program for both.
    several = invert(max(batch, test.us.shape[0]))
    starts = several().latent[: test.us.shape[0], 0]
    whole = test.grid if fields is None else fields
    how = {"dt": latent_dt, "between": between}
    error = _error(model, starts, ts, test, whole, how)
    coarse, coarse_error = (None, math.nan)
    if not (known or native):
        coarse, coarse_error = coarsest(family, fine, error)
    if not isinstance(sensors, Readout):
        sensors = places = sensors.astype(starts.dtype)
    calls = _calls(model, ts, (None, sensors, whole), how)
    timed = {name: (call, (starts, test.cond)) for name, call in calls.items()}
    timed |= {
        name: (call, (test.us[:, 0], test.cond))
        for name, call in _solvers(family, fine, coarse, places).items()
    }
    timed_few = [_rounds({"": call}, _FEW)[""] for call in (invert(1), invert(batch))]
    one, many = map(float, np.median(timed_few, axis=1))
    seconds = {"inversion": (one, many)}
    seconds |= _seconds(timed, batch, rounds)
    return Price(
        seconds, len(ts), batch, error, fine, coarse, coarse_error, float(spent)
    )


def _steps_in(interval: float, dt: RealScalar | None) -> float:
    """Steps in an output interval; times in float32 are not exact."""
    return 1.0 if dt is None else float(max(1, math.ceil(interval / dt - 1e-3)))


def _solvers(
    family: Solver, fine: Resolution, coarse: Resolution | None, places: Array | None
) -> dict[str, Callable]:
    """The solvers, each a function of a first frame and parameters."""
    calls = {"solver": family.run(fine)}
    if coarse is None:
        return calls
    run = calls["coarse solver"] = family.run(coarse)
    if places is None:
        return calls
    read = family.read(coarse, places)
    return calls | {_READ: lambda u0, cond: read(run(u0, cond))}


def _calls(
    model: ReducedModel, ts: np.ndarray, places: tuple, how: dict
) -> dict[str, Callable]:
    """The forecasts, each a function of a latent and parameters."""

    def forecasting(where) -> Callable:
        def run(latent: Array, cond: Array) -> Array:
            given = cond if model.parameters else None
            made = forecast(model, latent, ts, where, cond=given, throw=False, **how)
            return made.latents if made.fields is None else made.fields

        return run

    return {part: forecasting(w) for part, w in zip(_PARTS, places, strict=True)}


def _error(
    model: ReducedModel,
    starts: Array,
    ts: np.ndarray,
    test: TrainingData,
    whole: Grid | Readout,
    how: dict,
) -> float:
    """The mean error of the forecasts, one trajectory at a time."""

    @eqx.filter_jit
    def one(model, start, cond, truth):
        given = cond if model.parameters else None
        made = forecast(model, start, ts, whole, cond=given, throw=False, **how)
        assert made.fields is not None
        return jnp.mean(relative_l2(made.fields, truth))

    rows = zip(starts, test.cond, test.us, strict=True)
    return float(np.mean([float(one(model, *row)) for row in rows]))


def _inverting(
    model: ReducedModel, test: TrainingData, accept: float, inverting: Callable
) -> Callable:
    """From a number to the call that inverts as many first frames at once."""

    def many(count: int) -> Callable:
        first = jnp.resize(test.us[:, :1], (count, 1, *test.us.shape[2:]))
        return lambda: inverting(model, first, test.grid, accept=accept)

    return many


def _seconds(
    timed: dict[str, tuple[Callable, tuple]], batch: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Medians of one trajectory and of a batch."""
    single, many = {}, {}
    for name, (call, inputs) in timed.items():
        first = tuple(x[0] for x in inputs)
        rows = tuple(jnp.resize(x, (batch, *x.shape[1:])) for x in inputs)
        single[name] = _compiled(call, first)
        many[name] = _compiled(jax.vmap(call), rows)
    one, several = _rounds(single, rounds), _rounds(many, rounds)
    return {
        name: (float(np.median(one[name])), float(np.median(several[name])))
        for name in timed
    }


def _compiled(call: Callable, inputs: tuple) -> Callable:
    program = jax.jit(call).lower(*inputs).compile()
    return lambda: program(*inputs)


def _rounds(calls: dict[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call in every round, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(time.perf_counter() - start)
    return times


def _described(resolution: Resolution) -> str:
    shape = "×".join(map(str, resolution.shape))
    steps = resolution.steps
    if steps >= 1:
        return f"{shape}, {steps:g} step{'s' * (steps > 1)} a frame"
    return f"{shape}, a step in {1 / steps:g} frames"


def _ratios(pair: tuple[float, float]) -> str:
    return " / ".join(f"{value:.3g}" for value in pair)


def _counts(pair: tuple[float, float]) -> str:
    return " / ".join(f"{n:.0f}" if math.isfinite(n) else "never" for n in pair)
