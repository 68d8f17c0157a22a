"""The choices of the recipe of stochastic interpolants. Imports no JAX."""

import dataclasses
from typing import ClassVar, Literal

from phix.recipes._checks import require_positive
from phix.recipes._field_choices import UNet
from phix.recipes._plane_choices import Law, Mixture
from phix.recipes._score_choices import Perceptron, Training


@dataclasses.dataclass(frozen=True)
class Interpolant:
    """How one state becomes the other, with noise of amplitude γ in between.

    - `path`: `"linear"` or `"trigonometric"`.
    - `latent`: γ: `"brownian"`, √(scale · t(1 − t)); `"quadratic"`, t(1 − t);
        `"sine_squared"`, sin² πt; `"none"`, flow matching.
    - `scale`: of `"brownian"`; 2ε in a Schrödinger bridge.
    - `antithetic`: train on pairs of z and −z, two evaluations.
    """

    path: Literal["linear", "trigonometric"] = "linear"
    latent: Literal["brownian", "quadratic", "sine_squared", "none"] = "brownian"
    scale: float = 1.0
    antithetic: bool = True

    def __post_init__(self):
        require_positive(self, "scale")
        if self.path == "trigonometric" and self.scale >= 4:
            raise ValueError(
                f"scale must be below 4 on a trigonometric path, where γ < 1, got "
                f"{self.scale}"
            )

    @property
    def title(self) -> str:
        """What reports call it."""
        latent = self.latent.replace("_", " ")
        if self.latent == "brownian" and self.scale != 1:
            latent += f" {self.scale:g}"
        latent = "flow matching" if self.latent == "none" else f"{latent} γ"
        return f"{self.path}, {latent}"

    def build(self):
        """The path."""
        from phix import score

        latent = {
            "brownian": lambda: score.Brownian(self.scale),
            "quadratic": score.Quadratic,
            "sine_squared": score.SineSquared,
            "none": score.NoLatent,
        }[self.latent]()
        if self.path == "linear":
            return score.LinearInterpolant(latent)
        return score.TrigonometricInterpolant(latent)


@dataclasses.dataclass(frozen=True)
class KolmogorovFlow:
    """Vorticity in a square of side 2π that a force sin(ky) along x keeps turbulent.

    Trajectories start from random eddies of unit velocity, are solved on
    `solver_points`² nodes and, once they have forgotten them, seen on `num_points`² at
    intervals of `lag`.

    - `viscosity`, `drag`: length²/time and 1/time.
    - `wavenumber`: k; the force is of unit amplitude.
    - `dt`: step of the solver.
    - `spin_up`: time until the first state that is seen.
    - `waves`: the state now is known up to this wave along each axis.
    - `lag`: from the state now to the state that is forecast.
    - `num_pairs`: of each trajectory, one after the other.
    - `num_training`: trajectories to train on.
    - `num_validation`, `num_test`: trajectories for choices and for the report;
        `num_cases` of the pairs of each, evenly.
    """

    num_points: int = 32
    solver_points: int = 64
    viscosity: float = 5e-3
    drag: float = 0.1
    wavenumber: int = 4
    dt: float = 0.02
    spin_up: float = 20.0
    waves: int = 4
    lag: float = 2.0
    num_pairs: int = 40
    num_training: int = 64
    num_validation: int = 16
    num_test: int = 16
    num_cases: int = 2

    def __post_init__(self):
        names = [field.name for field in dataclasses.fields(self)]
        require_positive(self, *names)
        if self.solver_points < self.num_points:
            raise ValueError(
                f"solver_points must be at least num_points = {self.num_points}, got "
                f"{self.solver_points}"
            )
        if self.num_points % (2 * self.wavenumber):
            raise ValueError(
                "num_points must divide by 2 · wavenumber = "
                f"{2 * self.wavenumber}, so that shifts by half a wave of the force "
                f"are whole nodes, got {self.num_points}"
            )
        if 2 * self.waves >= self.num_points:
            raise ValueError(
                f"waves must be below num_points / 2 = {self.num_points // 2}, got "
                f"{self.waves}"
            )
        if self.num_cases > self.num_pairs:
            raise ValueError(
                f"num_cases must be at most num_pairs = {self.num_pairs}, got "
                f"{self.num_cases}"
            )


@dataclasses.dataclass(frozen=True)
class Members:
    """How ensembles are drawn.

    - `count`: members for each state; 90 % intervals need 19.
    - `steps`: of Euler–Maruyama's scheme, and of Heun's for the ODE.
    - `levels`: noise levels ε of the SDE, in units of scale / 2, for which γ makes the
        SDE a Föllmer process; the one of least CRPS on validation states is taken.
    """

    count: int = 24
    steps: int = 32
    levels: tuple[float, ...] = (0.5, 1.0, 2.0)

    def __post_init__(self):
        require_positive(self, "steps")
        if self.count < 19:
            raise ValueError(
                f"count must be at least 19 for 90 % intervals, got {self.count}"
            )
        if self.steps < 4:
            raise ValueError(f"steps must be at least 4, got {self.steps}")
        if not self.levels or not all(level > 0 for level in self.levels):
            raise ValueError(f"levels must hold positive numbers, got {self.levels}")


@dataclasses.dataclass(frozen=True)
class Forecast:
    """Kolmogorov flow: from a coarse view of the state now to the state later.

    - `training`: of the interpolant, and of the deterministic network before it.
    """

    kind: ClassVar[str] = "kolmogorov_forecast"
    flow: KolmogorovFlow = dataclasses.field(default_factory=KolmogorovFlow)
    interpolant: Interpolant = dataclasses.field(default_factory=Interpolant)
    network: UNet = dataclasses.field(default_factory=UNet)
    training: Training = dataclasses.field(default_factory=Training)
    members: Members = dataclasses.field(default_factory=Members)

    def __post_init__(self):
        if self.interpolant.latent != "brownian":
            raise ValueError(
                "interpolant.latent must be 'brownian' for a forecast: all members "
                "start from one state, which only a γ like √t leaves at once; got "
                f"{self.interpolant.latent!r}"
            )
        if self.flow.num_points % self.network.divisor:
            raise ValueError(
                f"flow.num_points must divide by {self.network.divisor} for this "
                f"network, got {self.flow.num_points}"
            )


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """From one law in the plane to another, both of mean zero and unit mean square.

    - `start`: at t = 0; by default the standard normal law.
    - `target`: at t = 1.
    """

    start: Law = Mixture((1.0,), ((0.0, 0.0),), ((1.0, 0.0, 1.0),))
    target: Law = Mixture()

    @property
    def title(self) -> str:
        """What reports call it."""
        return f"from {_name(self.start)} to {_name(self.target)}"


@dataclasses.dataclass(frozen=True)
class Plane:
    """Laws in the plane, carried into one another by several interpolants.

    - `couplings`: `"independent"`, and `"optimal"`, which pairs each batch at the least
        cost.
    - `training`: of each network pair, the same for all.
    - `num_samples`: of the reported distances.
    - `steps`: of the SDE by Euler–Maruyama's scheme; Heun's, for the ODE, takes half as
        many.
    - `levels`: noise levels ε of the SDE; the one that is nearest to other true samples
        is taken.
    """

    kind: ClassVar[str] = "plane"
    benchmarks: tuple[Benchmark, ...] = (Benchmark(),)
    interpolants: tuple[Interpolant, ...] = (
        Interpolant(),
        Interpolant(path="trigonometric"),
        Interpolant(latent="none"),
    )
    couplings: tuple[Literal["independent", "optimal"], ...] = (
        "independent",
        "optimal",
    )
    network: Perceptron = dataclasses.field(default_factory=Perceptron)
    training: Training = dataclasses.field(default_factory=Training)
    num_samples: int = 4000
    steps: int = 64
    levels: tuple[float, ...] = (0.1, 0.3, 1.0)

    def __post_init__(self):
        require_positive(self, "num_samples")
        if self.steps < 2:
            raise ValueError(f"steps must be at least 2, got {self.steps}")
        for name in ("benchmarks", "interpolants", "couplings"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} must hold some, each once, got {given}")
        if not self.levels or not all(level > 0 for level in self.levels):
            raise ValueError(f"levels must hold positive numbers, got {self.levels}")


def _name(law: Law) -> str:
    single = isinstance(law, Mixture) and len(law.weights) == 1
    return "normal" if single else law.kind
