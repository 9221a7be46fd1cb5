"""Draws how a request becomes tokens, from a request that is run through a model: every number is measured.

Usage: python docs/model_figure.py

The request is a film of an episode with an artificial sound. The model is the preset base with random weights
and one layer of encoder and decoder: the official sizes have its layout, so their numbers of tokens are the
same.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import envs  # noqa: F401 - registers the ids
from uio2_agent import Processor, Request, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.media.loading import load_request
from uio2_agent.media.spectrogram import log_power
from uio2_agent.request import Target

PATH = Path(__file__).parent / "images" / "model.png"
TEXT = "Watch <image_history_1> <image_history_2> <image_history_3>. What is put where in <image_input>?"
ANSWER = "The letter is put into the frame."
INPUTS = ("text", "image", "image_history", "audio", "audio_history")
COLOURS = {
    "text": "#4e79a7",
    "image": "#f28e2b",
    "image_history": "#e15759",
    "audio": "#59a14f",
    "audio_history": "#8a6fb0",
}
INK, FAINT, RULE = "#22262e", "#6b7280", "#d4d7dd"
WIDTH, MARGIN, ROW, BAR = 1640, 24, 116, 44
BARS = 230
COLUMNS = (MARGIN, 250, 700, 1100, 1440)


@dataclass
class Measured:
    """What the model did with the requests."""

    request: Request
    arrays: dict[str, tuple[int, ...]]
    """Shape of the batch's array of each input: ids [B, L], patches [B, N, dim] or [B, F, N, dim]."""
    patches: dict[str, int]
    """Patches of the first request that show something."""
    tokens: dict[str, list[int]]
    """Tokens of each input, by request."""
    width: int
    grids: dict[str, tuple[int, int]]
    latents: dict[str, int]
    targets: dict[str, tuple[int, int, int]]
    """Tokens of each target, those on which the loss counts, and rows of its table."""


def film() -> list[np.ndarray]:
    """Four moments of an episode, uint8 [288, 512, 3]."""
    env = gym.make("vima/visual_manipulation-v0", level="placement", expert=True)
    _, info = env.reset(seed=1)
    motion: list[np.ndarray] = []
    env.unwrapped.watch(motion.append)
    env.step(info["expert_action"])
    env.close()
    return [motion[round(share * (len(motion) - 1))] for share in (0, 0.35, 0.6, 1)]


def sound(rate: int = 16_000) -> tuple[np.ndarray, int]:
    """Eight seconds of a rising tone that swells, and its rate."""
    seconds = np.arange(8 * rate) / rate
    return (0.5 * np.sin(seconds * 2) ** 2 * np.sin(2 * np.pi * (200 + 150 * seconds) * seconds)), rate


def measure(config: UnifiedIO2Config) -> Measured:
    """Run a request with everything, and two with less, through the processor and the embedders."""
    torch.manual_seed(0)
    model = UnifiedIO2(config).eval()
    processor = Processor(config, TextTokenizer.packaged())
    frames = film()
    full = load_request(TEXT, video=frames, audio=sound(), history_frames=3)
    requests = [full, Request("Where is <image_input>?", image=frames[-1]), Request("What is a bowl?")]
    target = Target(text=ANSWER, image=frames[-1], audio=full.audio)
    tokens = {}
    for name in INPUTS:
        model.inputs[name].register_forward_hook(
            lambda _, inputs, output, name=name: tokens.update({name: output.mask.sum(1).tolist()})
        )
    batch = processor(requests)
    with torch.inference_mode():
        encoded = model.encode(batch)
        asked = processor([full], [target], target="text")
        targets = model.token_targets(asked)
    held = [sum(tokens[name][row] for name in INPUTS) for row in range(len(requests))]
    assert encoded.mask.sum(1).tolist() == held, "the encoder reads what the embedders say, and nothing else"
    parts = {name: getattr(batch, name) for name in INPUTS}
    return Measured(
        request=full,
        arrays={"text": tuple(batch.text.tokens.shape)}
        | {name: tuple(part.values.shape) for name, part in parts.items() if name != "text"},
        patches={name: int(part.mask[0].sum()) for name, part in parts.items()},
        tokens=tokens,
        width=encoded.hidden.shape[-1],
        grids={"image": config.image_grid, "image_history": config.history_grid}
        | dict.fromkeys(("audio", "audio_history"), config.audio_grid),
        latents={
            "image_history": config.image_history.latents,
            "audio_history": config.audio_history.latents,
        },
        targets={
            name: (part.targets.shape[1], int(part.mask[0].sum()), len(model.table(name)))
            for name, part in targets.items()
        },
    )


class Canvas:
    """A picture with a pen."""

    def __init__(self, height: int):
        self.image = Image.new("RGB", (WIDTH, height), "white")
        self.pen = ImageDraw.Draw(self.image)

    def write(
        self, x: float, y: float, text: str, size: int = 23, colour: str = INK, anchor: str = "la"
    ) -> None:
        """Write lines of text from (x, y) down."""
        font = ImageFont.load_default(size)
        for number, line in enumerate(text.split("\n")):
            self.pen.text((x, y + number * size * 1.3), line, colour, font, anchor)

    def show(self, x: int, y: int, pictures: list[np.ndarray], height: int, width: int) -> None:
        """Put pictures into a box, side by side."""
        for number, picture in enumerate(pictures):
            small = Image.fromarray(picture)
            scale = min(height / small.height, (width / len(pictures) - 6) / small.width)
            small = small.resize((round(small.width * scale), round(small.height * scale)), Image.LANCZOS)
            self.image.paste(small, (round(x + number * (small.width + 6)), y + (height - small.height) // 2))

    def bar(self, x: float, y: float, width: float, colour: str, label: str) -> None:
        """Draw a stretch of tokens, with its label if that fits; nothing if it has no width."""
        if width == 0:
            return
        self.pen.rectangle((x, y, x + max(width, 3) - 1, y + BAR), fill=colour)
        if ImageFont.load_default(21).getlength(label) < width - 8:
            self.write(x + width / 2, y + BAR / 2, label, 21, "white", "mm")


def draw(found: Measured) -> Image.Image:
    """Return the figure."""
    top, rows = 56, len(INPUTS)
    second = top + rows * ROW + 40
    third = second + 3 * (BAR + 14) + 100
    canvas = Canvas(third + 3 * (BAR + 14) + 60)
    heads = ("input", "handed in", "cut and padded", "embedded", "tokens")
    for x, head in zip(COLUMNS, heads, strict=True):
        canvas.write(x, 14, head, 23, FAINT)
    for number, name in enumerate(INPUTS):
        _input_row(canvas, found, name, top + number * ROW)
    scale = (WIDTH - 2 * MARGIN - BARS - 520) / max(*map(sum, zip(*found.tokens.values(), strict=True)), 1024)
    _sequences(canvas, found, second, scale)
    _targets(canvas, found, third, scale)
    return canvas.image


def _input_row(canvas: Canvas, found: Measured, name: str, y: int) -> None:
    request, shape, count = found.request, found.arrays[name], found.tokens[name][0]
    canvas.pen.line((MARGIN, y, WIDTH - MARGIN, y), RULE, 2)
    canvas.write(COLUMNS[0], y + 16, name.replace("_", "\n"), 25, COLOURS[name])
    inside, box = y + 12, ROW - 24
    wide = COLUMNS[2] - COLUMNS[1] - 30
    grid = " x ".join(map(str, found.grids.get(name, ())))
    if name == "text":
        canvas.write(COLUMNS[1], inside, _folded("[Text] [S] " + request.text, wide, 21), 21)
        cut, embedded = (
            f"{count} ids, the tag and\nthe end included",
            "rows of the text table,\n1-D positions",
        )
    elif name == "image":
        canvas.show(COLUMNS[1], inside, [request.image], box, wide)
        cut = f"grid of {grid} patches,\n{found.patches[name]} show the picture"
        embedded = f"ViT, two of its layers,\n{grid} positions"
    elif name == "image_history":
        canvas.show(COLUMNS[1], inside, list(request.image_history), box, wide)
        cut = f"{shape[1]} frames of {grid},\n{found.patches[name]} patches show them"
        embedded = f"the same ViT, resampler,\n{found.latents[name]} latents a frame"
    else:
        heard = [request.audio] if name == "audio" else list(request.audio_history)
        canvas.show(COLUMNS[1], inside, [_seen(power) for power in heard], box, wide)
        cut = f"{' x '.join(map(str, request.audio.shape))} log-mel,\n{found.patches[name]} of {grid} patches"
        embedded = f"audio ViT, two layers,\n{grid} positions"
        if name == "audio_history":
            cut = f"{shape[1]} segment,\n{found.patches[name]} of {grid} patches"
            embedded = f"the same ViT, resampler,\n{found.latents[name]} latents a segment"
    canvas.write(COLUMNS[2], inside + 8, cut)
    canvas.write(COLUMNS[3], inside + 8, embedded)
    canvas.bar(
        COLUMNS[4], inside + 18, WIDTH - MARGIN - COLUMNS[4], COLOURS[name], f"{count} x {found.width}"
    )


def _sequences(canvas: Canvas, found: Measured, y: int, scale: float) -> None:
    canvas.pen.line((MARGIN, y - 22, WIDTH - MARGIN, y - 22), RULE, 2)
    canvas.write(
        MARGIN, y, "One row for the encoder, always in this order; what is not there takes no place", 25
    )
    kinds = ("everything", "a text and an image", "a text")
    for row, kind in enumerate(kinds):
        top, x = y + 50 + row * (BAR + 14), MARGIN + float(BARS)
        canvas.write(MARGIN, top + BAR / 2, kind, 23, INK, "lm")
        for name in INPUTS:
            count = found.tokens[name][row]
            canvas.bar(x, top, count * scale, COLOURS[name], str(count))
            x += max(count * scale, 3) if count else 0
        total = sum(found.tokens[name][row] for name in INPUTS)
        canvas.write(x + 14, top + BAR / 2, f"{total:,} tokens", 23, FAINT, "lm")


def _targets(canvas: Canvas, found: Measured, y: int, scale: float) -> None:
    canvas.pen.line((MARGIN, y - 22, WIDTH - MARGIN, y - 22), RULE, 2)
    canvas.write(
        MARGIN, y, "Targets, each decoded by itself; a table both embeds its tokens and scores them", 25
    )
    for row, (name, (count, counted, rows)) in enumerate(found.targets.items()):
        top = y + 50 + row * (BAR + 14)
        canvas.write(MARGIN, top + BAR / 2, name, 25, COLOURS[name], "lm")
        canvas.bar(MARGIN + BARS, top, count * scale, COLOURS[name], f"{count:,}")
        note = f"tokens of a table of {rows:,}"
        note = f"{count:,} {note}" if counted == count else f"{note}; the loss counts {counted}"
        canvas.write(MARGIN + BARS + max(count * scale, 3) + 14, top + BAR / 2, note, 23, FAINT, "lm")


def _seen(power: np.ndarray) -> np.ndarray:
    """A spectrogram as a picture, time to the right and pitch upwards."""
    level = log_power(power)
    level = (level - level.min()) / np.ptp(level)
    return np.repeat((255 * level.T[::-1]).astype(np.uint8)[..., None], 3, axis=2)


def _folded(text: str, width: float, size: int) -> str:
    lines, font = [""], ImageFont.load_default(size)
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def main() -> None:
    base = UnifiedIO2Config.preset("base")
    found = measure(dataclasses.replace(base, encoder_layers=1, decoder_layers=1))
    draw(found).quantize(128).save(PATH, optimize=True)
    print(PATH)


if __name__ == "__main__":
    main()
