"""Requests: markers, images, memory and boxes, on recorded pictures where the shared folder is present."""

import dataclasses
import json
import re
import string
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import yaml

import policies.prompts as prompts
from policies.embodiments.vima import VIMA, state_of
from policies.moment import Moment
from policies.prompts import boxes_request, boxes_target, sizes_of
from policies.style import PromptStyle, load_styles, save_styles
from uio2_agent.errors import UIO2Error
from uio2_agent.text.tokenizer import TextTokenizer

PAPER, NANO = VIMA.style(), VIMA.style(small=True)
STYLES = {"paper": PAPER, "nano": NANO}
STEP = VIMA.action_text(VIMA.idle_action(state_of(0)), state_of(0))
SIZES = {"front": (128, 256), "top": (128, 256)}


def action_request(prompt, assets, tool, rgb, first_rgb=None, executed=(), style=PAPER, rng=None):
    now = Moment(
        task="",
        prompt=prompt,
        prompt_assets=assets,
        state=state_of(tool),
        views=rgb,
        first_views=first_rgb,
        executed=executed,
    )
    return VIMA.request(now, style, rng)


def ask_boxes(rgb, style=PAPER, rng=None):
    now = Moment(task="", prompt="", prompt_assets={}, state=state_of(0), views=rgb)
    return boxes_request(VIMA, now, style, rng)


def _views(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {view: rng.integers(0, 255, (3, 128, 256), dtype=np.uint8) for view in ("front", "top")}


def _asset(seed: int, kind: str = "object") -> dict:
    info = {"obj_id": 0, "obj_name": "bowl", "obj_color": "red swirl"}
    return {
        "rgb": _views(seed),
        "segm": {"obj_info": info if kind == "object" else [info, info]},
        "placeholder_type": kind,
    }


ASSETS = MappingProxyType({"dragged_obj": _asset(1), "base_obj": _asset(2), "scene": _asset(3, "scene")})
PROMPT = "First put {dragged_obj} into {base_obj} as in {scene} then into the same {base_obj}."


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_markers_follow_the_prompt_and_point_at_its_images(style):
    request = action_request(PROMPT, ASSETS, 0, _views(0), style=style)
    assert request.text.startswith(
        "First put <image_history_1> into <image_history_2> as in <image_history_3> "
        "then into the same <image_history_2>."
    )
    crop, scene = (128, 128, 3), (256, 256, 3)
    if style == STYLES["nano"]:
        crop, scene = (224, 112, 3), (212, 248, 3)
    assert [image.shape for image in request.image_history] == [crop, crop, scene]
    assert request.image.shape == scene
    # Every marker is one token, which it is at a word start only.
    tokenizer = TextTokenizer.packaged()
    ids = tokenizer.encode(request.text)
    assert [ids.count(tokenizer.vocabulary.image_history(j)) for j in (1, 2, 3, 4)] == [1, 2, 1, 0]


def test_pixels_are_where_the_cameras_put_them():
    views = _views(0)
    paper = action_request("{scene}", ASSETS, 0, views)
    assert (paper.image[:128] == views["front"].transpose(1, 2, 0)).all()
    assert (paper.image[128:] == views["top"].transpose(1, 2, 0)).all()
    nano = action_request("{dragged_obj}", ASSETS, 0, views, style=NANO)
    assert (nano.image[:88] == views["front"].transpose(1, 2, 0)[36:124, 4:252]).all()
    assert (nano.image[88:] == views["top"].transpose(1, 2, 0)[2:126, 4:252]).all()
    shown = {view: rgb.transpose(1, 2, 0) for view, rgb in ASSETS["dragged_obj"]["rgb"].items()}
    assert (nano.image_history[0][:112] == shown["front"][8:120, 72:184]).all()
    assert (nano.image_history[0][112:] == shown["top"][8:120, 72:184]).all()
    above = PromptStyle(views=("top",), crop_to_mat=True, object_crop=64).fitted(VIMA.cameras)
    assert above.drawn == above
    of_above = action_request("{dragged_obj}", ASSETS, 0, views, style=above)
    assert (of_above.image == views["top"].transpose(1, 2, 0)[2:126, 4:252]).all()
    assert (of_above.image_history[0] == shown["top"][32:96, 96:160]).all()
    drawn = prompts.scene(VIMA, views, NANO.fitted(VIMA.cameras).drawn)
    assert (drawn == of_above.image).all()
    both = action_request("{scene}", ASSETS, 0, {v: i.transpose(1, 2, 0) for v, i in views.items()})
    assert (both.image == paper.image).all()  # channels last are taken too


def test_a_marker_after_a_letter_gets_its_space():
    text = action_request("Look({scene}) and put\t{base_obj}.", ASSETS, 0, _views(0)).text
    assert text.startswith("Look( <image_history_1>) and put\t<image_history_2>.")


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_after_a_step_the_request_remembers_the_start_and_the_steps(style):
    first, now = _views(10), _views(11)
    request = action_request(PROMPT, ASSETS, 0, now, first, [STEP, f"0: {STEP}"], style)
    fresh = action_request(PROMPT, ASSETS, 0, first, first, [], style)
    assert len(fresh.image_history) == 3 and len(request.image_history) == 4
    assert (request.image_history[3] == fresh.image).all()
    assert "<image_history_4>" in request.text and "<image_history_4>" not in fresh.text
    assert [step.number for step in VIMA.parse(request.text)] == [0, 1]
    long = action_request(PROMPT, ASSETS, 0, now, first, [STEP] * 11, style)
    assert [step.number for step in VIMA.parse(long.text)] == list(range(3, 11))
    forgetful = action_request(
        PROMPT, ASSETS, 0, now, first, [STEP], dataclasses.replace(style, memory=False)
    )
    assert forgetful.text == fresh.text and len(forgetful.image_history) == 3


def test_eight_images_leave_no_slot_for_the_start_but_steps_are_told():
    assets = {f"frame_{j}": _asset(j, "scene") for j in range(9)}
    prompt = " ".join(f"{{frame_{j}}}" for j in range(8))
    request = action_request(prompt, assets, 0, _views(0), _views(1), [STEP])
    assert len(request.image_history) == 8
    assert STEP in request.text and "<image_history_9>" not in request.text
    with pytest.raises(UIO2Error, match="9 images"):
        action_request(prompt + " {frame_8}", assets, 0, _views(0))


def test_names_instead_of_images():
    style = dataclasses.replace(NANO, object_names=True)
    request = action_request(PROMPT, ASSETS, 0, _views(0), style=style)
    assert request.text.startswith(
        "First put red swirl bowl into red swirl bowl as in <image_history_1> then"
    )
    assert len(request.image_history) == 1


def test_the_text_tells_the_tool():
    for style in STYLES.values():
        texts = {action_request("Go.", {}, ee, _views(0), style=style).text for ee in (0, 1)}
        assert len(texts) == 2
        assert any("suction" in text for text in texts) and any("spatula" in text for text in texts)


SLOTS = {
    "told_boxes": ["boxes"],
    "boxes": [],
    "next_state": ["action", "place"],
    "next_view": ["action", "place"],
    "goal_view": ["instruction"],
    "caption": ["views"],
    "state_too": [],
}
"""Of the questions that all bodies are asked alike."""
OWN_SLOTS = {
    "vima": {"paper": ["form", "instruction", "tool"], "short": ["form", "instruction", "tool"]},
    "navigation": {
        "paper": ["actions", "goal", "instruction", "place"],
        "short": ["goal", "instruction", "place"],
    },
    "household": {
        "paper": ["actions", "goal", "hand", "instruction", "place"],
        "short": ["goal", "hand", "instruction", "place"],
    },
    "any": {"paper": ["instruction"], "short": ["instruction"]},
}
"""Of the wordings that ask for actions."""


def _slots(wording: str) -> list[str]:
    return sorted(slot for _, slot, _, _ in string.Formatter().parse(wording) if slot)


def test_wordings():
    """Every wording of a list has the same slots, each once; training draws all of them, acting the first."""
    templates = yaml.safe_load(Path(prompts.__file__).with_name("templates.yaml").read_text())
    assert set(templates) == set(OWN_SLOTS)
    for body, styles in templates.items():
        assert set(styles) == set(OWN_SLOTS[body])
        for style in styles:
            words = prompts.wordings(body, style)
            own = OWN_SLOTS[body][style]
            judged = sorted(
                {"action", *own} - {"actions", "form"} - ({"tool"} if style == "short" else set())
            )
            assert set(words) >= {"actions", "memory", "judge", *SLOTS} - {"state_too"}
            for key, expected in {**SLOTS, "actions": own, "judge": judged}.items():
                if key not in words:
                    continue
                assert len(words[key]) == len(set(words[key])) >= (5 if style == "paper" else 1)
                for wording in words[key]:
                    assert _slots(wording) == expected, (body, style, key)
                    # Markers and brackets stand between spaces.
                    assert not re.search(r"\S<image|<image_input>\S|\((?=\S)|(?<=\S)\)", wording)
                    if style == "paper" and key not in ("caption", "told_boxes", "state_too"):
                        assert wording.count("<image_input>") == 1
    rng = np.random.default_rng(0)
    drawn = {action_request("Go.", {}, 0, _views(0), rng=rng).text for _ in range(200)}
    assert len(drawn) == len(templates["vima"]["paper"]["actions"])
    assert action_request("Go.", {}, 0, _views(0)).text in drawn
    assert len({ask_boxes(_views(0), rng=rng).text for _ in range(100)}) == len(
        templates["vima"]["paper"]["boxes"]
    )


def test_small_requests_are_short():
    tokenizer = TextTokenizer.packaged()
    first = action_request("Put the {dragged_obj} into the {base_obj}.", ASSETS, 0, _views(0), style=NANO)
    assert len(tokenizer.encode(first.text)) <= 16
    assert len(tokenizer.encode(ask_boxes(_views(0), NANO).text)) <= 2


def test_boxes_lie_on_what_the_request_shows(shared):
    """Boxes decoded from the text, looked up in the request image, are filled tightly by the objects."""
    for style in STYLES.values():
        for episode, views in _recorded(shared):
            objects = _objects(episode)
            target = boxes_target(VIMA, objects, style, sizes_of(views))
            image = ask_boxes(views, style).image
            found = re.findall(r"((?:<extra_id_\d+> ){4})([^<]+?)(?= <|$)", target)
            assert sorted(name for _, name in found) == sorted(f"{o['texture']} {o['name']}" for o in objects)
            boxes = [
                np.array([int(n) - 200 for n in re.findall(r"\d+", tokens)]) / 999 for tokens, _ in found
            ]
            assert [b[1] + b[3] for b in boxes] == sorted(b[1] + b[3] for b in boxes)  # left to right
            background = image[image.shape[0] // 2 + 8, 4].astype(int)
            inside = np.zeros(image.shape[:2], bool)
            for y1, x1, y2, x2 in boxes:
                r1, r2 = round(y1 * image.shape[0]), round(y2 * image.shape[0])
                c1, c2 = round(x1 * image.shape[1]), round(x2 * image.shape[1])
                inside[r1:r2, c1:c2] = True
                part = np.abs(image[r1:r2, c1:c2].astype(int) - background).sum(-1) > 60
                assert part.mean() > 0.1
                # A tight box: something of the object on each of its four edges.
                assert part[:2].any() and part[-2:].any() and part[:, :2].any() and part[:, -2:].any()
            mat = slice(image.shape[0] - 110, image.shape[0] - 14), slice(14, image.shape[1] - 14)
            outside = (np.abs(image.astype(int) - background).sum(-1) > 60) & ~inside
            assert outside[mat].sum() < 20


def _recorded(shared):
    pillow = pytest.importorskip("PIL.Image")
    folder = shared / "fixtures" / "vima"
    for line in (folder / "L1.jsonl").read_text().splitlines():
        episode = json.loads(line)
        if episode["task"] in ("visual_manipulation", "rotate") and episode["seed"] < 3:
            files = {v: f"{episode['task']}_s{episode['seed']}_obs_{v}.png" for v in VIMA.cameras}
            opened = {v: pillow.open(folder / "png" / name).convert("RGB") for v, name in files.items()}
            yield episode, {v: np.asarray(image) for v, image in opened.items()}


def _objects(episode) -> list[dict]:
    boxes = {str(o["id"]): {} for o in episode["objects"]}
    for view, things in episode["obs_px"].items():
        for key, thing in things.items():
            if key in boxes:
                boxes[key][view] = thing["bbox_rc"]
    return [
        {"name": o["name"], "texture": o["texture"], "boxes": boxes[str(o["id"])]} for o in episode["objects"]
    ]


def test_objects_out_of_sight_are_left_out():
    seen = {"name": "bowl", "texture": "red", "boxes": {"top": [10, 20, 30, 40], "front": None}}
    hidden = {"name": "pan", "texture": "red", "boxes": {"top": None, "front": [0, 0, 5, 5]}}
    rim = {"name": "ring", "texture": "red", "boxes": {"top": [10, 0, 20, 3]}}
    assert boxes_target(VIMA, [hidden, seen, rim], NANO, SIZES).count("red") == 1
    assert boxes_target(VIMA, [hidden, seen, rim], PAPER, SIZES).count("red") == 2
    assert boxes_target(VIMA, [], PAPER, SIZES) == ""


def test_styles_go_through_their_file(tmp_path):
    style = dataclasses.replace(NANO, object_names=True, max_history=4)
    assert load_styles(tmp_path, "vima") == {}
    save_styles(tmp_path, {"vima": style, "other": PromptStyle()})
    assert load_styles(tmp_path, "vima") == {"vima": style, "other": PromptStyle()}
    older = {"prompt": style.to_dict()}  # one style, of the only embodiment there was
    (tmp_path / "policy.json").write_text(json.dumps(older))
    assert load_styles(tmp_path, "vima") == {"vima": style}
    for text, message in (
        ('{"prompt": {"colour": 1}}', "colour"),
        ("{", r"policy\.json"),
        ("[]", r"policy\.json"),
        ('{"styles": {"vima": {"views": [1]}}}', r"style\.views\[0\]=1 is not possible"),
    ):
        (tmp_path / "policy.json").write_text(text)
        with pytest.raises(UIO2Error, match=message):
            load_styles(tmp_path, "vima")
    for wrong in ({"object_crop": 500}, {"max_history": 9}, {"told_steps": 0}):
        with pytest.raises(UIO2Error):
            PromptStyle(**wrong)
    with pytest.raises(UIO2Error, match="no camera 'side'; choose from front, top"):
        action_request("Go.", {}, 0, _views(0), style=PromptStyle(views=("side",)))
    for wrong in ({"object_view": "side"}, {"object_view": "views", "drawn_views": ("side",)}):
        with pytest.raises(UIO2Error, match="no camera 'side'; choose from front, top"):
            PromptStyle(**wrong).fitted(VIMA.cameras)
    with pytest.raises(UIO2Error, match="wording 'long'"):
        action_request("Go.", {}, 0, _views(0), style=PromptStyle(wording="long"))
    assert PromptStyle().fitted(VIMA.cameras) == PAPER


def test_pictures_of_other_sizes_show_the_same_region():
    """Twice as many pixels: the same parts of the scene, twice as large; boxes follow."""
    views = _views(0)
    double = {view: image.repeat(2, 1).repeat(2, 2) for view, image in views.items()}
    for style in STYLES.values():
        small = action_request(PROMPT, ASSETS, 0, views, style=style).image
        large = action_request(PROMPT, ASSETS, 0, double, style=style).image
        assert (large == small.repeat(2, 0).repeat(2, 1)).all()
    box = [10, 20, 30, 40]
    thing = {"name": "bowl", "texture": "red", "boxes": {"top": box}}
    twice = {**thing, "boxes": {"top": [20, 40, 61, 81]}}
    sizes = {view: (256, 512) for view in SIZES}
    assert boxes_target(VIMA, [twice], NANO, sizes) == boxes_target(VIMA, [thing], NANO, SIZES)


def test_bad_input_is_named():
    with pytest.raises(UIO2Error, match="dragged_obj_1"):
        action_request("Put {dragged_obj_1}.", ASSETS, 0, _views(0))
    with pytest.raises(UIO2Error, match="front view"):
        action_request("Go.", {}, 0, {"top": _views(0)["top"]})
    with pytest.raises(UIO2Error, match="float32"):
        action_request("Go.", {}, 0, {v: i.astype(np.float32) for v, i in _views(0).items()})


def test_prompts_and_actions_load_no_simulator():
    code = (
        "import sys, policies.prompts, policies.embodiments.vima, policies.embodiments\n"
        "heavy = {'envs', 'gymnasium', 'mujoco', 'ray', 'av', 'torch'}\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
