"""Wordings in data files: consistent, enough of them, each slot filled; and what is said of wrong files."""

import re

import numpy as np
import pytest

from pretrain.prompts import PromptError, Prompts, packaged
from uio2_agent.text.tokenizer import TextTokenizer

MARKER = re.compile(r"<(image|audio)_(input|history_[1-8])>")
TASKS = {
    "image generation": [
        "image_from_text",
        "image_from_depth",
        "image_edit",
        "inpaint",
        "new_view",
        "next_frame",
    ],
    "audio generation": ["sound_from_text", "sound_from_video"],
    "image understanding": ["question", "caption", "region_class", "tags", "relation", "region_caption"],
    "image pairs": ["question_of_several"],
    "sparse labels": ["detect", "locate", "refer", "cuboid", "text_boxes", "keypoints", "point", "count"],
    "dense labels": ["mask_of_class", "mask_of_named_box", "normals", "mask_of_phrase", "depth", "flow"],
    "video understanding": ["video_caption", "video_tags", "video_question"],
    "video sparse labels": ["track", "action_times", "sound_place", "sound_times"],
    "audio understanding": ["sound_tags", "sound_caption"],
    "multi-view": ["camera_change", "new_view_by_example"],
    "synthetic": ["mask_of_points", "mask_of_box", "shapes", "shapes_count"],
    "interleaved pairs": ["caption_of_marked", "captions_of_all"],
    "continuous control": ["control", "control_next_view", "control_goal_view", "control_judge"],
}
"""The paper's groups of tasks (arXiv 2312.17172, section 5), and families that stand for them."""


def test_every_task_has_families_and_every_family_five_wordings_or_more() -> None:
    prompts = packaged()
    assert not {family for families in TASKS.values() for family in families} - set(prompts.families)
    written: list[str] = []
    for family, wordings in prompts.families.items():
        assert len(wordings) >= 5, family
        written += [] if family == "control_goal_view" else wordings  # which bodies of words share
    assert len(set(written)) == len(written)


def test_every_slot_is_filled_and_markers_are_tokens() -> None:
    prompts, tokenizer = packaged(), TextTokenizer.packaged()
    specials = set(tokenizer.specials.values())
    for family, slots in prompts.slots.items():
        told = {slot: f"w{slot}w" for slot in slots}
        drawn = {prompts.draw(family, np.random.default_rng(seed), **told) for seed in range(60)}
        assert len(drawn) == len(prompts.families[family])
        assert prompts.draw(family, **told) == prompts.families[family][0].format(**told)
        for text in drawn:
            assert all(text.count(each) == 1 for each in told.values()) and not re.search("[{}]", text)
            markers = [f"{match[0]}" for match in MARKER.finditer(text)]
            tokens = [token for token in tokenizer.encode(text) if token in specials]
            assert [tokenizer.specials[marker] for marker in markers] == tokens
            assert len(set(markers)) == len(markers)


def test_families_and_slots_that_are_wrong_are_named() -> None:
    with pytest.raises(PromptError, match=r"no wordings for 'detekt' \(did you mean 'detect'\?\); there are"):
        packaged().draw("detekt", classes="cup")
    with pytest.raises(PromptError, match=r"have the slots \['classes'\], and \['names'\] are filled"):
        packaged().draw("detect", names="cup")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: ['one {x}', 'two {y}']", r"w\.yaml: 'a': 'two \{y\}' has the slots \['y'\], and 'one \{x\}'"),
        ("a: ['one {x} {x}']", "every wording has the same, each once"),
        ("a: ['one', 'one']", "'a' has no wordings, or one twice"),
        ("a: []", "'a' has no wordings"),
        (
            "a: ['see <image_inpt> here']",
            "has '<image_inpt>', which must be a marker of an input with a space",
        ),
        ("a: ['see <image_input>.']", "has '<image_input>', which must be a marker"),
        ("a: ['see <image_history_9> .']", "must be a marker"),
        ("a: ['one {']", r"slots are written \{name\}"),
        ("a: ['one {}']", "slots have names"),
        ("a: one", "'a' must be a list of texts"),
        ("- a", "must map families to lists of wordings; it is a list"),
        ("a: [", r"w\.yaml cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text: str, said: str) -> None:
    (tmp_path / "w.yaml").write_text(text)
    with pytest.raises(PromptError, match=said):
        Prompts.load(tmp_path)


def test_a_folder_of_one_s_own(tmp_path) -> None:
    with pytest.raises(PromptError, match=r"holds no \*\.yaml"):
        Prompts.load(tmp_path)
    (tmp_path / "a.yaml").write_text("greet: ['hello {who}']")
    assert Prompts.load(tmp_path).draw("greet", who="you") == "hello you"
    (tmp_path / "b.yaml").write_text("greet: ['hi {who}']")
    with pytest.raises(PromptError, match="'greet' stands in another file too"):
        Prompts.load(tmp_path)
