"""The formats of a validation's result by name, and by the ending of a file's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

from vlmdata.errors import ConfigError, OutputError
from vlmdata.settings import nearest
from vlmdata.validation_result import ValidationResult

FORMATS = {
    "text": "validation_report:terminal_text",
    "json": "findings_json:render",
    "sarif": "sarif:render",
    "junit": "junit:render",
    "github": "github:render",
    "gitlab": "gitlab:render",
    "markdown": "step_summary:render",
    "html": "html:html_page",
}
"""Where each format's function stands: `function(result) -> str`."""

ENDINGS = {".txt": "text", ".json": "json", ".sarif": "sarif", ".xml": "junit", ".md": "markdown", ".html": "html"}


def check_formats(form: str, reports: Iterable[Path] = ()) -> None:
    """Before anything is looked at: raise ConfigError for a format, or a file's ending, that is not known."""
    if form not in FORMATS:
        hint = nearest(form, list(FORMATS)) or f"known: {', '.join(FORMATS)}"
        raise ConfigError(f"there is no report format {form!r}; {hint}")
    for path in reports:
        if path.suffix.lower() not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise ConfigError(f"{path.as_posix()}: the ending of a report's file says its format: {known}")


def rendered(result: ValidationResult, form: str) -> str:
    """The result in a format of FORMATS. Raises ConfigError, with the nearest name, for one that is none."""
    check_formats(form)
    module, _, function = FORMATS[form].partition(":")
    return str(getattr(import_module(f"vlmdata.reports.{module}"), function)(result))


def write_report(result: ValidationResult, path: Path) -> Path:
    """Write the result in the format that the file's ending says. Raises ConfigError for an ending that says none, and
    OutputError where the file can't be written."""
    check_formats("text", [path])
    text = rendered(result, ENDINGS[path.suffix.lower()])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise OutputError(f"{path.as_posix()}: the report can't be written: {error.strerror}") from None
    return path


def add_step_summary(result: ValidationResult, environment: Mapping[str, str]) -> None:
    """In a step of GitHub Actions, add the result to the run's page: to the file that GITHUB_STEP_SUMMARY names."""
    if environment.get("GITHUB_STEP_SUMMARY"):
        with Path(environment["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{rendered(result, 'markdown')}\n")
