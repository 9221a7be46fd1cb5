"""Write the small text tokenizer that ships with the package:
`python -m uio2_agent.text.train_small_tokenizer [FILE]`.

A BPE model with byte fallback in the official control layout (begin and padding 0, end 1, unknown 2),
trained on words written down here: what a tabletop instruction, an action line and a list of objects are
made of, the alphabet, numbers, and a few plain sentences. Deterministic. Everything else is still
representable, by letters and bytes.
"""

import itertools
import string
import sys
from pathlib import Path

from uio2_agent.presets import NANO_PIECES
from uio2_agent.text.tokenizer import SMALL_MODEL

_COLOURS = [
    "red",
    "yellow",
    "green",
    "blue",
    "purple",
    "orange",
    "pink",
    "cyan",
    "olive",
    "gray",
    "black",
    "white",
]
_PATTERNS = (
    *("brick", "tiles", "wooden", "granite", "plastic", "checkerboard", "tiger", "magma", "rainbow"),
    *("stripe", "polka", "dot", "swirl", "paisley", "dark"),
)
_OBJECTS = (
    *(f"letter {letter}" for letter in "AEGMRTV"),
    *(
        "cross",
        "diamond",
        "triangle",
        "flower",
        "heart",
        "hexagon",
        "pentagon",
        "ring",
        "round",
        "star",
        "block",
    ),
    *("bowl", "container", "frame", "square", "pallet", "pan", "line", "disk", "stand"),
    *("L-shaped block", "shorter block", "small block", "three-sided rectangle"),
)
_INSTRUCTIONS = [
    "Put the <image> into the <image>.",
    "Put the red object in <image> into the blue object.",
    "Rotate the <image> 30 60 90 120 150 degrees.",
    "Rearrange to this <image>.",
    "Rearrange objects to this setup <image> and then restore.",
    "This is a <image>. This is a <image>. Put a dax into a blicket. Put a wug into a zup.",
    "<image> is daxer than <image>. <image> is blicker than <image>. <image> is modier than <image>.",
    "<image> is kobar than <image>. Put the less daxer <image> into the <image>.",
    '"Twist" is defined as rotating object a specific angle. For examples: From <image> to <image>.',
    "Now twist all objects.",
    "Follow this motion for <image>: <image> <image> <image>.",
    "Stack objects in this order <image> <image> <image>.",
    "Sweep any one two three all <image> into <image> without exceeding <image>.",
    "Sweep all <image> into <image> without touching <image>.",
    "Put all objects with the same texture as <image> into it.",
    "Put all objects with the same profile as <image> into it.",
    "First put <image> into <image> then put the object that was previously at its north into the same.",
    "its north its south its west its east",
    "Put <image> into <image> then <image>. Finally restore it into its original container.",
    "The end effector is suction. The end effector is spatula. The observation is <image>.",
    "What is the next action? List all objects and their boxes. Steps so far: none. At the start: <image>.",
    "move forward turn left turn right look up look down open close pick up put down stop done",
]
_ACTIONS = ["pick from ( ) and place to ( )", "push from ( ) and push to ( )"]
_PLAIN = "the quick brown fox jumps over the lazy dog , five dozen jugs of liquid wax pack my box ; yes or no"


def corpus() -> list[str]:
    """Return the training lines; how often a line is repeated is how much its words matter."""
    instructions = [line.replace("<image>", "") for line in _INSTRUCTIONS]
    textures = [
        f"{a} and {b} {p}"
        for a, b in itertools.combinations(_COLOURS[:5], 2)
        for p in ("stripe", "polka dot")
    ]
    things = [f"{texture} {thing}" for texture in textures[::4] for thing in _OBJECTS]
    actions = [f"{step}: {line}" for line in _ACTIONS for step in range(10)]
    alphabet = [" ".join(string.ascii_letters), " ".join(string.digits), " ".join(string.printable[62:94])]
    words = [" ".join(_COLOURS), " ".join(_PATTERNS), " ".join(_OBJECTS), " ".join(map(str, range(20)))]
    return (
        instructions * 40
        + [line.lower() for line in instructions] * 5
        + things
        + words * 70
        + actions * 40
        + alphabet * 3
        + [_PLAIN] * 5
    )


def train(path: Path) -> None:
    """Train the tokenizer and write it to `path`."""
    import io

    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=model,
        model_type="bpe",
        vocab_size=NANO_PIECES,
        byte_fallback=True,
        character_coverage=1.0,
        split_by_unicode_script=False,
        split_by_number=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        bos_id=0,
        eos_id=1,
        unk_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())


if __name__ == "__main__":
    train(Path(sys.argv[1]) if len(sys.argv) > 1 else SMALL_MODEL)
