"""What a person hands to the model, what the model is taught to answer, and what it answers.

Text carries markers for the other inputs: `<image_input>`, `<image_history_1>`. The tag of the target
modality (`[Text] [S]`) is not part of it; the processor writes it. In training a text may be token ids, int
[T], because denoisers cut between tokens, and no text is read back as the same tokens with certainty. Nothing
here knows about tensors of a batch.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    """One multimodal question. Images are uint8 [height, width, 3]. Sounds are linear mel power spectrograms,
    float32 [time, mel], [256, 128] officially; the last segment of a sound is `audio`, those before it are
    `audio_history`, as the last frame of a video is `image`.
    """

    text: str | np.ndarray
    image: np.ndarray | None = None
    image_history: tuple[np.ndarray, ...] = ()
    audio: np.ndarray | None = None
    audio_history: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Target:
    """What the answer to a request should be, in any several modalities: text, an image uint8 [height, width,
    3], a linear mel power spectrogram float32 [time, mel].
    """

    text: str | np.ndarray | tuple[str | np.ndarray, ...] | None = None
    """Several texts are as many right answers, each learned without a look at the others."""
    image: np.ndarray | None = None
    audio: np.ndarray | None = None


@dataclass(frozen=True)
class Answer:
    """One answer: text with its token ids (int64 [T], the end id not included), or an image, or audio."""

    text: str | None = None
    tokens: np.ndarray | None = None
    image: np.ndarray | None = None
    audio: np.ndarray | None = None
