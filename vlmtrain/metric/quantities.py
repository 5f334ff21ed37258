"""The numbers in a text, with their units: in any script's digits, with decimal comma or point, grouped or not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from vlmtrain.metric.words import UNSPACED

GROUPS = "\u00a0\u2009\u202f'’٬"
"""What groups a number's digits by three, besides point and comma."""

LETTER = "[^\\W\\d_" + "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED) + "]"
NUMBER = re.compile(
    rf"(?<!\d)(?<!\d[.,])(?<!{LETTER})(?<!{LETTER}-)(?P<sign>(?<!\w)[-−])?"
    rf"(?P<digits>\d+(?:[.,٫{GROUPS}]\d+)*)\s*(?P<unit>{LETTER}+|[%°][CF]?|[\"″])?"
)
"""A sign counts where it follows no word, so that "3-5" holds 3 and 5; the digits of a code ("B2B", "XR-500") don't."""

UNITS: dict[str, tuple[str, Decimal]] = {
    name: (kind, Decimal(size))
    for kind, sizes in {
        "length": {
            "0.001": "mm millimeter millimeters millimetre millimetres",
            "0.01": "cm centimeter centimeters centimetre centimetres zentimeter",
            "0.1": "dm decimeter decimetre dezimeter",
            "1": "m meter meters metre metres",
            "1000": "km kilometer kilometers kilometre kilometres",
            "0.0254": 'inch inches zoll " ″',
            "0.3048": "ft foot feet",
        },
        "mass": {
            "0.000001": "mg milligram milligrams",
            "0.001": "g gram grams gramm gramme",
            "1": "kg kilo kilos kilogram kilograms kilogramm",
            "0.45359237": "lb lbs pound pounds",
            "0.028349523125": "oz ounce ounces",
        },
        "volume": {
            "0.001": "ml milliliter milliliters millilitre millilitres",
            "0.01": "cl centiliter centilitre zentiliter",
            "0.1": "dl deciliter decilitre",
            "1": "l liter liters litre litres",
        },
        "time": {
            "1": "s sec second seconds sekunde sekunden",
            "60": "min minute minutes minuten",
            "3600": "h hour hours stunde stunden",
        },
        "power": {"1": "w watt watts", "1000": "kw kilowatt kilowatts"},
        "share": {"1": "% percent prozent"},
        "celsius": {"1": "°c"},
        "fahrenheit": {"1": "°f"},
    }.items()
    for size, names in sizes.items()
    for name in names.split()
}
"""Units by their names, in small letters: what they measure, and their size. "in" is a word more often than an inch."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it may be read, and its unit's kind and size where the unit is known.

    "1.234" is a little over one, or one thousand two hundred and thirty-four: both are readings, since the texts of one
    dataset write either.
    """

    text: str
    readings: frozenset[Decimal]
    kind: str = ""
    size: Decimal = Decimal(1)

    def equals(self, other: Quantity, relative: float = 0.0, absolute: float = 0.0) -> bool:
        """Whether some reading of this is the other's, up to `max(relative * |other|, absolute)`.

        Units are converted where both are known, and ignored where one is not said or not known. Other kinds differ.
        """
        if self.kind and other.kind and self.kind != other.kind:
            return False
        factor = self.size / other.size if self.kind and other.kind else Decimal(1)
        return any(
            (factor == 1 and mine == theirs)  # of more digits than a product keeps
            or abs(mine * factor - theirs) <= max(Decimal(relative) * abs(theirs), Decimal(absolute), Decimal("1e-12"))
            for mine in self.readings
            for theirs in other.readings
        )


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers of a text, in order; "20x30 cm" holds two."""
    for found in NUMBER.finditer(re.sub(r"(?<=\d)\s*[x×]\s*(?=\d)", " × ", text)):
        kind, size = UNITS.get((found["unit"] or "").casefold(), ("", Decimal(1)))
        sign = found["sign"] or ""
        shown = found.group().strip() if kind else sign + found["digits"]
        values = frozenset(-value if sign else value for value in readings(found["digits"]))
        yield Quantity(shown, values, kind, size)


def readings(digits: str) -> frozenset[Decimal]:
    """The numbers that digits with points, commas and blanks between them may be."""
    plain = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in digits)
    plain = re.sub(rf"[{GROUPS}]", "", plain).replace("٫", ",")
    parts = re.split(r"[.,]", plain)
    if len(parts) == 1:
        return frozenset({Decimal(plain)})
    marks = [each for each in plain if each in ".,"]
    found = set()
    grouped = all(len(part) == 3 for part in parts[1:]) and len(parts[0]) <= 3 and not parts[0].startswith("0")
    if grouped and len(set(marks)) == 1:
        found.add(Decimal("".join(parts)))
    if len(parts) == 2 or (len(set(marks)) == 2 and marks.count(marks[-1]) == 1):
        found.add(Decimal("".join(parts[:-1]) + "." + parts[-1]))
    return frozenset(found or {Decimal("".join(parts))})
