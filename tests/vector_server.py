"""A server of published vectors on 127.0.0.1 that does not always behave, in the place of those torchtext knows."""

import http.server
import io
import threading
import zipfile

import pytest
import torchtext.vocab

TEXT = b"the 0 0\ncat 1 1\nzebra 2 2\n"


def packed(member: str = "glove.6B.50d.txt", *, text: bytes = TEXT) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(member, text)
        files.writestr("../outside.txt", b"not to be unpacked")
    return buffer.getvalue()


class Server:
    """Answers every request with `status` and `body`; `length`: bytes that it promises, None for those it has."""

    def __init__(self, *, width: int = 2) -> None:
        text = "".join(f"{word}{f' {number}' * width}\n" for number, word in enumerate(("the", "cat", "zebra")))
        self.body, self.status = packed(text=text.encode()), 200
        self.length: int | None = None
        self.says_length = True
        self.location: str | None = None
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                if outer.location is not None:
                    self.send_header("Location", outer.location)
                if outer.says_length:
                    self.send_header("Content-Length", str(len(outer.body) if outer.length is None else outer.length))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def point_to(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts another server into torchtext's tables."""
    monkeypatch.setitem(torchtext.vocab.GloVe.url, "6B", f"{base}/glove.6B.zip")
    monkeypatch.setattr(torchtext.vocab.FastText, "url_base", base + "/wiki.{}.vec")
