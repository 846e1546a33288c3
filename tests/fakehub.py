"""A Hugging Face Hub on 127.0.0.1, small enough to read: the real clients talk to it, and nothing leaves the machine.

    with FakeHub() as hub:
        commit = hub.commit("owner/name", {"train.parquet": blob})
        subprocess.run([...], env=hub.environment(tmp_path))

The clients read their environment when they are imported, so they run in a process of their own. Repositories live
in memory: each commit is a dict of files, each ref points to a commit, and uploads make commits like `FakeHub.commit`.
Repositories can be private or gated, and answers can be made to fail (`FakeHub.fail`).
"""

import base64
import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

LFS_SUFFIXES = (".parquet", ".safetensors", ".bin")
CONVERT_PREFIX = "refs/convert/"
TOKEN = "hf_invented"
OTHER_TOKEN = "hf_another"  # that of somebody else
Fault = Literal["hang", "cut", "error"]


@dataclass
class Repository:
    """Every commit of one repository, what its refs point to, and who may see it (private) or read it (gated)."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    readers: frozenset[str] = frozenset({TOKEN})
    private: bool = False
    gated: bool = False

    def add(self, files: Mapping[str, bytes], revision: str) -> str:
        """Adds a commit on top of a ref and returns its sha."""
        description = json.dumps([len(self.commits), revision, sorted(files)])
        sha = hashlib.sha1(description.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = dict(files)
        self.refs[revision] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit that a ref or a sha names."""
        return self.refs.get(revision, revision if revision in self.commits else None)


class FakeHub:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.objects: dict[str, bytes] = {}
        self.faults: list[tuple[str, Fault]] = []
        self.closing = threading.Event()
        hub = self

        class BoundHandler(_Handler):
            pass

        BoundHandler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), BoundHandler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "FakeHub":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The endpoint, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(
        self, repo_id: str, files: Mapping[str, bytes] | Path, *, kind: str = "datasets", revision: str = "main"
    ) -> str:
        """Makes a commit that holds exactly these files (a dict, or a folder) and returns its sha."""
        if isinstance(files, Path):
            files = {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*") if path.is_file()}
        return self.repositories.setdefault((kind, repo_id), Repository()).add(files, revision)

    def fail(self, part: str, *faults: Fault) -> None:
        """Makes the next answers to GET requests whose path holds `part` fail, one for each fault.

        hang = no answer ever; cut = the connection breaks in the middle of the file; error = status 500.
        """
        self.faults += [(part, fault) for fault in faults]

    def files(self, repo_id: str, *, kind: str = "datasets", revision: str = "main") -> dict[str, bytes]:
        """The files of a commit."""
        repository = self.repositories[kind, repo_id]
        return repository.commits[repository.refs.get(revision, revision)]

    def environment(self, home: Path, **changes: str) -> dict[str, str]:
        """A process environment in which the clients know this Hub only, with a fresh cache under `home`."""
        inherited = {key: value for key, value in os.environ.items() if not key.upper().startswith(("HF_", "HTTP"))}
        return inherited | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            **changes,
        }


class _Handler(BaseHTTPRequestHandler):
    """One request; `hub` is set by the server it belongs to."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"
    # Without it every small answer waits for a delayed acknowledgement, 40 ms each.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self._get()

    def do_GET(self) -> None:
        self._get()

    def do_PUT(self) -> None:
        body = self._body()
        oid = self._path().rsplit("/", 1)[-1]
        if hashlib.sha256(body).hexdigest() != oid:
            return self._answer(400, {"error": "sha256 differs"})
        self.hub.objects[oid] = body
        return self._answer(200, {})

    def do_POST(self) -> None:
        path, body = self._path(), self._body()
        if self._token() is None:
            return self._refuse(401, message="Invalid username or password.")
        if path == "/api/repos/create":
            wanted = json.loads(body)
            repo_id = "/".join(filter(None, [wanted.get("organization") or "tester", wanted["name"]]))
            key = (wanted.get("type", "model") + "s", repo_id)
            status = 409 if key in self.hub.repositories else 200
            if status == 200:
                self.hub.repositories[key] = Repository()
                self.hub.repositories[key].add({}, "main")
            return self._answer(status, {"url": f"{self.hub.url}/{repo_id}", "name": repo_id})
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._lfs_batch(json.loads(body))
        kind, repo_id, verb, rest = self._split_api(path)
        repository = self._find(kind, repo_id)
        if repository is None:
            return None
        if verb == "preupload":
            files = [
                {"path": item["path"], "uploadMode": _mode(item["path"]), "shouldIgnore": False}
                for item in json.loads(body)["files"]
            ]
            return self._answer(200, {"files": files})
        if verb == "paths-info":
            wanted = json.loads(body)["paths"]
            files = self._files_at(repository, unquote(rest)) or {}
            return self._answer(200, [entry for entry in _tree(files, "", recursive=True) if entry["path"] in wanted])
        if verb == "commit":
            page = f"{self.hub.url}/{repo_id if kind == 'models' else f'{kind}/{repo_id}'}"
            return self._commit(repository, unquote(rest), body, page=page)
        return self._missing("EntryNotFound")

    def _get(self) -> None:
        path = self._path()
        fault = self._next_fault(path)
        if fault == "hang":
            self.hub.closing.wait()
            self.close_connection = True
            return None
        if fault == "error":
            return self._answer(500, {"error": "out of order"})
        if path == "/api/whoami-v2":
            return self._answer(200, {"type": "user", "name": "tester", "auth": {"accessToken": {"role": "write"}}})
        if path.startswith("/api/"):
            return self._get_api(path)
        kind, path = ("datasets", path[len("/datasets") :]) if path.startswith("/datasets/") else ("models", path)
        repo_id, _, rest = path.strip("/").partition("/resolve/")
        raw_revision, _, name = rest.partition("/")
        repository = self._find(kind, repo_id)
        if repository is None:
            return None
        if repository.gated and self._token() not in repository.readers:
            return self._refuse(401 if self._token() is None else 403, "GatedRepo", "Access to it is restricted.")
        commit = repository.resolve(unquote(raw_revision))
        if commit is None:
            return self._missing("RevisionNotFound")
        content = repository.commits[commit].get(unquote(name))
        if content is None:
            return self._missing("EntryNotFound", commit)
        return self._send_file(content, unquote(name), commit, cut=fault == "cut")

    def _get_api(self, path: str) -> None:
        kind, repo_id, verb, rest = self._split_api(path)
        repository = self._find(kind, repo_id)
        if repository is None:
            return None
        if verb == "refs":
            return self._answer(200, _list_refs(repository.refs))
        raw_revision, _, folder = rest.partition("/")
        commit = repository.resolve(unquote(raw_revision) or "main")
        if commit is None:
            return self._missing("RevisionNotFound")
        files = repository.commits[commit]
        if verb == "tree":
            recursive = "recursive=true" in self.path.lower()
            entries = _tree(files, unquote(folder), recursive=recursive)
            return self._answer(200, entries) if entries or not folder else self._missing("EntryNotFound")
        siblings = [{"rfilename": name} for name in sorted(files)]
        access = {"private": repository.private, "gated": "manual" if repository.gated else False}
        return self._answer(200, {"id": repo_id, "sha": commit, "siblings": siblings, "tags": [], **access})

    def _find(self, kind: str, repo_id: str) -> Repository | None:
        """A repository that the request's token may see; where there is none, the request is answered."""
        repository = self.hub.repositories.get((kind, repo_id))
        token = self._token()
        if token not in (None, TOKEN, OTHER_TOKEN):
            self._refuse(401, message="Invalid credentials in Authorization header")
        elif repository is None or (repository.private and token not in repository.readers):
            if token is None:
                # the clients know it by the message alone, but only from https
                self._refuse(401, "RepoNotFound", "Invalid username or password.")
            else:
                self._missing("RepoNotFound")
        else:
            return repository
        return None

    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _next_fault(self, path: str) -> Fault | None:
        faults = self.hub.faults
        found = next((index for index, (part, _) in enumerate(faults) if part in path), None)
        return None if found is None or self.command != "GET" else faults.pop(found)[1]

    def _lfs_batch(self, wanted: Any) -> None:
        objects = [
            {
                "oid": item["oid"],
                "size": item["size"],
                "actions": {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"}},
            }
            for item in wanted["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _commit(self, repository: Repository, revision: str, body: bytes, *, page: str) -> None:
        files = dict(self._files_at(repository, revision) or {})
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif operation["key"] == "deletedFile":
                files.pop(value["path"], None)
        sha = repository.add(files, revision)
        self._answer(200, {"commitOid": sha, "commitUrl": f"{page}/commit/{sha}", "success": True})

    def _files_at(self, repository: Repository, revision: str) -> dict[str, bytes] | None:
        commit = repository.resolve(revision)
        return None if commit is None else repository.commits[commit]

    def _split_api(self, path: str) -> tuple[str, str, str, str]:
        """`/api/datasets/owner/name/tree/REV/DIR` -> kind, id, verb, the rest (the revision still quoted)."""
        parts = path.strip("/").split("/")[1:]
        length = 3 if len(parts) > 2 and parts[2] not in _VERBS else 2
        verb = parts[length] if len(parts) > length else ""
        return parts[0], "/".join(parts[1:length]), verb, "/".join(parts[length + 1 :])

    def _path(self) -> str:
        self.hub.requests.append(f"{self.command} {self.path}")
        return urlsplit(self.path).path

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send_file(self, content: bytes, name: str, commit: str, *, cut: bool = False) -> None:
        start, end, status = 0, len(content) - 1, 200
        wanted = self.headers.get("Range")
        if wanted and self.command == "GET":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last), end) if last else end, 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        digest = hashlib.sha256(content).hexdigest() if _mode(name) == "lfs" else _git_sha(content)
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self._finish(content[start : end + 1], cut=cut)

    def _missing(self, code: str, commit: str | None = None) -> None:
        self._refuse(404, code, code, commit=commit)

    def _refuse(self, status: int, code: str | None = None, message: str = "", *, commit: str | None = None) -> None:
        self.send_response(status)
        for name, value in (("X-Error-Code", code), ("X-Error-Message", message), ("X-Repo-Commit", commit)):
            if value:
                self.send_header(name, value)
        self._finish(b"{}")

    def _answer(self, status: int, answer: object) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self._finish(json.dumps(answer).encode())

    def _finish(self, content: bytes, *, cut: bool = False) -> None:
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True


_VERBS = frozenset({"revision", "tree", "refs", "preupload", "commit", "paths-info"})


def _mode(path: str) -> str:
    return "lfs" if path.endswith(LFS_SUFFIXES) else "regular"


def _git_sha(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _list_refs(refs: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    listed: dict[str, list[dict[str, str]]] = defaultdict(list, branches=[], converts=[], tags=[])
    for name, sha in refs.items():
        group = "converts" if name.startswith(CONVERT_PREFIX) else "branches"
        ref = name if name.startswith("refs/") else f"refs/heads/{name}"
        listed[group].append({"name": name.removeprefix(CONVERT_PREFIX), "ref": ref, "targetCommit": sha})
    return listed


def _tree(files: Mapping[str, bytes], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, content in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        inner = path[len(prefix) :].split("/")
        for depth in range(1, len(inner) if recursive else min(len(inner), 2)):
            directory = prefix + "/".join(inner[:depth])
            entries[directory] = {"type": "directory", "path": directory, "size": 0, "oid": _git_sha(b"")}
        if recursive or len(inner) == 1:
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_sha(content)}
            if _mode(path) == "lfs":
                pointer = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 128}
                entry["lfs"] = pointer
            entries[path] = entry
    return list(entries.values())
