"""What each command does. JAX is first imported inside a recipe's own methods."""

import argparse
import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from phix.recipes import (
    load_config,
    override,
    recipe_class,
    recipe_job,
    recipe_names,
)


def _list(options: argparse.Namespace, rest: list[str]) -> None:
    del options, rest
    width = max(map(len, recipe_names()))
    for name in recipe_names():
        recipe = recipe_class(name)
        summary = (inspect.getdoc(recipe) or "").partition("\n")[0]
        print(f"{name:{width}}  {summary}\n{'':{width}}  {recipe.reference}")


def _simulate(options: argparse.Namespace, rest: list[str]) -> None:
    recipe = _recipe(options, rest)
    if recipe is None:
        return
    out = options.out or Path(f"{options.config.stem}.h5")
    if options.plot is None and options.animate is None:
        recipe_job(recipe, "simulate")(out)
        print(f"wrote {out}")
    else:
        _simulate_and_draw(recipe, options, out)


def _simulate_and_draw(recipe: Any, options: argparse.Namespace, out: Path) -> None:
    """One trajectory: to a file, and as pictures. Names are checked before it runs."""
    make = recipe_job(recipe, "trajectory")
    from phix import data, plot

    plot.require_matplotlib()
    data.trajectory_path(out)
    if options.animate is not None:
        plot.animation_path(options.animate)
    if options.plot is not None:
        plot.figure_path(options.plot)
    trajectory = make()
    trajectory.save(out)
    print(f"wrote {out}")
    title = options.config.stem
    if options.plot is not None:
        plot.save_figure(trajectory.plot(title=title), options.plot)
        print(f"wrote {options.plot}")
    if options.animate is not None:
        trajectory.animate(options.animate, title=title)
        print(f"wrote {options.animate}")


def _run(options: argparse.Namespace, rest: list[str]) -> None:
    recipe = _recipe(options, rest)
    if recipe is None:
        return
    run = recipe_job(recipe, options.command)
    directory = options.out or Path("runs") / options.config.stem
    report, config = directory / "report.md", directory / "config.toml"
    if report.exists() and config.exists() and load_config(config) == recipe:
        print(f"{directory} is finished: see {report}")
        print("to start anew, remove it or choose another directory with --out")
        return
    if config.exists():
        print(f"continuing {directory}")
    with _watched(options, directory / "profile"):
        run(directory, progress=not options.quiet)
    print(f"done: see {report}")


@contextlib.contextmanager
def _watched(options: argparse.Namespace, directory: Path) -> Iterator[None]:
    """Traces a few updates if asked for, and says where, or that there were none."""
    if not getattr(options, "profile", False):
        yield
        return
    from phix.train import profiling

    with profiling(directory):
        yield
    found = sorted(directory.glob("plugins/profile/*/*.trace.json.gz"))
    said = f"trace: open {found[-1]} in https://ui.perfetto.dev" if found else ""
    print(said or "no trace: this run made no two dispatches of updates")


def _evaluate(options: argparse.Namespace, rest: list[str]) -> None:
    del rest
    recipe_job(_of_run(options.run), "evaluate")(options.run)
    print(f"done: see {options.run / 'report.md'}")


def _forecast(options: argparse.Namespace, rest: list[str]) -> None:
    del rest
    recipe_job(_of_run(options.run), "forecast")(
        options.run,
        parameter=options.parameter,
        out=options.out,
        num_frames=options.frames,
    )
    print(f"wrote {options.out}")


def _export(options: argparse.Namespace, rest: list[str]) -> None:
    del rest
    job = recipe_job(_of_run(options.run), "export")
    job(options.run, options.out or Path(f"{options.run.resolve().name}.phix"))


def _recipe(options: argparse.Namespace, rest: list[str]) -> Any:
    """The recipe of the config with the overrides; None if only help was wanted."""
    if options.help:
        options.parser.print_help()
        if options.config is not None:
            print(f"\nfields of {options.config}:")
            override(load_config(options.config), ["--help"])
        return None
    if options.config is None:
        raise ValueError(f"which CONFIG? (see phix {options.command} --help)")
    return override(load_config(options.config), rest)


def _of_run(directory: Path) -> Any:
    config = directory / "config.toml"
    if not config.exists():
        raise ValueError(f"{directory} is no run directory: it holds no config.toml")
    return load_config(config)


def _doctor(options: argparse.Namespace, rest: list[str]) -> int:
    del options, rest
    from phix.cli._doctor import examine

    wrong = 0
    for finding in examine():
        print(finding, flush=True)
        wrong += finding.verdict == "wrong"
    return 1 if wrong else 0


COMMANDS: dict[str, Callable[[argparse.Namespace, list[str]], int | None]] = {
    "list": _list,
    "simulate": _simulate,
    "run": _run,
    "sweep": _run,
    "evaluate": _evaluate,
    "forecast": _forecast,
    "export": _export,
    "doctor": _doctor,
}
