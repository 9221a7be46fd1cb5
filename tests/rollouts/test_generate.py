"""`uio2 generate` as a person runs it: the packaged nano, and a small model of every modality on disk."""

import json
import os
import re
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from rollouts.cli import main
from rollouts.commands.generate_answers import spectrogram_picture
from tests.uio2_agent.tiny import RANDOM_ENDS, full_config, full_model, picture
from uio2_agent import UnifiedIO2, load_request
from uio2_agent.generation.answer_scoring import score_options
from uio2_agent.media.audio import write_wav
from uio2_agent.media.spectrogram import griffin_lim, mel_power
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig

SIZE = (32, 24)
"""Height and width of the pictures the small model writes."""


def uio2(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("uio2")
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [script, "generate", *words], cwd=cwd, env=variables, capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, a sound of one segment, a video with sound, and the small model."""
    folder = tmp_path_factory.mktemp("generate")
    Image.fromarray(picture(0, 124, 248)).save(folder / "photo.png")
    Image.fromarray(picture(1)).save(folder / "before.png")
    write_wav(folder / "tone.wav", tone(4.0))
    video(folder / "clip.mp4")
    audible_model().save_pretrained(folder / "full")
    Vocoder(VocoderConfig(width=16)).save_pretrained(folder)
    return folder


def audible_model() -> UnifiedIO2:
    """Every input and every output, with spectrograms of the size that sounds are cut to."""
    config = full_config()
    return full_model(
        audio_size=(256, 128),
        audio_encoder=replace(config.audio_encoder, patch_size=16, positions=(16, 8)),
        audio_tokens=128,
        audio_target_length=128,
        audio_tokenizer=replace(config.audio_tokenizer, spectrogram_size=(128, 256), patch_size=(16, 16)),
    )


def tone(seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(16_000 * seconds)) / 16_000)


def video(path: Path) -> None:
    """Two seconds of a white square that moves right over grey, and a tone."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=10, width=64, height=32, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for index in range(20):
            image = np.full((32, 64, 3), 120, np.uint8)
            image[8:24, 2 * index : 2 * index + 16] = 255
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        samples = np.rint(tone(2.0) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
        container.mux([*pictures.encode(None), *sound.encode(None)])


# the packaged model


def test_nano_answers_and_says_what_it_is(folder: Path) -> None:
    request = load_request("objects", image=folder / "photo.png", image_history=[folder / "before.png"])
    expected = UnifiedIO2.from_pretrained("nano").generate(request, max_new_tokens=20)
    words = ("image=photo.png", "image_history=before.png", "max_new_tokens=20")
    run = uio2("objects", *words, cwd=folder)
    assert run.returncode == 0, run.stderr
    assert len(expected.tokens) > 3 and run.stdout == expected.text + "\n"
    assert run.stderr.count("\n") == 1 and "small policy for the tabletop" in run.stderr
    assert not (folder / "runs").exists(), "a text is written to a file only where output= asks for it"


def test_a_video_on_nano_is_its_frames(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = load_request("objects", video=folder / "clip.mp4", sound=False)
    expected = UnifiedIO2.from_pretrained("nano").generate(request, max_new_tokens=8)
    assert main(["generate", "objects", f"video={folder / 'clip.mp4'}", "max_new_tokens=8"]) == 0
    said = capsys.readouterr()
    assert said.out == expected.text + "\n"
    assert "clip.mp4 is skipped: nano reads no audio" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["target=image"], "nano cannot write image: it reads text, image, image_history and writes text."),
        (["audio=tone.wav"], "nano cannot read audio: "),
        (["audio_history=[tone.wav]", "target=audio"], "nano cannot read audio_history or write audio: "),
        (["target=smell"], "there is no target 'smell'"),
        (["image=nosuch.png"], "there is no file nosuch.png"),
        (["image=tone.wav"], "cannot read a picture from tone.wav"),
        (["image_history=[photo.png,tone.wav]"], "cannot read a picture from tone.wav"),
        (["image=[photo.png,before.png]"], "there is no file [photo.png,before.png]"),
        (["video=photo.jpg"], "there is no file photo.jpg"),
        (["video=full/config.json"], "cannot read full/config.json"),
        (["seed=x"], "seed takes a whole number, found 'x'"),
        (["imagee=photo.png"], "did you mean 'image'?"),
        (["max_new_tokens=-1"], "max_new_tokens=-1"),
        (["temperature=-1.0"], "temperature=-1.0"),
        (["top_p=2", "temperature=1"], "top_p=2.0"),
        (["beams=0"], "beams=0"),
        (["beams=2", "temperature=1"], "beam search takes no temperature"),
        (["guidance=2"], "pass negative="),
        (["negative=a cat"], "give guidance= as well"),
        (["options=[yes,no]", "temperature=1", "stop=x"], "leave out stop, temperature"),
        (["options=[yes,no]", "target=image"], "options are texts"),
        (["model=full", "target=image", "max_new_tokens=3"], "leave out max_new_tokens"),
        (["model=full", "target=image", "repetition_penalty=2"], "leave out repetition_penalty"),
        (["repetition_penalty=0"], "repetition_penalty=0.0"),
        (["top_k=-1", "temperature=1"], "top_k=-1"),
        (["stop_repetition=1"], "stop_repetition=1"),
        (["model=full", "target=image", "beams=2"], "beam search is for text answers"),
        (["model=nosuch"], "no model 'nosuch'"),
        (["model=."], "config.json is missing"),
        (["tokenizer=photo.png"], "photo.png"),
        (["tokenizer=nosuch.model"], "nosuch.model"),
        (["vocoder=nosuch.bin"], "nosuch.bin"),
        (["device=tpu"], "there is no device 'tpu' here"),
        (["dtype=int4"], "there is no dtype 'int4'"),
        (["output=photo.png"], "cannot write to photo.png"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert main(["generate", "what is this?", *words]) == 2
    found = capsys.readouterr()
    errors = [line for line in found.err.splitlines() if line.startswith("uio2: ")]
    assert len(errors) == 1 and said in errors[0], found.err
    assert not found.out
    if "cannot read" in said or "write" in said:
        assert "policy for the tabletop" not in found.err, "it was refused after the weights were read"


def test_a_broken_model_directory_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = folder / "broken"
    broken.mkdir()
    for file in ("config.json", "tokenizer.model"):
        (broken / file).write_bytes((folder / "full" / file).read_bytes())
    (broken / "model.safetensors").write_bytes((folder / "full/model.safetensors").read_bytes()[:5000])
    assert main(["generate", "what is this?", f"model={broken}"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("uio2: ") and said.err.count("\n") == 1 and not said.out
    assert "model.safetensors" in said.err


# text of a model of every modality


@pytest.fixture(scope="module")
def model(folder: Path) -> UnifiedIO2:
    return UnifiedIO2.from_pretrained(folder / "full")


def test_streamed_text_equals_the_answer(
    folder: Path, model: UnifiedIO2, capsys: pytest.CaptureFixture[str]
) -> None:
    request = load_request("look and listen", image=folder / "photo.png", audio=folder / "tone.wav")
    options = dict(temperature=1.0, top_p=0.9, seed=5)
    expected = model.generate(request, **options).text
    words = [f"model={folder / 'full'}", f"image={folder / 'photo.png'}", f"audio={folder / 'tone.wav'}"]
    words += ["temperature=1", "top_p=0.9", "seed=5"]
    assert main(["generate", "look and listen", *words]) == 0
    assert capsys.readouterr().out == expected + "\n"
    middle = expected[len(expected) // 2 :][:4]
    assert main(["generate", "look and listen", *words, f"stop=['{middle}', never]"]) == 0
    assert capsys.readouterr().out == model.generate(request, stop=(middle,), **options).text + "\n"
    assert middle.strip() and middle in expected


def test_the_pieces_are_printed_as_they_come(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def pieces(*_):
        for piece in ("two", " wor", "ds"):
            yield piece
            seen.append(capsys.readouterr().out)

    monkeypatch.setattr("uio2_agent.generation.generate.stream", pieces)
    assert main(["generate", "anything"]) == 0
    assert seen == ["two", " wor", "ds"] and capsys.readouterr().out == "\n"


def test_a_video_is_seen_and_heard(
    folder: Path, model: UnifiedIO2, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, photo = folder / "clip.mp4", folder / "photo.png"
    expected = [
        load_request("go on", video=clip),
        load_request("go on", image=photo, video=clip, last_frame_is_image=False),
        load_request("go on", video=clip, audio=folder / "tone.wav", sound=False),
    ]
    assert [len(request.image_history) for request in expected] == [4, 4, 4]
    assert expected[0].audio is not None and len(expected[0].audio_history) == 4
    words = [[], [f"image={photo}"], [f"audio={folder / 'tone.wav'}"]]
    found = []
    for request, more in zip(expected, words, strict=True):
        assert main(["generate", "go on", f"model={folder / 'full'}", f"video={clip}", *more]) == 0
        said = capsys.readouterr()
        assert said.out == model.generate(request).text + "\n"
        assert ("is skipped: audio is given" in said.err) == ("tone.wav" in str(more))
        found.append(said.out)
    assert len(set(found)) == 3


def test_beams_and_guidance(folder: Path, model: UnifiedIO2, capsys: pytest.CaptureFixture[str]) -> None:
    request, negative = load_request("go on"), load_request("the wrong one")
    words = ["generate", "go on", f"model={folder / 'full'}", "max_new_tokens=10"]
    plain = model.generate(request, max_new_tokens=10).text
    searched = model.generate(request, beams=3, max_new_tokens=10).text
    guided = model.generate(request, guidance=4.0, negative=negative, max_new_tokens=10).text
    assert len({plain, searched, guided}) == 3, "the test would prove little"
    assert main([*words, "beams=3"]) == 0
    assert capsys.readouterr().out == searched + "\n"
    assert main([*words, "guidance=4", "negative=the wrong one"]) == 0
    assert capsys.readouterr().out == guided + "\n"


def test_options_come_best_first(folder: Path, model: UnifiedIO2, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["a red block", "true", "7", "the bowl"]
    scores = score_options(model, load_request("which?", image=folder / "photo.png"), options)
    words = [f"model={folder / 'full'}", f"image={folder / 'photo.png'}", f"output={folder / 'scored'}"]
    assert main(["generate", "which?", *words, "options=[a red block,true,7,the bowl]"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    order = sorted(range(4), key=lambda place: scores[place])
    assert [text for _, text in lines] == [options[place] for place in order]
    assert np.allclose([float(score) for score, _ in lines], np.sort(scores), atol=1e-4)
    record = json.loads((folder / "scored/answer.json").read_text())
    assert record["text"] == options[order[0]]
    assert [option["text"] for option in record["options"]] == [options[place] for place in order]


@pytest.mark.parametrize(
    "text", ["'red' or blue?", "[1] what?", "is 1+1 = 2?", "a\\b ${c}", "null", '"', "why, {x}?\n"]
)
def test_any_text_is_a_question(text: str, tmp_path: Path) -> None:
    """The first word is taken as it stands, whatever it would be in hydra's grammar."""
    assert main(["generate", text, "max_new_tokens=1", f"output={tmp_path}"]) == 0
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["text"] == text
    assert sorted(os.listdir(tmp_path)) == ["answer.json", "answer.txt", "config.yaml"]
    written = json.loads((tmp_path / "answer.json").read_text())["text"]
    assert (tmp_path / "answer.txt").read_text() == written + "\n"


def test_a_text_in_circles_ends_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    model = UnifiedIO2.from_pretrained(folder / "full")
    with torch.no_grad():  # of two words that are each other's opposite, one is likelier than all others
        model.text_table.weight.zero_()
        model.text_table.weight[300], model.text_table.weight[301] = 1, -1
    model.save_pretrained(folder / "circles")
    for words, times in (([], 8), (["stop_repetition=3"], 3)):
        assert main(["generate", "say it", "model=circles", *words]) == 0
        said = capsys.readouterr()
        last = said.out.strip()[-2:]
        assert re.search(rf"(?<!{last})({last}){{{times}}}$", said.out.strip())
        assert "went in circles" in said.err
    assert main(["generate", "say it", "model=circles", "stop_repetition=0", "max_new_tokens=20"]) == 0
    never = capsys.readouterr()
    assert len(never.out) > 2 * 8 + 10 and "went in circles" not in never.err


# pictures and sounds


@RANDOM_ENDS
def test_a_picture(folder: Path, model: UnifiedIO2) -> None:
    (folder / "picture").mkdir()
    (folder / "picture/answer.wav").write_bytes(b"of an earlier answer")
    request = load_request("draw it", image=folder / "photo.png")
    drawn = [model.generate(request, "image", temperature=1.0, seed=seed, guidance=3.0) for seed in range(60)]
    end = 1
    lengths = [[*answer.tokens, end].index(end) + 1 for answer in drawn]  # beyond 48: it never ended
    whole, short = lengths.index(49), next(seed for seed, length in enumerate(lengths) if length < 48)
    words = ("model=full", "image=photo.png", "target=image", "temperature=1", f"seed={whole}", "guidance=3")
    run = uio2("draw it", *words, "output=picture", cwd=folder)
    assert run.returncode == 0 and run.stderr == "", run.stderr  # no bar where nobody watches
    assert run.stdout == "picture/answer.png\n"
    expected = drawn[whole]
    with Image.open(folder / "picture/answer.png") as found:
        assert found.format == "PNG" and found.size == SIZE[::-1]
        assert np.array_equal(np.asarray(found), expected.image) and len(set(expected.tokens.tolist())) > 3
    assert sorted(os.listdir(folder / "picture")) == ["answer.json", "answer.png", "config.yaml"]
    assert json.loads((folder / "picture/answer.json").read_text())["tokens"] == expected.tokens.tolist()
    config = yaml.safe_load((folder / "picture/config.yaml").read_text())
    ended = uio2("draw it", *words[:-2], f"seed={short}", words[-1], "output=ended", cwd=folder)
    assert ended.stderr == (
        f"the image of request 0 ended after {lengths[short]} of 48 tokens and is filled with the end token, "
        "as officially: draw it with another seed\n"
    )
    assert config["text"] == "draw it" and config["guidance"] == 3 and config["image"] == "photo.png"


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


@RANDOM_ENDS
@pytest.mark.parametrize("vocoder", [False, True])
def test_a_sound(
    vocoder: bool,
    folder: Path,
    model: UnifiedIO2,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    words = ["model=full", "audio=tone.wav", "target=audio", "temperature=1", "seed=1"]
    words += ["vocoder=vocoder.safetensors"] if vocoder else []
    assert main(["generate", "hum it", *words]) == 0
    said = capsys.readouterr()
    assert said.out == "runs/generate/answer.wav\n" and "runs/generate/answer.png" in said.err
    assert ("Griffin-Lim" in said.err) == (not vocoder)
    expected = model.generate(
        load_request("hum it", audio="tone.wav"), "audio", temperature=1.0, seed=1
    ).audio
    found = read_wav(Path("runs/generate/answer.wav"))
    # A frame is 256 samples; frames stand on the first and the last sample where there is no vocoder.
    assert len(found) == 256 * (256 if vocoder else 255)
    if vocoder:
        mel = torch.from_numpy(expected.T[None].copy()).log()
        made = Vocoder.from_pretrained("vocoder.safetensors")(mel)[0].numpy()
    else:
        made = griffin_lim(expected)
    assert np.abs(found - made.clip(-1, 32767 / 32768)).max() < 1e-4 and made.std() > 1e-3
    with Image.open("runs/generate/answer.png") as drawn:
        assert np.array_equal(np.asarray(drawn), spectrogram_picture(expected))


def test_the_spectrogram_picture_shows_time_and_pitch() -> None:
    """Silence is dark; a low tone is bright below, a high one after it bright above."""
    rate = 16_000
    seconds = np.arange(rate) / rate
    low, high = np.sin(2 * np.pi * 300 * seconds), np.sin(2 * np.pi * 5000 * seconds)
    power = mel_power(np.concatenate([np.zeros(rate), low, high]))
    drawn = spectrogram_picture(power).astype(int).sum(2)
    assert drawn.shape == (3 * 128, 3 * len(power))
    rows, columns = drawn.shape
    first, second, third = (drawn[:, round(columns * part) + 6 : round(columns * (part + 1 / 3)) - 6]
                            for part in (0, 1 / 3, 2 / 3))  # fmt: skip
    assert first.max() < 60
    assert second.mean(1).argmax() > 0.7 * rows and third.mean(1).argmax() < 0.3 * rows


def test_half_precision_runs(folder: Path) -> None:
    words = [f"model={folder / 'full'}", "target=image", "dtype=bfloat16", f"output={folder / 'half'}"]
    assert main(["generate", "draw", *words]) == 0
    with Image.open(folder / "half/answer.png") as found:
        assert found.size == SIZE[::-1]
