"""What a sweep leaves behind besides its store: numbers, a figure, a report."""

import importlib.util
from typing import Any

from phix.recipes._markdown import table


_FIGURE = "sweep.png"
_ROWS = 4096  # points read at a time


def write_report(run, dataset, parameters: list[str]) -> None:
    """Writes `metrics.json`, the figure and, last, `report.md`."""
    import numpy as np

    from phix._errors import describe

    status = dataset.status.values
    codes, counts = np.unique(status[status > 0], return_counts=True)
    reasons = {describe(int(c)): int(n) for c, n in zip(codes, counts, strict=True)}
    records = [record for record in run.log.read() if "goodput" in record]
    metrics: dict[str, Any] = {
        "points": int(status.size),
        "failed": int(counts.sum()),
        "reasons": reasons,
        "chunks": dataset.attrs["chunks"],
    }
    if records:
        metrics |= {name: records[-1][name] for name in ("rate", "goodput")}
    run.write_metrics(metrics)
    drawn = importlib.util.find_spec("matplotlib") is not None
    if drawn:
        _draw(run.figures / _FIGURE, dataset, parameters)
    run.write_report(_text(dataset, metrics, parameters, drawn))


def _draw(path, dataset, parameters: list[str]) -> None:
    from phix import plot

    columns = {name: dataset[name].values for name in parameters}
    columns = {name: column for name, column in columns.items() if column.ndim == 1}
    figure = plot.parameter_panels(
        columns,
        _final_size(dataset),
        failed=dataset.status.values > 0,
        label="root mean square at the end",
    )
    plot.save_figure(figure, path)


def _final_size(dataset):
    """The root mean square of the last state of each point, read in pieces."""
    import numpy as np

    u = dataset.u
    sizes = []
    for first in range(0, u.sizes["point"], _ROWS):
        last = np.abs(u[first : first + _ROWS, -1].values)
        axes = tuple(range(1, last.ndim))
        sizes.append(np.sqrt(np.mean(np.square(last, dtype=float), axis=axes)))
    return np.concatenate(sizes)


def _text(dataset, metrics: dict, parameters: list[str], drawn: bool) -> str:
    rows = [["parameter", "from", "to"]]
    for name in parameters:
        column = dataset[name].values
        rows.append([name, f"{column.min():.6g}", f"{column.max():.6g}"])
    failures = [["points", "what became of them"]]
    done = metrics["points"] - metrics["failed"]
    failures.append([str(done), "successful"])
    failures += [[str(n), reason] for reason, n in metrics["reasons"].items()]
    parts = ["# Sweep", table(rows), table(failures)]
    if "rate" in metrics:
        parts.append(
            f"{metrics['rate']:.4g} points a second; goodput {metrics['goodput']:.1%} "
            "(committed work ÷ wall time × undisturbed rate)."
        )
    if drawn:
        parts.append(f"![each parameter](figures/{_FIGURE})")
    parts.append(
        'Open it with `phix.sweeps.open_sweep("…")`: an xarray dataset of '
        f"{dict(dataset.u.sizes)}."
    )
    return "\n\n".join(parts) + "\n"
