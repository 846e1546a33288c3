"""The fetching scripts, run as a user runs them, against a server on 127.0.0.1 with invented files."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SCRIPTS = Path(__file__).parents[1] / "data_scripts"


def conllu(*sentences: str) -> bytes:
    lines = []
    for sentence in sentences:
        lines.append(f"# text = {sentence}")
        lines += [f"{i}\t{word}\t_\tX\t_\t_\t_\t_\t_\t_" for i, word in enumerate(sentence.split(), 1)]
        lines.append("")
    return ("\n".join(lines) + "\n").encode()


TRAIN = (
    conllu("Rain falls in Marl", "Nobody came")
    + "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n".encode()
    + conllu("vamos nos")
)
PARTS = [conllu("Part one"), conllu("Part two", "Still part two")]
LICENCE = b"\nTREEBANK LICENCE, INVENTED\nDo as you like.\n"
WNUT_TRAIN = b"Rain\tO\nMarl\tB-location\n\t\nNobody\tO\n\t\n\t\n"
WNUT_DEV = b"Marl\tB-location\n\n"


class Server:
    """Serves `files` (path -> content) raw, and lists each folder as GitHub's API does."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.listed: dict[str, bytes] = {}  # what the API says of a file, where it differs from what is served
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                answer = outer.answer(self.path)
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, target: str) -> bytes | None:
        url = urlsplit(target)
        kind, _, path = unquote(url.path).strip("/").partition("/")
        if kind == "raw":
            return self.files.get(path)
        folder = f"{path.removesuffix('/contents')}/{unquote(url.query.removeprefix('ref='))}/"
        names = [name for name in self.files if name.startswith(folder)]
        contents = {name.removeprefix(folder): self.listed.get(name, self.files[name]) for name in names}
        entries = [
            {
                "name": name,
                "type": "file",
                "size": len(content),
                "sha": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            }
            for name, content in contents.items()
        ]
        return (
            json.dumps([*entries, {"name": "not-to-release", "type": "dir", "size": 0}]).encode() if entries else None
        )


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def run(script: str, server: Server, *arguments: object, repository: str = "") -> subprocess.CompletedProcess[str]:
    urls = [f"--base-url={server.url}/raw{repository}", f"--api-url={server.url}/api{repository}"]
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments), *urls]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def fetch_ud(
    server: Server, out: Path, *arguments: str, treebank: str = "UD_Marlish-MT"
) -> subprocess.CompletedProcess[str]:
    return run("fetch_ud.py", server, treebank, "--out", out, *arguments)


def fetch_wnut(server: Server, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("fetch_wnut17.py", server, "--out", out, *arguments, repository="/wnut")


@pytest.fixture
def treebank(server: Server) -> Server:
    root = "UD_Marlish-MT/r2.16"
    server.files[f"{root}/ml_mt-ud-train.conllu"] = TRAIN
    server.files[f"{root}/ml_mt-ud-test-b.conllu"] = PARTS[1]
    server.files[f"{root}/ml_mt-ud-test-a.conllu"] = PARTS[0]
    server.files[f"{root}/LICENSE.txt"] = LICENCE
    server.files[f"{root}/stats.xml"] = b"<no/>"
    return server


@pytest.fixture
def wnut(server: Server) -> Server:
    server.files["wnut/master/wnut17train.conll"] = WNUT_TRAIN
    server.files["wnut/master/emerging.dev.conll"] = WNUT_DEV
    server.files["wnut/master/emerging.test.annotated"] = b"Rain\tO"
    return server


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_failed(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert [part for part in parts if part not in done.stderr] == [], done.stderr


def test_ud_writes_the_splits_and_says_what_they_are(treebank: Server, tmp_path: Path) -> None:
    done = fetch_ud(treebank, tmp_path / "new" / "marl")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "new" / "marl"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "train.conllu": TRAIN,
        "test.conllu": b"".join(PARTS),
        "LICENSE.txt": LICENCE,
    }
    train, dev, test, licence = done.stdout.splitlines()
    # The range vámonos is no word of its own.
    assert train == f"{folder}/train.conllu: {len(TRAIN)} bytes, 3 sentences, 8 words, sha256 {sha256(TRAIN)} (fetched)"
    assert dev == "UD_Marlish-MT at r2.16 has no dev split"
    assert "3 sentences, 7 words" in test
    assert licence.endswith("(fetched): TREEBANK LICENCE, INVENTED")


def test_ud_keeps_what_is_right_and_replaces_what_is_not(treebank: Server, tmp_path: Path) -> None:
    fetch_ud(treebank, tmp_path)
    (tmp_path / "train.conllu").write_bytes(TRAIN.replace(b"Rain", b"Snow"))
    kept = (tmp_path / "test.conllu").stat().st_ino
    treebank.requests.clear()
    done = fetch_ud(treebank, tmp_path)
    assert [line.rpartition("(")[2].partition(")")[0] for line in done.stdout.splitlines() if "(" in line] == [
        "replaced",
        "already there",
        "already there",
    ]
    assert (tmp_path / "train.conllu").read_bytes() == TRAIN
    assert (tmp_path / "test.conllu").stat().st_ino == kept
    assert [path for path in treebank.requests if path.startswith("/raw")] == [
        "/raw/UD_Marlish-MT/r2.16/ml_mt-ud-train.conllu"
    ]


def test_ud_refuses_content_that_the_listing_does_not_know(treebank: Server, tmp_path: Path) -> None:
    treebank.listed["UD_Marlish-MT/r2.16/ml_mt-ud-train.conllu"] = TRAIN.replace(b"Rain", b"Snow")
    assert_failed(fetch_ud(treebank, tmp_path), 65, "ml_mt-ud-train.conllu", "expected git blob")
    assert list(tmp_path.iterdir()) == []


def test_ud_pins(treebank: Server, tmp_path: Path) -> None:
    assert fetch_ud(treebank, tmp_path, "--sha256", f"train={sha256(TRAIN)}").returncode == 0
    assert_failed(fetch_ud(treebank, tmp_path, "--sha256", f"train={'0' * 64}"), 65, "train.conllu", sha256(TRAIN))
    assert_failed(fetch_ud(treebank, tmp_path, "--sha256", f"dev={'0' * 64}"), 65, "no dev split")
    assert_failed(fetch_ud(treebank, tmp_path, "--sha256", "train=0"), 2, "train=0")


def test_ud_of_another_tag_is_another_file(treebank: Server, tmp_path: Path) -> None:
    treebank.files["UD_Marlish-MT/r2.15/ml_mt-ud-train.conllu"] = PARTS[0]
    assert fetch_ud(treebank, tmp_path, "--tag", "r2.15").returncode == 0
    assert (tmp_path / "train.conllu").read_bytes() == PARTS[0]


def test_ud_that_is_not_there(treebank: Server, tmp_path: Path) -> None:
    assert_failed(fetch_ud(treebank, tmp_path, treebank="UD_Nowhere-NN"), 66, "UD_Nowhere-NN", "404")
    treebank.files["UD_Marlish-MT/r1.0/README.md"] = b"empty"
    assert_failed(fetch_ud(treebank, tmp_path, "--tag", "r1.0"), 66, "no .conllu files")
    assert fetch_ud(treebank, tmp_path, treebank="Marlish").returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_listed_file_that_is_not_served(treebank: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = treebank.answer
    monkeypatch.setattr(treebank, "answer", lambda target: None if "train" in target else answer(target))
    assert_failed(fetch_ud(treebank, tmp_path), 66, "ml_mt-ud-train.conllu", "404")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(treebank: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert_failed(fetch_ud(treebank, tmp_path / "file" / "marl"), 74, str(tmp_path / "file"))


def test_a_server_that_is_down(treebank: Server, tmp_path: Path) -> None:
    treebank.url = "http://127.0.0.1:1"
    assert_failed(fetch_ud(treebank, tmp_path), 66, "http://127.0.0.1:1/api/UD_Marlish-MT", "refused")


def test_wnut_ends_each_sentence_with_one_blank_line(wnut: Server, tmp_path: Path) -> None:
    done = fetch_wnut(wnut, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "train.conll").read_bytes() == b"Rain\tO\nMarl\tB-location\n\nNobody\tO\n\n"
    assert (tmp_path / "dev.conll").read_bytes() == WNUT_DEV
    assert (tmp_path / "test.conll").read_bytes() == b"Rain\tO\n\n"
    train, dev, test = done.stdout.splitlines()
    assert "2 sentences, 3 words" in train
    assert "(fetched, 3 separator lines made blank); NOT the file" in train
    assert "0 separator lines" in dev
    assert "0 separator lines" in test


def test_wnut_keeps_what_is_right(wnut: Server, tmp_path: Path) -> None:
    fetch_wnut(wnut, tmp_path)
    wnut.requests.clear()
    assert fetch_wnut(wnut, tmp_path).stdout.count("(already there)") == 3
    assert [path for path in wnut.requests if path.startswith("/raw")] == []
    (tmp_path / "dev.conll").write_bytes(b"changed\tO\n\n")
    wnut.files["wnut/master/wnut17train.conll"] = WNUT_TRAIN + b"More\tO\n"
    (tmp_path / "test.conll").unlink()
    train, dev, test = fetch_wnut(wnut, tmp_path).stdout.splitlines()
    assert "(replaced, 3 " in train
    assert "(replaced, 0 " in dev
    assert "(fetched, 0 " in test
    assert (tmp_path / "dev.conll").read_bytes() == WNUT_DEV
    assert b"More" in (tmp_path / "train.conll").read_bytes()


def test_wnut_errors(wnut: Server, tmp_path: Path) -> None:
    assert_failed(fetch_wnut(wnut, tmp_path, "--sha256", f"train={'0' * 64}"), 65, "train.conll", "expected sha256")
    wnut.listed["wnut/master/emerging.dev.conll"] = b"another\tO\n\n"
    assert_failed(fetch_wnut(wnut, tmp_path), 65, "emerging.dev.conll")
    assert not (tmp_path / "dev.conll").exists()
    del wnut.files["wnut/master/emerging.dev.conll"]
    assert_failed(fetch_wnut(wnut, tmp_path), 66, "emerging.dev.conll")
    assert_failed(fetch_wnut(wnut, tmp_path, "--ref", "gone"), 66, "ref=gone", "404")


@pytest.mark.parametrize("script", ["fetch_ud.py", "fetch_wnut17.py"])
def test_help_says_what_is_checked(script: str) -> None:
    done = subprocess.run([sys.executable, str(SCRIPTS / script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "git blob sha1" in " ".join(done.stdout.split())
