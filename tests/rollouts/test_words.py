"""Words of the command line: texts arrive letter by letter, the other types are read by their own rules."""

import functools
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hydra import compose

from rollouts.checks import check_ranges
from rollouts.cli import main
from rollouts.command_line import COMMANDS
from rollouts.errors import RolloutError
from rollouts.output import write_config
from rollouts.settings import Key, keys, resolve

UNLUCKY = (
    *("", " ", "  two  spaces ", "True", "false", "2.50", "1e3", "1_000", "nan", ".inf", "007", "0x1F", "~"),
    *(
        "~/a",
        "été",
        "größer",
        "it's",
        "'quoted'",
        '"quoted"',
        "C#",
        "a # b",
        "a=b",
        "=",
        "==",
        "${oc.env:HOME}",
    ),
    *(
        "${seed}",
        "$HOME",
        "???",
        "{",
        "}",
        "{a: 1}",
        "[",
        "]",
        "[a",
        "a]",
        "a,b",
        ",",
        "\\",
        "\\n",
        "a\\,b",
        "\n",
    ),
    *(
        "\t",
        "@file",
        "!tag",
        "&x",
        "*x",
        "%",
        "- a",
        "a: b",
        ":",
        "|",
        ">",
        "null ",
        "Null",
        "none",
        "off",
        "1:30",
    ),
    *(
        "2026-01-01",
        "日本語",
        "🙂",
        "e\u0301",
        "\u00e9",
        "\u202e",
        "\ufeff",
        "\u2028",
        "'",
        '"',
        "`",
        "--help=",
        "+x=1",
    ),
)
LETTERS = "ab01.,_-+=~@#$%^&*(){}[]<>|/\\'\"`!? \t\nßéñЖ中🙂\u00a0\u2003\u0301"


MARKS = ("'", '"')


def some_words(seed: int, count: int) -> Iterator[str]:
    yield from UNLUCKY
    draw = random.Random(seed)
    for _ in range(count):
        if draw.random() < 0.5:
            yield "".join(draw.choices(LETTERS, k=draw.randrange(12)))
        else:  # anywhere in Unicode but the surrogates, which are no characters
            points = (draw.randrange(1, 0x110000) for _ in range(draw.randrange(8)))
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def quoted(item: str, mark: str) -> str:
    return mark + item.replace(mark, mark * 2) + mark


@pytest.fixture(autouse=True)
def files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For speed: thousands of words are read here."""
    monkeypatch.setattr("rollouts.settings.keys", KEYS)
    monkeypatch.setattr("rollouts.settings.compose", COMPOSED)


KEYS, COMPOSED = functools.cache(keys), functools.cache(compose)


def is_text(key: Key) -> bool:
    return key.default is None or isinstance(key.default, str)


TEXTS = [(command, key) for command in COMMANDS for key in KEYS(command).values() if is_text(key)]
LISTS = {
    "task": {"rollout", "collect", "evaluate", "imagine", "improve"},
    "level": {"rollout", "evaluate", "imagine", "improve"},
    **{name: {"generate"} for name in ("image_history", "audio_history", "stop", "options")},
    "data": {"train", "improve"},
    **{name: {"train"} for name in ("lora_targets", "evaluate.task", "evaluate.level")},
    "without": {"pretrain"},
    "path": {"dataset"},
    "film": {"inspect"},
}


def read(command: str, name: str, word: str) -> Any:
    """The value of a key after `name=word`, the keys that must be given filled."""
    needed = [f"{key.name}=x" for key in KEYS(command).values() if key.required and key.name != name]
    value: Any = resolve(command, [*needed, f"{name}={word}"])
    for part in name.split("."):
        value = value[part]
    return value


def test_which_keys_take_several_texts() -> None:
    found = {(command, key.name) for command, key in TEXTS if key.several}
    assert found == {(command, name) for name, commands in LISTS.items() for command in commands}


@pytest.mark.parametrize(("command", "key"), TEXTS, ids=[f"{c}-{key.name}" for c, key in TEXTS])
def test_a_text_arrives_letter_by_letter(command: str, key: Key) -> None:
    for word in some_words(seed=len(key.name), count=25):
        if word[:1] + word[-1:] != "[]":
            assert read(command, key.name, word) == word
    if key.default is None:
        assert read(command, key.name, "null") is None
    else:
        assert read(command, key.name, "null") == "null"
    bracketed = "[größer,it's,C#,True,2.50,1e3,1_000,nan,null,${a},]"
    several = bracketed[1:-1].split(",")
    assert read(command, key.name, bracketed) == (several if key.several else bracketed)


@pytest.mark.parametrize("seed", range(5))
def test_items_arrive_letter_by_letter_too(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(20):
        items = draw.choices(list(some_words(draw.randrange(1000), 40)), k=draw.randrange(1, 5))
        between = draw.choice((",", ", ", " , "))
        word = f"[{between.join(quoted(item, draw.choice(MARKS)) for item in items)}]"
        assert read("generate", "options", word) == items
        plain = [
            item for item in items if "," not in item and item == item.strip(" ") and item[:1] not in "'\""
        ]
        if plain and plain != [""]:
            assert read("generate", "options", f"[{','.join(plain)}]") == plain


@pytest.mark.parametrize(
    ("word", "items"),
    [
        ("[]", []),
        ("[ ]", []),
        ("[a]", ["a"]),
        ("[a,]", ["a", ""]),
        ("[~/a,été]", ["~/a", "été"]),
        ("['tis, 'twas nice']", ["'tis", "twas nice"]),
        ('["a,b",c]', ["a,b", "c"]),
        ('["say ""hi"""]', ['say "hi"']),
        ('["a"b,c]', ['"a"b', "c"]),
        ("[a[0],b]", ["a[0]", "b"]),
        ('["[x]"]', ["[x]"]),
        ("a,b", "a,b"),
        ("[a", "[a"),
    ],
)
def test_the_rule_of_several_texts(word: str, items: Any) -> None:
    assert read("generate", "stop", word) == items


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, word) for word in UNLUCKY if word not in ("True", "false", "'quoted'", '"quoted"')),
        *(("12", 12), ("-3", -3), ("0", 0), ("0.5", 0.5), ("-0.25", -0.25), ("1e-05", 1e-05), ("1.0", 1.0)),
        *(("true", True), ("True", True), ("false", False), ("False", False), ("null", None), ("None", None)),
        *(
            (word, word)
            for word in ("12_34", "2.50", "1e-3", "+5", ".5", "5.", "-0", "NaN", "inf", "-inf", "٣")
        ),
        *((word, word) for word in ("9" * 5000, "1e400", "[" * 5000, "{" * 5000, "[a[0],b]", "TRUE", " 12")),
        *(("'12'", "12"), ('"true"', "true"), ('"a""b"', 'a"b'), ("''", ""), ("'a' b", "'a' b")),
        *(("[128,256]", [128, 256]), ("[a, 0.5, '1']", ["a", 0.5, "1"]), ("[[1,2],[3.5]]", [[1, 2], [3.5]])),
        *(
            ("[12_34,1e3]", ["12_34", "1e3"]),
            ('{"a": [1, 2.50]}', {"a": [1, "2.50"]}),
            ("[]", []),
            ("{}", {}),
        ),
    ],
)
def test_the_rule_of_free_values(word: str, value: Any) -> None:
    found = resolve("evaluate", [f"policy_args.rev={word}"])["policy_args"]
    assert found == {"rev": value} and repr(found) == repr({"rev": value})


def test_free_values_may_be_nested() -> None:
    words = ["env_kwargs.a.b=1", "env_kwargs.a.c=x", "env_kwargs.größe=2", "policy_args.plan=once"]
    config = resolve("evaluate", words)
    assert config["env_kwargs"] == {"a": {"b": 1, "c": "x"}, "größe": 2}
    assert config["policy_args"] == {"plan": "once"}
    for both in (["env_kwargs.a=1", "env_kwargs.a.b=1"], ["env_kwargs.a.b=1", "env_kwargs.a=1"]):
        with pytest.raises(RolloutError, match="leave one out"):
            resolve("evaluate", both)


NUMBERS = [(c, key) for c in COMMANDS for key in keys(c).values() if type(key.default) in (int, float, bool)]


@pytest.mark.parametrize(("command", "key"), NUMBERS, ids=[f"{c}-{key.name}" for c, key in NUMBERS])
def test_numbers_and_truth_values_are_read_where_they_are_meant(command: str, key: Key) -> None:
    good: dict[type, list[tuple[str, Any]]] = {
        bool: [("true", True), ("False", False)],
        int: [("12", 12), ("-3", -3), ("1_000", 1000), ("1e6", 1_000_000), (str(2**63 - 1), 2**63 - 1)],
        float: [("12", 12.0), ("0.5", 0.5), ("1e-3", 0.001), ("-2.50", -2.5), (".5", 0.5)],
    }
    for word, value in good[type(key.default)]:
        found = read(command, key.name, word)
        assert found == value and type(found) is type(key.default)
    wrong = [
        "",
        " ",
        "x",
        "nan",
        "inf",
        "1e400",
        "٣",
        "[1]",
        "1,2",
        "0x10",
        "null",
        "1__0",
        "${seed}",
        "9" * 5000,
    ]
    wrong += {bool: ["1", "yes", "12"], int: ["1.5", "true", str(2**63), "1e-9" + "9" * 30], float: ["true"]}[
        type(key.default)
    ]
    for word in wrong:
        with pytest.raises(RolloutError) as caught:
            read(command, key.name, word)
        said = str(caught.value)
        assert f"uio2 {command}: {key.name} takes " in said and len(said) < 500 and "\n" not in said


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_what_has_a_range_has_the_type_of_a_number(command: str) -> None:
    """The type of a key is that of its default: one that is `null` would take a number for text."""
    for key in keys(command).values():
        if key.default is None and "." not in key.name:
            for value in (-1e9, 1e9):
                check_ranges(command, defaultdict(dict, {key.name: value}))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("policy_args.a b=1", "'a b' is no name of an argument; write policy_args.name=value"),
        ("policy_args.=1", "'' is no name of an argument"),
        ("policy_args.a..b=1", "'' is no name of an argument"),
        ("policy_args.1=1", "'1' is no name of an argument"),
        ("policy_args=1", "policy_args takes keys below it, as in policy_args.name=value"),
        ("policy_args={a: 1}", "policy_args takes keys below it"),
        (
            "policy_arg.plan=once",
            "unknown key 'policy_arg.plan' for uio2 evaluate; did you mean 'policy_args'?",
        ),
        ("ray.adress=x", "did you mean 'ray.address'?"),
        ("ray=x", "did you mean 'ray.address'?"),
        ("ray.address.x=1", "did you mean 'ray.address'?"),
        ("epsiodes=3", "did you mean 'episodes'?"),
        ("Episodes=3", "did you mean 'episodes'?"),
        ("--episodes=3", "did you mean 'episodes'?"),
        ("+seed=1", "did you mean 'seed'?"),
        ("++seed=1", "did you mean 'seed'?"),
        ("a.b.c=1", "unknown key 'a.b.c'"),
        ("task", "takes key=value words, found 'task'; did you mean task=...?"),
        ("~task", "takes key=value words, found '~task'; did you mean task=...?"),
        ("=x", "takes key=value words, found '=x'"),
        ("=", "takes key=value words, found '='"),
        ("", "takes key=value words, found ''"),
        ("hydra.run.dir=x", "unknown key 'hydra.run.dir'"),
        ("x" * 100_000 + "=1", "unknown key 'xxx"),
    ],
)
def test_words_that_are_no_key_and_value(word: str, said: str) -> None:
    with pytest.raises(RolloutError) as caught:
        resolve("evaluate", [word])
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_every_key_is_suggested_for_a_slip_of_the_fingers() -> None:
    for command in COMMANDS:
        for name in KEYS(command):
            slip = name[:-2] + name[-1] + name[-2] if len(name) > 3 else name + name[-1]
            twins = [key for key in KEYS(command) if key != name and key[:-1] == name[:-1]]  # top_k and top_p
            if slip not in KEYS(command) and not twins:
                with pytest.raises(RolloutError, match=rf"did you mean '{name}'\?"):
                    resolve(command, [f"{slip}=1"])


def test_a_key_given_with_and_without_its_name_is_refused() -> None:
    with pytest.raises(RolloutError, match="text is given twice"):
        resolve("generate", ["text=b"], {"text": "a"})
    assert resolve("evaluate", ["episodes=1", "episodes=2"])["episodes"] == 2, "the last one holds"


FIRST_WORDS = [word for word in UNLUCKY if word != "a=b"]  # that is a key and its value


@pytest.mark.parametrize("text", [*FIRST_WORDS, "null", "[a,b]", "why?", "x" * 10_000])
def test_the_first_word_arrives_letter_by_letter(
    text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command itself, and from there into the configuration beside the results and back."""
    taken: dict[str, Any] = {}
    monkeypatch.setattr("rollouts.commands.generate.generate", taken.update)
    assert main(["generate", text]) == 0
    assert taken["text"] == text
    write_config(tmp_path, taken)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["text"] == text
