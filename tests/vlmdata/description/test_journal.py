"""The journal: what was written is there after a kill, what is no journal is left alone, one process writes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.description.journal import (
    HEADER,
    BatchJob,
    Entry,
    GroupCommit,
    JournalError,
    Line,
    Loss,
    entry_from,
    line_of,
    open_journal,
    read_journal,
)
from vlmdata.description.provider import Usage

KEY = "ab" * 32
ENTRY = Entry(key=KEY, ended="stop", text="A chair.", usage=Usage(input_tokens=7), cost=Decimal("0.0000021"))
texts = st.text(max_size=40)
money = st.decimals(0, 10, places=7)
keys = st.binary(min_size=32, max_size=32).map(bytes.hex)
entries = st.builds(
    Entry,
    key=keys,
    ended=st.sampled_from(["stop", "length", "blocked", "empty", "server", "location"]),
    text=texts,
    reason=texts,
    model=texts,
    usage=st.builds(Usage, input_tokens=st.integers(0, 10**6), output_tokens=st.integers(0, 10**6)),
    cost=money,
    attempts=st.integers(0, 9),
    repaired=st.booleans(),
    row=texts,
)
losses = st.builds(Loss, lost=money.filter(bool), row=texts)
jobs = st.builds(BatchJob, job=st.text(min_size=1), keys=st.lists(keys).map(tuple), reserved=money, open=st.booleans())


@given(entries | losses | jobs)
def test_what_is_written_reads_back_equal(entry: Line) -> None:
    line = line_of(entry)
    assert line.count(b"\n") == 1
    assert entry_from(line) == entry


@given(st.lists(entries, max_size=6, unique_by=lambda entry: entry.key), st.integers(0, 400))
def test_a_line_that_a_kill_cut_short_is_cut_off_and_all_before_it_stays(
    tmp_path: Path, written: list[Entry], torn: int
) -> None:
    path = tmp_path / "journal.jsonl"
    whole = HEADER + b"".join(map(line_of, written))
    path.write_bytes(whole[: max(len(whole) - torn, 0)])
    kept = path.read_bytes().count(b"\n") - 1
    with open_journal(path) as journal:
        assert len(journal) == max(kept, 0)
        assert [journal.get(entry.key) for entry in written[:kept]] == written[: max(kept, 0)]
        assert journal.spent == sum((entry.cost for entry in written[: max(kept, 0)]), Decimal(0))
        journal.write([ENTRY])
    with read_journal(path) as journal:
        assert journal.get(KEY) == ENTRY
        assert journal.damaged == 0
    assert path.read_bytes().endswith(line_of(ENTRY))


def test_the_last_line_of_a_key_counts_and_the_cost_of_all(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    better = replace(ENTRY, text="A better chair.")
    with open_journal(path) as journal:
        journal.write([ENTRY, better, Loss(lost=Decimal("0.5"))])
    with read_journal(path) as journal:
        assert journal.get(KEY) == better
        assert journal.spent == 2 * ENTRY.cost + Decimal("0.5")


def test_a_damaged_line_in_the_middle_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    other = replace(ENTRY, key="cd" * 32)
    path.write_bytes(HEADER + line_of(ENTRY) + b"\0\0\xff{\n" + line_of(other))
    with open_journal(path) as journal:
        assert (journal.get(KEY), journal.get(other.key), journal.damaged) == (ENTRY, other, 1)


@pytest.mark.parametrize(
    "damage",
    [b'"ended":"nobody knows"', b'"ended":["stop"]', b'"ended":"stop","text":5', b'"ended":' + b"[" * 5_000],
    ids=["another end", "a list", "no text", "too deep"],
)
def test_an_entry_of_which_a_value_is_no_such_value_is_damaged(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    line = line_of(replace(ENTRY, text=""))
    assert line.count(b'"ended":"stop"') == 1
    path.write_bytes(HEADER + line.replace(b'"ended":"stop"', damage))
    with open_journal(path) as journal:
        assert (len(journal), journal.damaged) == (0, 1)


@pytest.mark.parametrize("content", [b"sku,title\n1,2\n", b'{"id": "a"}\n', b"x", b"x" * len(HEADER)])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "products.csv"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"is no journal of descriptions"), open_journal(path):
        pass
    assert path.read_bytes() == content


def test_whoever_finds_a_journal_taken_is_told_which_process_has_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lock = tmp_path / "journal.jsonl.lock"
    with open_journal(path):
        with pytest.raises(JournalError, match=rf"into it \(process {os.getpid()}\); wait"), open_journal(path):
            pass
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        lock.write_text(str(ended.pid))
        with pytest.raises(JournalError, match=rf"\(process {ended.pid}, which runs on another"), open_journal(path):
            pass
        for odd in ("", "-1", "x", "9" * 40):
            lock.write_text(odd)
            with pytest.raises(JournalError, match="another process is writing"), open_journal(path):
                pass


def test_two_processes_do_not_write_into_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with open_journal(path):
        with pytest.raises(JournalError, match="another process is writing"), open_journal(path):
            pass
        with read_journal(path) as journal:
            assert len(journal) == 0
    assert list(tmp_path.iterdir()) == [], "where nothing was written, nothing stays"
    with open_journal(path) as journal:
        journal.write([ENTRY])
    assert [file.name for file in tmp_path.iterdir()] == ["journal.jsonl"]


def test_many_tasks_share_a_flush_and_each_returns_once_the_disk_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    flushed: list[int] = []

    async def append(commit: GroupCommit, number: int) -> None:
        await commit.append(replace(ENTRY, key=f"{number:064x}"))
        assert path.read_bytes()[: flushed[-1]].count(b"\n") > 1
        assert f"{number:064x}".encode() in path.read_bytes()[: flushed[-1]]

    async def run() -> None:
        with open_journal(path) as journal:
            commit = GroupCommit(journal)
            await asyncio.gather(*(append(commit, number) for number in range(200)))

    def fsync(_: int) -> None:
        flushed.append(path.stat().st_size)

    monkeypatch.setattr("os.fsync", fsync)
    asyncio.run(run())
    assert len(flushed) < 20


def test_what_the_disk_did_not_take_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with open_journal(path) as journal:
        journal.write([ENTRY])
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            with pytest.raises(JournalError, match="No space left on device; answers so far are kept"):
                journal.write([replace(ENTRY, key="cd" * 32)])
        assert journal.get("cd" * 32) is None
        journal.write([replace(ENTRY, key="ef" * 32)])
    with read_journal(path) as journal:
        assert (len(journal), journal.damaged) == (2, 0)
