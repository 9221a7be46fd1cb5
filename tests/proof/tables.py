"""Evaluations for `docs/proof/`: played into build/proof, where a stopped one goes on; in Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.output import claim
from rollouts.results.files import RESULT, load
from rollouts.results.statistics import wilson
from rollouts.versions import git_sha, versions
from uio2_agent.files import replace_file

ROOT = Path(__file__).parents[2]
SEEDS = 200


def played(name: str, episodes: int = SEEDS, **keys: Any) -> dict[str, Any]:
    """The result of an evaluation on that many held-out seeds of each task and level."""
    output = claim(ROOT / "build" / "proof" / name)
    if (output / RESULT).exists() and load(output)["git_sha"] != git_sha():  # about another code
        (output / RESULT).unlink()
    return evaluate(EvaluateConfig(output=str(output), episodes=episodes, videos=0, **keys), output)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def rate(row: Mapping[str, Any]) -> str:
    """Success in per cent with its interval."""
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{row['successes']}/{row['episodes']} = {row['rate']:.1%} ({low:.1f} – {high:.1f})"


def together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of one task as one row, with the metrics that all have."""
    episodes, solved = (sum(row[key] for row in rows) for key in ("episodes", "successes"))
    low, high = wilson(solved, episodes)
    metrics = {
        name: sum(row["metrics"][name] * row["episodes"] for row in rows) / episodes
        for name in rows[0]["metrics"]
    }
    figures = {"successes": solved, "episodes": episodes, "rate": solved / episodes, "low": low, "high": high}
    return {"task": rows[0]["task"], "level": "all", **figures, "metrics": metrics}


def write(report: str, title: str, command: str, *parts: str) -> None:
    """Write the page and print it."""
    made = ", ".join(f"{name} {value}" for name, value in versions().items())
    text = "\n\n".join([f"# {title}", f"`{command}`", *parts, f"Made with {made}."]) + "\n"
    replace_file(Path(report), text)
    print(text)
