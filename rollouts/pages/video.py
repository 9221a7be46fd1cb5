"""H.264 files that play everywhere, written with PyAV. Knows pictures, not episodes."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from uio2_agent.files import new_path


def write_video(path: Path, pictures: Iterable[Image.Image], fps: int = 15) -> int:
    """Encode pictures of one even size; returns how many there were. The file appears when it is whole."""
    import av

    count = 0
    form = {"format": "mp4", "options": {"movflags": "faststart"}}
    with new_path(path) as partial, av.open(str(partial), "w", **form) as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(
                    "libx264", rate=fps, options={"crf": "20", "preset": "superfast"}
                )
                stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
                stream.codec_context.thread_count = 1  # the same bytes on every machine
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
            count += 1
        if stream is not None:
            container.mux(stream.encode())
    return count
