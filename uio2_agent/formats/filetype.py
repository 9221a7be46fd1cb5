"""What a file is that stands where weights or a tokenizer were expected, by its first bytes.

Unusual: it knows the files people have by mistake, above all what a download leaves when it failed.
"""

import re
from pathlib import Path

_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")


def mistaken_for(path: Path) -> str | None:
    """Return what the file is in a few words and what to do; None if it is none of the usual mistakes."""
    with path.open("rb") as file:
        head = file.read(512)
    start = head.lstrip()[:20].lower()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself: run git lfs pull, or download the file"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "is a web page, not the file itself: download it again"
    if start.startswith(b"{"):
        return "is JSON, such as a tokenizer.json of the tokenizers library"
    if _TIKTOKEN.match(head):
        return "is a tiktoken vocabulary, such as Llama 3 has"
    return None
