"""Mutations of text files that know their structure: JSON, JSON Lines, CSV, YAML, captions."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

PATHS = (
    *("../secret.png", "../../secret.png", "/etc/hostname", "file:///etc/hostname", "ABSOLUTE", "file://ABSOLUTE"),
    *("link.png", "linked/secret.png", "./link.png", "linked", "..", ".", "", "a\0b.png", "C:\\secret.png"),
    *("http://127.0.0.1:9/x.png", "https://[::1]/x.png", "\\\\host\\share\\x.png", "//etc/hostname", "~/secret.png"),
    *(
        "data:,",
        "data:image/png;base64,",
        "data:image/png;base64,====",
        "data:image/png;base64,iVBORw0KGgo=",
        "x" * 5000,
    ),
    *(
        "photos/../../secret.png",
        "%2e%2e/secret.png",
        "..\\secret.png",
        "\ud800.png",
        "e\u0301.png",
        "*",
        "[",
        "**/*.png",
    ),
)
"""What an image may be called that wants to get out, or is no name. ABSOLUTE is the secret's own path."""

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, "", " ", "\0", "\ud83d", "x" * 70_000, [], {}, [[]], [None], {"": None}),
    *("<image>", "<image>" * 50, "{{ 7 * 7 }}", "{% for x in y %}", "\u202e", "NaN", [1, "a", None], {"a": {"b": [1]}}),
    *({"bytes": "x", "path": None}, {"url": "x"}, ["<image>", 3], 1e308, "\r\n", "2024-02-30", -(2**63), 2**64),
)
RAW_JSON = (
    *("NaN", "-Infinity", "1e999", "-", "01", "1" * 5_000, '"\\ud83d"', '"\\u0000"', '"\\x"', "'a'", "[" * 100_000),
    *('{"a":' * 100_000, "[[" * 500 + "]]" * 500, "nul", "//x", "[1,]", '{"a":1,"a":2}', "\ufeff", "1e-400", "{" * 3),
    "[" * 900 + "]" * 900,
)


def changed_text(random: Random, data: bytes, name: str) -> tuple[bytes, str]:
    """A changed text file, by its name's ending."""
    ending = name.rpartition(".")[2]
    if ending in {"json", "jsonl"}:
        return _json_text(random, data, by_line=ending == "jsonl")
    if ending == "csv":
        return _csv_text(random, data)
    return (_yaml_text if ending == "yaml" else _plain_text)(random, data)


def _json_text(random: Random, data: bytes, *, by_line: bool) -> tuple[bytes, str]:
    ends = data.splitlines(keepends=True) if by_line else [data]
    if not ends:
        return b"{}", "object"
    place = random.randrange(len(ends))
    if random.random() < 0.25:
        ends[place], how = _raw_json(random, ends[place])
        return b"".join(ends), how
    if by_line and random.random() < 0.15:
        ends[place], how = _odd_line(random, ends[place])
        return b"".join(ends), how
    try:
        value = json.loads(ends[place])
    except ValueError:
        return data, "nothing"
    how = ""
    for _ in range(random.choice((1, 1, 2, 3))):
        value, how = _changed_value(random, value)
    text = json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    ends[place] = text + (b"\n" if by_line else b"")
    return b"".join(ends), how


def _odd_line(random: Random, line: bytes) -> tuple[bytes, str]:
    """A line that is doubled, blank, joined to the next, or ends otherwise."""
    bare = line.rstrip(b"\r\n")
    choices = {
        "twice": line * 2,
        "blank": b"\n",
        "joined": bare,
        "crlf": bare + b"\r\n",
        "cr": bare.replace(b", ", b",\r"),
        "comma": bare + b",\n",
        "two": bare + bare + b"\n",
        "listed": b"[" + bare + b"]\n",
        "marked": b"\xef\xbb\xbf" + line,
        "wide": bare.decode("utf-8", "replace").encode("utf-16"),
        "separators": bare.replace(b" ", "\u2028".encode()) + b"\n",
    }
    how = random.choice(sorted(choices))
    return choices[how], f"line {how}"


def _raw_json(random: Random, text: bytes) -> tuple[bytes, str]:
    """A value's text replaced by something that json.dumps would not write."""
    raw = random.choice(RAW_JSON)
    values = list(re.finditer(rb'(?<=: )("[^"]*"|\d+|null)', text))
    if not values:
        return raw.encode() + b"\n", f"raw {raw[:12]}"
    found = random.choice(values)
    return text[: found.start()] + raw.encode() + text[found.end() :], f"raw {raw[:12]}"


def _changed_value(random: Random, value: Any) -> tuple[Any, str]:
    """A value somewhere inside replaced, taken out, doubled, or wrapped."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        return _changed_key(random, value, key)
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        if random.random() < 0.6:
            inner, how = _changed_value(random, value[place])
            return [*value[:place], inner, *value[place + 1 :]], how
        kept = random.choice(([], [value[place]] * random.choice((2, 60))))
        return [*value[:place], *kept, *value[place + 1 :]], "entries"
    if isinstance(value, str) and random.random() < 0.5:
        return random.choice(PATHS), "path"
    return random.choice((*ODD_VALUES, [value], {"a": value}, str(value))), "value"


def _changed_key(random: Random, value: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    chance = random.random()
    if chance < 0.7:
        inner, how = _changed_value(random, value[key])
        return {**value, key: inner}, f"{key} {how}"
    rest = {name: entry for name, entry in value.items() if name != key}
    if chance < 0.8:
        return rest, f"no {key}"
    if chance < 0.9:
        return {
            random.choice((key.upper(), "", f"{key} ", "__class__", "\0", "\ud800")): value[key],
            **rest,
        }, f"{key} renamed"
    other = random.choice(list(value))
    return {**value, key: value[other]}, f"{key} = {other}"


CELLS = (
    *('"', '""', '"""', "'", '"a\nb"', '"a', 'a"', "a\rb", "\0", "\x1a", "x" * 200_000, "=cmd()", "\ufeff", "\u2028"),
    *(",", ",,", ";", "\t", "\n\n", "\r", "|", "1.png|" * 300, "NULL", "nan", "\x85", "\x0b", "{{ x }}", "<image>"),
)


def _csv_text(random: Random, data: bytes) -> tuple[bytes, str]:
    """A cell that becomes something else, or a line that is moved, doubled, or ends otherwise."""
    rows = data.splitlines(keepends=True)
    if not rows:
        return b",", "comma"
    place = random.randrange(len(rows))
    chance = random.random()
    if chance < 0.2:
        line = rows[place].rstrip(b"\r\n")
        kept = random.choice(
            (b"", rows[place] * 2, line, line + b"\r", line + b"\r\n", b"\n", line + b",\n", b'"' + line, line + b'"\n')
        )
        rows[place] = kept
        return b"".join(rows), "line"
    cells = rows[place].split(b",")
    cell = random.randrange(len(cells))
    if chance < 0.6:
        new, how = random.choice(CELLS), "cell"
    else:
        new, how = random.choice(PATHS), "path"
    end = rows[place][len(rows[place].rstrip(b"\r\n")) :] if cell == len(cells) - 1 and random.random() < 0.7 else b""
    written = new.encode("utf-8", "surrogatepass")
    cells[cell] = (written if random.random() < 0.7 else cells[cell].rstrip(b"\r\n") + written) + end
    rows[place] = b",".join(cells)
    return b"".join(rows), how


YAML_VALUES = (
    *(
        "",
        "null",
        "[]",
        "{}",
        "-1",
        "1e400",
        ".nan",
        "'{{ x'",
        "'{% if %}'",
        "&a [*a]",
        "*a",
        "!!python/object:os.system x",
    ),
    *(
        "yes",
        "0o7",
        "2024-02-30",
        "[" * 2_000,
        "{a: " * 500,
        '"\\ud800"',
        '"\\0"',
        "|",
        ">-",
        "? ",
        "- - -",
        "<<: *x",
        "x" * 9_000,
    ),
    *("'{{ [1] * 10 ** 9 }}'", "'{{ range(10 ** 9) | list }}'", "'{{ 9 ** 9 ** 9 }}'", "'{{ \"a\" * 10 ** 10 }}'"),
    *(
        "'{{ row.__class__.__mro__ }}'",
        "'{{ self._TemplateReference__context }}'",
        '\'{{ title | replace("", "x" * 9999) }}\'',
    ),
    *(
        "'{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}'",
        "1" * 5_000,
        "'**/**/**/**/*'",
    ),
    *(
        "utf-7",
        "idna",
        "zlib",
        "hex",
        "rot13",
        "utf-32",
        "csv",
        "parquet",
        "image_folder",
        "mmiu",
        "rejected",
        "recipe.yaml",
    ),
)


def _yaml_text(random: Random, data: bytes) -> tuple[bytes, str]:
    """A value of a recipe replaced, or a line of it moved in, out, away or twice."""
    found = list(re.finditer(rb"(?<=: )[^,{}\n\[\]]+", data))
    if found and random.random() < 0.7:
        value = random.choice(found)
        new = (
            random.choice(YAML_VALUES)
            if random.random() < 0.8
            else random.choice(found).group().decode("utf-8", "replace")
        )
        return data[: value.start()] + new.encode() + data[value.end() :], f"{new[:20]!r}"
    rows = data.splitlines(keepends=True) or [b""]
    place = random.randrange(len(rows))
    rows[place] = random.choice(
        (b"", rows[place] * 2, b"  " + rows[place], rows[place].lstrip(), b"\t" + rows[place], b"---\n")
    )
    return b"".join(rows), "line"


def _plain_text(random: Random, data: bytes) -> tuple[bytes, str]:
    """A text that is odd as a whole, or has something odd in it."""
    new = random.choice((*CELLS, *PATHS, " \n", "\ufeff", "a\n" * 5_000)).encode("utf-8", "surrogatepass")
    place = random.randrange(len(data) + 1)
    return random.choice(
        (new, data[:place] + new + data[place:], data.decode("utf-8", "replace").encode("utf-16"))
    ), "text"
