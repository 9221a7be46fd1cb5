"""What a caller can ask of an answer, beside the request itself. Checked here, used by `generation`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from uio2_agent.errors import RequestError
from uio2_agent.generation.decoding import LogitsProcessor
from uio2_agent.generation.repetition import Repetition
from uio2_agent.generation.sampling import Sampling
from uio2_agent.request import Request

SAMPLED_TOP_P = {"text": 1.0, "image": 0.95, "audio": 0.95}
SAMPLED_TOP_K = {"text": 50, "image": 0, "audio": 0}
"""top_p and top_k by target modality when tokens are drawn and none is given: the official defaults."""
NEGATIVES = {"image": "An image of a random picture.", "audio": "A video of a random audio."}
"""What guidance leads away from by default: the prompts of unconditional training examples."""


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """Keywords of `UnifiedIO2.generate`. grammar, negative, draft and seed are one, or one per request."""

    max_new_tokens: int | None = None
    """Most tokens of a text, its end included; the configuration's target length bounds it. Images and audio
    have a fixed number."""
    grammar: Any = None
    """What a text may consist of (`uio2_agent.grammar`): the answer always parses."""
    stop: tuple[str, ...] = ()
    """A text ends before the first of these."""
    temperature: float = 0.0
    """0 is greedy: always the likeliest token."""
    top_p: float | None = None
    """Draw from the likeliest tokens that hold this much probability; None is `SAMPLED_TOP_P`."""
    top_k: int | None = None
    """Draw from this many likeliest tokens; 0 is all, None is `SAMPLED_TOP_K`, under a grammar all."""
    repetition_penalty: float = 1.0
    """Tokens that a text holds already become less likely (Keskar et al. 2019): their scores, logits or in a
    beam search log-probabilities, are divided by this where positive and multiplied where negative. 1 is
    none; officially 1.5 in a beam search over text, else none."""
    no_repeat_ngram_size: int = 0
    """No run of this many tokens comes twice in a text; 0 is no rule, as officially."""
    stop_repetition: int = 0
    """A text ends once it says the same so many times in a row (a run of up to 16 tokens); 0 is never. Beam
    search does not read it."""
    seed: int | Sequence[int] | None = None
    """For drawing: one per request, or an integer (request i draws from seed + i); None is a new one each
    time.
    """
    beams: int = 1
    """Lines kept by beam search over text; 1 is none."""
    length_power: float = 1.0
    """Beam search compares log-probability / length ** length_power."""
    guidance: float = 0.0
    """Scale of classifier-free guidance; 0 is none, 10 the released default for images."""
    negative: Request | Sequence[Request] | None = None
    """What guidance leads away from; None is `NEGATIVES` for images and audio."""
    logits_processor: LogitsProcessor | None = None
    """Changes logits [B, V] given the tokens so far, before grammar and drawing
    (`uio2_agent.generation.logits_processors`)."""
    parallel: bool = False
    """Jacobi decoding: guess what follows and check it in one call, for text under a grammar or with a draft,
    for pictures and sounds always. The same answer token for token, greedy or drawn, in fewer calls.
    """
    draft: Sequence[Any] | None = None
    """First guess of an answer's tokens for `parallel` (an earlier answer, say); None sketches the grammar.
    """
    locality: int = 0
    """NOT exact: a row of a picture or sound begins once the row above has this many tokens, and rows grow
    side by side (arXiv 2412.04062); 0 is off. A picture of 32 x 32 takes 31 * locality + 32 calls instead of
    1,024, at 7 they are 249; 32 is the exact order again."""
    fixed_shape: bool = False
    """Answers do not depend on the batch (on a GPU: on the batch's size only)."""
    compiled: bool = False
    """Decode with `torch.compile` (CUDA graphs on a GPU): slow the first time, for many answers of one
    shape.
    """
    progress: Callable[[int, int], None] | None = None
    """Called after every step with the most tokens any answer has, and the most it can have."""

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise RequestError(f"max_new_tokens={self.max_new_tokens}: ask for at least 1")
        if self.beams < 1 or self.guidance < 0:
            raise RequestError(f"beams={self.beams}, guidance={self.guidance}: at least 1, at least 0")
        if self.stop_repetition not in (0, *range(2, 1_000)):
            raise RequestError(f"stop_repetition={self.stop_repetition}: 0 is never, and 2 to 999 are times")
        if self.repetition.ngram and self.grammar is not None:
            raise RequestError("a grammar says what comes again: leave out no_repeat_ngram_size")
        if self.parallel and self.beams > 1:
            raise RequestError("parallel decoding guesses one answer: leave out beams, or parallel")
        if self.locality < 0:
            raise RequestError(f"locality={self.locality}: 0 is off, and 1 or more are tokens of a row")
        if self.locality:
            unused = {
                "parallel": self.parallel,
                "logits_processor": self.logits_processor is not None,
                "compiled": self.compiled,
            }
            if given := [name for name, on in unused.items() if on]:
                raise RequestError(f"locality takes no {', '.join(given)}: leave out or use locality=0")
        if self.draft is not None and not self.parallel:
            raise RequestError("a draft is for parallel decoding: pass parallel=True")
        if self.negative is not None and self.guidance == 0:
            raise RequestError("a negative request is for guidance: pass guidance= above 0")
        if self.beams > 1:
            unused = {
                "grammar": self.grammar is not None,
                "temperature": self.temperature > 0,
                "guidance": self.guidance > 0,
                "logits_processor": self.logits_processor is not None,
                "stop": bool(self.stop),
                "compiled": self.compiled,
            }
            if given := [name for name, on in unused.items() if on]:
                raise RequestError(f"beam search takes no {', '.join(given)}: leave out or use beams=1")

    @property
    def repetition(self) -> Repetition:
        """What is changed about tokens that were said."""
        return Repetition(self.repetition_penalty, self.no_repeat_ngram_size)

    def sampling(self, modality: str) -> Sampling:
        """Return how tokens of a modality are chosen."""
        top_p = SAMPLED_TOP_P[modality] if self.top_p is None else self.top_p
        official = SAMPLED_TOP_K[modality] if self.grammar is None else 0
        top_k = official if self.top_k is None else self.top_k
        return Sampling(self.temperature, top_p, top_k)
