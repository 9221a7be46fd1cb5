"""Mistakes of every kind in every command: one line, status 2, told before anything heavy is loaded; and what
is said when a command is stopped at once, or cannot say anything.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollouts.command_line import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "ray", "mujoco")
PLAYED = [
    (
        "task=rotat",
        "unknown task 'rotat' (did you mean 'rotate'?): choose one of visual_manipulation, scene_",
    ),
    ("task=", "unknown task ''"),
    (
        "level=placment",
        "(did you mean 'placement'?): choose one of placement, combinatorial, novel_object, novel",
    ),
    (
        "level=L7",
        "unknown level 'L7': choose one of placement, combinatorial, novel_object, novel_task, train",
    ),
    ("level=", "unknown level ''"),
    ("env=vimma", "unknown suite 'vimma' (did you mean 'vima'?): choose one of vima"),
    ("env=no_such_module:SUITE", "cannot import 'no_such_module'"),
    ("env=ruined:SUITE", "suite ruined:SUITE: cannot import 'ruined', SystemExit("),
    ("seed=-1", "seed must be at least 0, found seed=-1"),
    ("seed=1.5", "seed takes a whole number, found '1.5'"),
    ("sed=1", "did you mean 'seed'?"),
    ("--seed=1", "did you mean 'seed'?"),
    ("env_kwargs=x", "env_kwargs takes keys below it"),
]
WITH_POLICY = [
    *PLAYED,
    ("task=[]", "task=[]"),
    ("task=[rotate,twits]", "unknown task 'twits' (did you mean 'twist'?): choose one of visual_"),
    ("policy=nanno", "(did you mean 'nano'?): use oracle, random, nano, nano_house, a directory"),
    ("policy=empty", "empty/config.json is missing"),
    ("policy=no_such_module:Policy", "cannot import 'no_such_module'"),
    ("policy=ruined:Policy", "policy=ruined:Policy: cannot import 'ruined', SystemExit: 3"),
    ("policy=collections:UserDick", "has no 'UserDick' (did you mean 'UserDict'?)"),
    ("policy=json:__name__", "json has no '__name__'"),
    ("policy_args.plam=once", "policy_args it takes: "),
    ("episodes=0", "episodes must be at least 1, found episodes=0"),
    ("episodes=-3", "episodes must be at least 1, found episodes=-3"),
    ("episodes=many", "episodes takes a whole number, found 'many'"),
    ("epsiodes=3", "did you mean 'episodes'?"),
    ("workers=0", "workers must be at least 1"),
    ("slots=0", "slots must be at least 1"),
    ("output=", "output= is empty"),
    ("output=file", "cannot write to file"),
    ("output=file/below", "cannot write to file/below"),
]
EVALUATED = [
    *WITH_POLICY,
    ("videos=-1", "videos must be at least 0"),
    ("task=rotate level=L4", "level=L4 lacks rotate, which exists at placement"),
    ("task=[rotate,same_texture] level=placement", "lacks same_texture, which exists at novel_task"),
]
MISTAKES = {
    "rollout": EVALUATED,
    "evaluate": EVALUATED,
    "collect": [
        *WITH_POLICY,
        ("shard=3/2", "shard=3/2 is not i/n"),
        ("shard=0/2", "shard=0/2 is not i/n"),
        ("shard=1", "shard=1 is not i/n"),
        ("shard=" + "1" * 5000 + "/" + "2" * 5000, "is not i/n"),
        ("success_only=yes", "success_only takes true or false, found 'yes'"),
        ("seed=4999999 episodes=100", "held out"),
        ("level=all", "one level at a time"),
        ("level=L1,L2", "one level at a time, found placement, combinatorial"),
        ("task=rotate,same_texture", "one level at a time, found placement, novel_task"),
    ],
    "play": [
        *PLAYED,
        ("task=rotate,twist", "one task at a time, found rotate, twist"),
        ("port=-1", "port must be at least 0"),
        ("port=70000", "port must be at most 65535"),
        ("record=file", "cannot write to file: File exists; name another directory with record=..."),
    ],
    "serve": [
        ("", "uio2 serve needs policy="),
        ("nanno", "(did you mean 'nano'?)"),
        ("nano policy_args.plam=once", "policy_args it takes: "),
        ("nano port=70000", "port must be at most 65535"),
        ("nano batch=0", "batch must be at least 1"),
        ("ws://127.0.0.1:9", "no policy server answers there"),
    ],
    "train": [
        ("", "uio2 train needs data="),
        ("data=missing", "missing is no directory"),
        ("data=[empty,missing]", "missing is no directory"),
        ("data=file", "file is no directory"),
        ("data=empty steps=0", "steps must be at least 1"),
        ("data=empty batch_size=-1", "batch_size must be at least 1"),
        ("data=empty learning_rate=fast", "learning_rate takes a number, found 'fast'"),
        ("data=empty learning_rate=nan", "learning_rate takes a number, found 'nan'"),
        ("data=empty decay_share=2", "decay_share must be at most 1"),
        ("data=empty schedule=linaer", "(did you mean 'linear'?): choose one of wsd, constant, linear"),
        ("data=empty dtype=int4", "there is no dtype 'int4'"),
        ("data=empty device=tpu", "there is no device 'tpu'"),
        ("data=empty model=nanno", "(did you mean 'nano'?)"),
        ("data=empty style.object_nmes=true", "object_nmes"),
        ("data=empty evaluate_every=10 evaluate.task=rotat", "(did you mean 'rotate'?)"),
        ("data=empty evaluate_every=10 evaluate.env=vimma", "(did you mean 'vima'?)"),
        ("data=empty evaluate.episodes=0", "evaluate.episodes must be at least 1"),
        ("data=empty evaluate.epsiodes=1", "did you mean 'evaluate.episodes'?"),
        ("data=empty output=file", "cannot write to file"),
    ],
    "pretrain": [
        ("steps=0", "steps must be at least 1"),
        ("batch_size=-1", "batch_size must be at least 1"),
        ("patch_share=0", "patch_share must be at least 0.01"),
        ("held_back=2", "held_back must be at most 1"),
        ("learning_rate=fast", "learning_rate takes a number, found 'fast'"),
        ("optimizer=adam", "there is no optimizer 'adam' (did you mean 'adamw'?)"),
        ("schedule=linaer", "(did you mean 'linear'?): choose one of uio2, wsd, constant, linear"),
        ("without=[packing,qknorm]", "without=qknorm names no part of the method (did you mean 'qk_norm'?)"),
        ("dtype=int4", "there is no dtype 'int4'"),
        ("loss_weights.image=-1", "loss_weights.image=-1"),
        ("model=nanno", "(did you mean 'nano'?)"),
        ("mixture=genrated", "(did you mean 'generated'?)"),
        ("output=file", "cannot write to file"),
        ("bad_record=1", "did you mean 'bad_records'?"),
    ],
    "train-tokenizer": [
        ("", "uio2 train-tokenizer needs target="),
        ("imgae", "there is no tokenizer of 'imgae' (did you mean 'image'?)"),
        ("image steps=0", "steps must be at least 1"),
        ("image learning_rate=fast", "learning_rate takes a number, found 'fast'"),
        ("image decay_share=2", "decay_share must be at most 1"),
        ("image model=nanno", "(did you mean 'nano'?)"),
        ("image mixture=simulator", "(did you mean 'simulators'?)"),
        ("image device=tpu", "there is no device 'tpu'"),
        ("image output=file", "cannot write to file"),
        ("image patince=1", "did you mean 'patience'?"),
    ],
    "imagine": [
        ("", "uio2 imagine needs model="),
        ("model=nanno", "(did you mean 'nano'?)"),
        ("model=nano", "model=nano answers with no pictures"),
        ("model=empty", "empty/config.json is missing"),
        ("model=drawing task=rotat", "(did you mean 'rotate'?)"),
        ("model=drawing env=vimma", "(did you mean 'vima'?)"),
        ("model=drawing level=placment", "(did you mean 'placement'?)"),
        ("model=drawing episodes=0", "episodes must be at least 1"),
        ("model=drawing guidance=-1", "guidance must be at least 0"),
        ("model=drawing top_p=2", "top_p must be at most 1"),
        ("model=drawing device=tpu", "there is no device 'tpu'"),
        ("model=drawing output=file", "cannot write to file"),
    ],
    "improve": [
        ("", "uio2 improve needs policy="),
        ("policy=nanno", "(did you mean 'nano'?)"),
        ("policy=oracle", "policy=oracle learns nothing"),
        ("policy=empty", "empty/config.json is missing"),
        ("policy=nano policy_args.plam=once", "policy_args it takes: "),
        ("policy=nano task=rotat", "(did you mean 'rotate'?)"),
        ("policy=nano env=vimma", "(did you mean 'vima'?)"),
        ("policy=nano task=rotate level=L4", "level=L4 lacks rotate, which exists at placement"),
        ("policy=nano collect_level=L1,L2", "one level at a time"),
        ("policy=nano data=missing", "missing is no directory"),
        ("policy=nano rounds=-1", "rounds must be at least 0"),
        ("policy=nano noise=2", "noise must be at most 1"),
        ("policy=nano led=0 own=0", "nothing to learn from"),
        ("policy=nano test_seed=7000010", "share seeds"),
        ("policy=nano validation_seed=10", "validation_seed=10 may be trained on"),
        ("policy=nano collect_seed=4999999", "held out"),
        ("policy=nano train.stps=1", "train.stps is no key of uio2 train"),
        ("policy=nano train.steps=1", "train.steps is the loop's own"),
        ("policy=nano train.schedule=linaer", "(did you mean 'linear'?)"),
        ("policy=nano train.decay_share=2", "decay_share must be at most 1"),
        ("policy=nano train.threads=many", "train.threads='many'"),
        ("policy=nano output=file", "cannot write to file"),
    ],
    "generate": [
        ("", "uio2 generate needs text="),
        ("text=x model=nanno", "(did you mean 'nano'?)"),
        ("text=x model=empty", "empty/config.json is missing"),
        ("text=x image=missing.png", "there is no file missing.png"),
        ("text=x image_history=[file,missing.png]", "there is no file missing.png"),
        ("text=x tokenizer=missing", "there is no file missing"),
        ("text=x target=txet", "(did you mean 'text'?)"),
        ("text=x dtype=int4", "there is no dtype 'int4'"),
        ("text=x device=gpu", "there is no device 'gpu'"),
        ("text=x beams=0", "beams must be at least 1, found beams=0"),
        ("text=x temperature=-1", "temperature must be at least 0"),
        ("text=x top_p=2", "top_p must be at most 1"),
        ("text=x options=[a,b] target=image", "options are texts"),
        ("text=x output=file", "cannot write to file"),
    ],
    "convert": [
        ("", "uio2 convert needs source="),
        ("source=nano", "uio2 convert needs output="),
        ("source=nanno output=x", "(did you mean 'nano'?)"),
        ("source=empty output=x", "empty/config.json is missing"),
        ("source=nano output=x dtype=int4", "there is no dtype 'int4'"),
        ("source=nano output=x tokenizer=missing", "there is no file missing"),
        ("source=nano output=file", "cannot write to file"),
    ],
    "compare": [
        ("", "uio2 compare needs first="),
        ("first=missing second=missing", "missing is no directory"),
        ("first=empty second=empty", "result.json"),
    ],
    "inspect": [
        ("", "uio2 inspect needs path="),
        ("path=missing", "missing is no directory"),
        ("path=file", "file is no directory"),
        ("path=empty", "neither a dataset"),
        ("path=empty episodes=0", "episodes must be at least 1"),
    ],
    "dataset": [
        ("", "uio2 dataset needs action="),
        ("verfy empty", "there is no action 'verfy' (did you mean 'verify'?)"),
        ("verify missing", "missing is no directory"),
        ("verify empty", "is no LeRobot dataset"),
        ("export empty", "uio2 dataset export needs to="),
        ("export empty --to rlsd output=b", "there is no format 'rlsd' (did you mean 'rlds'?)"),
        ("push empty repo=x", "write owner/name"),
    ],
    "house": [
        ("", "uio2 house needs action="),
        ("exprot 7 --to glb", "there is no action 'exprot' (did you mean 'export'?)"),
        ("export", "uio2 house needs house="),
        ("export 7", "uio2 house needs to="),
        ("export 7 --to gbl", "there is no format 'gbl' (did you mean 'glb'?)"),
        ("export 7 --to", "there is no format ''"),
        ("export 7 --too glb", "takes key=value words, found '--too'"),
        ("export 7 --to glb --from obj", "choose one of glb, mjcf, procthor, habitat"),
        ("export missing.json --to glb", "there is no file missing.json"),
        ("export 7 --to procthor assets=missing", "there is no file missing"),
        ("export 7 --to glb index=-1", "index must be at least 0"),
        ("export 7 --to glb output=file", "cannot write to file"),
    ],
    "thor-player": [
        ("width=0", "width must be at least 1"),
        ("assets=missing", "there is no file missing"),
        ("widht=3", "did you mean 'width'?"),
    ],
    "completion": [
        ("", "uio2 completion needs shell="),
        ("bsh", "there is no shell 'bsh' (did you mean 'bash'?): choose one of bash, zsh, fish"),
    ],
    "doctor": [("output=file", "cannot write to file"), ("ouput=x", "did you mean 'output'?")],
    "colect": [("", "unknown command 'colect' (did you mean 'collect'?); uio2 --help lists them")],
    "--task=rotate": [("", "unknown command '--task=rotate'")],
}
_RUN = """
import json, sys, time
from rollouts.cli import main
for words in json.loads(sys.argv[1]):
    status = main(words)
    print(json.dumps([status, [name for name in %r if name in sys.modules]]), file=sys.stderr, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "drawing").mkdir()
    (tmp_path / "drawing" / "config.json").write_text("{}")
    (tmp_path / "ruined.py").write_text("raise SystemExit(3)\n")
    return tmp_path


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_every_command_has_its_mistakes() -> None:
    assert set(COMMANDS) < set(MISTAKES)


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_told_before_anything_heavy_is_loaded(command: str, folder: Path) -> None:
    asked = [[command, *words.split()] for words, _ in MISTAKES[command]]
    code = _RUN % (HEAVY,)
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0 and not run.stdout, run.stdout + run.stderr
    lines = run.stderr.splitlines()
    assert len(lines) == 2 * len(asked), run.stderr
    for (words, said), line, outcome in zip(MISTAKES[command], lines[::2], lines[1::2], strict=True):
        assert line.startswith("uio2: ") and said in line, f"{words}: {line}"
        assert json.loads(outcome) == [2, []], f"{words}: status and modules {outcome}"
    left = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert left == {"file", "empty", "drawing", "ruined.py"}, "a mistake leaves nothing behind"


@pytest.mark.parametrize("words", ["evaluate task=rotat", "train data=missing", "generate x model=nanno"])
def test_a_mistake_is_told_in_two_seconds(words: str, folder: Path) -> None:
    """Of processor time, Python's start included: what a quiet machine takes."""
    command = [sys.executable, "-m", "rollouts.cli", *words.split()]
    before = os.times()
    run = subprocess.run(command, cwd=folder, env=environment(), capture_output=True)
    after = os.times()
    assert run.returncode == 2
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2.0


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("foo=1", "unknown option 'foo'"),
        ("backend=upsteam", "(did you mean 'upstream'?)"),
        ("backendd=upstream", "(did you mean 'backend'?)"),
        ("difficulty=hrad", "(did you mean 'hard'?)"),
        ("image_size=[a,b]", "give rows and columns"),
        ("task=x", "env_kwargs make no environment: task='x': TypeError"),
        ("id=x", "env_kwargs make no environment: id='x': TypeError"),
    ],
)
def test_options_of_an_environment_are_judged_before_torch_is_loaded(
    word: str, said: str, folder: Path
) -> None:
    """By the environment, so its simulator is loaded."""
    asked = json.dumps([["evaluate", "task=rotate", f"env_kwargs.{word}"]])
    run = subprocess.run(
        [sys.executable, "-c", _RUN % (HEAVY[:2],), asked],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    line, outcome = run.stderr.splitlines()
    assert line.startswith("uio2: ") and said in line and json.loads(outcome) == [2, []]


def test_a_house_is_made_for_its_options_without_what_only_playing_takes(folder: Path) -> None:
    heavy = ("torch", "ray", "scipy.ndimage")
    asked = json.dumps([["evaluate", f"env={env}", "env_kwargs.sizee=64"] for env in ("procthor", "habitat")])
    run = subprocess.run(
        [sys.executable, "-c", _RUN % (heavy,), asked],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert run.stderr.splitlines()[1::2] == ["[2, []]"] * 2
    assert run.stderr.count("unknown option 'sizee' (did you mean 'size'?)") == 2


def test_help_is_as_quick(folder: Path) -> None:
    asked = json.dumps([["--help"], *([command, "--help"] for command in COMMANDS)])
    run = subprocess.run(
        [sys.executable, "-c", _RUN % (HEAVY,), asked], cwd=folder, env=environment(), capture_output=True
    )
    assert set(run.stderr.splitlines()) == {b"[0, []]"}


# signals


_STOPPED = """
import os, sys
class Stop:
    def find_spec(name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), int(sys.argv[2]))
sys.meta_path.insert(0, Stop)
from rollouts.cli import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module",
    ["rollouts.command_line", "hydra", "yaml", "envs", "numpy", "gymnasium", "policies.loading"],
)
def test_a_stop_while_modules_are_loaded_is_one_line(module: str, number: int, folder: Path) -> None:
    """The signal comes when the import of that module begins."""
    words = [module, str(int(number)), "evaluate", "policy=random", "task=rotate"]
    run = subprocess.run(
        [sys.executable, "-c", _STOPPED, *words], cwd=folder, env=environment(), capture_output=True
    )
    assert (run.returncode, run.stderr) == (130, b"\nstopped before the work began\n")


def test_ctrl_c_before_signals_can_be_answered_is_one_line(folder: Path) -> None:
    words = ["signal", str(int(signal.SIGINT)), "--version"]
    run = subprocess.run(
        [sys.executable, "-c", _STOPPED, *words], cwd=folder, env=environment(), capture_output=True
    )
    assert (run.returncode, run.stderr) == (130, b"\nstopped before the work began\n")


_LATE = """
import atexit, os, sys
number, status = map(int, sys.argv[1:])
sys.argv = ["uio2", "--version"]
atexit.register(lambda: os.kill(os.getpid(), number))
from rollouts import command_line
def stopped(*_):
    raise KeyboardInterrupt
if status:
    command_line._run = stopped
from rollouts.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("status", [0, 130])
def test_a_signal_after_the_work_changes_nothing(status: int, number: int, folder: Path) -> None:
    """The status says whether all was done, or what is done was saved."""
    words = [sys.executable, "-c", _LATE, str(int(number)), str(status)]
    run = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (status, "\nstopped\n" if status else "")
    assert status or run.stdout.startswith("uio2-agent ")


# where the words of a command go


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    for words in ("--help", "evaluate --help"):
        command = [sys.executable, "-m", "rollouts.cli", *words.split()]
        reading, writing = os.pipe()
        os.close(reading)
        run = subprocess.run(command, cwd=folder, env=environment(), stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert (run.returncode, run.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_output_is_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rollouts.cli", "--help"]
        run = subprocess.run(command, cwd=folder, env=environment(), stdout=full, stderr=subprocess.PIPE)
    assert run.returncode == 2
    assert run.stderr == b"uio2: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_words_of_any_language_are_answered_on_a_terminal_of_none(variables: dict, folder: Path) -> None:
    command = [sys.executable, "-m", "rollouts.cli", "evaluate"]
    for words in (["--help"], ["task=größer"], ["größe=1"], ["policy=日本語"]):
        run = subprocess.run(
            [*command, *words], cwd=folder, env=environment() | variables, capture_output=True
        )
        assert run.returncode == (0 if words == ["--help"] else 2) and b"Traceback" not in run.stderr
    said = subprocess.run(
        [*command, b"task=\xff"], cwd=folder, env=environment() | variables, capture_output=True
    )
    assert said.returncode == 2 and said.stderr.startswith(b"uio2: the words are no UTF-8 text")
