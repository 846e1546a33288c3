"""Published vectors: from the names to the file, through a real server on 127.0.0.1 that does not always behave."""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torchtext.vocab

from tagger.data import published
from tagger.data.published import Download, fetch_vectors, published_vectors
from tagger.errors import ConfigError, DataError, MissingInputError, OutputError, TaggerError
from tests.vector_server import TEXT, Server, packed, point_to


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    point_to(f"http://{made.address}", monkeypatch)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tagger" / "published"


def fetch(name: str = "glove.6B.50d", dim: int = 50, tell: Callable[[Download], object] = print) -> Path:
    return fetch_vectors(name, dim, tell=tell)


def error_of(kind: type[TaggerError], name: str = "glove.6B.50d") -> str:
    with pytest.raises(kind) as caught:
        fetch(name)
    message = str(caught.value)
    del caught  # it holds this frame, and thereby itself and the connection
    assert "\n" not in message
    return message


class TestNames:
    def test_are_torchtexts(self) -> None:
        known = published_vectors("")
        assert set(known) == set(torchtext.vocab.pretrained_aliases) - {"charngram.100d"}
        assert known["glove.6B.100d"][1] == "glove.6B.100d.txt"
        assert known["glove.6B.100d"][0].endswith("/glove.6B.zip")
        assert known["fasttext.en.300d"][0].endswith("/wiki.en.vec")
        assert published_vectors("fasttext.nds_nl.300d")["fasttext.nds_nl.300d"][0].endswith("/wiki.nds_nl.vec")

    def test_unknown_ones_name_those_there_are(self) -> None:
        with pytest.raises(
            ConfigError, match=r"^features\.words\.vectors: no published vectors 'glove\.7B\.50d'; .*6B"
        ):
            fetch("glove.7B.50d")

    def test_of_another_width(self, server: Server) -> None:
        """Said before the download, which takes long."""
        with pytest.raises(
            ConfigError, match=r"^features\.words\.dim: glove\.6B\.50d has vectors of 50 numbers, got 10"
        ):
            fetch(dim=10)
        assert server.asked == []

    def test_addresses_are_secured(self) -> None:
        for name in ("glove.6B.50d", "fasttext.en.300d"):
            assert published._secured(published_vectors(name)[name][0]).startswith("https://")
        assert published._secured("http://127.0.0.1:5/x") == "http://127.0.0.1:5/x"


class TestFetch:
    def test_downloads_once_and_unpacks_one_file(self, server: Server, cache: Path) -> None:
        told: list[Download] = []
        path = fetch(tell=told.append)
        assert path.read_bytes() == TEXT
        assert (told[0].received, told[-1].received) == (0, len(server.body))
        assert {each.total for each in told} == {len(server.body)}
        assert fetch() == path
        assert server.asked == ["/glove.6B.zip"]
        assert sorted(file.name for file in cache.iterdir()) == ["glove.6B.50d.txt", "glove.6B.zip"]

    def test_text_that_is_not_packed(self, server: Server) -> None:
        server.body = TEXT
        assert fetch("fasttext.de.300d", 300).read_bytes() == TEXT
        assert server.asked == ["/wiki.de.vec"]

    def test_a_server_that_says_no_length(self, server: Server) -> None:
        server.says_length = False
        told: list[Download] = []
        assert fetch(tell=told.append).read_bytes() == TEXT
        assert {each.total for each in told} == {None}

    def test_a_download_that_is_cut_short(self, server: Server, cache: Path) -> None:
        server.length = len(server.body) + 1000
        where = f"glove.6B.50d: http://{server.address}/glove.6B.zip"
        how_far = f"{len(server.body):,} of {server.length:,} bytes"
        assert error_of(MissingInputError) == f"{where}: the download ended after {how_far}; try again"
        assert list(cache.iterdir()) == []
        server.length = None
        assert fetch().is_file()

    def test_no_server(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        gone = Server()
        gone.close()
        point_to(f"http://{gone.address}", monkeypatch)
        message = error_of(MissingInputError)
        assert message.startswith(f"glove.6B.50d: http://{gone.address}/glove.6B.zip: cannot be downloaded: ")
        assert "refused" in message
        assert list(cache.iterdir()) == []

    def test_not_found(self, server: Server) -> None:
        server.status = 404
        assert error_of(MissingInputError).endswith("cannot be downloaded: HTTP 404 Not Found")

    @pytest.mark.parametrize(
        "body", [b"<html>", packed()[:-30], packed().replace(b"PK", b"QQ")], ids=["page", "cut", "other"]
    )
    def test_a_bad_archive_is_removed(self, server: Server, cache: Path, body: bytes) -> None:
        good, server.body = server.body, body
        assert "damaged or no zip archive" in error_of(DataError)
        assert list(cache.iterdir()) == []
        server.body = good
        assert fetch().is_file()

    def test_a_damaged_member(self, server: Server, cache: Path) -> None:
        body = bytearray(server.body)
        body[60] ^= 0xFF
        server.body = bytes(body)
        assert "damaged or no zip archive" in error_of(DataError)
        assert list(cache.iterdir()) == []

    def test_an_archive_of_something_else(self, server: Server) -> None:
        server.body = packed("other.txt")
        assert error_of(DataError).endswith("glove.6B.zip: holds no glove.6B.50d.txt; remove it to download it anew")

    def test_a_cache_that_cannot_be_written(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way", encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert "cannot be written" in error_of(OutputError)
        assert server.asked == []


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A certificate of 127.0.0.1 with its key, signed by nobody else."""
        if shutil.which("openssl") is None:
            pytest.skip("openssl makes the certificate")
        path = tmp_path / "server.pem"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
        files = f"subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
        subprocess.run([*command.split(), *files.split()], check=True, capture_output=True)
        path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
        return path

    @pytest.fixture
    def secure(self, server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
        monkeypatch.setattr(server.http, "handle_error", lambda *_: None)
        point_to(f"https://{server.address}", monkeypatch)
        return server

    def test_a_server_that_nobody_vouches_for(self, secure: Server, cache: Path) -> None:
        assert "certificate verify failed" in error_of(MissingInputError)
        assert (secure.asked, list(cache.iterdir())) == ([], [])

    def test_one_that_is_trusted(self, secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch().is_file()
        assert secure.asked == ["/glove.6B.zip"]

    def test_is_not_left_by_a_redirect(
        self, secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        secure.status, secure.location = 302, "http://127.0.0.1:9/x"
        assert "redirects to http://127.0.0.1:9/x, which is not secured by TLS" in error_of(MissingInputError)

    def test_is_verified_after_a_load(self, server: Server) -> None:
        """torchtext's own download switches verification off for the whole process."""
        fetch()
        assert server.asked == ["/glove.6B.zip"]
        assert ssl._create_default_https_context is ssl.create_default_context
        context = ssl._create_default_https_context()
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
