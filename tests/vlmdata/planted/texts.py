"""Mistakes in a catalog's texts: what each changes in a product, and the rule that should find it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.vlmdata.planted.catalog import Product

Change = Callable[[Product, Random], Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of mistake, and the rules of which one should find it."""

    name: str
    rules: tuple[str, ...]
    change: Change


def answer(text: str) -> Change:
    """Another answer; `{}` stands for the one that there was."""
    return lambda product, _: replace(product, description=text.replace("{}", product.description))


def ask(text: str) -> Change:
    """Another question; `{}` stands for the one that there was."""
    return lambda product, _: replace(product, question=text.replace("{}", product.question))


def title(text: str) -> Change:
    """Another title; `{}` stands for the one that there was."""
    return lambda product, _: replace(product, title=text.replace("{}", product.title))


def inside(piece: str) -> Change:
    """A piece somewhere in the middle of the answer, in a word of it."""

    def change(product: Product, rng: Random) -> Product:
        text = product.description
        place = rng.randrange(len(text) // 4, 3 * len(text) // 4)
        return replace(product, description=text[:place] + piece + text[place:])

    return change


def misread(encoding: str) -> Change:
    """The German answer as UTF-8 that was read in another encoding."""
    text = "Größe: 30 cm, süß und schön – für „jeden“ Tag"
    garbled = text.encode("utf-8").decode(encoding, "replace")
    return answer(garbled)


def twice_misread(product: Product, _: Random) -> Product:
    """Quotation marks that were read wrongly twice."""
    text = "It’s the “best” mug".encode().decode("cp1252", "replace").encode().decode("cp1252", "replace")
    return replace(product, title=text)


def cut(product: Product, rng: Random) -> Product:
    """An answer that ends with dots in the middle of a word."""
    words = "A blue mug of glazed stoneware with a wide handle, made by hand in a small pottery near the co"
    return replace(product, description=f"{words}{rng.choice(('...', '…'))}")


def swapped(product: Product, _: Random) -> Product:
    """Question and answer in each other's place."""
    return replace(product, question=product.description, description="Describe this product for our shop.")


def same_as_question(product: Product, _: Random) -> Product:
    """An answer that is the question, all of it."""
    asked = f"{product.question}\n{product.title}\n{product.brand}, {product.size}"
    return replace(product, description=asked)


def question_inside(product: Product, _: Random) -> Product:
    """An answer that begins with the whole question."""
    asked = f"{product.question}\n{product.title}\n{product.brand}, {product.size}"
    return replace(product, description=f"{asked}\n{product.description}")


def repeated(product: Product, _: Random) -> Product:
    """An answer that says one sentence over and over."""
    return replace(product, description="The mug is blue and has a wide handle. " * 5)


BLOB = base64.b64encode(bytes(range(256)) * 3).decode()


def _kind(name: str, rules: str, change: Change) -> Kind:
    return Kind(name=name, rules=tuple(rules.split()), change=change)


KINDS = (
    # templates
    _kind("jinja in the answer", "text.template_residue", answer("Only {{ price }} at our shop: {}")),
    _kind("jinja with a filter", "text.template_residue", answer("{{ title|upper }} {}")),
    _kind("jinja without spaces", "text.template_residue", answer("The {{brand}} mug. {}")),
    _kind("jinja statement", "text.template_residue", answer("{% if brand %}{}")),
    _kind("one brace each", "text.template_leftover", answer("The {title} by {brand}. {}")),
    _kind("dollar and braces", "text.template_leftover", answer("${title} costs a little. {}")),
    _kind("dollar and name", "text.template_leftover", answer("Buy $name today. {}")),
    _kind("percent s", "text.template_leftover", answer("Made by %s in Portugal. {}")),
    _kind("percent d", "text.template_leftover", answer("It is %d cm high. {}")),
    _kind("percent name", "text.template_leftover", answer("It is %(height)s cm high. {}")),
    _kind("square brackets", "text.template_leftover", answer("A mug by [BRAND], in blue. {}")),
    _kind("square brackets, two words", "text.template_leftover", answer("Dear [Customer Name], {}")),
    _kind("insert here", "text.template_leftover", answer("[Insert description here] {}")),
    _kind("angle brackets", "text.template_leftover", answer("A mug by <brand>, in blue. {}")),
    _kind("angle brackets, capitals", "text.template_leftover", answer("The <PRODUCT_NAME> is a mug. {}")),
    _kind("hashes", "text.template_leftover", answer("The ##BRAND## mug. {}")),
    _kind("percent signs around", "text.template_leftover", answer("The %BRAND% mug. {}")),
    _kind("underscores around", "text.template_leftover", answer("The __PRODUCT__ is a mug. {}")),
    _kind("f-string with index", "text.template_leftover", answer("The {row['brand']} mug. {}")),
    _kind("erb", "text.template_leftover", answer("The <%= brand %> mug. {}")),
    _kind("numbered braces", "text.template_leftover", answer("A {0} by {1}. {}")),
    _kind("empty braces", "text.template_leftover", lambda p, _: replace(p, description="A mug by {} in blue, {} cm.")),
    _kind("jinja in the title", "text.template_residue", title("{{ product.name }}")),
    _kind("half a brace", "text.template_leftover", answer("A mug by {{ brand, in blue. {}")),
    # missing values
    _kind("nan", "text.null", answer("nan")),
    _kind("None", "text.null", answer("None")),
    _kind("null", "text.null", answer("null")),
    _kind("NULL", "text.null", answer("NULL")),
    _kind("undefined", "text.null", answer("undefined")),
    _kind("NaN", "text.null", answer("NaN")),
    _kind("<NA>", "text.null", answer("<NA>")),
    _kind("N/A", "text.placeholder", answer("N/A")),
    _kind("n/a", "text.placeholder", answer("n/a")),
    _kind("#N/A", "text.null", answer("#N/A")),
    _kind("-", "text.placeholder", answer("-")),
    _kind("...", "text.placeholder", answer("...")),
    _kind("?", "text.placeholder", answer("???")),
    _kind("TODO", "text.placeholder", answer("TODO")),
    _kind("TODO with words", "text.placeholder", answer("TODO: write description")),
    _kind("tbd", "text.placeholder", answer("tbd")),
    _kind("to be added", "text.placeholder", answer("Description to be added.")),
    _kind("no description", "text.placeholder", answer("No description available.")),
    _kind("no description, German", "text.placeholder", answer("Keine Beschreibung vorhanden")),
    _kind("lorem", "text.placeholder", answer("Lorem ipsum dolor sit amet, consectetur adipiscing elit.")),
    _kind("asdf", "text.placeholder", answer("asdfasdf")),
    _kind("test", "text.placeholder", answer("test")),
    _kind("xxx", "text.placeholder", answer("XXXX")),
    _kind("coming soon", "text.placeholder", answer("Coming soon!")),
    _kind("nan among words", "text.null_value", answer("A mug by nan, in blue. {}")),
    _kind("nan in the middle", "text.null_value", answer("The nan mug is handmade. {}")),
    _kind("None after a colon", "text.null_value", answer("Brand: None\nColour: blue\n{}")),
    _kind("None, None", "text.null_value", answer("It is None, None and blue. {}")),
    _kind("None between words", "text.null_value", answer("A None mug made of None. {}")),
    _kind("nan cm", "text.null_value", answer("It is nan cm high. {}")),
    _kind("nan in parentheses", "text.null_value", answer("A mug (nan) in blue. {}")),
    _kind("nan in the question", "text.null_value", title("Mug by nan")),
    _kind("null after equals", "text.null_value", answer("Material = null. {}")),
    _kind("undefined in a sentence", "text.null_value", answer("It weighs undefined grams. {}")),
    _kind("[object Object]", "text.null_value", answer("It is [object Object] high. {}")),
    _kind("two spaces where a value was", "text.empty_value", answer("Brand:  , Color: , Size: . {}")),
    _kind("comma comma", "text.empty_value", answer("It is blue, , 30 cm high. {}")),
    _kind("empty parentheses", "text.empty_value", answer("A mug () in blue. {}")),
    _kind("colon then stop", "text.empty_value", answer("Its colour is: . {}")),
    _kind("colon at a line's end", "text.empty_value", answer("{}\nBrand:\nColour:\nSize:")),
    _kind("empty quotes", "text.empty_value", answer('The mug "" is blue. {}')),
    _kind("unit without a number", "text.empty_value", answer("It is  cm high and weighs  g. {}")),
    _kind("nat", "text.null", answer("NaT")),
    _kind("excel error", "text.null_value", answer("It costs #REF! in the shop. {}")),
    _kind("#VALUE!", "text.null_value text.null", answer("#VALUE!")),
    _kind("N/A among words", "text.null_value", answer("Material: N/A. Brand: N/A. {}")),
    _kind("nan joined", "text.null_value", answer("nan nan nan")),
    _kind("whitespace only", "text.empty", answer(" \t ")),
    _kind("zero-width only", "text.empty", answer("\u200b\u200b")),
    _kind("no-break space only", "text.empty", answer("\u00a0")),
    _kind("empty", "text.empty", answer("")),
    # encodings
    _kind("mojibake cp1252", "text.mojibake", misread("cp1252")),
    _kind("mojibake latin-1", "text.mojibake text.control", misread("latin-1")),
    _kind("mojibake mac", "text.mojibake", misread("mac-roman")),
    _kind("mojibake cp437", "text.mojibake", misread("cp437")),
    _kind("mojibake twice", "text.mojibake", twice_misread),
    _kind("Ã© in a word", "text.mojibake", answer("Un cafÃ© noir. {}")),
    _kind("â€™", "text.mojibake", answer("Itâ€™s blue. {}")),
    _kind("Russian in cp1252", "text.mojibake", answer("Кружка".encode().decode("cp1252", "replace"))),
    _kind("Russian cp1251 as koi8", "text.mojibake", answer("Кружка ручной работы".encode("cp1251").decode("koi8-r"))),
    _kind(
        "Russian cp1251 as latin-1", "text.mojibake", answer("Кружка ручной работы".encode("cp1251").decode("latin-1"))
    ),
    _kind(
        "German latin-1 as cp1251",
        "text.mojibake",
        answer("Größe, schön, süß, Höhe, für".encode("latin-1").decode("cp1251")),
    ),
    _kind("Chinese as latin-1", "text.mojibake text.control", answer("红色的杯子".encode().decode("latin-1"))),
    _kind("Chinese gbk as latin-1", "text.mojibake", answer("红色的马克杯，手工制作".encode("gbk").decode("latin-1"))),
    _kind("Chinese as gbk", "text.mojibake", answer("红色的马克杯，手工制作".encode().decode("gbk", "replace"))),
    _kind("letters and accents apart", "text.decomposed", answer("Gro\u0308\u00dfe: 30 cm, fu\u0308r jeden Tag. {}")),
    _kind("replacement character", "text.lost_letters", inside("\ufffd")),
    _kind("question marks for letters", "text.lost_letters", answer("Gr??e: 30 cm, f?r jeden sch?nen Tag. {}")),
    _kind("private use", "text.lost_letters", inside("\uf0b7")),
    _kind("object replacement", "text.lost_letters", inside("\ufffc")),
    _kind("right-to-left override", "text.invisible", inside("\u202e")),
    _kind("zero-width space", "text.invisible", inside("\u200b")),
    _kind("soft hyphen", "text.invisible", inside("\u00ad")),
    _kind("byte order mark", "text.invisible", answer("\ufeff{}")),
    _kind("word joiner", "text.invisible", inside("\u2060")),
    _kind("tag characters", "text.invisible", inside("\U000e0041\U000e0042")),
    _kind("variation selectors", "text.invisible", inside("\U000e0101\U000e0102\U000e0103")),
    _kind("bell", "text.control", inside("\x07")),
    _kind("escape sequence", "text.control", inside("\x1b[31m")),
    _kind("backspace", "text.control", inside("\x08")),
    _kind("vertical tab", "text.control", inside("\x0b")),
    _kind("line separator", "text.control", inside("\u2028")),
    _kind("next line", "text.control", inside("\x85")),
    _kind("cp1252 quotes in latin-1", "text.control text.mojibake", answer("It\x92s blue. {}")),
    _kind("escaped umlaut", "text.escape", answer("Gr\\u00f6\\u00dfe 30. {}")),
    _kind("escaped newline", "text.escape", answer("It is blue.\\nIt is big. {}")),
    _kind("escaped newline, no stop", "text.escape", answer("Colour blue\\nSize big\\nWeight 3 {}")),
    _kind("escaped tab", "text.escape", answer("Colour\\tblue\\tgreen {}")),
    _kind("escaped quotes", "text.escape", answer('The \\"best\\" mug. {}')),
    _kind("percent-encoded", "text.escape", answer("Gr%C3%B6%C3%9Fe 30. {}")),
    _kind("quoted-printable", "text.escape", answer("Gr=C3=B6=C3=9Fe 30. {}")),
    _kind("python bytes", "text.escape", answer("b'A mug in blue, handmade'")),
    # markup
    _kind("html tags", "text.html", answer("<p>{}</p>")),
    _kind("br", "text.html", answer("Blue<br>Big<br/>{}")),
    _kind("html comment", "text.html", answer("<!-- seo text --> {}")),
    _kind("&nbsp;", "text.html", answer("A&nbsp;mug. {}")),
    _kind("&amp;", "text.html", answer("Salt &amp; pepper. {}")),
    _kind("&#39;", "text.html", answer("It&#39;s blue. {}")),
    _kind("double escaped", "text.html", answer("It&amp;#39;s blue. {}")),
    _kind("&lt;p&gt;", "text.html", answer("&lt;p&gt;{}&lt;/p&gt;")),
    _kind("script", "text.html", answer("{}<script>alert(1)</script>")),
    _kind("style attribute", "text.html", answer('<span style="color:red">Sale</span> {}')),
    _kind("rare entity", "text.html", answer("A &frac34; inch tube &ge; 3 &trade; {}")),
    _kind("unclosed tag", "text.html", answer("<div class=desc>{}")),
    _kind("markdown fence", "text.wrapped", answer("```\n{}\n```")),
    _kind("markdown fence with a language", "text.wrapped", answer("```markdown\n{}\n```")),
    _kind("json fence", "text.wrapped", answer('```json\n{"description": "{}"}\n```')),
    _kind("json in place of prose", "text.wrapped", answer('{"title": "Mug", "description": "{}"}')),
    _kind("python dict", "text.wrapped", answer("{'title': 'Mug', 'description': 'A blue mug', 'price': None}")),
    _kind("python list", "text.wrapped", answer("['A blue mug', 'handmade', 'dishwasher safe']")),
    _kind("base64", "text.blob", answer(f"{{}} {BLOB}")),
    _kind("data address", "text.blob", answer(f"data:image/png;base64,{BLOB}")),
    _kind("bbcode", "text.html", answer("[b]Blue[/b] mug [url=http://x.y]here[/url] {}")),
    _kind("markdown image", "text.file_name text.link", answer("![mug](https://shop.example/mug.jpg) {}")),
    _kind("shortcode", "text.html", answer('[gallery ids="1,2,3"] {}')),
    _kind("file name", "text.file_name", answer("img_0042.jpg shows a mug. {}")),
    _kind("css", "text.html", answer(".desc { color: red; font-size: 12px } {}")),
    # a model's grammar
    _kind("image token", "text.image_placeholder", answer("<image> {}")),
    _kind("image token in the question", "text.image_placeholder", ask("<image>\n{}")),
    _kind("numbered image", "text.image_placeholder", ask("<image_1> {}")),
    _kind("Image-1", "text.special_token", ask("<|image_1|>\n{}")),
    _kind("im_end", "text.special_token", answer("{}<|im_end|>")),
    _kind("image_pad", "text.special_token", ask("<|image_pad|>{}")),
    _kind("start_of_image", "text.special_token", ask("<start_of_image>{}")),
    _kind("end_of_turn", "text.special_token", answer("{}<end_of_turn>")),
    _kind("eos", "text.special_token", answer("{}</s>")),
    _kind("INST", "text.special_token", ask("[INST] {} [/INST]")),
    _kind("endoftext", "text.special_token", answer("{}<|endoftext|>")),
    _kind("eot_id", "text.special_token", answer("{}<|eot_id|>")),
    _kind("deepseek", "text.special_token", answer("{}<｜end▁of▁sentence｜>")),
    _kind("ASSISTANT:", "text.model_markup", answer("ASSISTANT: {}")),
    _kind("### Response", "text.model_markup", answer("### Response:\n{}")),
    _kind("think", "text.model_markup", answer("<think>The user wants text.</think>{}")),
    _kind("Q and A", "text.model_markup", answer("Q: What is it?\nA: {}")),
    _kind("box tokens", "text.model_markup text.special_token", answer("<|box_start|>(1,2)<|box_end|> {}")),
    _kind("loc tokens", "text.special_token", answer("<loc0123><loc0456> {}")),
    # a generator's voice
    _kind("I'm sorry, but", "text.refusal", answer("I'm sorry, but I can't describe this image.")),
    _kind("I’m sorry, curly", "text.refusal", answer("I’m sorry, I cannot help with that request.")),
    _kind("As an AI", "text.refusal", answer("As an AI language model, I do not see images.")),
    _kind("I cannot", "text.refusal", answer("I cannot see the image you have attached.")),
    _kind("I can't assist", "text.refusal", answer("I can't assist with that.")),
    _kind("unable to", "text.refusal", answer("I'm unable to view images directly.")),
    _kind("unable, bare", "text.refusal", answer("Unable to process the image.")),
    _kind("no image provided", "text.refusal", answer("No image was provided. Please upload one.")),
    _kind("no image, other words", "text.refusal", answer("It seems that you have not attached an image.")),
    _kind("unfortunately", "text.refusal", answer("Unfortunately, I can't see the picture.")),
    _kind("content policy", "text.refusal", answer("This request violates our content policy.")),
    _kind("German refusal", "text.refusal", answer("Es tut mir leid, aber ich kann das Bild nicht sehen.")),
    _kind("German refusal 2", "text.refusal", answer("Als KI-Sprachmodell kann ich keine Bilder ansehen.")),
    _kind("German refusal 3", "text.refusal", answer("Leider kann ich dabei nicht helfen.")),
    _kind("German refusal 4", "text.refusal", answer("Entschuldigung, ich kann dieses Bild nicht beschreiben.")),
    _kind("French refusal", "text.refusal", answer("Je suis désolé, mais je ne peux pas voir l'image.")),
    _kind("French refusal 2", "text.refusal", answer("En tant qu'IA, je ne peux pas voir les images.")),
    _kind("French refusal 3", "text.refusal", answer("En tant que modèle de langage, je ne peux pas vous aider.")),
    _kind("French refusal 4", "text.refusal", answer("Désolé, je ne peux pas répondre à cette demande.")),
    _kind("Spanish refusal", "text.refusal", answer("Lo siento, pero no puedo ver la imagen.")),
    _kind("Chinese refusal", "text.refusal", answer("很抱歉，我无法查看图片。")),
    _kind("Chinese refusal 2", "text.refusal", answer("作为一个人工智能语言模型，我无法看到图片。")),
    _kind("Chinese refusal 3", "text.refusal", answer("抱歉，我不能提供该信息。")),
    _kind("Chinese refusal 4", "text.refusal", answer("对不起，我看不到图片。")),
    _kind("Japanese refusal", "text.refusal", answer("申し訳ありませんが、画像を表示できません。")),
    _kind("Korean refusal", "text.refusal", answer("죄송하지만 이미지를 볼 수 없습니다.")),
    _kind("Russian refusal", "text.refusal", answer("Извините, но я не могу просмотреть изображение.")),
    _kind("Italian refusal", "text.refusal", answer("Mi dispiace, ma non posso vedere l'immagine.")),
    _kind("Portuguese refusal", "text.refusal", answer("Desculpe, mas não consigo ver a imagem.")),
    _kind("Arabic refusal", "text.refusal", answer("عذراً، لا أستطيع رؤية الصورة.")),
    _kind("API error", "text.error_message", answer("Error: 429 Too Many Requests")),
    _kind("traceback", "text.error_message", answer('Traceback (most recent call last):\n  File "x.py", line 3')),
    _kind("sure", "text.boilerplate", answer("Sure! Here is a product description: {}")),
    _kind("certainly", "text.boilerplate", answer("Certainly! {}")),
    _kind("here's", "text.boilerplate", answer("Here's a description of the product:\n\n{}")),
    _kind("here is, bold", "text.boilerplate", answer("**Product Description:**\n\n{}")),
    _kind("let me know", "text.boilerplate", answer("{}\n\nLet me know if you need anything else!")),
    _kind("hope this helps", "text.boilerplate", answer("{} I hope this helps!")),
    _kind("German sure", "text.boilerplate", answer("Gerne! Hier ist eine Produktbeschreibung: {}")),
    _kind("French sure", "text.boilerplate", answer("Bien sûr ! Voici une description : {}")),
    _kind("Chinese sure", "text.boilerplate", answer("当然！以下是产品描述：{}")),
    _kind("as an AI inside", "text.generator", answer("{} As an AI language model, I can't be sure.")),
    # question and answer
    _kind("answer is the question", "text.answer_is_question", same_as_question),
    _kind("question in the answer", "text.question_repeated", question_inside),
    _kind("swapped", "text.swapped", swapped),
    _kind("cut with dots", "text.cut_off", cut),
    _kind("over and over", "text.repetition", repeated),
    _kind("one word over and over", "text.repetition", answer("blue " * 40)),
    _kind("one letter over and over", "text.placeholder", answer("a" * 60)),
    _kind("too short", "text.short_answer", answer("ok")),
    _kind("too long", "text.long_answer", answer("{} " + "It is made of clay number one hundred. " * 400)),
    _kind("too long question", "text.long_question", ask("{} " + "Look at the left side of it now. " * 400)),
    _kind("only digits", "text.bare_number", answer("8472910")),
    _kind("only punctuation", "text.placeholder", answer("!!! --- ???")),
    _kind("title in place of an answer", "text.copied", lambda p, _: replace(p, description=p.title)),
    _kind("mail address", "text.link", answer("{} Write to info@shop.example for more.")),
    _kind("web address", "text.link", answer("{} See https://shop.example/p/3?utm_source=x")),
    _kind("telephone", "text.phone", answer("{} Call +49 30 1234567.")),
)
