"""report.html of any dataset, written beside it or wherever it is wanted."""

from __future__ import annotations

from pathlib import Path

from vlmdata.errors import ConfigError, NoDatasetError, OutputError
from vlmdata.reports.html_report import PAGE, report_html


def write_report(path: str | Path, out: str | Path | None = None) -> Path:
    """Draw a dataset on one self-contained page; where it went. An earlier page in its place is written over.

    `path` is the folder of a built dataset, of one in the contract from elsewhere, or what a refused build left.
    Raises NoDatasetError, ContractError, ConfigError for an `out` that is no .html file, and OutputError.
    """
    folder = Path(path)
    target = Path(out) if out is not None else folder / PAGE
    if target.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"{target}: the page is HTML; name a file that ends in .html")
    if not folder.is_dir():
        reason = "is a file; the folder of a dataset was expected" if folder.exists() else "there is no such folder"
        raise NoDatasetError(f"{folder}: {reason}")
    page = report_html(folder, folder.resolve().name)
    unfinished = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8", newline="\n")
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"{target}: {error.strerror or error}") from None
    return target
