"""Clean conversations of many styles, full of what looks like a mistake and is none: none of them may be an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.vlmdata.planted.catalog import product

Row = tuple[str, str]
Style = Callable[[Random, int], Row]

THINGS = ("mug", "bicycle", "street sign", "dog", "invoice", "tram", "chessboard", "keyboard", "bridge", "teapot")
PLACES = ("on the left", "behind the tree", "on the table", "in the corner", "next to the door", "in the background")
YES_NO = ("Yes", "No", "yes", "no", "Yes.", "No.")


def described(rng: Random, number: int) -> Row:
    """A product's description in one of ten languages."""
    del rng
    made = product(number)
    return f"{made.question}\n{made.title}\n{made.brand}, {made.size}", made.description


def asked_of_a_picture(rng: Random, number: int) -> Row:
    """A short question of a picture, and an answer in a word or a sentence."""
    thing, other, place = rng.choice(THINGS), rng.choice(THINGS), rng.choice(PLACES)
    return rng.choice(
        (
            (f"What is {place}?", thing),
            (f"Is there a {thing} {place}?", rng.choice(YES_NO)),
            (f"How many {thing}s are there?", str(rng.randrange(30))),
            (f"How many {thing}s can be seen {place}? Answer with a number.", rng.choice(("0", "none", "None", "two"))),
            (f"What is wrong with the {thing}?", "Nothing"),
            (
                f"Which brand is the {thing}?",
                rng.choice(("unknown", "IKEA", "3M", "H&M", "AT&T", "N26", "None visible")),
            ),
            (f"Where is the {thing}?", f"The {thing} is {place}."),
            (f"What can be seen in the image no. {number}?", f"A {thing} {place}, and a {other} beside it."),
            (f"Is the {thing} larger than the {other}?", "It can't be told from the image: the two are far apart."),
            ("What time is it on the clock?", f"{rng.randrange(1, 13)}:{rng.randrange(60):02d}"),
            (f"What is the {thing} made of?", "I think it's made of wood, though it could be painted metal."),
            ("Which of the two is the original?", "The first image is; in the second one the shadow is missing."),
            ("Are there any people in the picture?", "There are no people in the picture."),
            (
                "What colour is the car?",
                rng.choice(("red", "It's red.", "dark blue (almost black)", "n/a: it is a black-and-white photo")),
            ),
        )
    )


def multiple_choice(rng: Random, number: int) -> Row:
    """Options and a letter."""
    options = rng.sample(THINGS, 4)
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    right = rng.randrange(4)
    form = rng.choice(
        ("{letter}", "{letter}.", "({letter})", "{letter}. {option}", "The answer is {letter}.", "{option}")
    )
    return f"What does image {number} show?\n{listed}", form.format(letter="ABCD"[right], option=options[right])


def read_off(rng: Random, number: int) -> Row:
    """What stands in a picture: numbers, codes, dates, prices, receipts."""
    code = f"{rng.randrange(10**6, 10**7)}-{rng.choice('ABCXYZ')}"
    total = f"{rng.randrange(1, 900)}.{rng.randrange(100):02d}"
    return rng.choice(
        (
            ("Read the number plate.", f"B-{rng.choice('ABKX')}{rng.choice('CDE')} {rng.randrange(10, 9999)}"),
            ("What is the serial number?", code),
            ("Transcribe the text in the image.", f"EXIT {rng.randrange(90)}\nNorth St.\n1/2 mi ->"),
            (
                "Read the receipt.",
                f"TOTAL  EUR  {total}\nVAT 19%    {float(total) * 0.19:.2f}\nTHANK YOU\n#{number:06d} 12:41",
            ),
            (
                "What is the total on the bill?",
                rng.choice((f"${total}", f"{total} €", f"EUR {total}", f"£{total}", f"¥{number}")),
            ),
            ("Which date is printed?", rng.choice(("2023-04-01", "01.04.2023", "4/1/23", "April 1st, 2023", "12.0"))),
            ("Read the ISBN.", f"978-3-16-{rng.randrange(10**5, 10**6)}-{rng.randrange(10)}"),
            ("What does the label say?", f"LOT {code} EXP 2027/03 [REF] 12-345 (01)09504000059118"),
            ("OCR:", f"Invoice No. {number}\nQty  Item       Price\n1    Cable 3m   4.90\n2    Adapter    9.80"),
            (
                "Read the table.",
                "| Size | S | M | L |\n|---|---|---|---|\n| Chest (cm) | 88 | 96 | 104 |\n| Sleeve | - | 62 | 64 |",
            ),
            (
                "Which characters are on the key?",
                rng.choice(("Ctrl", "F12", "@", "~", "€", "Alt Gr", "#", "%", "&", "?")),
            ),
            ("What's on the screen?", "404 Not Found - the page you are looking for does not exist"),
            ("Transcribe the handwriting.", "dear Anna, ... I'm sorry that I could not come; see you on friday xx"),
            (
                "Read the sign.",
                rng.choice(
                    ("NO PARKING", "出口", "Ausfahrt freihalten!", "ΕΞΟΔΟΣ", "СТОП", "خروج", "非常口", "100% OFF")
                ),
            ),
            ("Read the barcode.", str(rng.randrange(10**12, 10**13))),
            ("Read the phone number on the van.", f"+49 30 {rng.randrange(10**6, 10**7)}"),
        )
    )


def code(rng: Random, number: int) -> Row:
    """Programs and what is said of them."""
    return rng.choice(
        (
            (
                "Write the code that draws this chart.",
                f"```python\nimport matplotlib.pyplot as plt\nvalues = {{'a': {number}, 'b': None}}\n"
                "plt.bar(values.keys(), [v or 0 for v in values.values()])\nplt.show()\n```",
            ),
            (
                "Convert this page to HTML.",
                f'```html\n<div class="card"><h1>Offer {number}</h1><p>Only &euro;5</p></div>\n```',
            ),
            ("What does the function return?", f"It returns `None` when the list is empty, and {number} otherwise."),
            (
                "What is the error in the screenshot?",
                "A `TypeError`: the value is `null`, so `.length` can't be read; check for `undefined` first.",
            ),
            ("Extract the fields as JSON.", f'{{"total": {number}, "currency": "EUR", "vat_id": null}}'),
            (
                "Give the data of the table as JSON.",
                f'[{{"name": "Anna", "age": {number % 90}}}, {{"name": "Ben", "age": null}}]',
            ),
            ("Which shell command is shown?", "`grep -rn 'TODO' src/ | sort -u` - it lists every line with a TODO."),
            ("What does the SQL query do?", "It selects all rows WHERE price IS NOT NULL, and groups them by brand."),
            (
                "Explain the regular expression.",
                r"`\d{3}-\d{4}` matches three digits, a hyphen and four digits; `\n` is the end of a line.",
            ),
            (
                "What does the template print?",
                "It prints the value of `{{ title }}` in upper case, and nothing where there is none.",
            ),
            ("Give the LaTeX of the formula.", r"\frac{a_{1}}{b^{2}} + \sqrt{x_{i}} = \mathbf{R}_{{max}}"),
            ("What is printf's format?", "`%s` for text, `%d` for whole numbers and `%5.2f` for prices."),
        )
    )


def mathematics(rng: Random, number: int) -> Row:
    """Sums, inequalities and units."""
    a, b = rng.randrange(1, 90), rng.randrange(1, 90)
    return rng.choice(
        (
            (
                f"Solve {a}x + {b} < {number + 100}.",
                f"x < {(number + 100 - b) / a:.2f}, since {a}x < {number + 100 - b}.",
            ),
            ("Is the angle in the figure acute?", f"Yes: 0° < {a}° < 90°, so a<b and b>c hold."),
            (f"Compute {a} * {b}.", str(a * b)),
            ("Compare the two areas.", f"A = {a} cm² > B = {b} cm² (if {a} > {b}); else A <= B."),
            ("What is the set?", f"{{x | x > {a}}} = ({a}, ∞), i.e. $\\{{x \\in \\mathbb{{R}} : x > {a}\\}}$"),
            ("Find the derivative.", f"f'(x) = {a}x^{b} - e^{{-x}}, and f''(0) = {a * b}."),
            ("What percentage is shaded?", f"{a}%"),
            ("Which sequence is shown?", f"{a}, {a + b}, {a + 2 * b}, ..."),
            (
                "Solve the equation step by step.",
                f"**Step 1:** {a}x = {b}\n**Step 2:** x = {b}/{a} ≈ {b / a:.3f}\n\n**Answer:** {b / a:.3f}",
            ),
            ("What is P(A|B)?", f"P(A|B) = P(A ∩ B) / P(B) = 0.{a:02d} / 0.{b:02d}"),
            ("Name the matrix.", f"[[{a}, 0], [0, {b}]]"),
        )
    )


def chat(rng: Random, number: int) -> Row:
    """Talk, with emoji and slips."""
    return rng.choice(
        (
            ("lol what is this 😂", f"That's a cat in a box 😺📦 (no. {number})"),
            ("Is this a good gift? 🎁", "Absolutely, it's lovely! 👨‍👩‍👧‍👦 A family game for 2–6 players 🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
            ("Who is sorry here?", "I'm sorry for the man in the picture: his ice cream fell down."),
            ("What would the dog say?", "Sorry, not sorry! 🐶"),
            ("What's the mood?", "Happy, relaxed... maybe a little tired?"),
            ("Write a caption for my photo", f"Sunday mornings ☀️ #nofilter #coffee @home {number}"),
            ("Caption this", "When you can't even… 🙃"),
            ("Say something nice", "You look great in that jacket ❤️!!!"),
            ("Do you like it?", "Sure, the colours go well together, and the frame fits."),
            ("Is it real or AI?", "It looks generated by an AI: the hands have six fingers and the text is garbled."),
            ("who made this", "An artist from Zürich, as the signature says."),
            ("kannst du das lesen?", "Klar, da steht „Bäckerei“ auf dem Schild."),
            ("¿qué pone aquí?", "Claro está: pone «cerrado por vacaciones»."),
            ("这是什么？", "这是一只猫，坐在窗台上。"),
            (
                "Describe the app screenshot",
                "A chat window: Anna writes 'let me know', and Ben answers with a thumbs-up.",
            ),
        )
    )


def labels(rng: Random, number: int) -> Row:
    """Labels in a word, without a question mark."""
    del number
    return rng.choice(
        (
            (
                "Classify the image.",
                rng.choice(("cat", "dog", "defect", "ok", "OK", "NG", "pos", "neg", "A", "7", "other")),
            ),
            ("Which digit is it?", str(rng.randrange(10))),
            ("Name the size.", rng.choice(("S", "M", "L", "XL", "XXL", "XXS", "38", "One size"))),
            ("Sentiment of the comment:", rng.choice(("positive", "negative", "neutral"))),
            ("Name the colour in one word.", rng.choice(("red", "grün", "bleu", "blanc cassé", "赤", "أحمر"))),
            ("Answer yes or no: is it damaged?", rng.choice(YES_NO)),
            (
                "Category?",
                rng.choice(("Home & Garden", "Electronics > Audio > Headphones", "Toys/Games", "Kids' shoes")),
            ),
            ("Language of the sign?", rng.choice(("en", "de", "zh-CN", "nan (Min Nan)", "pt-BR"))),
        )
    )


def technical(rng: Random, number: int) -> Row:
    """Texts in which none, null, nan and undefined are words."""
    return rng.choice(
        (
            (
                "Explain the screenshot.",
                f"Cell B{number % 90 + 2} holds NaN because 0 was divided by 0; null values are left out of the mean.",
            ),
            (
                "Describe the bread.",
                "A warm nan (also naan) from the tandoor, with garlic and coriander, by a Nan Shan bakery.",
            ),
            (
                "Summarise the slide.",
                "None of the three methods converges; the null hypothesis can't be rejected (p = 0.31).",
            ),
            (
                "What does the diagram show?",
                "A null-terminated string, an undefined reference and a pointer that is None.",
            ),
            ("Explain the warning.", "The slope is undefined at x = 0, so that the result is null and void."),
            ("Who is in the photo?", "Nan, as we call our grandmother, with a cup of tea."),
            ("Describe the mug's care label.", "Dishwasher: none needed, hand wash only. Bleach: no. Iron: n/a."),
            ("What's the status?", "Errors: none; warnings: 3; skipped: 0."),
            (
                "Specs of the device?",
                f"CPU: 8 x 2.4 GHz, RAM: {number % 64} GB, GPU: none, Ports: 2x USB-C (10 Gbit/s), "
                "Wi-Fi: 802.11 a/b/g/n/ac",
            ),
            (
                "Describe the placeholder image.",
                "A grey placeholder with the words 'No image available', as web shops show it.",
            ),
            (
                "What is said about the AI model?",
                "The slide compares language models; as an example of an assistant it shows a chat about invoices.",
            ),
            (
                "Describe the robot toy.",
                "As an AI companion for kids from 6 years, the robot answers 200 questions and dances.",
            ),
            ("What's in the test tube?", "A test with a blue liquid, marked X and XX."),
            ("Describe the sign.", "The sign reads 'Coming soon: description of the trail', with an arrow ->."),
            ("What is the man doing?", "The man is unable to lift the box, and asks for help."),
            ("What do the buttons do?", "[Save] stores the draft, [X] closes the window, and <Enter> sends it."),
            ("Explain the shortcut.", "Press <Ctrl>+<C> to copy, or [Shift] and the arrow keys to select."),
            (
                "Describe the book.",
                "Title: “As I Lay Dying”; author: William Faulkner; the cover shows a field: yellow, with a road.",
            ),
        )
    )


def lists(rng: Random, number: int) -> Row:
    """Answers in Markdown: headings, lists, tables, bold."""
    name = rng.choice(THINGS)
    return rng.choice(
        (
            (
                f"List the features of the {name}.",
                f"- Weight: {number} g\n- Colour: blue\n- Material: clay\n\n**Note:** wash by hand.",
            ),
            (
                f"Describe the {name} with headings.",
                f"# The {name}\n\nA {name} for every day.\n\n## Details\n\n1. Light\n2. Strong\n3. Cheap",
            ),
            (f"Which parts does the {name} have?", "* a handle\n* a lid\n  * with a knob\n* a foot"),
            (
                f"Write the {name}'s data sheet.",
                f"| Property | Value |\n|:--|--:|\n| Height | {number} mm |\n| Lid | yes |\n| Handle | - |",
            ),
            (
                f"Give three captions of the {name}.",
                f'1. "A {name} in the sun"\n2. "Morning light"\n3. "Number {number}"',
            ),
            (f"Write a checklist for the {name}.", "- [x] cleaned\n- [ ] packed\n- [ ] sent to the customer"),
            (
                f"Compare the {name} and the mug.",
                f"**{name.title()}**: heavy, blue.\n**Mug**: light, red.\n\n"
                "> Both are made in Portugal.\n\n---\n\nPrice: see [1].",
            ),
            (f"Quote the ad of the {name}.", f"“The {name} of your dreams – from €{number}.99!” *while stocks last*"),
            (
                "What are the ingredients?",
                "Ingredients: water, sugar (12%), salt, colours: E100, E160a; may contain: nuts, milk.",
            ),
            (f"Give the {name}'s size.", "Size:\n  width: 30 cm\n  height: 20 cm\nColour: blue"),
        )
    )


STYLES: tuple[Style, ...] = (
    described,
    asked_of_a_picture,
    multiple_choice,
    read_off,
    code,
    mathematics,
    chat,
    labels,
    technical,
    lists,
)


def rows(count: int, seed: int = 1) -> Iterator[Row]:
    """Questions and answers, of each style in turn."""
    rng = Random(seed)
    for number in range(count):
        yield STYLES[number % len(STYLES)](rng, number)
