"""From arguments to a command, and from what went wrong to an exit code."""

import signal
import sys
from collections.abc import Sequence

from phix._errors import PhixError
from phix.cli._commands import COMMANDS
from phix.cli._parser import make_parser


class _Terminated(BaseException):
    """SIGTERM, where nobody nearer the work has taken charge of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0: done; 1: the computation failed; 2: the arguments, the config or a file are not
    what they should be; 130 and 143: stopped by Ctrl-C and SIGTERM.
    """
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    if rest and not options.takes_overrides:
        parser.error(f"{options.command} takes no argument {rest[0]}")
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        return COMMANDS[options.command](options, rest) or 0
    except KeyboardInterrupt:
        return _stopped(130, options.command)
    except _Terminated:
        return _stopped(143, options.command)
    except SystemExit as stop:
        if stop.code in (130, 143):
            return _stopped(stop.code, options.command)
        raise
    except Exception as error:
        code = _exit_code(error)
        if code is None or options.traceback:
            raise
        _say(f"phix {options.command}: {error}")
        return code
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(number: int, frame: object) -> None:
    del number, frame
    raise _Terminated


def _exit_code(error: Exception) -> int | None:
    """1 or 2 for an error whose message says enough; None for one that is a bug."""
    if isinstance(error, ModuleNotFoundError):
        return 2 if "phix-jax[" in str(error) else None
    if isinstance(error, ValueError | FileNotFoundError | NotADirectoryError):
        return 2
    return 1 if isinstance(error, PhixError | OSError) else None


def _stopped(code: int, command: str) -> int:
    name = {130: "Ctrl-C", 143: "SIGTERM"}[code]
    hint = (
        "continues where it was" if command in ("run", "sweep") else "starts it again"
    )
    _say(f"phix {command}: stopped by {name}; the same command {hint}")
    return code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
