"""Reduced models side by side: errors, training time and a figure for each equation.

    python -m bench.rom.table [diffusion burgers ...] [--seeds 3] [--share 1]
        [--validate] [--keep DIR]

Neural methods have the same networks and as many decoded points in training; each picks
its learning rate from the same three by the rollout of eight training trajectories,
with seed 0 and a quarter of the budget; then all seeds train under one
`vmap`. A baseline whose reconstruction is not within twice that of Φ-ROM trains anew
with four times the budget, and is marked if that does not help either. Forecasts
start from the most probable latent of the first frame, the Gaussian law of the training
latents being the prior: the least misfit alone may lie where no dynamics were learnt.
Writes `docs/rom_results.md`, a figure for each equation and `bench/rom/results.json`.

With `--validate` models are judged by other trajectories, from either start, and
nothing is written. `--keep` puts trained models into a folder and takes them from
there.
"""

import argparse
import dataclasses
import json
import platform
import time
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.rom.problems import PROBLEMS, Problem
from phix import plot, rom
from phix.metrics import relative_l2


ROOT = Path(__file__).parents[2]
RESULTS, DOCS = ROOT / "bench/rom/results.json", ROOT / "docs"
COLUMNS = ("reconstruction", "within", "beyond", "rate", "budget", "training s")


def neural(
    problem: Problem, name: str, rate: float, share: float = 1.0, rule: str = "muon"
):
    """A neural method with its part of the budget of decoded points."""

    def training(steps: int, batch: int) -> rom.Training:
        return rom.Training(
            steps, batch, rate, rule=rule, latent_rate=3.0, progress=False
        )

    equation, data = problem.shown
    frames = data.us.shape[1]
    steps = max(1, int(share * problem.steps))
    if name in ("Φ-ROM", "PINN-ROM"):
        return rom.PhiROM(
            equation,
            problem.networks,
            training(steps, problem.batch),
            teacher="solver" if name == "Φ-ROM" else "pointwise",
            warmup=problem.warmup,
            fraction=problem.fraction,
            ahead=problem.ahead,
        )
    # The two updates of the others decode a batch twice, Φ-ROM once, or twice if it is
    # taught ahead.
    if problem.ahead == 0:
        steps /= 2
    if name == "CROM":
        choices = training(int(steps), problem.batch)
        return rom.CROM(equation, problem.networks, choices, problem.dt)
    batch = max(1, problem.batch // frames)
    steps = int(steps * problem.batch / (batch * frames))
    return rom.DINo(problem.networks, training(steps, batch))


def linear(problem: Problem) -> dict:
    """Methods without networks."""
    made = {f"POD-Galerkin {r}": rom.PODGalerkin(problem.equation, r)
            for r in problem.ranks}  # fmt: skip
    rank = problem.networks.latent_size
    made[f"operator inference {rank}"] = rom.OperatorInference(rank)
    if not problem.train.parameters:
        made[f"DMD {rank}"] = rom.DMD(rank)
    return made


def rollout(
    model: rom.ReducedModel,
    data: rom.TrainingData,
    train: rom.TrainingData,
    likely: bool = True,
):
    """Errors "trajectories time" of the forecast from the first frame, and the mean
    error of the reconstruction of some five frames of the training's times."""
    horizon = train.us.shape[1] * max(1, data.us.shape[1] // (2 * train.us.shape[1]))
    seen = data.us[:, : horizon : max(1, horizon // 4)]
    latents = inverted(model, seen, train, likely)
    ts = np.asarray(data.ts[0])

    @eqx.filter_jit
    def run(model, latents, cond, seen, truth):
        def one(latents, cond, seen, truth):
            cond = cond if model.parameters else None
            decoded = rom.decode_frames(model, latents, data.grid)
            made = rom.forecast(
                model, latents[0], ts, data.grid, cond=cond, throw=False
            )
            return relative_l2(decoded, seen), relative_l2(made.fields, truth)

        return jax.lax.map(lambda row: one(*row), (latents, cond, seen, truth))

    reconstruction, errors = run(model, latents, data.cond, seen, data.us)
    # What has blown up is as wrong as can be, but has a mean.
    errors = np.nan_to_num(np.asarray(errors), nan=1e3, posinf=1e3)
    return errors, float(np.mean(reconstruction))


def inverted(
    model: rom.ReducedModel, us: jax.Array, train: rom.TrainingData, likely: bool
):
    """The latents of fields, networks being shown some 300 points of them: the most
    likely ones, or those of least misfit."""
    accept = rom.acceptance(model, train.us, train.grid)
    if isinstance(model.decoder, rom.LinearDecoder):
        return rom.invert_frames(model, us, train.grid, accept=accept).latent
    points, ndim = train.grid.points.astype(us.dtype), train.grid.ndim
    gap = slice(None, None, us.shape[-1] // train.us.shape[-1])
    few = slice(None, None, max(1, len(points) // 300))
    shown = us[(..., *[gap] * ndim)].reshape(*us.shape[:3], -1)[..., few]
    law = rom.latent_law(model) if likely else None
    one = partial(
        rom.invert,
        model,
        points[few],
        prior=law,
        noise=accept / 2,
        accept=accept,
        max_restarts=2,
    )
    return eqx.filter_jit(jax.vmap(jax.vmap(one)))(shown).latent


def chosen_rate(problem: Problem, name: str, keep: Path | None = None) -> float:
    """The rate of least rollout error on eight training trajectories."""
    (_, data), scores = problem.shown, []
    some = dataclasses.replace(data, us=data.us[:8], ts=data.ts[:8], cond=data.cond[:8])
    for rate in problem.rates:
        (model,), _ = trained(problem, name, rate, jr.key(0)[None], 0.25, keep)
        scores.append(float(np.mean(rollout(model, some, data)[0])))
    return problem.rates[int(np.argmin(scores))]


def record(
    problem: Problem, models: list, seconds: float, train: rom.TrainingData, **more
) -> dict:
    """What is kept of one method that learnt from `train`."""
    rows = [rollout(model, problem.test, train) for model in models]
    errors = np.stack([np.mean(error, axis=0) for error, _ in rows])
    split = problem.horizon
    return {
        "reconstruction": [float(r) for _, r in rows],
        "within": np.mean(errors[:, :split], axis=1).tolist(),
        "beyond": np.mean(errors[:, split:], axis=1).tolist(),
        "seconds": seconds,
        "curve": np.mean(errors, axis=0).tolist(),
        "likely": True,
        **more,
    }


def baselines(problem: Problem) -> dict:
    """The last frame of the horizon, frozen, and in one dimension slid."""
    grid, split = problem.test.grid, problem.horizon
    ts = np.asarray(problem.test.ts[0])

    def curve(make):
        rows = []
        for us in problem.test.us:
            model = make(us)
            start = jnp.zeros(grid.ndim, us.dtype)
            made = rom.forecast(model, start, ts[split - 1 :], grid).fields[1:]
            rows.append(np.asarray(relative_l2(made, us[split:])))
        errors = np.mean(rows, axis=0)
        blank = [float("nan")] * split
        mean = float(np.mean(errors))
        return {
            "reconstruction": [], "within": [], "beyond": [mean],
            "seconds": 0.0, "curve": blank + errors.tolist(),
        }  # fmt: skip

    made = {"last frame": curve(lambda us: rom.freeze(grid, us[split - 1]))}
    if grid.ndim == 1:
        part = slice(split - 30, split)
        made["last frame, slid"] = curve(lambda us: rom.slide(grid, ts[part], us[part]))
    return made


def trained(
    problem: Problem,
    name: str,
    rate: float,
    keys: jax.Array,
    share: float,
    keep: Path | None,
):
    """A neural method for every key, and the seconds of their training."""
    (_, data), start = problem.shown, time.perf_counter()
    method = neural(problem, name, rate, share)
    parts = (problem.name, name, f"{rate:g}", str(method.training.steps))
    file = None if keep is None else keep / "-".join([*parts, str(len(keys))])
    if file is not None and file.exists():
        blank = method.finish(method.networks.build(data, key=keys[0]), data)
        with open(file, "rb") as kept:
            seconds = json.loads(kept.readline())
            models = eqx.tree_deserialise_leaves(kept, [blank] * len(keys))
        return models, seconds
    models = rom.fit_ensemble(method, data, keys=keys)
    seconds = time.perf_counter() - start
    if file is not None:
        with open(file, "wb") as kept:
            kept.write(json.dumps(seconds).encode() + b"\n")
            eqx.tree_serialise_leaves(kept, models)
    return models, seconds


def compare(problem: Problem, seeds: int, keep: Path | None) -> dict:
    """Every method on one problem."""
    results, (_, data) = {}, problem.shown
    keys = jr.split(jr.key(0), seeds)

    def row(name: str, rate: float, share: float) -> dict:
        made = trained(problem, name, rate, keys, share, keep)
        return record(problem, *made, data, rate=rate, budget=share)

    for name in problem.neural:
        rate = chosen_rate(problem, name, keep)
        results[name] = row(name, rate, 1)
        if not works(results, name):
            results[name] = row(name, rate, 4)
        results[name]["works"] = works(results, name)
        print(
            name, {k: v for k, v in results[name].items() if k != "curve"}, flush=True
        )
    for name, method in linear(problem).items():
        start = time.perf_counter()
        model = rom.fit(method, problem.train)
        seconds = time.perf_counter() - start
        results[name] = record(problem, [model], seconds, problem.train)
    return results | baselines(problem)


def validate(problem: Problem, seeds: int, keep: Path | None) -> None:
    """Prints how both starts do on trajectories for choices, at the chosen rates."""
    assert problem.validation is not None, f"{problem.name} has no validation set"
    (_, data), split = problem.shown, problem.horizon
    keys = jr.split(jr.key(0), seeds)
    for name in problem.neural:
        rate = chosen_rate(problem, name, keep)
        models, _ = trained(problem, name, rate, keys, 1, keep)
        for likely in (True, False):
            found = [rollout(m, problem.validation, data, likely) for m in models]
            within, beyond = (
                [float(np.mean(errors[:, part])) for errors, _ in found]
                for part in (slice(None, split), slice(split, None))
            )
            start = "most probable latent" if likely else "least misfit"
            print(f"{name}, rate {rate:g}, {start}: within {_cell(within)}, beyond "
                  f"{_cell(beyond)}", flush=True)  # fmt: skip


def works(results: dict, name: str) -> bool:
    """Whether a method reconstructs at most twice as badly as Φ-ROM."""
    mean = {key: np.mean(results[key]["reconstruction"]) for key in ("Φ-ROM", name)}
    return bool(mean[name] <= 2 * mean["Φ-ROM"])


def markdown(results: dict, seeds: int) -> str:
    """The page of all tables and figures."""
    lines = [
        "# Reduced models side by side",
        "",
        f"By `python -m bench.rom.table` on {time.strftime('%Y-%m-%d')}, "
        f"{platform.machine()}, two cores, jax {jax.__version__}, float32. Errors are "
        "relative, on trajectories that were not seen, within the times of the "
        "training and beyond them; with the same networks, as many decoded points in "
        "training, the same optimiser (Muon) and the best of three rates for each. "
        f"Means of {seeds} seeds, in brackets the worst of them; training seconds are "
        "those of all seeds, under one vmap, and indicative. A "
        "budget of 4 means that with the common one the method did not reconstruct "
        "within twice the error of Φ-ROM; *open* that it does not with this one.",
    ]
    for equation, methods in results.items():
        likely = any(row.get("likely", False) for row in methods.values())
        lines += ["", f"## {equation.capitalize()}", "", *_described(equation), "",
                  *_started(likely), "",
                  f"| method | {' | '.join(COLUMNS)} |",
                  "|---" * (1 + len(COLUMNS)) + "|"]  # fmt: skip
        for name, row in methods.items():
            cells = [_cell(row[k]) for k in ("reconstruction", "within", "beyond")]
            cells.append(f"{row['rate']:g}" if "rate" in row else "–")
            mark = "" if row.get("works", True) else ", *open*"
            cells.append(f"{row['budget']:g}{mark}" if "budget" in row else "–")
            lines.append(f"| {name} | {' | '.join(cells)} | {row['seconds']:.0f} |")
        lines += ["", f"![errors over time](images/rom_{equation}.png)"]
    return "\n".join(lines) + "\n"


def _described(name: str) -> list[str]:
    """What the problem is, and the sizes of its networks."""
    problem, about = PROBLEMS[name](), PROBLEMS[name].__doc__ or ""
    nets, count = problem.networks, problem.train.us.shape[0]
    ahead = f", taught up to {problem.ahead:.3g} ahead of them" if problem.ahead else ""
    return [
        *(line.strip() for line in about.strip().splitlines()),
        "",
        f"{count} trajectories of {problem.train.us.shape[1]} frames to learn from, "
        f"{problem.test.us.shape[0]} to be judged by; r = {nets.latent_size}, decoder "
        f"{nets.decoder} {nets.depth}×{nets.width}, dynamics "
        f"{nets.dynamics_depth}×{nets.dynamics_width}, {problem.steps} steps of "
        f"{problem.batch} snapshots for Φ-ROM{ahead}; rates "
        f"{', '.join(f'{rate:g}' for rate in problem.rates)}.",
    ]


def _started(likely: bool) -> list[str]:
    """Where forecasts begin."""
    if likely:
        return [
            "Forecasts start from the most probable latent of the first frame, for "
            "every network alike, the Gaussian law of its training latents being the "
            "prior."
        ]
    return ["Forecasts start from the latent of least misfit (this row is older)."]


def _cell(values: list) -> str:
    if not values:
        return "–"
    text = f"{np.mean(values):.3g}"
    return text if len(values) == 1 else f"{text} ({np.max(values):.3g})"


def main() -> None:
    """Runs the problems asked for and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps")
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder of trained models")
    choices = parser.parse_args()
    if choices.keep is not None:
        choices.keep.mkdir(parents=True, exist_ok=True)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in choices.problems:
        problem = PROBLEMS[name]()
        steps = int(choices.share * problem.steps)
        problem = dataclasses.replace(problem, name=name, steps=steps)
        if choices.validate:
            validate(problem, choices.seeds, choices.keep)
            continue
        results[name] = compare(problem, choices.seeds, choices.keep)
        curves = {k: np.asarray(v["curve"]) for k, v in results[name].items()}
        ts = np.asarray(problem.test.ts[0])
        figure = plot.error_over_time(
            ts, curves, horizon=ts[problem.horizon - 1], title=name
        )
        plot.save_figure(figure, DOCS / f"images/rom_{name}.png")
        RESULTS.write_text(json.dumps(results))
        (DOCS / "rom_results.md").write_text(markdown(results, choices.seeds))
    if not choices.validate:
        print((DOCS / "rom_results.md").read_text())


if __name__ == "__main__":
    main()
