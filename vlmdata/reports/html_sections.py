"""The sections of a dataset's page that stand on counts: verdict, splits, findings, shapes, tags, how it was built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmdata.page import coded, section, shortened, size_words, table, text
from vlmdata.page.charts import Chart, histogram, scatter, share_bar
from vlmdata.reports.build_report import LEFT_OUT, left_out_keys
from vlmdata.reports.html_counts import Distribution, TagValues
from vlmdata.reports.html_rejected import problem_html
from vlmdata.reports.html_statistics import Statistics
from vlmdata.rules import rulebook
from vlmdata.words import plural

MOST_RULES, MOST_SPLITS, MOST_TAGS, MOST_VALUES = 60, 40, 12, 12
SPLIT_COLUMNS = 4


def verdict(report: Mapping[str, Any] | None, made: Statistics | None) -> str:
    """What became of the rows, in one sentence."""
    if report is None:
        counted = made or Statistics(splits={})
        said = f"{plural(counted.rows, 'conversation')} with {plural(counted.image_bytes.count, 'image')}"
        said = f"{said} in {plural(len(counted.splits), 'split')}"
        return f"{said}. It has no report.json, so what was left out is not known."
    if not report["published"]:
        return f"Nothing was published: {report['refused']}."
    rows, rules = report["ledger"]["rows"], report["ledger"]["rejected_by_rule"]
    parts = [_used_words(rows["used"], rows["read"])]
    if skipped := sum(rows["skipped"].values()):
        parts.append(f"{skipped:,} {'is' if skipped == 1 else 'are'} skipped, as the recipe asks")
    if rows["rejected"]:
        parts.append(_rejected_words(rows["rejected"], rules))
    return f"{'; '.join(parts)}."


def _used_words(used: int, read: int) -> str:
    if used == read:
        return f"All {read:,} rows are used" if read != 1 else "The one row is used"
    return f"{used:,} of {plural(read, 'row')} {'is' if used == 1 else 'are'} used"


def _rejected_words(rejected: int, rules: Mapping[str, int]) -> str:
    words = f"{rejected:,} {'was' if rejected == 1 else 'were'} rejected"
    if not rules:
        return words
    rule, count = min(rules.items(), key=lambda pair: (-pair[1], pair[0]))
    if len(rules) == 1:
        return f"{words} for {rule}"
    return f"{words}, {min(count, rejected):,} of them for {rule}"


def leak_words(made: Statistics) -> tuple[str, bool]:
    """What splits share, in words, and whether that is nothing."""
    if len(made.splits) < 2:
        return "There is one split, so nothing can leak between splits.", True
    groups, images = made.shared_groups(), made.shared_images()
    if groups is None or images is None:
        return "What splits share was not counted: the dataset is too large for that here.", True
    if not groups and not images:
        return "No leaks by group or by the bytes of images.", True
    found = [plural(groups, "group")] if groups else []
    found += [plural(images, "image")] if images else []
    stand = "stands" if groups + images == 1 else "stand"
    return f"Leaks: {' and '.join(found)} {stand} in more than one split; `vlmdata validate` names them.", False


def figures(report: Mapping[str, Any] | None, made: Statistics | None) -> str:
    """The numbers that people ask for first."""
    found: list[tuple[str, str, str]] = []
    if report is not None:
        ledger = report["ledger"]
        found.append(("Rows read", f"{ledger['rows']['read']:,}", f"from {shortened(report['source'], 40)}"))
    if made is not None:
        found += [
            ("Conversations", f"{made.rows:,}", f"in {plural(len(made.splits), 'split')}"),
            ("Images", f"{made.image_bytes.count:,}", _unique_words(report, made)),
            ("Image size", _pixel_words(made.pixels.quantile(0.5)), "median"),
            ("Answer", plural(made.answers.quantile(0.5), "character"), "median length"),
        ]
    tiles = "".join(
        f"<div><dt>{text(name)}</dt><dd><strong>{text(value)}</strong> <span>{text(more)}</span></dd></div>"
        for name, value, more in found
    )
    return f'<dl class="figures">{tiles}</dl>'


def _unique_words(report: Mapping[str, Any] | None, made: Statistics) -> str:
    if report is None:
        return size_words(made.image_bytes.total)
    images = report["ledger"]["images"]
    return f"{images['unique']:,} different, {size_words(images['bytes'])}"


def splits_section(made: Statistics, report: Mapping[str, Any] | None) -> str:
    """The splits, and what they share."""
    total = max(made.rows, 1)
    rows = [
        [text(shortened(name, 60)), share_bar(count / total, "split"), f"{count:,}", f"{100 * count / total:.1f}%"]
        for name, count in list(made.splits.items())[:MOST_SPLITS]
    ]
    head = ["Split", "", "Conversations", "Share"]
    words, fine = leak_words(made)
    said = f'<p class="leaks {"good" if fine else "bad"}">{coded(words)}</p>'
    rest = len(made.splits) - MOST_SPLITS
    more = f'<p class="more">… {plural(rest, "more split")}</p>' if rest > 0 else ""
    groups = ""
    if report is not None and (counts := report["ledger"]["groups"])["count"]:
        largest = 100 * counts["largest"] / total
        groups = (
            f'<p class="note">{plural(counts["count"], "group")}; the largest holds '
            f"{plural(counts['largest'], 'conversation')}, {largest:.1f}% of all.</p>"
        )
    return section("splits", "Splits", said + table(head, rows, caption="Splits", numbers=2) + more + groups)


def findings_section(report: Mapping[str, Any], shown: Mapping[str, int]) -> str:
    """Each rule that found something: how often, how bad, what it means, examples. `shown` are cards by rule."""
    ledger = report["ledger"]
    samples: dict[str, list[Mapping[str, Any]]] = {}
    for problem in report["problems"]:
        samples.setdefault(problem["rule"], []).append(problem)
    found = [("error", rule, count) for rule, count in ledger["rejected_by_rule"].items()]
    found += [("warning", rule, count) for rule, count in ledger["warned_by_rule"].items()]
    found.sort(key=lambda entry: (entry[0], -entry[2], entry[1]))
    if not found:
        return section("findings", "Findings", "<p>No rule found anything.</p>")
    items = "".join(_finding(*entry, samples.get(entry[1], []), shown.get(entry[1], 0)) for entry in found[:MOST_RULES])
    rest = len(found) - MOST_RULES
    more = f'<p class="more">… {plural(rest, "more rule")}, in report.json</p>' if rest > 0 else ""
    note = "A rejected row may break several rules, and counts for each of them."
    return section("findings", "Findings by rule", f'<ul class="findings">{items}</ul>{more}', note=note)


def _finding(kind: str, rule: str, count: int, samples: Sequence[Mapping[str, Any]], shown: int) -> str:
    known = rulebook().get(rule)
    summary = f"<p>{coded(known.summary)}</p>" if known is not None else ""
    fix = (
        f'<p class="fix"><strong>What to do:</strong> {coded(known.fix)}</p>' if known is not None and known.fix else ""
    )
    lines = "".join(f"<li>{_example(problem)}</li>" for problem in samples[:5])
    said = plural(len(samples[:5]), "example")
    shown_lines = f'<details><summary>{said}</summary>{fix}<ul class="problems">{lines}</ul></details>'
    examples = shown_lines if lines else fix
    word = "rejected" if kind == "error" else ("warning" if count == 1 else "warnings")
    button = (
        f'<button type="button" class="to-rows" data-rule="{text(rule)}" hidden>See {plural(shown, "row")}</button>'
        if shown
        else ""
    )
    return (
        f'<li class="finding {kind}"><div class="what"><h3><code>{text(rule)}</code></h3>'
        f'<span class="badge {kind}">{kind}</span> <span><strong>{count:,}</strong> {word}</span> {button}</div>'
        f"{summary}{examples}</li>"
    )


def _example(problem: Mapping[str, Any]) -> str:
    place = f"{problem.get('source', '')}:{problem.get('line', '')}".strip(":")
    return f'<span class="where">{text(shortened(place, 80))}</span> {problem_html(problem)}'


def shapes_section(made: Statistics) -> str:
    """Charts of images and texts."""
    pixels, sizes = made.pixels, made.sizes.marks()
    charts = [
        scatter(Chart(title="Width and height of images", said=_size_words(made)), sizes, counted="images"),
        histogram(
            Chart(title="Pixels of an image", said=_spread(pixels, _pixel_words), unit="", words=_pixel_words),
            pixels.bins(),
            counted="images",
        ),
        _chart("Bytes of an image", made.image_bytes, "", "images", _byte_words),
        _chart("Length of a question", made.questions, "characters", "questions"),
        _chart("Length of an answer", made.answers, "characters", "answers"),
        _chart("Answers in a conversation", made.turns, "", "conversations"),
        _chart("Images in a conversation", made.images, "", "conversations"),
    ]
    note = "Each image is counted as often as conversations use it. Lengths are in characters."
    return section("shapes", "Images and texts", f'<div class="charts">{"".join(charts)}</div>', note=note)


def _chart(title: str, found: Distribution, unit: str, counted: str, words: Any = None) -> str:
    said = words or (lambda value: f"{value:,.0f}")
    return histogram(
        Chart(title=title, said=_spread(found, said, unit), unit=unit, words=said), found.bins(), counted=counted
    )


def _pixel_words(value: float) -> str:
    """Millions of pixels, as cameras count them."""
    millions = value / 1e6
    return (
        f"{millions:,.0f} MP" if millions >= 100 else f"{millions:.2g} MP" if millions < 0.1 else f"{millions:.3g} MP"
    )


def _byte_words(value: float) -> str:
    return size_words(value).replace(".0 ", " ")


def _spread(found: Distribution, words: Any, unit: str = "") -> str:
    if not found.count:
        return "there are none"
    values = [words(found.quantile(share)) for share in (0, 0.5, 0.95)] + [words(found.largest)]
    if values[0] == values[3]:
        return f"always {values[0]} {unit}".strip()
    return f"median {values[1]} {unit}".strip() + f"; from {values[0]} to {values[3]}, 95% at most {values[2]}"


def _size_words(made: Statistics) -> str:
    seen = made.sizes.seen
    if not seen:
        return "there are no images"
    (width, height), count = min(seen.items(), key=lambda pair: (-pair[1], pair[0]))
    total = max(seen.total(), 1)
    wide = sum(count for (width, height), count in seen.items() if width > height)
    tall = sum(count for (width, height), count in seen.items() if height > width)
    return (
        f"{plural(len(seen), 'different size')}, most often {width:,} x {height:,} ({100 * count / total:.0f}%); "
        f"{100 * wide / total:.0f}% are wider than high, {100 * tall / total:.0f}% higher than wide"
    )


def tags_section(made: Statistics) -> str:
    """Each tag's most frequent values, by split."""
    names = made.tags.names
    if not names:
        return section("tags", "Tags", "<p>No row has a tag.</p>")
    blocks = [_tag(name, values, made) for name, values in list(names.items())[:MOST_TAGS]]
    rest = len(names) - MOST_TAGS + len(made.tags.further)
    more = f'<p class="more">… {plural(rest, "more tag")}</p>' if rest > 0 else ""
    return section("tags", "Tags", f'<div class="tags">{"".join(blocks)}</div>{more}')


def _tag(name: str, values: TagValues, made: Statistics) -> str:
    splits = [split for split in made.splits if made.splits[split]][:SPLIT_COLUMNS]
    top = values.top(MOST_VALUES)
    most = max((count for _, count in top), default=1)
    rows = [
        [
            f'<span dir="auto">{text(shortened(value, 60)) or "(empty)"}</span>',
            share_bar(count / most),
            f"{count:,}",
            *(f"{values.count(split, value):,}" for split in splits if len(splits) > 1),
        ]
        for value, count in top
    ]
    head = ["Value", "", "Rows", *(shortened(split, 20) for split in splits if len(splits) > 1)]
    kinds, others = len(values.known), values.others.total()
    said = plural(kinds, "value") if not others else f"{kinds:,} values, and further ones in {plural(others, 'row')}"
    rest = kinds - len(top)
    more = f'<p class="more">… {plural(rest, "more value")}</p>' if rest > 0 else ""
    shown = table(head, rows, caption=f"Values of {shortened(name, 60)}", numbers=len(head) - 2)
    head_html = f'<h3 dir="auto">{text(shortened(name, 60))}</h3><p class="note">{said}</p>'
    return f'<div class="tag-values">{head_html}{shown}{more}</div>'


def changes_section(report: Mapping[str, Any]) -> str:
    """What the recipe asked for and was done, with samples."""
    changed = report["ledger"]["changed"]
    if not changed:
        return ""
    samples: dict[str, str] = {}
    for change in report["changes"]:
        arrow = f"{shortened(change['before'], 80)!r} → {shortened(change['after'], 80)!r}"
        samples.setdefault(change["rule"], f"{change['field']}: {arrow}")
    if keys := left_out_keys(report):
        samples[LEFT_OUT] = "; ".join(filter(None, [keys, samples.get(LEFT_OUT)]))
    rows = [
        [f"<code>{text(rule)}</code>", f'<span dir="auto">{text(samples.get(rule, ""))}</span>', f"{count:,}"]
        for rule, count in list(changed.items())[:MOST_RULES]
    ]
    shown = table(["Change", "Example", "Count"], rows, caption="Changes", numbers=1)
    return section("changes", "Changes that the recipe asked for", shown)


def origin_section(manifest: Mapping[str, Any]) -> str:
    """What the dataset was built from, by which it is built again."""
    about = manifest["dataset"]
    lines = [
        ("Licence", about["license"]),
        ("Source", about["source"]),
        ("About", about["description"]),
        ("Contract", manifest["contract"]),
        ("Built by", f"vlmdata {manifest['vlmdata']}"),
        ("Fingerprint", manifest["fingerprint"]),
    ]
    for source in manifest["sources"][:10]:
        lines.append(("Read from", f"{source['name']}, {size_words(source['bytes'])}, sha256 {source['sha256']}"))
    if len(manifest["sources"]) > 10:
        lines.append(("", f"… {len(manifest['sources']) - 10:,} more files, in manifest.json"))
    shown = "".join(
        f'<dt>{text(name)}</dt><dd dir="auto">{text(shortened(str(value), 2_000))}</dd>'
        for name, value in lines
        if value
    )
    return section("origin", "How it was built", f'<dl class="origin">{shown}</dl>')
