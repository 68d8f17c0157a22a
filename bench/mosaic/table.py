"""The results of Mosaic's experiments as one Markdown table per problem."""

import datetime
import json
import platform
import statistics
from importlib.metadata import version
from pathlib import Path


def write_table(
    results: Path, solvers: dict[str, list[str]], target: Path, debug: bool
) -> None:
    """Prints the tables; writes them to `target` unless they are of small versions."""
    text = "\n".join(
        [header(debug), *(section(results, p, solvers[p]) for p in solvers)]
    )
    print(text)
    if not debug:
        target.write_text(text)


def header(debug: bool) -> str:
    packages = ("mosaic-bench", "jax", "exponax", "jax-cfd")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"# Mosaic: results{' of the small versions' if debug else ''}\n\n"
        f"Written by `run.py` on {datetime.date.today()}; see `README.md` for what the "
        "columns mean. "
        f"{versions}; {processor()}.\n"
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def section(results: Path, problem: str, solvers: list[str]) -> str:
    """One problem: a row for each experiment and solver."""
    from experiment import configure
    from mosaic.benchmarks.core.status import collect_status

    cfg, _ = configure(problem, solvers)
    status = {
        (row.label, name): cell
        for row in collect_status(cfg).rows
        for name, cell in row.cells.items()
    }
    lines = [
        f"## {problem}\n",
        "| experiment | solver | status | result | s | MB |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted((results / problem).rglob("process.json")):
        name = str(path.parent.relative_to(results / problem)).removesuffix("_debug")
        facts = json.loads(path.read_text())
        cells = {s.name: status.get((name, s.name)) for s in cfg.solvers}
        lines += rows(name, path.parent / "result.json", cells, facts)
    return "\n".join(lines) + "\n"


def rows(name: str, result: Path, cells: dict, facts: dict) -> list[str]:
    if not result.exists():
        return [f"| {name} | | failed | {facts} | {facts['wall_s']} | |"]
    data = json.loads(result.read_text())
    seconds = data.get("provenance", {}).get("wall_time_s", {})
    # Measured on the process, hence of all solvers together.
    peak = facts.get("peak_rss_mb", "")
    lines = []
    for solver, cell in cells.items():
        points = [
            (r["sweep_value"], r["metrics"])
            for r in data["results"]
            if r["solver"] == solver and r["metrics"]
        ]
        if not points and cell is not None and cell.status != "excluded":
            continue
        told = "" if cell is None or cell.status == "not_run" else cell.status
        if told not in ("", "ok"):
            told += f": {cell.reason[:90]}"
        took = seconds.get(solver)
        took = "" if took is None else f"{took:.0f}"
        found = summary(name, points, data, solver)
        lines.append(f"| {name} | {solver} | {told} | {found} | {took} | {peak} |")
        peak = ""
    return lines


def summary(name: str, points: list, data: dict, solver: str) -> str:
    """The numbers that matter of one experiment, of one solver."""
    if not points:
        return ""
    if any(m.get("status") == "failed" for _, m in points):
        return "; ".join(f"{v}: {m.get('failure_type', 'ok')}" for v, m in points)
    kind = name.partition("/")[2].partition("/")[0]
    first = points[0][1]
    if kind == "fd_check":
        error, cosine = best(first["eps_sweep"], "rel_error", "cosine")
        return f"best-ε error {error:.1e}, 1 − cosine {1 - cosine:.0e}"
    if kind in ("param_sweep", "horizon_sweep"):
        found = (
            f"{v}: {best(m['eps_sweep'], 'rel_error_mean', 'cosine_mean')[0]:.1e}"
            for v, m in points
        )
        return "best-ε mean error " + "; ".join(found)
    if kind.startswith("jacobian_svd"):
        names = data["extras"]["solver_names"]
        cosines = data["extras"]["cross_cosine"][names.index(solver)]
        return (
            f"condition {first['cond']:.2e}, effective rank {first['eff_rank']:.1f}, "
            f"cosine with {names[0]} {cosines[0]:.5f}"
        )
    if kind.startswith("recovery"):
        losses, error = first["errors"], first["final_ic_error"]
        return f"loss {losses[0]:.1e} to {losses[-1]:.1e}, field error {error:.2e}"
    if kind == "horizon_sweep_limits":
        return "; ".join(
            f"{v}: {m['wall_time_s']:.1f} s, norm {m['grad_norm']:.3g}"
            for v, m in points
        )
    if kind == "physical_laws":
        worst = max(m["divergence_rms"] for _, m in points)
        energy = "; ".join(f"{v}: {m['kinetic_energy']:.5f}" for v, m in points)
        return f"divergence ≤ {worst:.1e}; energy {energy}"
    if "mean" in first:
        return "; ".join(f"{v}: {m['mean']:.3f} s" for v, m in points)
    mean = statistics.fmean(m["error"] for _, m in points)
    return "; ".join(f"{v}: {m['error']:.2e}" for v, m in points) + f"; mean {mean:.2e}"


def best(sweep: dict, error: str, cosine: str) -> tuple[float, float]:
    """The least error over ε (of the median over directions), the best cosine."""
    errors = [m[error] for m in sweep.values()]
    errors = [statistics.median(e) if isinstance(e, list) else e for e in errors]
    return min(errors), max(m[cosine] for m in sweep.values())
