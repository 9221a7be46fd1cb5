"""Proof that vla-eval plays our suites and asks our policies, by its own commands.

Plays held-out seeds as `uio2 evaluate` does, then once more through `vla-eval serve` and `vla-eval run` in a
virtual environment of their own; each episode must end alike. Then strangers (tests/doubles):
their server in our benchmark, their benchmark at our server. Usage: python -m tests.proof.vla_eval REPORT.md
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollouts.evaluate import EvaluateConfig
from tests.proof.tables import ROOT, played, table
from uio2_agent.files import replace_file

ENVIRONMENT = ROOT / "build" / "vla_eval"
PLUGIN = ROOT / "plugins" / "vla_eval_uio2"
CONFIGS = PLUGIN / "vla_eval_uio2" / "configs"
STRANGERS = ROOT / "tests" / "doubles" / "vla_eval_strangers" / "vla_eval_strangers.py"
TESTS = ROOT / "tests" / "test_vla_eval_plugin.py"
TORCH, PACKAGES = "torch==2.13.0", ("vla-eval==0.8.0", "uv", "pytest")
PLAYED = {"vima": ("nano", 20), "procthor": ("nano_house", 4), "habitat": ("nano_house", 4)}
"""Configuration, which is named as its suite → the policy, and episodes of each task."""
SHARDS = 2
PATIENCE_S = 300
Outcome = tuple[bool, int]
"""Success and steps."""


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when something is off."""
    _install()
    rows, good = [], True
    with tempfile.TemporaryDirectory() as folder:
        for name, (policy, episodes) in PLAYED.items():
            ours = _ours(name, policy, episodes)
            with _served(["serve", "-c", str(CONFIGS / "server.yaml"), "--arg", f"policy={policy}"]) as url:
                for shards in (1, SHARDS) if name == "vima" else (1,):
                    output = Path(folder) / f"{name}{shards}"
                    theirs = _theirs(_run(CONFIGS / f"{name}.yaml", url, episodes, output, shards))
                    alike = sum(theirs.get(key) == outcome for key, outcome in ours.items())
                    good &= alike == len(ours) == len(theirs)
                    solved = [sum(success for success, _ in each.values()) for each in (ours, theirs)]
                    rows.append([name, policy, shards, len(theirs), *solved, alike])
                    print(rows[-1], flush=True)
        strangers = _strangers(Path(folder))
    tests = subprocess.run([_bin("python"), "-m", "pytest", str(TESTS)], cwd=ROOT, check=False).returncode
    good &= not tests
    good &= all(row[-1] for row in strangers)
    head = ["suite", "policy", "processes of `vla-eval run`", "episodes", "solved by `uio2 evaluate`"]
    head += ["by `vla-eval run`", "episodes with the same success and number of steps"]
    others = [[*row[:-1], "yes" if row[-1] else "NO"] for row in strangers]
    parts = [
        "# vla-eval",
        f"{PACKAGES[0]} in an environment of its own, the ready configurations, `vla-eval serve` and "
        "`vla-eval run`, `render: cpu`; the same held-out seeds as `uio2 evaluate`.",
        table(head, rows),
        "Stand-ins for anybody's server and benchmark, which know nothing of ours:",
        table(["server", "benchmark", "episodes", "errors", "solved", "as it should be"], others),
        f"`{TESTS.relative_to(ROOT)}` with the package: {'passes' if not tests else 'FAILS'}.",
        "Made by `python -m tests.proof.vla_eval`.",
    ]
    text = "\n\n".join(parts) + "\n"
    replace_file(Path(report), text)
    print(text)
    return int(not good)


def _ours(name: str, policy: str, episodes: int) -> dict[tuple, Outcome]:
    params = _params(name)
    words = {"env": name, "policy": policy, "task": params["task"], "level": params["level"]}
    result = played(f"vla_eval_{name}", episodes, seed=params["seed"], **words)
    wanted = {(item.task, item.level, item.seed) for item in _work(episodes, words, params["seed"])}
    rows = {(row["task"], row["level"], row["seed"]): row for row in result["episodes"]}
    return {key: (bool(rows[key]["success"]), rows[key]["steps"]) for key in wanted}


def _work(episodes: int, words: Mapping[str, Any], seed: int) -> Sequence[Any]:
    return EvaluateConfig(output="", episodes=episodes, seed=seed, **words).work()


def _params(name: str) -> dict[str, Any]:
    import yaml

    (entry,) = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["benchmarks"]
    return entry["params"]


def _theirs(aggregate: Mapping[str, Any]) -> dict[tuple, Outcome]:
    return {
        (row["task"], row["level"], row["metrics"]["seed"]): (bool(row["metrics"]["success"]), row["steps"])
        for task in aggregate["tasks"]
        for row in task["episodes"]
        if "failure_reason" not in row
    }


def _strangers(folder: Path) -> list[list[Any]]:
    rows = []
    blind = [str(STRANGERS), "--host=127.0.0.1"]
    with _served(blind, python=True) as url:
        found = _run(CONFIGS / "vima.yaml", url, 5, folder / "blind", 1)
        few = found["mean_success"] <= 0.1
        rows.append(["picks anywhere, in chunks of two", "VIMABenchmark", *_counts(found), few])
    config = folder / "reach.yaml"
    entry = {"benchmark": f"{STRANGERS.stem}:Reach"}
    config.write_text(json.dumps({"render": "cpu", "benchmarks": [entry]}))
    told = {"cameras": {"top": "camera", "front": "camera"}, "told": {"end_effector": 0}}
    words = [f"--arg={key}={json.dumps(value)}" for key, value in told.items()]
    with _served(["serve", "-c", str(CONFIGS / "server.yaml"), *words]) as url:
        found = _run(config, url, 5, folder / "reach", 1)
        rows.append(["nano", "a grey picture and a sentence", *_counts(found), found["mean_success"] == 1])
    return [[*row[:-1], row[-1] and row[3] == 0] for row in rows]


def _counts(found: Mapping[str, Any]) -> tuple[int, int, int]:
    episodes = found["num_episodes_total"]
    return episodes, found["num_errors"], round(found["mean_success"] * episodes)


def _run(config: Path, url: str, episodes: int, output: Path, shards: int) -> dict[str, Any]:
    """What `vla-eval run` wrote; several shards take turns at the episodes."""
    command = [_bin("vla-eval"), "run", "-c", str(config), "--server-url", url, "--output-dir", str(output)]
    command += ["--benchmark-field", f"episodes_per_task={episodes}"]
    if shards == 1:
        subprocess.run(command, env=_environment(), check=True)
    else:
        command += ["--eval-id", "shards", "--num-shards", str(shards), "--shard-id"]
        running = [subprocess.Popen([*command, str(i)], env=_environment()) for i in range(shards)]
        if any([each.wait() for each in running]):
            raise RuntimeError("a shard of vla-eval run ended with an error")
        (kept,) = output.glob("*.sqlite")
        subprocess.run([_bin("vla-eval"), "export", str(kept)], env=_environment(), check=True)
    (written,) = output.glob("*_aggregate.json")
    return json.loads(written.read_text())


@contextmanager
def _served(words: Sequence[str], python: bool = False) -> Iterator[str]:
    """The address of a model server in a process of its own, once it answers."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = [f"--port={port}"] if python else ["--address", f"127.0.0.1:{port}"]
    command = [_bin("python" if python else "vla-eval"), *words, *address]
    server = subprocess.Popen(command, cwd=ROOT, env=_environment(), start_new_session=True)
    try:
        until = time.monotonic() + PATIENCE_S
        while not _healthy(port):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no model server: {' '.join(command)}")
            time.sleep(0.2)
        yield f"ws://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # vla-eval serve, uv and Python
        server.wait()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def _bin(name: str) -> str:
    return str(ENVIRONMENT / "bin" / name)


def _environment() -> dict[str, str]:
    """As in the activated environment, in which uv installs nothing."""
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ours = {"VIRTUAL_ENV": str(ENVIRONMENT), "PATH": path, "PYTHONPATH": str(STRANGERS.parent)}
    return {**os.environ, **ours, "UV_NO_PROJECT": "1"}


def _install() -> None:
    if not (ENVIRONMENT / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    pip = [_bin("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, TORCH], check=True)  # first, so that nothing brings a larger build of it
    subprocess.run([*pip, *PACKAGES, "-e", f"{ROOT}[serve]"], check=True)
    subprocess.run([*pip, "--no-deps", "-e", str(PLUGIN)], check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
