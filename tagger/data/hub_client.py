"""What the Hugging Face Hub answers for a repository: the commit of a revision, its files, and errors in one line.

Datasets (`hub`) and models (`inference.hub_models`) are found and refused in the same words.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tagger.errors import ConfigError, DataError, MissingInputError, OutputError, TaggerError

Kind = Literal["dataset", "model"]

_LEADS: dict[Kind, str] = {"dataset": "", "model": "no such folder, and "}  # a model's name may be a path mistyped
_CONVERTED_FILE = re.compile(r"[^/]+/[^/]+/[0-9]{4,}\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A revision of a repository.

    Attributes:
        commit: its sha.
        files: the paths in it; offline, those that the cache holds.
    """

    commit: str
    files: frozenset[str]


def resolve(name: str, revision: str | None, *, kind: Kind) -> Snapshot:
    """Finds the commit that a revision names; in the cache where `HF_HUB_OFFLINE` is set.

    Args:
        name: the repository's id, such as `owner/name`.
        revision: branch, tag or commit; None is the default branch.
        kind: what kind of repository it is.

    Raises:
        MissingInputError: no such repository or revision (the message names those there are), or no answer.
        ConfigError: no repository can have this name.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import OfflineModeIsEnabled, RemoteEntryNotFoundError, RevisionNotFoundError

    try:
        with hub_errors(name, kind=kind, passed=(OfflineModeIsEnabled, RevisionNotFoundError)):
            ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
            info = ask(name, revision=revision, timeout=waiting_seconds())
            # For its side effect, with a README or without: the cache then knows which commit the revision is.
            with suppress(RemoteEntryNotFoundError):
                hf_hub_download(name, "README.md", repo_type=kind, revision=revision)
            return Snapshot(commit=str(info.sha), files=frozenset(file.rfilename for file in info.siblings or ()))
    except RevisionNotFoundError as error:
        with hub_errors(name, kind=kind):
            refs = HfApi().list_repo_refs(name, repo_type=kind)
        known = [*(ref.name for ref in (*refs.branches, *refs.tags)), *(ref.ref for ref in refs.converts)]
        raise MissingInputError(f"{name}: no revision {revision!r}; there are: {listed(known)}") from error
    except OfflineModeIsEnabled as error:
        return _resolve_offline(name, revision or "main", kind=kind, error=error)


def _resolve_offline(name: str, wanted: str, *, kind: Kind, error: Exception) -> Snapshot:
    folder = cache_folder(name, kind=kind)
    reference = folder / "refs" / wanted
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else wanted
    snapshot = folder / "snapshots" / commit
    if not reference.is_file() and not snapshot.is_dir():
        known = [str(path.relative_to(folder / "refs")) for path in (folder / "refs").rglob("*") if path.is_file()]
        there = f"; it holds: {listed(known)}" if known else ""
        raise MissingInputError(
            f"{name}: {_LEADS[kind]}revision {wanted} is not in the cache, and HF_HUB_OFFLINE is set{there}"
        ) from error
    files = (path for path in snapshot.rglob("*") if path.is_file())
    return Snapshot(commit=commit, files=frozenset(path.relative_to(snapshot).as_posix() for path in files))


def download(name: str, path: str, revision: str | None) -> Path:
    """Downloads one file of a dataset into the cache, where it is not there yet."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, path, repo_type="dataset", revision=revision))


def find_file(name: str, paths: Sequence[str], *, revisions: Sequence[str | None]) -> tuple[Path, str] | None:
    """The first of some files that a dataset has, and `path@commit` of it; None where it has none.

    Args:
        name: the dataset's id.
        paths: paths within it, the preferred first.
        revisions: where to look, one after the other; None is the default branch.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    for revision in revisions:
        for path in paths:
            try:
                file = download(name, path, revision)
            except RemoteEntryNotFoundError:
                continue
            except LocalEntryNotFoundError:  # Offline: not in the cache. Online: no answer.
                if not constants.HF_HUB_OFFLINE:
                    raise
                continue
            commit = file.parents[len(Path(path).parts) - 1].name  # the cache keeps snapshots/COMMIT/PATH
            return file, f"{path}@{commit}"
    return None


def group_converted(files: Collection[str]) -> dict[str, dict[str, list[str]]] | None:
    """The files of a branch that the Hub has converted, such as `refs/convert/parquet`.

    Args:
        files: every path of the commit.

    Returns:
        Configuration -> split -> Parquet files in order; None where they are not `CONFIGURATION/SPLIT/0000.parquet`
        throughout, or a README may say otherwise.
    """
    paths = sorted(path for path in files if path.endswith(".parquet"))
    if not paths or "README.md" in files or not all(map(_CONVERTED_FILE.fullmatch, paths)):
        return None
    found: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        config, split, _ = path.split("/")
        found.setdefault(config, {}).setdefault(split, []).append(path)
    return found


def cache_folder(name: str, *, kind: Kind) -> Path:
    """Where huggingface_hub keeps what it has of a repository: `refs/REVISION` and `snapshots/COMMIT`."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type=kind))


def waiting_seconds() -> int:
    """How long a request may go without an answer, in seconds: `HF_HUB_DOWNLOAD_TIMEOUT`, 10 by default."""
    from huggingface_hub import constants

    return int(constants.HF_HUB_DOWNLOAD_TIMEOUT)


@contextmanager
def hub_errors(
    where: str, *, kind: Kind, passed: tuple[type[Exception], ...] = (), unreadable: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turns what the libraries raise into one line of ours, and ends requests that are never answered.

    Args:
        where: what errors name first.
        kind: what kind of repository is read.
        passed: exceptions that are left to the caller.
        unreadable: further exceptions that mean data which cannot be read.

    Raises:
        MissingInputError: no such repository, no right to read it, or no answer.
        ConfigError: no repository can have this name.
        OutputError: the cache cannot be written.
        DataError: what came cannot be read.
    """
    _limit_waiting()
    try:
        yield
    except TaggerError:
        raise
    except passed:
        raise
    except Exception as error:
        # A failed download comes wrapped in what failed because of it.
        found = next(filter(None, (_explain(cause, where, kind=kind) for cause in _causes(error))), None)
        if found is not None:
            raise found from error
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(f"{where}: {error.filename or 'the cache'}: {error.strerror}") from error
        if isinstance(error, (OSError, ValueError, RuntimeError, *unreadable)):
            raise DataError(f"{where}: cannot be read: {one_line(_causes(error)[-1])}") from error
        raise


def _explain(error: BaseException, where: str, *, kind: Kind) -> TaggerError | None:
    """What an exception says about the Hub; None where it is not about the Hub."""
    from huggingface_hub import constants, errors

    # The HTTP library's own base class, which huggingface_hub has changed before: httpx, then httpx2.
    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined, unused-ignore]
    unreachable = (transport, ConnectionError, TimeoutError)
    hub = constants.ENDPOINT
    lead = _LEADS[kind]
    if isinstance(error, errors.GatedRepoError):
        page = f"{hub}/{'datasets/' if kind == 'dataset' else ''}{where.partition('@')[0]}"
        return MissingInputError(f"{where}: gated: accept its terms on {page}, then `hf auth login`")
    if isinstance(error, errors.RepositoryNotFoundError):
        return MissingInputError(f"{where}: {lead}no such {kind} on {hub}, or a private one{_describe_token()}")
    if isinstance(error, errors.HFValidationError):
        if kind == "model":
            return MissingInputError(f"{where}: {lead}no repository can have this name")
        return ConfigError(f"data.name: {one_line(error)}")
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code == 401:
        return MissingInputError(
            f"{where}: {hub} does not accept this token: `hf auth login`, or set HF_TOKEN to another, or to none"
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return MissingInputError(f"{where}: {lead}not in the cache, and HF_HUB_OFFLINE is set")
    if isinstance(error, errors.HfHubHTTPError) and not isinstance(error, errors.EntryNotFoundError):
        failure = one_line(error).partition(" For more information check")[0]  # a page about the status as such
        return MissingInputError(f"{where}: {hub} failed: {failure}")
    if isinstance(error, unreachable):
        answer = f"no answer from {hub}: {one_line(error)}"
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            answer = (
                f"no answer from {hub} within {waiting_seconds()} s (HF_HUB_DOWNLOAD_TIMEOUT sets how long to wait)"
            )
        return MissingInputError(f"{where}: {lead}{answer}; HF_HUB_OFFLINE=1 reads the cache alone")
    return None


def _describe_token() -> str:
    from huggingface_hub import get_token

    if get_token() is None:
        return ": no token is set (`hf auth login`, or HF_TOKEN)"
    return " that this token may not read"


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and what it was raised from, down to the first, which is the telling one."""
    found = [error]
    while found[-1].__cause__ is not None:
        found.append(found[-1].__cause__)
    return found


def _limit_waiting() -> None:
    """Limits how long requests wait: huggingface_hub lets most of them wait for ever, and `datasets` one for 100 s."""
    from huggingface_hub import get_session

    session = get_session()
    hooks = session.event_hooks
    if _set_limit not in hooks["request"]:
        session.event_hooks = {**hooks, "request": [*hooks["request"], _set_limit]}


def _set_limit(request: Any) -> None:
    limits, most = request.extensions.get("timeout", {}), waiting_seconds()
    found = {name: limits.get(name) for name in ("connect", "read", "write", "pool")}
    shortened = {name: most if limit is None else min(limit, most) for name, limit in found.items()}
    request.extensions = {**request.extensions, "timeout": shortened}


def one_line(error: BaseException) -> str:
    """An exception's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def listed(names: Iterable[object]) -> str:
    """Names in order, for messages."""
    return ", ".join(sorted(map(str, names))) or "none"
