r"""The published variants of `amangkurat`, to show that their numbers are understood.

Nothing here is right; `phix.pde` has the right forms. What is different:

- the grid includes both ends, so that its period is L + Δx and not L;
- a lone kink stands on it, and jumps from v to −v at the seam;
- the breather has 1/ε where ε/ω belongs, and an odd rate where there is none;
- the pair of kinks lacks its −v, so that the far field is the top of the barrier, and
  the rate of the antikink has the wrong sign: both move to the right;
- the step length changes inside $\varphi^{n+1} = 2\varphi^n - \varphi^{n-1} +
  \Delta t^2 a^n$, which multiplies the velocity by the ratio of the lengths;
- entropies sum densities without Δx.

With them the published statistics come out to every digit: the largest |φ| of the kink
(1.3132), of the breather (3.4237), and the drift of a breather at rest (−18.33).

??? cite "Reference"
    S. H. S. Herho et al., amangkurat 0.0.1 (package) and suppl-amangkurat (scripts and
    statistics), 2025; re-derived from their description, no code taken.
"""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Published:
    """One run: `ts`, `phi` `"time x"`, and `x`, in double precision."""

    ts: np.ndarray
    phi: np.ndarray
    x: np.ndarray

    @property
    def largest(self) -> float:
        """The largest |φ|."""
        return float(np.abs(self.phi).max())

    @property
    def drift(self) -> float:
        """How far the centre of φ² moves from first to last frame."""
        square = self.phi[[0, -1]] ** 2
        first, last = np.trapezoid(square * self.x, self.x) / np.trapezoid(
            square, self.x
        )
        return float(last - first)

    def entropies(self) -> dict[str, np.ndarray]:
        r"""Shannon's, Rényi's and Tsallis's (both of order 2) and their mixture, of
        each frame: sums over a density ρ without Δx, which grow with the number of
        nodes."""
        square = self.phi**2
        density = square / np.trapezoid(square, self.x, axis=1)[:, None]
        density = np.where(density > 1e-15, density, 0.0)
        logarithm = np.log(np.where(density > 0, density, 1.0))
        shannon = -np.sum(density * logarithm, axis=1)
        moment = np.sum(density**2, axis=1)
        renyi, tsallis = -np.log(moment), 1 - moment
        return {
            "shannon": shannon,
            "renyi": renyi,
            "tsallis": tsallis,
            "composite": 0.5 * shannon + 0.3 * renyi + 0.2 * tsallis,
        }


def grid(num_points: int, half_width: float) -> np.ndarray:
    """Nodes from −half_width to half_width, both included."""
    return np.linspace(-half_width, half_width, num_points)


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The start of the first case: a Gaussian of width 2, at rest."""
    return np.exp(-((x / 2.0) ** 2)), np.zeros_like(x)


def kink(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kink at rest, right but for the grid it stands on."""
    return np.tanh(x / np.sqrt(2)), np.zeros_like(x)


def breather(x: np.ndarray, omega: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """No breather: 1/ε for ε/ω, and a rate that is odd."""
    width = np.sqrt(1 - omega**2)
    along = np.cosh(width * x)
    rate = -4 * omega * width * np.sinh(width * x) / (width**2 * along**2 + 1)
    return 4 * np.arctan(1 / (width * along)), rate


def collision(
    x: np.ndarray, separation: float = 20.0, speed: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """No pair of kinks in a vacuum: 0 far away, 2 between, and both move right."""
    gamma = 1 / np.sqrt(1 - speed**2)
    left = gamma * (x + separation / 2) / np.sqrt(2)
    right = gamma * (x - separation / 2) / np.sqrt(2)
    slope = speed * gamma / np.sqrt(2)
    rate = -slope / np.cosh(left) ** 2 + slope / np.cosh(right) ** 2
    return np.tanh(left) - np.tanh(right), rate


def run(
    start: tuple[np.ndarray, np.ndarray],
    slope: Callable,
    x: np.ndarray,
    *,
    duration: float,
    num_frames: int,
    dt: float = 0.005,
    adaptive: bool = True,
) -> Published:
    """The two-step recursion, its step length changed on the way.

    **Arguments:**

    - `start`: φ and its rate at the nodes.
    - `slope`: V'(φ).
    - `x`: the nodes, from `grid`.
    - `duration`, `num_frames`: where the clock ends, and how often φ is kept.
    - `dt`: the first step, brought within [0.1, 0.5] / k_max.
    - `adaptive`: whether every 20 steps it grows by 5 % (shrinks where |φ| > 10).

    **Returns:** the frames, at the times the package gives them.
    """
    k = 2 * np.pi * np.fft.fftfreq(x.size, (x[-1] - x[0]) / (x.size - 1))
    shortest, longest = 0.1 / np.abs(k).max(), 0.5 / np.abs(k).max()

    def acceleration(phi: np.ndarray) -> np.ndarray:
        return np.fft.ifft(-(k**2) * np.fft.fft(phi)).real - slope(phi)

    phi, rate = start
    dt = max(shortest, min(dt, longest))
    before = phi - dt * rate + 0.5 * dt**2 * acceleration(phi)
    ts, frames, t, step = [0.0], [phi], 0.0, 0
    interval = duration / num_frames
    due = interval
    while t < duration:
        after = 2 * phi - before + dt**2 * acceleration(phi)
        if adaptive and step % 20 == 0:
            size = np.abs(phi).max()
            new = dt * (0.7 if size > 100 else 0.9 if size > 10 else 1.05)
            new = max(shortest, min(new, longest))
            dt = new if abs(new - dt) / dt > 0.05 else dt
        if t >= due or t + dt >= duration:
            ts.append(t)
            frames.append(phi)
            due += interval
        before, phi = phi, after
        t, step = t + dt, step + 1
    return Published(np.array(ts), np.array(frames), x)


def linear_case() -> Published:
    """Case 1: m = 1 from a Gaussian."""
    x = grid(512, 30.0)
    return run(gaussian(x), lambda phi: phi, x, duration=50.0, num_frames=200)


def kink_case() -> Published:
    """Case 2: φ⁴ from a kink at rest."""
    x = grid(1024, 50.0)
    return run(kink(x), _phi4_slope, x, duration=50.0, num_frames=200)


def breather_case() -> Published:
    """Case 3: sine-Gordon from what is called a breather at rest, ω = 0.5."""
    x = grid(512, 40.0)
    return run(breather(x), np.sin, x, duration=80.0, num_frames=300, dt=0.01)


def collision_case() -> Published:
    """Case 4: φ⁴ from what is called a kink and an antikink at u = 0.3."""
    x = grid(1024, 50.0)
    return run(collision(x), _phi4_slope, x, duration=100.0, num_frames=400)


def _phi4_slope(phi: np.ndarray) -> np.ndarray:
    return phi * (phi**2 - 1)
