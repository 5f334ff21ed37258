"""The words the tiny model is taught with: a shop's everyday vocabulary and invented names.

Nothing here comes from the sample catalog: `make.py` checks that no brand and no phrase of its
descriptions is in the lessons.
"""

from __future__ import annotations

from random import Random

COMMON = """
a about above across after again all almost along also always an and any are around as at away
back be because been before begin begins behind being best better between big bit both bring
brings but by call can care carry come comes could cut daily day days does done down each early
easy either else end enough even ever every few fill find first fit fits fold folds follow for
found free fresh from full gentle get gets gift give gives go goes gone good great grow had half
hand has have hold holds home house how if in inside into is it its just keep keeps kind last
lasts late lay leave leaves less let lets life light like line little live long look looks lot
love low made make makes many may meet meets more morning mornings most move much must my name
near need needs never new next nice no not now of off often old on once one only open or order
other our out over own pack packs part pass people place plenty put quite rather reach reaches
ready rest right room same say sell send sends set shape share she short show shows side simple
since sit sits slow small so some soon space stand stands start stay stays still such sure take
takes than that the their them then there these they thing this those through time to today
together too top turn two under until up us use used very want wants was way we wear week well
went what when where wherever which while who whole why will with without won work world would
year years yet you your
""".split()

TRADE = """
accent adds air artisan assembled autumn batch bathroom beauty bed bedroom bench blend bold
border bottom box bright build builds built bundle busy buy buyers calm catalogue charm chosen
classic clean cleaned clever cloth collection comfort company cook cooking copy corner cosy
country cover craft crafted crafts cup cupboard cushion customer customers cutting deep delicate
delight delivered delivery depth design designed desk detail dinner dish door dozen drawer dream
dry durable edge elegant energy entrance evening everyday fabric family favourite feel feels
finish finished firm flat floor flower flowers fold foot form fragile friend friends front fun
furniture garden gather generous glaze glow goods guest guests guide hall handle handmade handy
happy hard harvest heart heat heavy height honest hook hour household journey joy kettles kitchen
knit label lasting layer leg level lid lift linens lively living local lovely lunch machine maker
makers market match measure measures memory mild mix model modern mood mould nature neat nest
night notes oven packed pair pantry parcel party pattern perfect pick picked piece pieces plan
plate pocket polish polished pour practical present price pride print product products proud
quality quick quiet range rare repair return rinse round rows rustic safe sale scale season seat
sew sewn sews sturdy shelf shelves shine shop shopper sink sitting skill sleep smart smooth soft
solid source special spring square stack stitch stitched stock stone store story street strong
studio style subtle summer supper support surface table tall tea team thick thin thread tidy timeless
tiny tone tool touch towel town tradition travel treat trip trust unique village visit walk wall
warehouse warm wash washed water weave weekend weight welcome wide wild window winter wipe woven
wrap wraps wrapped yard young
""".split()

MATERIALS = """
stoneware porcelain enamel linen paper cotton velvet wool canvas leather glass steel beech oak
walnut bamboo clay tin brass copper silk denim felt rubber marble cork jute rattan ceramic wicker
""".split()

UNITS = ("cm", "mm", "m", "ml", "cl", "litre", "litres", "g", "kg", "inch", "hours")
SIZE_WORDS = ("small", "medium", "large", "tiny", "extra large", "one size", "wide", "narrow")
LABELS = (
    "Brand",
    "Material",
    "Size",
    "Title",
    "Name",
    "Maker",
    "Fabric",
    "Origin",
    "Weight",
    "Code",
    "Series",
    "Volume",
    "Height",
    "Designer",
    "Supplier",
    "Made of",
)

STARTS = "b bl br c ch cl d dr f fl fr g gl gr h j k kl l m n p pr qu r s st t tr v w z".split()
MIDDLES = "a e i o u ai ea ee ia oo ou".split()
ENDS = "b ck d l ll m n nd ne r rn rt s sk st t th v x y by den dor ham ley low more ton".split()


def invented_word(rng: Random) -> str:
    """A capitalised word of two to four syllables that no dictionary knows."""
    syllables = [rng.choice(STARTS) + rng.choice(MIDDLES) for _ in range(rng.choice((2, 2, 3)))]
    return ("".join(syllables) + rng.choice(ENDS)).capitalize()


def random_words(rng: Random, count: int) -> str:
    """Words in no order that means anything, a few of them invented or with a comma."""
    words = [random_word(rng) for _ in range(count)]
    return " ".join(words)


def random_word(rng: Random) -> str:
    """One word of a text: common, of the trade, a material, or invented."""
    roll = rng.random()
    if roll < 0.08:
        return invented_word(rng)
    word = rng.choice(COMMON if roll < 0.5 else TRADE if roll < 0.9 else MATERIALS)
    if rng.random() < 0.1:
        word = word.capitalize()
    return word + (rng.choice((",", ".", ",", ";")) if rng.random() < 0.08 else "")


def random_value(rng: Random) -> str:
    """What a table's cell may hold: a name, a material, a measure or a size."""
    roll = rng.random()
    if roll < 0.4:
        return invented_word(rng)
    if roll < 0.55:
        return f"{invented_word(rng)} {rng.choice(('No.', '', 'and', 'Mark'))} {rng.randint(1, 99)}"
    if roll < 0.75:
        return rng.choice(MATERIALS)
    if roll < 0.9:
        return f"{rng.randint(1, 400)} {rng.choice(UNITS)}"
    return rng.choice(SIZE_WORDS)


def random_label(rng: Random) -> str:
    """A column's name, now and then one that no table has."""
    return rng.choice(LABELS) if rng.random() < 0.8 else invented_word(rng)
