"""Who may read a repository, and what is said when the Hub fails: by the real clients, from a Hub on 127.0.0.1."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.data.hub_client import group_converted
from tests.fakehub import OTHER_TOKEN, TOKEN, FakeHub
from tests.hub_reader import Reader, message_of, reading, table

CONTENT = table([["Rain", "in", "Marl"]] * 1000, [["O", "O", "B-PLACE"]] * 1000)


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        for name in ("public", "private", "gated", "hanging", "cut", "failing", "streamed"):
            hub.commit(f"marl/{name}", {"train.parquet": CONTENT})
        hub.repositories["datasets", "marl/private"].private = True
        hub.repositories["datasets", "marl/gated"].gated = True
        yield hub


@pytest.fixture(scope="module")
def reader(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with reading(hub.environment(tmp_path_factory.mktemp("hf")), impatient=True) as reader:
        yield reader


@pytest.fixture
def token(request: pytest.FixtureRequest, reader: Reader) -> Iterator[str | None]:
    """Sets the token of the parametrized value, for one test."""
    reader.call("set_environment", {"HF_TOKEN": request.param})
    yield request.param
    reader.call("set_environment", {"HF_TOKEN": TOKEN})


class TestAccess:
    @pytest.mark.parametrize("name", ["public", "private", "gated"])
    def test_with_the_right_token(self, reader: Reader, name: str) -> None:
        assert len(reader.ask(f"marl/{name}", streaming=True)["splits"]["train"]) == 1000

    @pytest.mark.parametrize("token", [None], indirect=True)
    @pytest.mark.usefixtures("token")
    def test_public_without_a_token(self, reader: Reader) -> None:
        assert len(reader.ask("marl/public", streaming=True)["splits"]["train"]) == 1000

    @pytest.mark.parametrize(
        ("token", "hint"),
        [(None, ": no token is set (`hf auth login`, or HF_TOKEN)"), (OTHER_TOKEN, " that this token may not read")],
        indirect=["token"],
    )
    @pytest.mark.usefixtures("token")
    def test_private(self, hub: FakeHub, reader: Reader, hint: str) -> None:
        message = message_of(reader.ask("marl/private"), "MissingInputError")
        assert message == f"marl/private: no such dataset on {hub.url}, or a private one{hint}"

    @pytest.mark.parametrize("token", ["hf_mistyped"], indirect=True)
    @pytest.mark.parametrize("name", ["public", "private"])
    @pytest.mark.usefixtures("token")
    def test_a_token_that_is_none(self, hub: FakeHub, reader: Reader, name: str) -> None:
        message = message_of(reader.ask(f"marl/{name}"), "MissingInputError")
        assert message.startswith(f"marl/{name}: {hub.url} does not accept this token: ")

    @pytest.mark.parametrize("token", [None, OTHER_TOKEN], indirect=True)
    @pytest.mark.usefixtures("token")
    def test_gated(self, hub: FakeHub, reader: Reader) -> None:
        message = message_of(reader.ask("marl/gated", streaming=True), "MissingInputError")
        page = f"{hub.url}/datasets/marl/gated"
        assert message == f"marl/gated: gated: accept its terms on {page}, then `hf auth login`"


class TestFailures:
    @pytest.mark.parametrize("part", ["/api/datasets/marl/hanging", "revision", "tree", "resolve"])
    def test_a_request_that_is_never_answered_ends(self, hub: FakeHub, reader: Reader, part: str) -> None:
        reader.call("set_waiting", 1)
        hub.fail(part, *["hang"] * 20)  # the clients try some requests several times
        message = message_of(reader.ask("marl/hanging"), "MissingInputError")
        assert message.startswith(f"marl/hanging: no answer from {hub.url} within 1 s (HF_HUB_DOWNLOAD_TIMEOUT ")
        reader.call("set_waiting", 10)
        del hub.faults[:]

    def test_a_download_that_breaks_off_goes_on_where_it_was(self, hub: FakeHub, reader: Reader) -> None:
        hub.fail("marl/cut/resolve", "cut", "cut")
        before = len(hub.requests)
        assert len(reader.ask("marl/cut")["splits"]["train"]) == 1000
        assert len([line for line in hub.requests[before:] if line.startswith("GET /datasets/marl/cut/resolve")]) >= 3

    def test_a_download_that_fails_half_way(self, hub: FakeHub, reader: Reader) -> None:
        hub.fail("marl/failing/resolve", "cut", *["error"] * 20)
        message = message_of(reader.ask("marl/failing"), "MissingInputError")
        assert message.startswith(f"marl/failing: {hub.url} failed: ")
        assert "500" in message
        del hub.faults[:]
        assert len(reader.ask("marl/failing")["splits"]["train"]) == 1000  # what the cache holds of it did no harm

    def test_a_stream_that_fails_half_way(self, hub: FakeHub, reader: Reader) -> None:
        hub.fail("marl/streamed/resolve", *["error"] * 100)
        message = message_of(reader.ask("marl/streamed", streaming=True), "MissingInputError")
        assert message.startswith("marl/streamed")
        assert hub.url in message
        del hub.faults[:]

    def test_a_cache_that_cannot_be_written(self, hub: FakeHub, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with reading(hub.environment(tmp_path / "file")) as reader:
            message = message_of(reader.ask("marl/public"), "OutputError")
        assert message.startswith("marl/public")
        assert str(tmp_path / "file") in message


def test_a_server_that_is_down_is_one_line(tmp_path: Path) -> None:
    with FakeHub() as hub:
        environment = hub.environment(tmp_path)
    with reading(environment) as reader:
        dataset = reader.ask("marl/labelled")
        model = reader.call("locate_model", "tester/ner")
    for answer, lead in ((dataset, "marl/labelled: "), (model, "tester/ner: no such folder, and ")):
        message = message_of(answer, "MissingInputError")
        assert message.startswith(f"{lead}no answer from {hub.url}: ")
        assert message.endswith("; HF_HUB_OFFLINE=1 reads the cache alone")
        assert answer["chained"]


@pytest.mark.parametrize(
    "files",
    [
        [],
        ["train.parquet"],
        ["default/train/0000.parquet", "README.md"],
        ["default/train/0000.parquet", "data/train.parquet"],
        ["default/train/0000.csv"],
        ["train/0000.parquet"],
    ],
)
def test_not_a_converted_branch(files: list[str]) -> None:
    assert group_converted(frozenset(files)) is None


def test_a_converted_branch() -> None:
    files = {"b/train/0001.parquet", "b/train/0000.parquet", "a/test/0000.parquet", ".gitattributes"}
    assert group_converted(files) == {
        "a": {"test": ["a/test/0000.parquet"]},
        "b": {"train": ["b/train/0000.parquet", "b/train/0001.parquet"]},
    }
