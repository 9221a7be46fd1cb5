"""A stand-in for the Hugging Face hub, into which its own client, `huggingface_hub`, sends a folder.

It takes what the client asks of a dataset repository (create, preupload, commit, tag), keeps the files, and
asks nobody who they are.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def hub(folder: Path) -> Iterator[str]:
    """The address of one that puts files into `folder`; for the client's `HF_ENDPOINT`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:  # older clients look at the repository
        self._say({"id": "owner/name", "sha": "0" * 40, "siblings": []})

    def do_POST(self) -> None:
        body = self._body()
        place = f"http://{self.headers['Host']}/datasets"
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            self._say({"url": f"{place}/{asked.get('organization', '')}/{asked['name']}"})
        elif "/preupload/" in self.path:
            told = {"uploadMode": "regular", "shouldIgnore": False}
            self._say({"files": [{"path": each["path"], **told} for each in json.loads(body)["files"]]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    path = self.server.folder / line["value"]["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(base64.b64decode(line["value"]["content"]))
            self._say({"success": True, "commitOid": "0" * 40, "commitUrl": f"{place}/commit/{'0' * 40}"})
        else:
            self._say({})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
