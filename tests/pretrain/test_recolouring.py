"""Questions in other colours, against what colours are: lights that add up."""

import itertools

import numpy as np
import pytest

from policies.embodiments.vima import VIMA
from pretrain.examples import ExampleOptions, make_example
from pretrain.patch_labels import NOTHING, SCENE, Labeller
from pretrain.recolouring import AS_STORED, draw_channels, in_words, nameable, recoloured, texture_name
from pretrain.sources import LeRobotSource
from rollouts.collect import CollectConfig, collect
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer

LIGHTS = {"red": 0xFF0000, "green": 0x00FF00, "blue": 0x0000FF}
LIGHTS |= {"yellow": 0xFFFF00, "cyan": 0x00FFFF, "purple": 0xFF00FF}
ORDERS = [order for order in itertools.permutations(range(3)) if order != AS_STORED]
STYLE = VIMA.style(small=True)


@pytest.mark.parametrize("channels", ORDERS)
def test_words_are_called_as_the_picture_shows_them(channels):
    """A patch of pure light, its channels exchanged, is the light that the word then names."""
    for word, light in LIGHTS.items():
        patch = np.frombuffer(light.to_bytes(3, "big"), np.uint8).reshape(1, 1, 3)
        request = Request(f"Put the {word} thing down.", patch, (patch,))
        shown, target = recoloured(request, Target(image=patch), channels)
        named = shown.text.split()[2]
        expected = list(LIGHTS[named].to_bytes(3, "big"))
        for picture in (shown.image, *shown.image_history, target.image):
            assert picture.reshape(3).tolist() == expected


def test_every_order_is_drawn_and_none_leaves_all_as_it_was():
    drawn = {draw_channels(np.random.default_rng(seed)) for seed in range(100)}
    assert drawn == set(ORDERS)


def test_only_whole_words_that_are_colours_change():
    assert in_words("a reddish dark red and yellow polka dot ring", (1, 0, 2)) == (
        "a reddish dark green and yellow polka dot ring"
    )


def test_what_has_no_colours_name_is_not_named_in_other_colours():
    things = {"red swirl", "tiger", "wooden", ""}
    assert nameable("Put the red swirl object in there.", things)
    assert not nameable("Put the tiger object in there.", things)
    assert texture_name("tiger", AS_STORED) == "tiger"
    assert texture_name("tiger", (1, 0, 2)) not in things
    assert texture_name("dark red", (1, 0, 2)) == "dark green"


def test_a_plan_in_other_colours_is_the_same_plan(tmp_path, rendering):
    """All pictures change alike, the answer stays, and labels still know which things are the same."""
    tasks = ("rearrange", "scene_understanding")
    collect(CollectConfig(output=str(tmp_path / "set"), tasks=tasks, level="train", episodes=8))
    source = LeRobotSource(tmp_path / "set")
    processor = Processor(UnifiedIO2Config.preset("nano"), TextTokenizer.packaged())
    changed = named = 0
    for index, seed in itertools.product(range(len(source)), range(4)):
        record, styles = source[index], {"vima": STYLE}
        plain = make_example(record, "plan", styles, ExampleOptions(), np.random.default_rng(seed))
        options = ExampleOptions(recolour_share=1.0)
        other = make_example(record, "plan", styles, options, np.random.default_rng(seed))
        order = list(other.channels)
        assert other.target == plain.target
        pairs = zip(
            (plain.request.image, *plain.request.image_history),
            (other.request.image, *other.request.image_history),
            strict=True,
        )
        for was, shown in pairs:
            np.testing.assert_array_equal(was[..., order], shown)
        named += other.request.text != plain.request.text
        if other.channels == AS_STORED:
            continue
        changed += 1
        things = [(thing["name"], thing["texture"]) for thing in record.objects[0]]
        names, textures = sorted({name for name, _ in things}), sorted({each for _, each in things})
        labeller = Labeller(processor, names, textures)
        (_, before), (_, after) = labeller([plain]), labeller([other])
        for part in ("name", "role", "elsewhere", "centre", "history_name"):
            assert (getattr(before, part) == getattr(after, part)).all()
        if record.task == "rearrange":
            assert (after.elsewhere[:, :, SCENE] != NOTHING).any()
        colourful = {texture_name(each, other.channels) for each in textures} & set(textures)
        assert {textures[i] for i in after.texture[after.texture >= 0].tolist()} <= colourful
    assert changed >= 16 and named >= 4
