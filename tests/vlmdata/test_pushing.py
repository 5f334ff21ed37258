"""A dataset on its way to the Hub: a stand-in on this machine takes it, through the real huggingface_hub."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from httpx2 import LocalProtocolError
from huggingface_hub import DatasetCard
from PIL import PngImagePlugin

import vlmdata
from tests.hub_fixtures import hub_environment
from tests.hub_server import TOKEN, Hub
from tests.vlmdata.shop import Shop, drawn, encoded, product
from vlmdata.cli import app, main
from vlmdata.contract import validator
from vlmdata.errors import ConfigError, ContractError, NoDatasetError
from vlmdata.hub.address import Address
from vlmdata.hub.refusals import HubError, explained
from vlmdata.hub.sending import send
from vlmdata.parquet_rows import GROUP_BYTES, ROWS_WITH_IMAGES
from vlmdata.push_photos import fault_of
from vlmdata.push_plan import PushRefusedError

# huggingface_hub's own call of httpx2
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

ABOUT = {"name": "mugs", "license": "cc-by-4.0", "source": "our catalog", "attribution": "photos by A. Turner"}


@pytest.fixture
def built(shop: Shop) -> Path:
    """Forty products in two splits; one is rejected."""
    shop.write([*(product(number) for number in range(40)), product(50, photo="gone.png")])
    return shop.build(dataset=ABOUT, split={"train": 0.7, "test": 0.3}).path


def names(built: Path, **options: Any) -> list[str]:
    plan = vlmdata.push(built, "me/mugs", dry_run=True, **options).plan
    return sorted(each.path for each in plan.going)


FILES = ["README.md", "data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet", "manifest.json"]


def test_a_push_makes_a_private_repository_with_splits_card_and_manifest_in_one_commit(built: Path, hub: Hub) -> None:
    result = vlmdata.push(built, "me/mugs")
    assert result.sent is not None
    assert sorted(result.sent.sent) == FILES
    repo = hub.dataset("me/mugs")
    assert repo.private
    assert repo.messages == ["initial commit", "Push the dataset with vlmdata"]
    assert sorted(set(repo.files()) - {".gitattributes"}) == FILES
    assert result.sent.commit == repo.branches["main"]
    assert result.sent.url == f"{hub.address}/datasets/me/mugs"


def test_what_is_pushed_twice_is_sent_once(built: Path, hub: Hub) -> None:
    vlmdata.push(built, "me/mugs")
    hub.asked.clear()
    again = vlmdata.push(built, "me/mugs").sent
    assert again is not None
    assert (again.sent, again.sent_bytes, len(again.present)) == ((), 0, 4)
    assert hub.sent() == []
    assert again.commit == hub.dataset("me/mugs").branches["main"]


def test_after_a_change_only_what_changed_is_sent_and_the_older_files_go(shop: Shop, built: Path, hub: Hub) -> None:
    vlmdata.push(built, "me/mugs")
    older = hub.dataset("me/mugs").files()
    hub.add("datasets/me/mugs", {**older, "data/train-00001-of-00002.parquet": b"x", "data/notes.txt": b"kept"})
    hub.received.clear()
    shop.build(dataset=ABOUT | {"source": "another"}, split={"train": 0.7, "test": 0.3})
    result = vlmdata.push(built, "me/mugs", message="a better card").sent
    assert result is not None
    assert sorted(result.sent) == ["README.md", "manifest.json"]
    assert result.removed == ("data/train-00001-of-00002.parquet",)
    assert hub.received == []
    assert "data/notes.txt" in hub.dataset("me/mugs").files()
    assert hub.dataset("me/mugs").messages[-1] == "a better card"


def test_a_dry_run_opens_no_socket_and_tells_what_goes_and_what_stays(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    (built / "notes.txt").write_text("mine")
    result = vlmdata.push(built, "me/mugs", dry_run=True)
    assert result.sent is None
    assert sorted(each.path for each in result.plan.going) == FILES
    stays = {each.path: each.why for each in result.plan.staying}
    assert stays["rejected.jsonl"] == "holds original rows; --with rejected sends it"
    assert stays["report.html"] == "holds original rows; --with report sends it"
    assert stays["notes.txt"] == "is no part of the dataset"
    assert stays["train/ (3 files)"] == "the same rows in Arrow, for load_from_disk"
    text = "\n".join(result.lines())
    assert "30 rows of the split train" in text
    assert text.endswith("-> dataset me/mugs, branch main, private; nothing was sent")


def test_sizes_and_hashes_of_a_dry_run_are_those_of_the_push(built: Path, hub: Hub) -> None:
    planned = vlmdata.push(built, "me/mugs", dry_run=True).plan
    vlmdata.push(built, "me/mugs")
    held = hub.dataset("me/mugs").files()
    assert {each.path: each.bytes for each in planned.going} == {
        name: len(data) for name, data in held.items() if name != ".gitattributes"
    }
    assert planned == vlmdata.push(built, "me/mugs", dry_run=True).plan


def test_reports_and_rejected_rows_go_only_by_name(built: Path) -> None:
    assert names(built) == FILES
    assert names(built, include=["report", "rejected"]) == sorted(
        [*FILES, "rejected.jsonl", "report.html", "report.json"]
    )
    with pytest.raises(ConfigError, match="--with photos: report or rejected were expected"):
        names(built, include=["photos"])


@pytest.mark.long
def test_the_rows_that_datasets_loads_from_the_hub_are_those_of_the_dataset_offline_too(
    built: Path, hub: Hub, tmp_path: Path
) -> None:
    vlmdata.push(built, "me/mugs")
    commit = hub.dataset("me/mugs").branches["main"]
    code = """
import sys, hashlib, datasets
found = datasets.load_dataset("me/mugs", revision=sys.argv[1])
kept = datasets.load_from_disk(sys.argv[2])
assert set(found) == set(kept), found
for split in kept:
    assert found[split].features == kept[split].features
    assert found[split][0]["images"][0].size == (40, 30)
    raw = datasets.List(datasets.Image(decode=False))
    assert found[split].cast_column("images", raw).to_list() == kept[split].cast_column("images", raw).to_list()
print("equal")
"""
    command = [sys.executable, "-c", code, commit, str(built)]
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = subprocess.run(
            command, env=hub_environment(hub, tmp_path / "home", **more), capture_output=True, text=True, timeout=120
        )
        assert done.stdout == "equal\n", done.stderr
        hub.fault = lambda *_: 500


def test_row_groups_are_small_and_image_bytes_are_not_compressed(built: Path, hub: Hub, tmp_path: Path) -> None:
    vlmdata.push(built, "me/mugs")
    file = tmp_path / "train.parquet"
    file.write_bytes(hub.dataset("me/mugs").files()["data/train-00000-of-00001.parquet"])
    told = pq.ParquetFile(file).metadata
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    assert [group.num_rows for group in groups] == [16, 14]
    assert max(group.num_rows for group in groups) <= ROWS_WITH_IMAGES
    assert max(group.total_byte_size for group in groups) <= GROUP_BYTES
    columns = [groups[0].column(number) for number in range(groups[0].num_columns)]
    assert {each.compression for each in columns if each.path_in_schema.endswith(".bytes")} == {"UNCOMPRESSED"}


def test_the_card_names_licence_source_attribution_and_how_to_load(built: Path, hub: Hub, tmp_path: Path) -> None:
    vlmdata.push(built, "me/mugs")
    file = tmp_path / "README.md"
    file.write_bytes(hub.dataset("me/mugs").files()["README.md"])
    card = DatasetCard.load(file)
    data = card.data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "test", "path": "data/test-*.parquet"},
    ]
    assert {each["name"]: each["num_examples"] for each in data["dataset_info"]["splits"]} == {"train": 30, "test": 10}
    assert "- **Source:** our catalog\n- **Licence:** cc-by-4.0\n- **Attribution:** photos by A. Turner" in card.text
    assert 'load_dataset("me/mugs")' in card.text
    assert "rejected.jsonl" not in card.text
    assert "report.html" not in card.text


def test_generated_texts_are_told_with_their_model_and_share(shop: Shop) -> None:
    (shop.folder / "texts.jsonl").write_text(
        "".join(json.dumps({"id": f"SKU-{n:03d}", "text": f"A mug of number {n}, for tea."}) + "\n" for n in range(1))
    )
    shop.write([product(0, description=""), *(product(number) for number in range(1, 4))])
    asked = {"provider": "file", "path": "texts.jsonl", "column": "description"}
    built = shop.build(dataset=ABOUT, describe=asked)
    assert built.ledger.conversations_accepted == 4
    (card,) = [
        each.content
        for each in vlmdata.push(built.path, "me/mugs", dry_run=True).plan.going
        if each.path == "README.md"
    ]
    assert isinstance(card, bytes)
    assert "| `file` | file | 1 of 4 | 25.0% |" in card.decode()
    assert b"annotations_creators:\n- machine-generated" in card
    assert "| `file` | file | 1 of 4 | 25.0% |" in (built.path / "README.md").read_text()


def test_of_a_path_in_the_cards_words_its_last_name_goes_with_a_word(shop: Shop, tmp_path: Path, hub: Hub) -> None:
    shop.write([product(number) for number in range(8)])
    path = shop.build(dataset={**ABOUT, "source": f"export of {tmp_path}/spring, May"}).path
    notes = vlmdata.push(path, "me/mugs").plan.notes
    assert f"dataset.source names a path, '{tmp_path}/spring'; no more than 'spring' of it goes" in notes
    sent = hub.dataset("me/mugs").files()
    assert "**Source:** export of spring, May" in sent["README.md"].decode()
    assert all(str(tmp_path) not in sent[name].decode() for name in ("README.md", "manifest.json"))


def test_a_source_that_is_a_path_is_left_out_of_the_card_with_a_word(shop: Shop, tmp_path: Path, hub: Hub) -> None:
    shop.write([product(number) for number in range(8)])
    place = str(tmp_path / "export.csv")
    path = shop.build(dataset={**ABOUT, "source": place}).path
    result = vlmdata.push(path, "me/mugs")
    assert any("dataset.source is a path" in note and "left out of the card" in note for note in result.plan.notes)
    sent = hub.dataset("me/mugs").files()
    assert place not in sent["README.md"].decode()
    assert place not in sent["manifest.json"].decode()
    assert "cc-by-4.0" in sent["README.md"].decode()


def test_the_manifest_on_the_hub_holds_no_path_of_this_machine(shop: Shop, tmp_path: Path, hub: Hub) -> None:
    shop.write([product(number) for number in range(4)])
    recipe = {
        "source": {"type": "csv", "path": str(shop.folder / "products.csv")},
        "images": {"root": str(shop.folder / "photos"), "from": "photo"},
        "conversations": [{"user": "/Describe: {{ title }}", "assistant": "{{ description }}"}],
    }
    built = shop.build(dataset=ABOUT, **recipe)
    assert str(tmp_path) in (built.path / "manifest.json").read_text()
    vlmdata.push(built.path, "me/mugs")
    for name, data in hub.dataset("me/mugs").files().items():
        assert str(tmp_path).encode() not in data, name
    told = json.loads(hub.dataset("me/mugs").files()["manifest.json"])
    assert told["recipe"]["source"]["path"] == "products.csv"
    assert told["recipe"]["images"]["root"] == "photos"
    assert told["recipe"]["conversations"][0]["user"] == "/Describe: {{ title }}"
    assert list(validator("manifest.v1").iter_errors(told)) == []
    published = {each["name"]: each for each in told["published"]["files"]}
    file = hub.dataset("me/mugs").files()["data/train-00000-of-00001.parquet"]
    assert published["data/train-00000-of-00001.parquet"]["bytes"] == len(file)


def located() -> bytes:
    image, exif = drawn(9), drawn(9).getexif()
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 0.0), 3: "E", 4: (0.0, 7.0, 0.0)})
    return encoded(image, "JPEG", exif=exif)


def test_every_photo_of_a_row_that_says_where_it_was_taken_is_named(shop: Shop) -> None:
    shop.photo("home.jpg", located())
    shop.photo("plain.png", encoded(drawn(7)))
    shop.photo("door.jpg", located()[:-2] + b"\xff\xd9")
    shop.write([product(0, photo="home.jpg;plain.png;door.jpg")])
    built = shop.build(dataset=ABOUT, images={"root": "photos", "from": {"column": "photo", "separator": ";"}}).path
    with pytest.raises(PushRefusedError, match="1 row has photos that tell") as raised:
        vlmdata.push(built, "me/mugs", dry_run=True)
    assert [problem.field for problem in raised.value.problems] == ["images[0]", "images[2]"]


def test_photos_that_say_where_they_were_taken_are_refused_by_row_unless_allowed(shop: Shop, hub: Hub) -> None:
    shop.photo("home.jpg", located())
    shop.write([product(0), product(1, photo="home.jpg"), product(2, photo="home.jpg")])
    built = shop.build(dataset=ABOUT).path
    with pytest.raises(PushRefusedError, match="2 rows have photos that tell where they were taken") as raised:
        vlmdata.push(built, "me/mugs")
    assert [problem.id for problem in raised.value.problems] == ["SKU-001", "SKU-002"]
    (first, _) = raised.value.problems
    assert str(first) == (
        "products.csv:3 images[0]: 'home.jpg' says where it was taken (GPS in its metadata) [push.location] build with "
        "images.metadata: strip_location"
    )
    assert raised.value.exit_code == 1
    assert hub.asked == []
    assert vlmdata.push(built, "me/mugs", allow_gps=True).sent is not None
    stripped = shop.build(dataset=ABOUT, images={"root": "photos", "from": "photo", "metadata": "strip_location"})
    assert vlmdata.push(stripped.path, "me/other").sent is not None


def test_a_photo_that_can_not_be_opened_here_is_kept_back_too() -> None:
    packet = PngImagePlugin.PngInfo()
    packet.add_itxt("XML:com.adobe.xmp", "<x exif:GPSLatitude='51,30N'/>")
    assert fault_of(encoded(drawn(1))) == ""
    assert fault_of(encoded(drawn(1), pnginfo=packet)) == "push.location"
    assert fault_of(located()) == "push.location"
    assert fault_of(located()[:40]) == "push.unreadable"


def test_a_full_disk_says_where_room_is_needed(built: Path, hub: Hub) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/vlmdata-push-1/1")

    plan = vlmdata.push(built, "me/mugs", dry_run=True).plan
    (first, *_) = (each for each in plan.going if callable(each.content))
    broken = replace(plan, going=(replace(first, content=full),))
    with pytest.raises(
        HubError, match="No space left on device: '/tmp/vlmdata-push-1/1'; one file at a time needs room"
    ):
        send(broken, Address(to="me/mugs"), lambda _: None)
    assert hub.received == []


def test_one_failing_upload_ends_in_one_line_and_the_next_push_sends_only_the_rest(built: Path, hub: Hub) -> None:
    failing: list[str] = []

    def fault(method: str, path: str) -> int | None:
        if method == "PUT" and (failing or len(hub.received) == 1):
            failing.append(path)
            return 500
        return None

    hub.fault = fault
    with pytest.raises(HubError, match=r"me/mugs: the Hub answers with an error \(500\); later run the same command"):
        vlmdata.push(built, "me/mugs")
    assert hub.dataset("me/mugs").messages == ["initial commit"]
    (kept,) = hub.received
    hub.fault = lambda *_: None
    vlmdata.push(built, "me/mugs")
    assert [oid for oid, _ in hub.received].count(kept[0]) == 1
    assert len(hub.received) == 2
    assert sorted(set(hub.dataset("me/mugs").files()) - {".gitattributes"}) == FILES


@pytest.mark.long
def test_a_push_that_is_killed_goes_on_and_sends_nothing_twice(built: Path, hub: Hub, tmp_path: Path) -> None:
    second, go_on = threading.Event(), threading.Event()

    def fault(method: str, _: str) -> int | None:
        if method == "PUT" and len(hub.received) == 1 and not go_on.is_set():
            second.set()
            go_on.wait(60)
            return 503
        return None

    hub.fault = fault
    command = [sys.executable, "-m", "vlmdata.cli", "push", str(built), "--to", "me/mugs"]
    environment = hub_environment(hub, tmp_path / "home")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert second.wait(120)
        running.kill()
        running.wait(60)
    go_on.set()
    assert hub.dataset("me/mugs").messages == ["initial commit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(hub.received) == len({oid for oid, _ in hub.received}) == 2
    assert TOKEN not in done.stdout + done.stderr


def test_a_branch_is_made_for_a_revision(built: Path, hub: Hub) -> None:
    vlmdata.push(built, "me/mugs")
    before = hub.dataset("me/mugs").branches["main"]
    vlmdata.push(built, "me/mugs", revision="spring/2", include=["report"])
    repo = hub.dataset("me/mugs")
    assert repo.branches["main"] == before
    assert "report.html" in repo.files("spring/2")


def test_a_repository_that_everybody_sees_takes_nothing_without_public(built: Path, hub: Hub) -> None:
    hub.add("datasets/me/mugs", {}, private=False)
    with pytest.raises(HubError, match="me/mugs: everybody can see it on the Hub; say --public if that is meant"):
        vlmdata.push(built, "me/mugs")
    result = vlmdata.push(built, "me/mugs", public=True)
    assert result.sent is not None
    assert not result.sent.private


def test_a_new_repository_is_public_only_on_request(built: Path, hub: Hub) -> None:
    vlmdata.push(built, "me/mugs", public=True)
    assert not hub.dataset("me/mugs").private


def test_a_repository_of_something_else_is_left_alone(built: Path, hub: Hub) -> None:
    hub.add("datasets/me/mugs", {"thesis.pdf": b"x", "README.md": b"# my thesis"})
    with pytest.raises(
        HubError, match=r"holds something else on the Hub \(no manifest.json, but thesis.pdf\); name an"
    ):
        vlmdata.push(built, "me/mugs")
    vlmdata.push(built, "me/mugs", replace=True)
    assert "thesis.pdf" in hub.dataset("me/mugs").files()


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(built: Path, hub: Hub) -> None:
    vlmdata.push(built, "me/mugs")

    def fault(method: str, path: str) -> int | None:
        if method == "POST" and path.endswith("/api/validate-yaml"):
            hub.add("datasets/me/mugs", hub.dataset("me/mugs").files() | {"new.txt": b"new"})
        return None

    hub.fault = fault
    (built / "report.json").write_text("{}")
    words = r"it was changed meanwhile \(412\): A commit has happened since.*look at what is there now"
    with pytest.raises(HubError, match=words):
        vlmdata.push(built, "me/mugs", include=["report"])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"the Hub does not know the token \(401\); set HF_TOKEN to one that may write"),
        (
            403,
            r"the token may not write there \(403\): a fault of the stand-in; check the owner's name and the token's",
        ),
        (404, r"the Hub finds no such owner, repository or branch \(404\)"),
        (409, r"it was changed meanwhile \(409\)"),
        (429, r"the Hub asks to wait \(429\)"),
        (500, r"the Hub answers with an error \(500\)"),
        (503, r"the Hub answers with an error \(503\)"),
    ],
)
def test_each_refusal_of_the_hub_is_one_line(built: Path, hub: Hub, status: int, words: str) -> None:
    hub.fault = lambda method, path: status if method == "POST" and "/commit/" in path else None
    with pytest.raises(HubError, match=f"^me/mugs: {words}") as raised:
        vlmdata.push(built, "me/mugs")
    assert "\n" not in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_an_owner_that_one_may_not_write_for_is_said_so(built: Path, hub: Hub) -> None:
    with pytest.raises(HubError, match=r"the token may not write there \(403\): You don't have the rights"):
        vlmdata.push(built, "stranger/mugs")
    assert hub.repos == {}


def test_a_token_that_the_hub_does_not_know_is_said_so_and_not_shown(
    built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "WrongWrongWrong")
    with pytest.raises(HubError, match=r"the Hub does not know the token \(401\)") as raised:
        vlmdata.push(built, "me/mugs")
    assert "WrongWrong" not in str(raised.value)
    assert hub.repos == {}


def test_a_token_in_a_librarys_own_words_is_not_shown() -> None:
    with pytest.raises(HubError) as raised, explained("me/mugs"):
        raise LocalProtocolError(f"Illegal header value b'Bearer {TOKEN} '")
    assert str(raised.value).startswith("me/mugs: the Hub can't be reached (Illegal header value b'Bearer …)")
    assert TOKEN not in str(raised.value)


def test_without_a_token_nothing_is_asked(built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(HubError, match="there is no token: set HF_TOKEN to one that may write"):
        vlmdata.push(built, "me/mugs")
    assert hub.asked == []


def test_offline_nothing_is_asked(built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids to reach the Hub: unset it, or look at the plan with"):
        vlmdata.push(built, "me/mugs")
    assert hub.asked == []


def test_the_variable_that_forbids_the_network_forbids_a_push(
    built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("VLMDATA_OFFLINE", "1")
    with pytest.raises(HubError, match="VLMDATA_OFFLINE forbids to reach the Hub: unset it, or look at the plan with"):
        vlmdata.push(built, "me/mugs")
    assert (hub.asked, constants.HF_HUB_OFFLINE) == ([], False)


@pytest.mark.usefixtures("hub")
def test_a_hub_that_can_not_be_reached_is_said_so(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        HubError, match=r"me/mugs: the Hub can't be reached \(.*\); check the network, then run the sam"
    ):
        vlmdata.push(built, "me/mugs")


@pytest.mark.parametrize("name", ["mugs", "me/mugs/x", "me/", "/mugs", "me/mu gs", "me/-mugs", "me/mugs.git", ""])
def test_what_is_no_name_on_the_hub_is_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"is no name on the Hub such as owner/name"):
        vlmdata.push(tmp_path / "nowhere", name)


@pytest.mark.parametrize(
    ("revision", "words"),
    [("a" * 40, "is a commit, to which nothing can be added"), ("a..b", "can be no name of a branch"), ("", "no name")],
)
def test_what_is_no_branch_is_refused(tmp_path: Path, revision: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        vlmdata.push(tmp_path / "nowhere", "me/mugs", revision=revision)


def test_what_is_no_dataset_is_said_so(tmp_path: Path, built: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("a\n")
    with pytest.raises(NoDatasetError, match=r"is no dataset that was built: it has no dataset_dict.json"):
        vlmdata.push(tmp_path / "empty", "me/mugs")
    with pytest.raises(NoDatasetError, match="is a file; the folder of a built dataset was expected"):
        vlmdata.push(tmp_path / "rows.csv", "me/mugs")
    (built / "manifest.json").unlink()
    with pytest.raises(NoDatasetError, match=r"has no manifest.json; `vlmdata build`, `import` or `split` makes"):
        vlmdata.push(built, "me/mugs")


def test_a_dataset_that_was_changed_after_its_manifest_is_refused(built: Path) -> None:
    file = built / "train" / "data-00000-of-00001.arrow"
    file.write_bytes((built / "test" / "data-00000-of-00001.arrow").read_bytes())
    with pytest.raises(ContractError, match=r"is not the file that manifest.json names; build the dataset again"):
        vlmdata.push(built, "me/mugs", dry_run=True)


@pytest.mark.parametrize("name", ["manifest.json", "train", "train/data-00000-of-00001.arrow", "report.json"])
def test_no_link_in_the_folder_is_followed(built: Path, tmp_path: Path, name: str) -> None:
    (built / name).rename(tmp_path / "elsewhere")
    (built / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"is a symbolic link to '.*elsewhere'; nothing is pushed through links"):
        vlmdata.push(built, "me/mugs", include=["report"], dry_run=True)


def test_a_link_that_does_not_go_is_only_told(built: Path) -> None:
    (built / "secrets").symlink_to("/etc")
    stays = {each.path: each.why for each in vlmdata.push(built, "me/mugs", dry_run=True).plan.staying}
    assert stays["secrets"] == "a symbolic link, which is never followed"


def test_a_split_without_rows_stays_and_one_that_datasets_can_not_name_is_refused(shop: Shop) -> None:
    shop.write([product(0)])
    built = shop.build(split={"train": 0.5, "test": 0.5}).path
    plan = vlmdata.push(built, "me/mugs", dry_run=True).plan
    assert len([each for each in plan.going if each.path.startswith("data/")]) == 1
    assert any(
        "has no rows and does not go: datasets.load_dataset fails for such a split" in note for note in plan.notes
    )
    odd = shop.build(split={"held-out": 1.0}).path
    with pytest.raises(ConfigError, match="the Hub's readers take no split called 'held-out'"):
        vlmdata.push(odd, "me/mugs", dry_run=True)


def test_the_command_prints_what_was_done_and_json_for_a_program(
    built: Path, hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["vlmdata", "push", str(built), "--to", "me/mugs", "--with", "report,rejected"])
    with pytest.raises(SystemExit) as stopped:
        main(app)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("sent      7 files, ")
    assert out.endswith(f"private, commit {hub.dataset('me/mugs').branches['main']}\n")
    monkeypatch.setattr("sys.argv", ["vlmdata", "push", str(built), "--to", "me/mugs", "--dry-run", "--format", "json"])
    with pytest.raises(SystemExit):
        main(app)
    told = json.loads(capsys.readouterr().out)
    assert told["pushed"] is None
    assert {each["path"] for each in told["going"]} == set(FILES)
