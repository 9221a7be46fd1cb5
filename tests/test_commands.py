"""The `uio2` command as a person meets it: its keys, its errors in one line, and folders of unlucky names."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pretrain.defaults import defaults_from
from pretrain.settings import TrainConfig
from rollouts.cli import main
from rollouts.command_line import COMMANDS
from rollouts.errors import RolloutError
from rollouts.settings import keys, resolve

ROOT = Path(__file__).parents[1]

WHAT, HOW = (
    "env policy policy_args env_kwargs task level",
    "slots workers inference inference_batch inference_wait ray.address decision_timeout episode_timeout",
)
PUBLIC = {
    "rollout": f"{WHAT} episodes seed {HOW} videos output",
    "evaluate": f"{WHAT} episodes seed {HOW} videos output",
    "collect": f"{WHAT} expert_style episodes seed ask_expert success_only {HOW} shard output",
    "compare": "first second output",
    "inspect": "path episodes film output",
    "generate": "text model image image_history audio audio_history video target max_new_tokens temperature "
    "top_p top_k repetition_penalty no_repeat_ngram_size stop_repetition seed beams guidance "
    "parallel locality negative stop options device dtype tokenizer vocoder output",
    "convert": "source output official safetensors dtype tokenizer vocoder",
    "imagine": "model env env_kwargs task level episodes seed play guidance temperature top_p draw_seed "
    "slots device shown output",
    "improve": "policy policy_args env env_kwargs task level collect_level data rounds led noise astray own "
    "expert_style steps batch_size learning_rate goal_share train control validation_episodes "
    "validation_seed test_episodes test_seed collect_seed seed slots workers output",
    "train-tokenizer": "target model mixture data held_back validation_examples bad_records output steps "
    "batch_size learning_rate warmup decay_share window_steps window critic_start patience seed device "
    "threads workers log_every save_every tensorboard resume stop_after",
    "pretrain": "model inherit image_tokenizer audio_tokenizer mixture data held_back validation_examples "
    "bad_records output without steps "
    "batch_size accumulate patch_share encoder_row decoder_row optimizer learning_rate schedule warmup "
    "decay_share weight_decay z_loss loss_weights spike skips seed device dtype recompute compile threads "
    "workers log_every save_every tensorboard wandb resume stop_after",
    "serve": "policy policy_args host port batch wait",
    "play": "env env_kwargs task level seed record port",
    "thor-player": "width height headless assets",
    "house": "action house to from spec index assets output",
    "dataset": "action path output to episodes tolerance video file_mb write license repo private",
    "doctor": "output",
    "completion": "shell",
}
"""The command line is public: a change here is a change for its users."""


def uio2(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed console script in a folder of its own."""
    script = Path(sys.executable).with_name("uio2")
    assert script.exists(), f"{script} is missing: pip install --no-deps -e {ROOT.name}"
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(
        [script, *words], cwd=cwd, env=variables, capture_output=True, text=True, timeout=240
    )


def assert_refused(run: subprocess.CompletedProcess[str], *parts: str) -> None:
    """One line on stderr, no traceback, status 2."""
    assert run.returncode == 2, run.stdout + run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("uio2: ")]
    assert len(lines) == 1 and "Traceback" not in run.stderr, run.stderr
    for part in parts:
        assert part in lines[0], lines[0]


# keys


@pytest.mark.parametrize("command", sorted(PUBLIC))
def test_keys_are_public(command: str) -> None:
    assert list(keys(command)) == PUBLIC[command].split()


def test_train_has_the_keys_and_defaults_of_its_configuration() -> None:
    """Defaults stand in the file alone; the class has them from there, and every key is a field."""
    config = dataclasses.asdict(TrainConfig(data=("data",)))
    shown = {name: key.default for name, key in keys("train").items() if not name.startswith("evaluate.")}
    assert shown.pop("data") == "???" and config.pop("data") == ("data",)
    assert shown == config and config["steps"] == 6000
    with pytest.raises(TypeError, match="data"):
        TrainConfig()


def test_a_default_in_two_places_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("a: 1\nb: {}\nc: ???\n")
    with pytest.raises(TypeError, match=r"Twice\.a has a default here and one in some\.yaml"):
        defaults_from(tmp_path / "some.yaml")(type("Twice", (), {"__annotations__": {"a": int}, "a": 2}))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_lists_every_key_with_its_meaning(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for key in keys(command).values():
        assert key.meaning, f"{command}: {key.name} has no comment in conf/{command}.yaml"
        assert any(line.split()[:1] == [key.name] and key.meaning in line for line in lines), key.name


def test_overview_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("policy=runs/na no,x:y", "runs/na no,x:y"),
        ("policy='quoted'", "'quoted'"),
        ("policy=it's", "it's"),
        ("policy=module:Class", "module:Class"),
        ("task=[a,b]", ["a", "b"]),
        ("episodes=1e2", 100),
        ("ray.address=10.0.0.1:6379", "10.0.0.1:6379"),
        ("policy_args.plan=once", {"plan": "once"}),
        ("policy_args.temperature=0.5", {"temperature": 0.5}),
    ],
)
def test_values_are_read_as_they_are_meant(word: str, value: Any) -> None:
    config: Any = resolve("evaluate", [word])
    name = word.partition("=")[0]
    for part in name.split(".") if name == "ray.address" else [name.split(".")[0]]:
        config = config[part]
    assert config == value and type(config) is type(value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["episods=3"], "did you mean 'episodes'?"),
        (["polcy=x"], "did you mean 'policy'?"),
        (["zzzz=1"], "keys: env, policy"),
        (["episodes=many"], "episodes takes a whole number, found 'many'"),
        (["episodes=null"], "episodes takes a whole number, found 'null'"),
        (["episodes=1,2"], "episodes takes a whole number, found '1,2'"),
        (["nonsense"], "takes key=value words, found 'nonsense'"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str) -> None:
    with pytest.raises(RolloutError) as caught:
        resolve("evaluate", words)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_required_key_says_what_it_is() -> None:
    with pytest.raises(RolloutError, match="uio2 inspect needs path="):
        resolve("inspect", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evalute"], "did you mean 'evaluate'?"),
        (["evaluate", "env=vimaa"], "vima"),
        (["evaluate", "task=rotat"], "(did you mean 'rotate'?): choose one of visual_manipulation, scene_"),
        (["evaluate", "level=L7"], "unknown level 'L7'"),
        (["evaluate", "episodes=0"], "episodes must be at least 1"),
        (["evaluate", "policy=nosuch", "task=rotate"], "policy 'nosuch'"),
        (["evaluate", "policy=json:Nothing", "task=rotate"], "json has no 'Nothing'"),
        (["rollout", "task=rotat"], "unknown task 'rotat'"),
        (["collect", "task=rotat"], "unknown task 'rotat'"),
        (["collect", "seed=4999999", "episodes=100"], "held out"),
        (["inspect", "nosuch"], "nosuch is no directory"),
        (["compare", "nosuch", "nosuch"], "nosuch is no directory"),
    ],
)
def test_requests_that_cannot_be_met_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], rendering: None
) -> None:
    output = [] if words[0] in ("inspect", "compare", "evalute") else [f"output={tmp_path}"]
    assert main([*words, *output]) == 2
    line = capsys.readouterr().err
    assert line.startswith("uio2: ") and line.count("\n") == 1 and said in line, line
    assert not (tmp_path / "result.json").exists()


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_what_ctrl_c_leaves_is_said_for_each_command(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, function = COMMANDS[command].function.split(":")
    monkeypatch.setattr(f"{module}.{function}", interrupted)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    words = {"compare": ["a", "a"], "inspect": ["a"], "generate": ["a"], "convert": ["nano", "b"]}
    words |= {"train": ["data=a"], "house": ["export", "1", "--to", "glb"]}
    words |= {"train-tokenizer": ["image"], "imagine": ["model=b"], "completion": ["bash"]}
    words |= {"improve": ["policy=nano"], "dataset": ["verify", "a"], "serve": ["nano"]}
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.json").write_text("{}")
    assert main([command, *words.get(command, [])]) == 130
    said = capsys.readouterr().err
    assert said.startswith("\nstopped; ") and said.count("\n") == 2
    goes_on = command in ("collect", "evaluate", "train", "pretrain", "train-tokenizer", "imagine", "improve")
    assert ("the same command goes on from" in said, "the same command starts anew" in said) == (
        goes_on,
        not goes_on,
    )


def test_a_stopped_conversion_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", "nano", str(tmp_path / "model")]
    with monkeypatch.context() as patch:
        patch.setattr(
            "uio2_agent.formats.convert.write_json", interrupted
        )  # between the weights and the rest
        assert main(words) == 130
    assert main(["generate", "Hello", f"model={tmp_path / 'model'}"]) == 2, "half a model is none"
    assert main(words) == 0 and capsys.readouterr().err.count("starts anew") == 1
    assert (tmp_path / "model" / "config.json").is_file()


def test_an_unwritable_output_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for command in ("rollout", "evaluate", "collect"):
        assert_refused(uio2(command, f"output={tmp_path / 'file'}"), "cannot write to", "output=")


# graphics, checkpoints, folders


def test_no_graphics_is_one_line(tmp_path: Path) -> None:
    """libglvnd told to look for drivers where there are none: the same as a machine without Mesa."""
    nothing = {"__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path), "MUJOCO_GL": "egl"}
    for command in ("evaluate", "collect"):
        run = uio2(
            command, "policy=oracle", "task=rotate", "episodes=1", f"output={tmp_path / command}", **nothing
        )
        assert_refused(run, "apt-get install", "libegl1")


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    nothing = {"__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path), "MUJOCO_GL": "egl", "COLUMNS": "200"}
    run = uio2("doctor", f"output={tmp_path}", **nothing)
    assert run.returncode == 1 and "apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri" in run.stdout
    found = {finding["subject"]: finding for finding in json.loads((tmp_path / "doctor.json").read_text())}
    assert set(found) == {
        "python",
        "torch",
        "GL backend",
        "mujoco",
        "ray",
        "ai2thor",
        "habitat_sim",
        "vima_bench",
    }
    assert found["torch"]["usable"] and found["mujoco"]["usable"] and not found["GL backend"]["usable"]


def test_a_truncated_checkpoint_is_one_line(tmp_path: Path, rendering: None) -> None:
    from uio2_agent import Processor, TextTokenizer, UnifiedIO2, UnifiedIO2Config

    checkpoint = tmp_path / "checkpoint"
    config = UnifiedIO2Config.preset("nano")
    model = UnifiedIO2(config)
    model.processor = Processor(config, TextTokenizer.packaged())
    model.save_pretrained(checkpoint)
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    run = uio2("evaluate", f"policy={checkpoint}", "task=rotate", "episodes=1", f"output={tmp_path / 'out'}")
    assert_refused(run, "model.safetensors")


@pytest.fixture
def unlucky(tmp_path: Path) -> Path:
    """A person's folder with packages named like ours."""
    for name in ("envs", "policies", "rollouts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('somebody else\\'s package')\n")
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_commands_work_beside_a_folder_named_envs(unlucky: Path, rendering: None, workers: int) -> None:
    asked = ("task=rotate", "episodes=2", f"workers={workers}")
    run = uio2("evaluate", "policy=oracle", "videos=0", "output=out", *asked, cwd=unlucky)
    assert run.returncode == 0, run.stdout + run.stderr
    statuses = [
        episode["status"] for episode in json.loads((unlucky / "out/result.json").read_text())["episodes"]
    ]
    assert "error" not in statuses and len(statuses) == 2
    if workers == 1:
        run = uio2("collect", *asked, "output=data", cwd=unlucky)
        assert run.returncode == 0, run.stdout + run.stderr
        assert uio2("inspect", "data", "episodes=1", cwd=unlucky).returncode == 0
        assert (
            uio2("rollout", "policy=random", "videos=1", "output=roll", *asked, cwd=unlucky).returncode == 0
        )


def test_another_package_named_envs_is_named(unlucky: Path) -> None:
    for name in ("policies", "rollouts"):
        (unlucky / name / "__init__.py").unlink()
        (unlucky / name).rmdir()
    command = [sys.executable, "-m", "rollouts.cli", "evaluate", "policy=oracle"]
    run = subprocess.run(command, cwd=unlucky, capture_output=True, text=True)
    assert_refused(run, str(unlucky / "envs"), "comes first")
