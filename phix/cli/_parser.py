"""The arguments of every command, with examples."""

import argparse
import importlib.metadata
from pathlib import Path
from typing import NoReturn


_EXAMPLES = """examples:
  phix list
  phix run configs/phi_rom/burgers_demo.toml
  phix run configs/phi_rom/burgers_demo.toml --seed 1 --out runs/seed1
  phix sweep configs/sweep/burgers.toml
  phix forecast runs/burgers_demo --parameter 0.0213 --out forecast.h5

Each command explains itself: phix run --help
"""

_LIST = """examples:
  phix list
"""

_SIMULATE = """examples:
  phix simulate configs/phi_rom/burgers_demo.toml
  phix simulate configs/phi_rom/burgers_demo.toml --out burgers.h5
  phix simulate configs/simulate/gray_scott.toml --animate maze.gif
  phix simulate configs/simulate/gray_scott.toml --equation.feed 0.03 --out maze.nc
"""

_RUN = """A run is a directory: config.toml, environment.json, log.jsonl, checkpoints,
metrics.json, figures and report.md. It can be stopped at any moment; the same
command continues it.

examples:
  phix run configs/phi_rom/burgers_demo.toml
  phix run configs/phi_rom/burgers_demo.toml --out runs/seed1 --seed 1
  phix run configs/phi_rom/burgers_demo.toml --profile
  phix run configs/phi_rom/burgers_demo.toml --help    # with the fields of this config
"""

_SWEEP = """The points go to points.zarr in the run directory, block by block, with what
became of each; phix.sweeps.open_sweep(DIR) opens it. It can be stopped at any moment;
the same command does what is missing.

examples:
  phix sweep configs/sweep/burgers.toml
  phix sweep configs/sweep/vorticity.toml --out runs/flows --simulation.duration 20
"""

_EVALUATE = """examples:
  phix evaluate runs/burgers_demo
"""

_FORECAST = """examples:
  phix forecast runs/burgers_demo --parameter 0.0213 --out forecast.h5
  phix forecast runs/burgers_demo --parameter 0.0213 --out long.h5 --frames 400
"""

_EXPORT = """The file holds the weights, and the forecast as a program for CPUs, GPUs
and TPUs; phix.load_artifact(FILE) opens it, without recipe, data or training code.

examples:
  phix export runs/burgers_demo
  phix export runs/burgers_demo --out burgers.phix
"""

_DOCTOR = """Exits with 1 if something computes wrong here. Include its output when you
report a problem.

examples:
  phix doctor
  NPROC=8 phix doctor
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        print(f"phix {importlib.metadata.version('phix-jax')}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """The parser; `takes_overrides` tells whether `--field.sub value` may follow."""
    parser = _Parser(
        prog="phix",
        description="Differentiable physics in JAX, from a config to a report.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and exit")
    parser.add_argument(
        "--traceback", action="store_true", help="on an error, show where it arose"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, summary: str, epilog: str, **options) -> _Parser:
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=epilog,
            **options,
        )
        command.set_defaults(takes_overrides=name in ("run", "simulate", "sweep"))
        return command

    add("list", "list the recipes, each with its paper", _LIST)
    simulate = add("simulate", "make the data of a config", _SIMULATE, add_help=False)
    _add_config(
        simulate,
        "file to write: .h5, or .nc for one trajectory (default: <config>.h5)",
        "FILE",
    )
    simulate.add_argument(
        "--plot", type=Path, metavar="FILE", help="also a figure: .png, .pdf or .svg"
    )
    simulate.add_argument(
        "--animate", type=Path, metavar="FILE", help="also a film: .gif or .html"
    )
    run = add("run", "run a config, or continue it", _RUN, add_help=False)
    _add_config(run, "run directory (default: runs/<name of the config>)", "DIR")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    run.add_argument(
        "--profile",
        action="store_true",
        help="also a trace of a few updates, in DIR/profile, for ui.perfetto.dev",
    )
    sweep = add("sweep", "run a simulation at many points", _SWEEP, add_help=False)
    _add_config(sweep, "run directory (default: runs/<name of the config>)", "DIR")
    sweep.add_argument("--quiet", action="store_true", help="no progress bar")
    evaluate = add("evaluate", "metrics, figures and report of a run, anew", _EVALUATE)
    evaluate.add_argument("run", type=Path, metavar="RUN", help="its directory")
    forecast = add("forecast", "forecast with the model of a run", _FORECAST)
    forecast.add_argument("run", type=Path, metavar="RUN", help="its directory")
    forecast.add_argument(
        "--parameter",
        type=float,
        required=True,
        metavar="VALUE",
        help="physical parameter to forecast for (for Burgers: μ); where initial "
        "fields vary, the number of the test trajectory to start from",
    )
    forecast.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="file to write"
    )
    forecast.add_argument(
        "--frames", type=int, metavar="N", help="number of frames (default: the run's)"
    )
    export = add("export", "the forecast of a fitted run as one file", _EXPORT)
    export.add_argument("run", type=Path, metavar="RUN", help="its directory")
    export.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: <RUN>.phix)"
    )
    add("doctor", "versions, devices, self-checks and known trouble", _DOCTOR)
    return parser


def _add_config(command: _Parser, out: str, metavar: str) -> None:
    # Without `add_help`, so that --help can show the fields of the config as well.
    command.usage = f"{command.prog} CONFIG [--out {metavar}] [--field.sub value ...]"
    command.add_argument("config", type=Path, nargs="?", metavar="CONFIG", help="TOML")
    command.add_argument("--out", type=Path, metavar=metavar, help=out)
    command.add_argument(
        "-h",
        "--help",
        action="store_true",
        help="this help; after a CONFIG, also its fields, which --field.sub changes",
    )
    command.set_defaults(parser=command)
