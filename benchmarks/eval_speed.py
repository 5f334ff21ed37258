"""Answers a second on new products: a loop that asks one product at a time, against `vlmtrain.generate_file`.

    python benchmarks/eval_speed.py [turns]

The loop is what people write first: open the photo, render the chat template, call the processor, call `generate`, for
one product after the other. The model is samples/tiny-vlm as samples/catalog/run.yaml tunes it (here in float32, and
merged), so that it writes descriptions and not three words. Both sides are asked for the same rows, greedily and for at
most as many new tokens; the answers must be equal, row by row. Both load the model, read photos from the disk and write
a file while the clock runs. One thread; turns alternate, and medians are compared.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import machine, seconds

ROOT = Path(__file__).resolve().parent.parent
CATALOG = ROOT / "samples" / "catalog"
NEW_TOKENS, BATCH, WANTED = 80, 64, 5.0


def whole_products(folder: Path) -> list[dict[str, str]]:
    """The rows that both sides are asked about, which `vlmdata` finds no fault with."""
    import vlmdata

    recipe = CATALOG / "recipe.yaml"
    good = {row.id for row in vlmdata.render_source(recipe).rows() if isinstance(row, vlmdata.SourcePrompt)}
    with (CATALOG / "products.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows = [row for row in table if row["sku"] in good]
        with (folder / "products.csv").open("w", encoding="utf-8", newline="") as kept:
            writer = csv.DictWriter(kept, table.fieldnames or ())
            writer.writeheader()
            writer.writerows(rows)
    return rows


def one_by_one(rows: list[dict[str, str]], place: Path, out: Path) -> None:
    """The loop."""
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model: Any = AutoModelForImageTextToText.from_pretrained(place, dtype=torch.float32, attn_implementation="eager")
    processor: Any = AutoProcessor.from_pretrained(place)
    with out.open("w", encoding="utf-8") as file:
        for row in rows:
            photos = [Image.open(CATALOG / name).convert("RGB") for name in row["photos"].split("|")]
            said = [f"{name.title()}: {row[name]}" for name in ("title", "brand", "material", "size") if row[name]]
            text = "\n".join(["Describe this product for our shop.", *said])  # as the recipe leaves out an empty line
            content = [*({"type": "image"} for _ in photos), {"type": "text", "text": text}]
            prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
            inputs = processor(text=[prompt], images=photos, return_tensors="pt")
            with torch.no_grad():
                made = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
            new = made[0, inputs["input_ids"].shape[1] :]
            answer = processor.tokenizer.decode(new, skip_special_tokens=True).strip()
            file.write(json.dumps({"id": row["sku"], "text": answer}) + "\n")


def answers(file: Path) -> dict[str, str]:
    """Texts by id."""
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["text"] for line in lines}


def tuned(folder: Path) -> tuple[Any, Path]:
    """The sample run in float32, trained, and its model merged."""
    import vlmdata
    import vlmtrain

    vlmdata.build(vlmdata.load_recipe(CATALOG / "recipe.yaml"), folder / "dataset")
    changes: dict[str, Any] = {
        "output": str(folder / "run"),
        "data.path": str(folder / "dataset"),
        "model.load": "fp32",
    }
    changes |= {"train.report_to": "none", "eval.batch_size": BATCH, "eval.generate.max_new_tokens": NEW_TOKENS}
    vlmtrain.sft(vlmtrain.load_run(CATALOG / "run.yaml", changes))
    merged = vlmtrain.merge(folder / "run", folder / "merged", agreement_rows=0)
    return vlmtrain.load_run(folder / "run"), merged.path


def main(turns: int) -> int:
    """Measure, compare, print. Exit code 1 where answers differ or the ratio is below what is asked for."""
    from vlmtrain.quiet import quiet_environment

    quiet_environment()
    import torch

    import vlmtrain

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = folder / "ours.jsonl"
        times: dict[str, list[float]] = {"loop": [], "ours": []}
        rows = whole_products(folder)
        config, merged = tuned(folder)
        asked = vlmtrain.NewRows(recipe=CATALOG / "recipe.yaml", input=folder / "products.csv", image_roots=(CATALOG,))
        for _ in range(turns):
            times["loop"].append(seconds(lambda: one_by_one(rows, merged, folder / "loop.jsonl")))
            times["ours"].append(
                seconds(lambda: vlmtrain.generate_file(config, asked, ours, merged=merged, replace=True))
            )
        loop, mine = answers(folder / "loop.jsonl"), answers(ours)
    return said(times, loop, mine)


def said(times: dict[str, list[float]], loop: dict[str, str], mine: dict[str, str]) -> int:
    """Print the comparison; the exit code."""
    middle = {side: statistics.median(found) for side, found in times.items()}
    ratio = middle["loop"] / middle["ours"]
    same = sum(loop[name] == mine.get(name) for name in loop)
    letters = statistics.mean(map(len, mine.values()))
    print(machine())
    print(f"{len(mine)} products, answers of {letters:.0f} characters on average, float32, one thread")
    for side, found in times.items():
        shown = ", ".join(f"{each:.1f}" for each in found)
        print(f"{side}: {middle[side]:.1f} s (median of {shown}), {len(mine) / middle[side]:.1f} rows a second")
    print(f"equal answers: {same} of {len(loop)}; {ratio:.1f} times as fast, {WANTED:g} asked for")
    return 0 if same == len(loop) == len(mine) and ratio >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
