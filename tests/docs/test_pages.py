"""Every command, program and settings file of README.md and docs/ works as it is written there.

See pages.py for the comments that say how a block is tested. What is not run stands in not-run.txt, with its reason:
`pytest tests/docs --rewrite-docs` writes it anew.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

import vlmdata
from tests.docs import shell, snippets
from tests.docs.pages import ROOT, Block, Page, pages
from tests.docs.servers import serve
from vlmdata.rules import rulebook

PAGES = pages()
SHELLS = {"bash", "sh", "shell", "console"}
READ_ONLY = {"groovy", "dockerfile", "powershell", "diff"}
NO_RULES = {"answer.failed", "caption.de", "caption.fr"}
"""An attribute and two columns, which only look as the names of rules do."""
NOT_RUN = Path(__file__).parent / "not-run.txt"
TIME = re.compile(r"\d[\d,.]*(?= (?:s|min|rows/s|tokens/s|GiB)\b)")
# huggingface_hub's own call of httpx2, where a page pushes to the stand-in
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")]


def parsed_only(block: Block) -> list[str]:
    """What is wrong with a block's command lines, none of them run."""
    commands = [words for line in shell.lines(block.text) for words in shell.our_commands(line)]
    found = [shell.parse(words) for words in commands]
    return [f"{block.place}: {' '.join(words)}: {why}" for words, why in zip(commands, found, strict=True) if why]


def run_block(
    block: Block, addresses: Mapping[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Run a block's commands, with other `addresses` for those of the page; what they print. Each must end with 0, the
    last with what the page says."""
    said = ""
    commands = [line for line in shell.lines(block.text) if not shell.INSTALLS.match(line)]
    fails = [int(code) for code in block.marks.get("fails", "").split()]
    codes = [0] * (len(commands) - len(fails)) + fails
    for line, expected in zip(commands, codes, strict=True):
        for shown, here in addresses.items():
            line = line.replace(shown, here)  # noqa: PLW2901
        code, more = shell.run(line, capfd, monkeypatch)
        assert code == expected, f"{block.place}: {line}\nexit {code}, {expected} was expected\n{more[-1500:]}"
        said += more
    return said


def same_words(shown: str, said: str) -> bool:
    """Whether a page's lines were printed, in order. `…` stands for anything; times are not compared."""
    wanted = [TIME.sub("#", line.rstrip()) for line in shown.strip("\n").splitlines()]
    parts = ["(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + "[ ]*\n" for line in wanted]
    printed = "".join(f"{TIME.sub('#', line.rstrip())}\n" for line in said.splitlines())
    return re.search(f"^{''.join(parts)}", printed, re.MULTILINE) is not None


class Walk:
    """A page's blocks, tested in their order in one folder."""

    def __init__(self, folder: Path, servers: ExitStack, *, long: bool) -> None:
        self.folder = folder
        self.servers = servers
        self.addresses: dict[str, str] = {}
        self.long = long
        self.module = snippets.namespace()
        self.said: str | None = None

    def block(self, block: Block, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        waits = "long" in block.marks and not self.long
        if "server" in block.marks and not waits:
            self.addresses |= serve(block.marks["server"], self.servers, monkeypatch)
        if "prepare" in block.marks and not waits:
            code, said = shell.run(block.marks["prepare"], capfd, monkeypatch)
            assert code == 0, f"{block.place}: prepare: {said}"
        if "file" in block.marks:
            path = self.folder / block.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language in SHELLS:
            self._shell(block, waits, capfd, monkeypatch)
        elif block.language == "python" and "file" not in block.marks:
            self._python(block, waits, capfd)
        elif block.language == "text":
            if "shows" in block.marks:
                self.said = None if waits else shell.run(block.marks["shows"], capfd, monkeypatch)[1]
            self._text(block)
        else:
            self._data(block)

    def _shell(
        self, block: Block, waits: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert parsed_only(block) == []
        unknown = [name for line in shell.lines(block.text) for name in shell.unknown_names(line)]
        assert not unknown, f"{block.place}: there is no {unknown}"
        self.said = None if waits or block.reason else run_block(block, self.addresses, capfd, monkeypatch)

    def _python(self, block: Block, waits: bool, capfd: pytest.CaptureFixture[str]) -> None:
        snippets.compile_python(block)
        self.said = None
        if not waits and not block.reason:
            capfd.readouterr()
            snippets.run_python(block, self.module)
            self.said = capfd.readouterr().out

    def _text(self, block: Block) -> None:
        if "example" not in block.marks and self.said is not None:
            assert same_words(block.text, self.said), (
                f"{block.place}: the page shows other words than\n{self.said[-2500:]}"
            )

    def _data(self, block: Block) -> None:
        if block.language == "yaml" and "not ours" not in block.marks:
            snippets.load_yaml(block, self.folder)
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "toml":
            snippets.read_toml(block, self.folder)
        elif block.language == "json":
            snippets.read_json(block)


@pytest.fixture
def walk(
    shop: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> Callable[[Page, bool], None]:
    """Walks a page: what fails is told block by block, all of it at once."""

    def go(page: Page, long: bool) -> None:
        folder = stage_of(page, shop, tmp_path, long=long)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        with ExitStack() as servers:
            on = Walk(folder, servers, long=long)
            for block in page.blocks:
                with subtests.test(block.place):
                    on.block(block, capfd, monkeypatch)

    return go


FIRST = ("README.md", "docs/quickstart.md")
"""Pages that are walked with every change; all others, and what takes long in these, with the long tests."""


@pytest.mark.parametrize("page", [page for page in PAGES if page.name in FIRST], ids=lambda page: page.name)
def test_what_the_first_pages_say_works(page: Page, walk: Callable[[Page, bool], None]) -> None:
    walk(page, False)


@pytest.mark.long
@pytest.mark.parametrize("page", [p for p in PAGES if p.is_long or p.name not in FIRST], ids=lambda page: page.name)
def test_what_a_page_says_works(page: Page, walk: Callable[[Page, bool], None]) -> None:
    walk(page, True)


def stage_of(page: Page, shop: Callable[[str], Path], tmp_path: Path, *, long: bool) -> Path:
    """A copy of the folder that the page asks for. A training is waited for only where something long is run."""
    wanted = "run" if "run" in page.workshop and (long or not page.is_long) else "dataset"
    folder = tmp_path / "shop"
    shutil.copytree(shop("shop" if "shop" in page.workshop else wanted), folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Page) -> None:
    known = SHELLS | READ_ONLY | {"python", "yaml", "toml", "json", "text", "html"}
    odd = [block for block in page.blocks if block.language not in known and not block.language.startswith("{")]
    assert [f"{block.place}: {block.language or '(no language)'}" for block in odd] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_between_back_quotes_has_the_names_of_the_real_one(page: Page) -> None:
    """A placeholder in capitals stands for any word."""
    wrong = []
    for line, text in page.inline:
        for words in shell.our_commands(text) if re.match(r"(\S+=\S+ )?vlm(data|train) ", text) else ():
            if words[1:] and re.fullmatch(r"[a-z-]+", words[1]) and (why := shell.misnamed(words)):
                wrong.append(f"{page.name}:{line}: `{text}`: {why}")
    assert wrong == []


def keys_of_settings() -> set[str]:
    """`images.max`, `eval.metrics`: the keys of recipes and run files that look as the names of rules do."""
    found = set()
    for name in ("recipe.v1", "run.v1"):
        for key, node in vlmdata.schema(name)["properties"].items():
            found |= {f"{key}.{inner}" for inner in node.get("properties", {})}
    kinds = vlmdata.schema("recipe.v1")["$defs"].values()
    return found | {f"source.{key}" for kind in kinds for key in kind.get("properties", {})}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_rule_that_a_page_names_is_one(page: Page) -> None:
    families = {rule.partition(".")[0] for rule in rulebook()}
    names = {(line, text) for line, text in page.inline if re.fullmatch(r"[a-z]+\.[a-z_]+", text)}
    of_files = {"yaml", "json", "jsonl", "py", "md", "csv", "html", "txt", "toml", "gguf", "parquet", "jpg", "png"}
    wrong = [
        f"{page.name}:{line}: {name}"
        for line, name in sorted(names)
        if name.partition(".")[0] in families
        and name.partition(".")[2] not in of_files
        and name not in rulebook().keys() | keys_of_settings() | NO_RULES
    ]
    assert wrong == []


def how_tested(page: Page) -> Iterator[tuple[Block, str]]:
    """Each block of a page, and in a word or two how it is tested."""
    printed = False
    for block in page.blocks:
        runs = block.language in SHELLS | {"python"} and "file" not in block.marks
        if block.reason:
            yield block, "parsed only"
        elif runs:
            yield block, "run"
        elif "file" in block.marks and block.language in SHELLS | {"python"}:
            yield block, "a file that others run"
        elif block.language in {"yaml", "toml", "json"}:
            yield block, "loaded against its schema"
        elif "example" not in block.marks and (printed or "shows" in block.marks):
            yield block, "compared with what is printed"
        else:
            yield block, "not tested: printed by another catalog, a diagram, or another program's"
        printed = (runs and not block.reason) or (printed and block.language == "text")


def test_what_is_not_run_is_listed(pytestconfig: pytest.Config) -> None:
    """Nothing is left out without a word: a new block that is not run shows in the diff of this list."""
    tested = [found for page in PAGES for found in how_tested(page)]
    installs = sum(
        1
        for block, _ in tested
        if block.language in SHELLS
        for line in shell.lines(block.text)
        if shell.INSTALLS.match(line)
    )
    told = [
        f"{len(tested)} blocks on {len(PAGES)} pages:",
        *(f"{count:>4} {how}" for how, count in Counter(how for _, how in tested).most_common()),
        f"{installs} lines that install packages are checked for their extras. Parsed only are:",
        "",
        *(
            f"{block.page}: {block.text.strip().splitlines()[0][:70]} [{block.reason}]"
            for block, _ in tested
            if block.reason
        ),
    ]
    text = "\n".join(told) + "\n"
    if pytestconfig.getoption("--rewrite-docs", default=False):
        NOT_RUN.write_text(text, encoding="utf-8")
    assert text == NOT_RUN.read_text(encoding="utf-8"), "pytest tests/docs --rewrite-docs writes it; read the diff"


def test_every_page_is_read() -> None:
    assert {page.name for page in PAGES} >= {"README.md", "docs/index.md", "docs/validating.md"}
    assert (ROOT / "docs" / "index.md").is_file()
