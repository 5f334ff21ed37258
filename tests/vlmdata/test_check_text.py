"""The rules about texts: what each finds, and what looks like it and is fine."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest

from tests.vlmdata.checked_texts import Turn, asked, batch_of, found, problems
from vlmdata.check_settings import CheckSettings
from vlmdata.rules import rulebook

ENCODED = base64.b64encode(bytes(range(90, 210))).decode()
IN_ANSWERS = {
    "text.bare_number": ["8472910", "12.0", "2023-04-01", "EUR 12.99", "30 cm", "$ 5.00"],
    "text.blob": [
        f"A mug {ENCODED}",
        f"A mug data:image/png;base64,{ENCODED} in blue",
        f"{ENCODED[:76]}\n{ENCODED[:76]}\n",
    ],
    "text.cut_off": [
        f"{'A blue mug of glazed stoneware, made by hand. ' * 2}It has a wide han...",
        f"{'A blue mug of glazed stoneware, made by hand. ' * 2}It has a wide handle and",
        f"{'A blue mug of glazed stoneware, made by hand. ' * 2}Blue, red,",
        f"{'A blue mug of glazed stoneware, made by hand. ' * 2}[Read more]",
    ],
    "text.error_message": [
        "429 Too Many Requests",
        "404 Not Found",
        "502 Bad Gateway: upstream connect error",
        "Too Many Requests",
        "Service Unavailable. Please try again later.",
        "500 Internal Server Error nginx/1.18.0",
        "503 Service Unavailable. Try later",
        "404 Not Found\n\nThe requested URL was not found on this server.",
        "429 Too Many Requests: You have exceeded the quota",
        "Internal Server Error (500)",
        "Rate limit reached for gpt-4o in organization org-x",
        "Request failed with status code 500",
        "500 Internal Server Error - Something went wrong",
        '{"error": 503 Service Unavailable}',
        "Rate limit exceeded, please retry",
        *("Error: 429 Too Many Requests", "Traceback (most recent call last):\n  File", "503 Service Unavailable"),
        *("Rate limit exceeded", "openai.RateLimitError: try again", "Internal Server Error", '{"error": 500}'),
    ],
    "text.swapped": ["Describe this product for our shop.", "Beschreibe dieses Produkt.", "What is in the picture?"],
    "text.wrapped": [
        '{"title": "Mug", "description": "A mug"}',
        "{'title': 'Mug', 'price': None}",
        "['A blue mug', 'handmade']",
        "```markdown\nA blue mug.\n```",
        "```\nA blue mug that is made by hand in Portugal.\n```",
    ],
    "text.template_residue": [
        "A mug by {{ brand }}.",
        "{{title}}",
        "Height: {{ height|round }} cm",
        "{% if colour %}red{% endif %}",
        "A {{ row['Product title'] }} of clay",
        "Name:{{a}}-{{b}}",
    ],
    "text.template_leftover": [
        "A mug by {brand_name}.",
        "A mug by ${brand}",
        "A mug by %(brand)s.",
        "A mug by <%= brand %>.",
        "A mug [insert colour here] of clay",
        "A mug by [Product Name].",
        "A {{ mug of clay",
    ],
    "text.null": [
        *("nan", "NaN", "None", "null", "NULL", "undefined", " nan ", "<NA>", "#N/A", "'None'", '"null"', "(none)"),
        *("[None]", "NULL;", "nan.", '"nan"', "-nan-", "“None”", "<null>"),
    ],
    "text.null_value": [
        "Brand: nan",
        "Brand: None\nSize: 5 cm",
        "A mug by nan.",
        "A mug by None, red",
        "A mug (nan)",
        "red, nan, 30 cm",
        "nan mug of clay",
        "Size: nan x nan cm",
        "It costs nan EUR",
        "Made of [object Object] in Spain",
        "Price: #VALUE!",
        "Marke: undefined; Farbe: rot",
    ],
    "text.empty_value": [
        *("A mug, , red", "A mug ( ) of clay", "Colours: , red", "red,, 30 cm"),
        *("Brand: \nColour: red", "Brand:\nColour: red", "A mug.\nTitle: \nWeight: 300 g", "Marke: \r\nFarbe: rot"),
        "Name: Mug\nCapacity: \nWeight: 300 g",
        *(
            "Introducing the  by  in red",
            "Introducing the  by Nordlicht",
            "A mug made of  in Spain",
            "The  is made of clay",
        ),
        *("Introducing our product  : soft and warm", "It comes in  with a lid", "Our  : a mug for tea"),
    ],
    "text.placeholder": [
        *("TODO", "tbd", "n/a", "-", "...", "xxx", "Test", "description here", "[Insert description here]", "N/A."),
        *("Lorem ipsum dolor sit amet, consectetur", "No description available.", "placeholder", "Keine Beschreibung"),
        *("asdf", "coming soon!", "暂无描述", "---"),
    ],
    "text.image_placeholder": [
        *("<image>\nA mug", "<image_1> is a mug", "<image 2>", "A mug <img>", "[IMAGE]", "[image 1] A mug", "<Image>"),
        *("<video> shows a mug", "<image/> a mug", "<ImageHere>", "{image}", "<image_placeholder>", "<IMAGE>"),
    ],
    "text.special_token": [
        *(
            "A mug.<|im_end|>",
            "<|im_start|>assistant\nA mug",
            "<|vision_start|><|image_pad|><|vision_end|>",
            "A<|video_pad|>",
        ),
        *(
            "A mug<|endoftext|>",
            "<start_of_image> A mug",
            "A<end_of_image>",
            "<image_soft_token>",
            "A mug<end_of_turn>",
        ),
        *(
            "<start_of_turn>model",
            "<bos>A mug",
            "A mug<eos>",
            "<|begin_of_text|>A",
            "<|start_header_id|>a",
            "A<|eot_id|>",
        ),
        *("<|image|>A mug", "[INST] Describe [/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "A mug</s>", "<s>A mug"),
        *("<im_patch>", "<im_start>", "<im_end>", "<im_col>", "<fake_token_around_image>", "A mug<end_of_utterance>"),
        *(
            "<row_1_col_1>",
            "<global-img>",
            "<IMG_CONTEXT>",
            "<unk> mug",
            "<pad><pad>",
            "<｜end▁of▁sentence｜>",
            "<<SYS>>",
        ),
    ],
    "text.model_markup": ["USER: what?\nASSISTANT: a mug", "### Response:\nA mug", "<think>a mug?</think>A mug"],
    "text.refusal": [
        "The image appears to be blank.",
        "I can only see a blank image.",
        "No image available.",
        "The picture you sent is not visible.",
        "I was unable to view the image.",
        "I'm not seeing any image here.",
        "The image URL is broken.",
        "Image failed to load.",
        "The attached image could not be processed.",
        "There is no image to describe.",
        "No image was provided, so I can't describe the product.",
        "I don't see any product in the image.",
        "I'm unable to provide a description",
        "This content violates our policies.",
        "無法查看圖片",
        "无法识别该图片。",
        "画像を確認できません。",
        "画像が見えません。",
        "이미지를 볼 수 없습니다.",
        "사진을 확인할 수 없습니다.",
        "Nu pot vedea imaginea.",
        "Îmi pare rău, dar nu pot vedea imaginea.",
        "Nem látom a képet.",
        "Sajnos nem látom a képet.",
        "Δεν μπορώ να δω την εικόνα.",
        "Λυπάμαι, αλλά δεν μπορώ να βοηθήσω.",
        "Nemôžem zobraziť obrázok.",
        "Ne mogu otvoriti sliku.",
        "Не мога да видя изображението.",
        "As an AI Language Model, I cannot see the image.",
        "As a Large Language Model, I don't have eyes.",
        "The image seems to be missing, so I can't tell.",
        "The uploaded file is corrupted",
        "The image file is corrupted.",
        "The picture that you attached is not available.",
        "I could not open the attached picture.",
        "The photo couldn't be displayed.",
        "There's no image in your message.",
        "Tyvärr kan jag inte se bilden.",
        "Jag kan tyvärr inte beskriva den här bilden.",
        "Jeg kan desværre ikke se billedet.",
        "Beklager, jeg kan ikke se bildet.",
        "Valitettavasti en näe kuvaa.",
        "The image did not load.",
        "The image is not available.",
        "Image not available.",
        "The photo is missing.",
        "Sorry, we cannot help with this.",
        '"I\'m sorry, but I cannot describe this image."',
        "I'm sorry, but I can't see the image.",
        "I’m sorry, but as a text-based model I cannot view images.",
        "I am sorry, I am unable to help with that.",
        "Sorry, but I can't assist with that request.",
        "As an AI language model, I don't have access to images.",
        "As an AI, I cannot see.",
        "I cannot view the image you refer to.",
        "I can't help with that.",
        "I'm unable to see images directly.",
        "I apologize, but there is no image.",
        "Unfortunately, I cannot describe this.",
        "Please upload the image so that I can describe it.",
        "No image was provided.",
        "It seems that you haven't attached an image.",
        "I'm an AI and can't do that",
        "Es tut mir leid, aber ich kann das Bild nicht sehen.",
        "Leider kann ich das Bild nicht öffnen.",
        "Als KI-Sprachmodell kann ich keine Bilder sehen.",
        "Als KI kann ich das nicht.",
        "Je suis désolé, mais je ne peux pas voir l'image.",
        "Désolée, je ne vois pas d'image.",
        "En tant qu'IA, je ne peux pas.",
        "Lo siento, pero no puedo ver la imagen.",
        "Como modelo de lenguaje, no puedo ver imágenes.",
        "Desculpe, mas não consigo ver a imagem.",
        "Sinto muito, mas não posso ajudar.",
        "Não consigo visualizar a imagem.",
        "Mi dispiace, ma non posso vedere l'immagine.",
        "Het spijt me, maar ik kan de afbeelding niet zien.",
        "Przykro mi, ale nie mogę zobaczyć obrazu.",
        "Jako model językowy nie widzę obrazów.",
        "Üzgünüm, ama görüntüyü göremiyorum.",
        "Bir yapay zekâ dil modeli olarak bunu yapamam.",
        "Извините, но я не могу увидеть изображение.",
        "К сожалению, я не могу помочь.",
        "Как языковая модель, я не вижу.",
        "抱歉，我无法查看图片。",
        "很抱歉，作为一个AI语言模型，我不能看到图片。",
        "作为AI，我无法回答。",
        "我无法查看您提供的图片。",
        "申し訳ありませんが、画像を見ることができません。",
        "죄송하지만 이미지를 볼 수 없습니다.",
        "عذرًا، لا أستطيع رؤية الصورة.",
        "मुझे खेद है, लेकिन मैं छवि नहीं देख सकता।",
        "Xin lỗi, nhưng tôi không thể xem hình ảnh.",
        "Maaf, tetapi saya tidak dapat melihat gambar.",
    ],
    "text.generator": [
        "This may be a mug, but as an AI language model I could be wrong.",
        "It is blue. I cannot see the image in detail.",
        "Eine Tasse. Als KI kann ich das nicht sicher sagen.",
    ],
    "text.boilerplate": [
        "Sure! A mug of clay.",
        "Certainly! Here's a mug.",
        "Of course! This mug is blue.",
        "Here is a description of the product: A mug.",
        "Here's a short description: a mug.",
        "Below is the caption for the image: a mug",
        "Absolutely! A mug.",
        "Great question! It is a mug.",
        "I'd be happy to describe it. A mug.",
        "A mug of clay. Let me know if you need anything else!",
        "A mug of clay. I hope this helps!",
        "A mug of clay. Feel free to ask for more.",
        "Natürlich! Eine Tasse.",
        "Gerne! Hier ist eine Beschreibung: Tasse.",
        "Hier ist eine kurze Beschreibung: Tasse.",
        "Bien sûr ! Voici une description : une tasse.",
        "Voici une description du produit : une tasse.",
        "¡Claro! Aquí tienes una descripción: una taza.",
        "Claro! Aqui está uma descrição: uma caneca.",
        "Certo! Ecco una descrizione: una tazza.",
        "Natuurlijk! Hier is een beschrijving: een mok.",
        "Oczywiście! Oto opis: kubek.",
        "Elbette! İşte bir açıklama: kupa.",
        "İşte bir açıklama: kupa.",
        "Конечно! Вот описание: кружка.",
        "当然！这是一个杯子。",
        "以下是该产品的描述：杯子。",
        "もちろんです。マグカップです。",
        "물론입니다! 머그잔입니다.",
    ],
    "text.mojibake": [
        *(
            "GrÃ¶ÃŸe",
            "KÃ¼che",
            "schÃ¶n",
            "Ã„pfel",
            "Ãœbung",
            "cafÃ©",
            "â€œMugâ€\x9d",
            "donâ€™t",
            "5 â‚¬",
            "20 Â°C",
            "Â© 2020",
        ),
        *(
            "ÐŸÑ€Ð¸Ð²ÐµÑ‚",
            "Î±Î²Î³",
            "Ø§Ù„Ø¹Ø±Ø¨ÙŠØ©",
            "æ—¥æœ¬èªž",
            "ðŸ˜€ fun",
            "mÄ…ka",
            "Å›wieca",
            "Å‚Ã³dÅº",
            "TÃ¼rkÃ§e",
            "tiáº¿ng Viá»‡t",
        ),
        *(
            "naÃ¯ve",
            "voilÃ\xa0 la tasse",
            "ä½\xa0å¥½",
            "ï»¿Mug",
            "ÃƒÂ¤",
            "‚Äôs",
            "Gr√∂√üe",
            "РїСЂРёРІРµС‚",
            "Ã\xa0 la carte",
            "São FranÃ§isco",
        ),
        *("à¤¨à¤®à¤¸à¥à¤¤à¥‡", "í•œêµ\xadì–´", "Ã–l", "Ã‰cole", "fÃ¼r", "seÃ±or", "Î¤Î¿ Ï†Î»Î¹Ï„Î¶Î¬Î½Î¹"),
    ],
    "text.lost_letters": ["Gr\ufffd\ufffde", "M\ufffdg", "\ue000 icon"],
    "text.control": ["A mug\x00 of clay", "A\x07mug", "A\x0bmug", "A mug\x1b[0m", "A\x7fmug", "A\x85mug", "A\u2028mug"],
    "text.invisible": [
        *(
            "A\u200bmug",
            "\ufeffA mug",
            "mu\u00adg",
            "A \u202egum\u202c mug",
            "A\u2060mug",
            "A \u2066mug\u2069",
            "m\u200cug",
            "a\u200db",
        ),
        *("A mug\U000e0041\U000e0042", "A mug \u200e", "ㅤA mug"),
    ],
    "text.decomposed": [
        "Gro\u0308ße",
        "cafe\u0301",
        "Vie\u0323\u0302t",
        "\u304b\u3099",
        "\u1112\u1161\u11ab",
        "\u0438\u0306",
    ],
    "text.escape": [
        "Gr\\u00f6\\u00dfe",
        "A mug.\\nIt is blue.",
        "A mug\\n\\nBlue",
        "Gr%C3%B6sse",
        "first\\r\\nsecond",
        "caf\\xe9",
    ],
    "text.html": [
        *(
            "A mug<br>of clay",
            "A mug<br/>",
            "<p>A mug</p>",
            "<b>Blue</b> mug",
            "Salt &amp; pepper",
            "5&nbsp;cm",
            "&#39;mug&#39;",
        ),
        *(
            '<a href="x">mug</a>',
            "<ul><li>Blue</li></ul>",
            "&uuml;ber",
            '<div class="x">Mug</div>',
            "A mug <!-- old -->",
            "R&amp;nbsp;D",
        ),
        *('<span style="color:red">Mug</span>', "<BR>", "<strong >Mug", '<img src="a.jpg">'),
    ],
    "text.file_name": ["img_0042.jpg shows a mug", "The file mug-07.PNG", "See photos/mug.webp."],
    "text.link": ["See https://shop.example/mug", "www.shop.example has it", "Write to info@shop.example"],
    "text.phone": ["Call +49 30 1234567", "Tel. 030/1234567", "(555) 123-4567"],
    "text.short_answer": ["Mug", "x", "ok"],
    "text.long_answer": ["A mug. " * 1200],
    "text.repetition": [
        "The mug is blue. The mug is blue. The mug is blue.",
        "It has a handle.\nIt has a handle.\nIt has a handle.",
        "First of all. The mug is blue. And then! The mug is blue. At last? The mug is blue",
        "这个杯子是蓝色的。这个杯子是蓝色的。这个杯子是蓝色的。",
        "red " * 8,
        f"A vase in {'red ' * 9}",
        f"A vase, {'beautiful, ' * 8}",
        "a red vase with a red vase with a red vase with a red vase with",
        "This is a red vase with a red vase with a red vase with a red vase with a red vase.",
        "It is blue and very nice and very nice and very nice and very nice and very nice",
        "红色的" * 6,
        f"这是一个{'红色的花瓶和' * 4}",
        "빨간 " * 8,
        "ha " * 30,
    ],
}

FINE = [
    # English, and what looks like a slip and is none
    "None of these mugs is blue.",
    "The null hypothesis was rejected, and an undefined variable is an error.",
    "Nan is a brand of milk powder. Nan makes it in Switzerland.",
    "My nan gave me this mug.",
    "Choose a < b and b > c; I <3 this mug, 3<5.",
    "It costs $5 (or 4 €), R&D and H&M included; AT&T too.",
    "The set {1, 2, 3} has three elements, and [5] is a footnote, [sic].",
    "A mug [note the handle] of clay; see [1, 2].",
    "The formula \\frac{{a}}{{b}} and x^{{2}} and \\text{cm} are LaTeX.",
    "\\begin{array}{cc} a & b \\\\ c & d \\end{array}",
    "```python\nx = None\nprint({{1}})\n```",
    "```html\n<p>A page</p>\n```",
    "The image shows a blue mug on a table, as an aid to the eye.",
    "Sorry Coffee is a café in Berlin; the sign says so.",
    "Sure-footed hikers wear these boots.",
    "Certainly the bluest mug of the set, it stands on a table.",
    "Of course the handle is made of clay too.",
    "Here is where the river bends, with a mug on its bank.",
    "I can see a blue mug on a table.",
    "There is no dog in the image; the mug stands alone.",
    "The image does not show how large the mug is.",
    "I do not think that it is blue, it looks rather green.",
    "An image of a mug. The photo was taken outside.",
    "It's a mug, isn't it? “Yes”, she said – “it is…”",
    "The user: a woman of thirty. Assistants help her.",
    "A todo list hangs beside the mug, with a test tube.",
    "Version 1.5.2 weighs 350 g, 12 x 8 x 9 cm, 2024-05-01, EAN 4006381333931.",
    "Yes; no. 50 % off: now!",
    "Emoji such as 👩‍👩‍👧, ❤️, 🏴󠁧󠁢󠁥󠁮󠁧󠁿 and 👍🏽 are fine → ✓.",
    "A tab\tand two\nlines\r\nare fine.",
    "Blue mug. Red mug. Blue mug. A green mug.",
    "Yes. Yes. Yes. Yes.",
    "Press [Enter] to add [Strg] + [C]; Mi-nang-ka-bau, Hà Nội nang.",
    "The post code is 02110-1301, the order number 0123456789.",
    # other scripts
    "抱歉，密码不匹配。",
    "すみません、まだ開店していません。",
    "متأسفانه در این فنجان ترک است.",
    "Niestety nie ma pokrywki. Leider kann man sie nicht spülen.",
    "گل\u200cها روی میز است",
    "Die Tasse ist schön groß, fasst ½ l – für Ärzte, Öfen und Übungen à 5 °C.",
    "Leider ist die Tasse etwas klein. Als Kind mochte ich sie.",
    "Natürlich schöne Tasse aus Ton, sicher verpackt und gerne verschenkt.",
    "HÄNDE UND FÜSSE: GRÖSSE „Ä“, „Ö“ und »Ü«!",
    "Une tasse très élégante, « à l'ancienne », où l'œil s'égare : forêt, Noël, naïf, garçon.",
    "« C'est fermé… » dit-il ; “fermé”… voilà…",
    "TÊTE À TÊTE, CHÂTEAU, «VOILÀ», ÎLE, ŒUVRE",
    "Una taza pequeña, «está», ¿qué más? ¡Sí! Año, corazón.",
    "Claro y sencillo: una taza. Como siempre, de barro.",
    "Uma caneca de São João: coração, pão, maçã, AMANHÃ, “MAÇÃ”, «IRMû, não é?",
    "NÃO, À TARDE, ÀS VEZES, IRMÃ – MANHÃ… LÃ, CÂMARA, AVÔ",
    "Una tazza più bella perché è così; città, caffè.",
    "Kubek z gliny: zażółć gęślą jaźń, ŁÓDŹ, ŻÓŁĆ, ĄĘŚ.",
    "Jasnoniebieski kubek, oczywisty wybór.",
    "Güzel bir kupa: İstanbul, ışık, ağaç, ŞIŞLİ, ÇAĞ, Öğün.",
    "Một chiếc cốc màu xanh: tiếng Việt, ĐÂY LÀ ẤN TƯỢNG, XÃ HỘI, Ã, Â, Ê, HÃNG, “XÔ.",
    "Синяя кружка стоит на столе, рядом с ней ложка. РОССИЯ, СССР.",
    "Синій кухоль: їжак, ґанок, Її, СЬОГОДНІ.",
    "Το μπλε φλιτζάνι είναι στο τραπέζι. ΟΧΙ, ΑΘΗΝΑ; Ϊ",
    "كوب أزرق على الطاولة، مصنوع من الطين. \u200fسعره ٥ دولارات.",
    "فنجان آبی روی میز است و می‌خواهم آن را بخرم.",
    "ספל כחול על השולחן, עשוי מחימר.",
    "मेज़ पर नीला मग है। क्‍षमता ३०० मिली।",
    "โต๊ะ\u200bมีแก้วสีน้ำเงิน",
    "桌子上有一个蓝色的杯子，容量300毫升。",
    "テーブルの上に青いマグカップがあります。容量は三百ミリリットルです。",
    "탁자 위에 파란 머그잔이 있습니다. 용량은 300ml입니다.",
    "Íslenskur bolli: Ð, Þ, æ, ö; ÞETTA ER GÓÐUR BOLLI, MEÐ “SÍД.",
    "Dansk: Ø, Å, Æ; 5 Å³ and 2 Å², “Ų.",
    "Suomeksi: PÄÄ, “TÄÄLLÄ”, yö, ÄÄNI…",
    "Čeština: žluťoučký kůň, ŘÍČKA, dŮM.",
    "Magyar: árvíztűrő tükörfúrógép, ŐSZ.",
    "Română: și, țară, înalt, ÎNTÂI, PÂINE.",
]

FINE_ANSWERS_TO_QUESTIONS = [
    *(
        ("What is the answer?", answer)
        for answer in ("A", "No", "2", "Yes.", "None.", "none", "-3", "红", "Unknown", "x")
    ),
    ("How many mugs are there? Answer with a number", "3"),
    ("Which one is it?\nA. red\nB. blue", "B"),
    ("Classify the picture: choose one of the options (cat, dog).", "cat"),
    ("这是什么？", "杯"),
    ("Describe it.", "杯子"),
    ("Say hello.", "hello"),
    ("Hello!", "Hello!"),
    ("Compare the two mugs.", "Both mugs are blue. The first is larger."),
]


def rules_of(conversations: list[Sequence[Turn]]) -> list[set[str]]:
    """The rules that each conversation breaks."""
    said: list[set[str]] = [set() for _ in conversations]
    for problem in problems(batch_of(conversations)):
        said[int(problem.id)].add(problem.rule)
    return said


@pytest.mark.parametrize("rule", IN_ANSWERS)
def test_an_answer_is_found_by_its_rule(rule: str) -> None:
    texts = IN_ANSWERS[rule]
    question = (
        "A mug of clay with a wide handle, made by hand in Portugal."
        if rule == "text.swapped"
        else "Describe this product."
    )
    said = rules_of([asked(question, text) for text in texts])
    assert [text for text, rules in zip(texts, said, strict=True) if rule not in rules] == []


@pytest.mark.parametrize(
    ("question", "answer"), [("Describe this product.", None), (None, "This is the answer to that.")]
)
def test_a_fine_text_is_left_alone(question: str | None, answer: str | None) -> None:
    said = rules_of([asked(question or text, answer or text) for text in FINE])
    assert {text: rules for text, rules in zip(FINE, said, strict=True) if rules} == {}


def test_a_short_answer_to_a_question_is_left_alone() -> None:
    said = rules_of([asked(question, answer) for question, answer in FINE_ANSWERS_TO_QUESTIONS])
    found_in = zip(FINE_ANSWERS_TO_QUESTIONS, said, strict=True)
    assert {pair: rules for pair, rules in found_in if rules} == {}


ANYWHERE = (
    *("text.template_residue", "text.null", "text.null_value", "text.image_placeholder", "text.special_token"),
    *("text.mojibake", "text.lost_letters", "text.control", "text.invisible", "text.html", "text.empty_value"),
    "text.decomposed",
)


@pytest.mark.parametrize("rule", ANYWHERE)
def test_questions_and_system_texts_are_looked_at_too(rule: str) -> None:
    texts, answer = IN_ANSWERS[rule], ("assistant", ["A blue mug."])
    as_questions: list[Sequence[Turn]] = [[("user", [None, text]), answer] for text in texts]
    as_systems: list[Sequence[Turn]] = [[("system", [text]), ("user", ["What is it?"]), answer] for text in texts]
    said = rules_of([*as_questions, *as_systems])
    assert [text for text, rules in zip([*texts, *texts], said, strict=True) if rule not in rules] == []


@pytest.mark.parametrize("rule", ["text.refusal", "text.boilerplate", "text.file_name", "text.repetition"])
def test_a_question_may_say_what_an_answer_may_not(rule: str) -> None:
    said = rules_of([asked(text, "A blue mug on a table.") for text in IN_ANSWERS[rule]])
    assert [rules for rules in said if rule in rules] == []


NO_REFUSALS = (
    "The image shows a blank notebook.",
    "There is no image on the front of the box.",
    "Image stabilization fails to work in the dark.",
    "A blank canvas, 30 x 40 cm.",
    "No image is printed on the back.",
    "The picture you see is a sample.",
    "The picture frame is not included.",
    "The image is not cropped.",
    "The picture looks broken into four panels, one per season.",
    "The image appears blank at first, but the cup shows it when it is hot.",
    "I was a gift once, says the card.",
    "Nu este potrivit pentru mașina de spălat vase.",
    "Nem csúszik: a talpa gumi.",
    "Δεν γλιστράει και πλένεται στο πλυντήριο.",
    "Provided with two keys.",
    "Attached lid, steel.",
    "The attached strap is made of leather.",
    "The file is made of steel, 20 cm.",
    "The photo album holds 200 pictures.",
    "사진을 넣을 수 있는 액자.",
    "無糖茶飲",
    "画像は商品の一例です。",
    "Un tablou, 30 x 40 cm.",
    "There is no picture frame in the set.",
    "Ca model, aceasta este clasică.",
    "No picture available in the book is in colour.",
    "As an AI Language Model: Poems by Machines",
    "Sorry, I Can't Help Myself is a 1965 single by the Four Tops.",
    "SORRY, WE ARE CLOSED",
    "Sorry, we are closed",
    "Sorry we missed you, says the card that is left at the door.",
    "As an AI: Poems by Machines",
    '"I\'m Sorry" is a song by Brenda Lee.',
    "I Can't Help Falling in Love, a music box for lovers.",
    "“Sorry, I can't come to the phone” is printed on the cover.",
    "I'm Sorry I Haven't a Clue: the board game of the radio show.",
    "Unable to Fly: a novel of three sisters.",
    "UNABLE TO READ CARD",
    "Sorry! The board game for two to four players.",
    "As an AI Engineer mug, this one holds 300 ml.",
    "The image is not available in black: it shows the blue mug.",
    "Image 7 shows a mug.",
    "Jeg kan like den blå koppen.",
)


@pytest.mark.parametrize("answer", NO_REFUSALS)
def test_a_title_or_a_sign_that_sounds_like_a_refusal_is_none(answer: str) -> None:
    said = found(asked("Describe the product.", answer))
    assert "text.refusal" not in said
    assert "text.generator" not in said


@pytest.mark.parametrize(
    "answer",
    [
        "Too Many Requests is an album of 2019.",
        "404 Not Found mug, 300 ml.",
        "503 Service Unavailable, a print for the office wall.",
        "Internal Server Error: The Poster, 50 x 70 cm",
        "Rate limit exceeded T-shirt for developers",
        "404 Not Found: a novel about a lost website.",
    ],
)
def test_a_title_that_sounds_like_a_servers_message_is_none(answer: str) -> None:
    assert "text.error_message" not in found(asked("Describe the product.", answer))


def test_what_a_sign_says_is_no_refusal_and_not_to_read_it_is_one() -> None:
    question = "What does the sign say?"
    assert "text.refusal" not in found(asked(question, "I'm sorry, I am at lunch."))
    assert "text.refusal" in found(asked(question, "I'm sorry, I can't read the text on the sign."))


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't do that.",
        "I'm sorry, but I cannot comply with this.",
        "As an AI: I have no sense of smell.",
        "I'M SORRY, BUT I CANNOT ASSIST WITH THAT.",
        "\"I'm sorry, but I can't help with that.\"",
    ],
)
def test_a_refusal_stays_one_whatever_the_question_speaks_of(answer: str) -> None:
    for question in ("Write a text of 60 words for this title: Blue mug", "What does the label say?", "Describe it."):
        assert "text.refusal" in found(asked(question, answer)), question


NULLS = {"text.null", "text.null_value"}


@pytest.mark.parametrize("answer", ["None", "None.", "'None'", "(none)", "[None]", "NULL;", "- None", "“None”"])
def test_a_missing_value_among_signs_is_what_it_is_without_them(answer: str) -> None:
    assert found(asked("Describe this product.", answer)) & NULLS == {"text.null"}
    assert found(asked("What brand is it?", answer)) & NULLS == {"text.null_value"}
    assert found(asked("Does it have any scratches, if any?", answer)) & NULLS == set()


def test_none_with_a_full_stop_is_english_where_something_was_asked() -> None:
    for question in ("What text is on the label?", "Which of these mugs is blue?", "How many mugs are there?"):
        assert found(asked(question, "None.")) & NULLS == set(), question
    assert found(asked("Describe any damage.", "None.")) & NULLS == {"text.null_value"}
    for answer in ("none", "none.", "None?"):
        assert found(asked("What brand is it?", answer)) & NULLS == set(), answer


def test_a_missing_value_may_be_data_that_was_asked_for() -> None:
    for answer in ("[null]", '"null"', "[None]", '{"brand": null}', '["None"]'):
        assert found(asked("Extract the brand as JSON.", answer)) & NULLS == set(), answer


NO_LOOPS = (
    *("ha ha ha", "Very very very soft.", "1 1 1 1 1", "1 " * 40, "0, " * 40, "-----", "-" * 200, "........"),
    *(
        "no no no",
        "no no no no no no no no",
        "S S S S S S S S",
        "La la la la la la la la la",
        "5 cm 5 cm 5 cm 5 cm 5 cm",
    ),
    *("| a | b |\n|---|---|\n| yes | yes | yes | yes | yes | yes | yes | yes |", "|| ||| | || ||| | || ||| |"),
    *("+---+---+---+---+---+---+---+---+", "/\\/\\/\\/\\/\\/\\/\\/\\/\\/\\", "S M L XL S M L XL S M L XL S M L XL"),
    *(
        "over and over and over and over",
        "哈哈哈哈哈哈哈哈哈哈哈",
        "ドキドキドキドキドキドキ",
        "ABABABABABABABABABABABABABAB",
    ),
    "Row, row, row your boat. Merrily, merrily, merrily, merrily, life is but a dream.",
)


@pytest.mark.parametrize("answer", NO_LOOPS)
def test_what_is_said_a_few_times_is_no_loop(answer: str) -> None:
    assert "text.repetition" not in found(asked("Describe this product.", answer))


def test_a_list_of_equal_things_may_be_asked_for() -> None:
    answer = f"{'blue, ' * 8}blue"
    assert "text.repetition" not in found(asked("What colours are the nine mugs, from left to right?", answer))
    assert "text.repetition" in found(asked("Describe the mugs.", answer))


NO_GAPS = (
    *(
        "Features:\n- soft\n- warm",
        "Materials:\nWood and steel",
        "Ingredients:\nwater: 80 %",
        "Ingredients: \nwater: 80 %",
    ),
    *("Note: \nColour may vary", "Note:\nColours: see below", "Specifications: \nWidth: 30 cm\nHeight: 20 cm"),
    "Product: Mug\nDimensions:\nWidth: 30 cm\nHeight: 20 cm",
    "View 1:\nColour: red\nView 2:\nColour: blue",
    "Front:\nColour: red\nBack:\nColour: blue",
    "Name: Mug\n\nCoating:\nColour: red",
    *("Material:\nShell: cotton\nLining: silk", "Colour:\nOuter: red\nInner: blue", "Brand:\nName: Nordlicht"),
    *("**Brand:**\nNordlicht", "```yaml\nbrand: \ncolour: red\n```", "- Brand:\n- Colour: red"),
    *("A fine mug.  It is blue.", "The mug is  blue, and soft  in touch.", "A mug  by the sea", "the  in-house mug"),
    *("Name   : Mug\nBrand  : Nordlicht\nColour : red", "Max voltage  : 5 V", "Vitamin A  : 5 mg", "Time:  10:30"),
    "Roses are red,\nViolets are blue:\nSugar is sweet",
)


@pytest.mark.parametrize("text", NO_GAPS)
def test_a_heading_or_a_wide_space_is_no_missing_value(text: str) -> None:
    assert "text.empty_value" not in found(asked(text, text))


def test_a_form_in_a_question_waits_for_its_answer() -> None:
    text = "Title: Mug\nOrigin:\nWeight: 300 g"
    assert "text.empty_value" in found(asked("Describe this product.", text))
    assert "text.empty_value" not in found(asked(text, "A mug of clay."))
    assert "text.empty_value" not in found(asked("Title: Mug\nDescription:", "A mug of clay."))


def test_an_answer_that_is_the_question_is_found() -> None:
    assert found(asked("A blue mug of clay", "a blue mug of clay.")) == {"text.answer_is_question"}
    assert found(asked("Describe: a mug", "It is a mug, see")) == set()


def test_an_answer_that_holds_the_question_is_found() -> None:
    question = "What is the colour of this mug?"
    assert found(asked(question, f"{question} It is blue.")) == {"text.question_repeated"}
    assert found(asked(question, f"You ask: {question} Blue")) == {"text.question_repeated"}
    turns: list[Turn] = [
        ("user", ["Look at this picture of a mug:", None, "And?"]),
        ("assistant", ["Look at this picture of a mug: nice"]),
    ]
    assert found(turns) == {"text.question_repeated"}
    assert found(asked("What is it?", "What is it? A mug.")) == set()


def test_a_question_of_earlier_turns_is_no_echo() -> None:
    turns = [
        *asked("What is the colour of this mug?", "It is blue."),
        *asked("And what did I ask you just now, please?", "What is the colour of this mug?"),
    ]
    assert found(turns) == set()


def test_a_short_question_is_found_and_one_of_images_is_not() -> None:
    assert found(asked("x", "A blue mug.")) == {"text.short_question"}
    assert found([("user", [None]), ("assistant", ["A blue mug."])]) == set()
    assert found([("user", ["1", None, "2", None]), ("assistant", ["A blue mug."])]) == set()


def test_thresholds_are_those_that_were_settled() -> None:
    settings = CheckSettings(thresholds={"text.short_answer": {"min_characters": 20}, "text.repetition": {"times": 2}})
    assert found(asked("Describe it.", "A blue mug."), settings) == {"text.short_answer"}
    assert found(asked("Describe it.", "The mug is blue. The mug is blue."), settings) == {"text.repetition"}
    long = CheckSettings(thresholds={"text.long_question": {"max_characters": 10}})
    assert found(asked("Describe this mug.", "A blue mug."), long) == {"text.long_question"}


def test_a_finding_says_where_it_is_and_what_to_do() -> None:
    turns: list[Turn] = [
        ("user", ["Compare:", None, "and <image>", None]),
        ("assistant", ["A mug.<|im_end|><|im_end|>"]),
    ]
    first, second = problems(batch_of([asked("Fine?", "Fine enough."), turns]))
    assert str(first) == (
        "mugs.csv:3 messages[0].content[2]: the question holds '<image>', a place for an image that is only text"
        " [text.image_placeholder] take it out, and place the image with an image part (`images` in a recipe's turn)"
    )
    assert str(second) == (
        "mugs.csv:3 messages[1]: the answer holds '<|im_end|>', 2 times, a special token of Qwen [text.special_token]"
        " take it out of the source; a model's template writes its own tokens"
    )
    assert (second.id, second.severity) == ("1", "error")


def test_links_and_telephone_numbers_may_be_asked_for() -> None:
    answer = "At https://shop.example, +49 30 1234567."
    assert found(asked("Where can I buy it?", answer)) == set()
    assert found(asked("Describe this mug.", answer)) == {"text.link", "text.phone"}


def test_an_answer_that_is_a_line_of_its_question_is_found() -> None:
    question = "Describe this product.\nTitle: A blue mug of clay\nNordlicht"
    assert found(asked(question, "A blue mug of clay.")) == {"text.copied"}
    assert found(asked(f"{question}\nWhat is its title?", "A blue mug of clay")) == set()


def test_an_error_may_be_read_off_a_screen() -> None:
    assert found(asked("What does the error message say?", "Error: 429 Too Many Requests")) == set()


def test_data_may_be_asked_for() -> None:
    assert found(asked("Extract the fields as JSON.", '{"title": "Mug"}')) == set()


def test_a_question_may_be_the_answer_where_one_was_asked_for() -> None:
    assert found(asked("Write a quiz question about this picture of a mug.", "What is in the picture?")) == set()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("A red vase.", "Write a short product description for the product shown in the picture."),
        ("A red vase", "Describe this product for our shop."),
        ("Rote Vase", "Beschreibe dieses Produkt für unseren Shop."),
        ("花瓶", "请描述这张图片。"),
        ("赤い花瓶。", "この商品の画像を説明してください。"),
        ("A vase.", "Décrivez ce produit"),
        ("red", "What color is the vase?"),
        ("Two.", "How many cups are in the picture?"),
    ],
)
def test_a_request_is_no_answer_however_short_the_question_is(question: str, answer: str) -> None:
    assert found(asked(question, answer)) == {"text.swapped"}
    again = [*asked(question, answer), *asked("It is large and blue.", "Describe the product.")]
    assert found(again) == {"text.swapped"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Write a question about the picture.", "Describe the handle of this product?"),
        ("Invent a task for a pupil.", "Describe the product in the picture."),
        ("What would a buyer ask?", "Describe the handle of this mug?"),
        ("Caption?", "What is in the picture?"),
        ("Hi", "What is in the picture?"),
        ("Hello!", "How can I help you?"),
        ("My mug broke.", "Please describe the product and what happened."),
        ("How to see a doctor", "Describe your symptoms to the doctor and show the product."),
        ("Step 3 of the manual", "Describe your symptoms to the doctor and list each item."),
        ("Recipe of a cake", "Write your shopping list with each item on it."),
    ],
)
def test_what_asks_may_be_wanted_or_a_manual_s_word_to_its_reader(question: str, answer: str) -> None:
    assert found(asked(question, answer)) == set()


def test_an_answer_may_ask_back_in_a_talk() -> None:
    first = asked("The mug that came last week lost its handle on the first day.", "Can you describe the product?")
    assert found([*first, *asked("A red one.", "Thanks, a new one is on its way.")]) == set()


SYSTEM = (
    "You are a helpful product copywriter for an online shop. Write in a friendly tone and never mention the price. "
    "The shop gives a warranty of thirty days on all goods."
)
VASE = "The vase is red, with a tall neck and a wide foot of dark wood."
PROMPT = "You are a product copywriter. Write a short text about the vase in the picture."


@pytest.mark.parametrize(
    ("system", "question", "answer"),
    [
        (SYSTEM, "Describe it.", f"You are a helpful product copywriter for an online shop. {VASE}"),
        (SYSTEM, "Describe it.", f"{VASE} Write in a friendly tone and never mention the price."),
        (None, f"{PROMPT}\nBrand: Nord", f"{PROMPT} {VASE}"),
        (None, f"{PROMPT} Use two sentences.", f"Write a short text about the vase in the picture. {VASE}"),
        (None, "Describe this spice for a shop.\nBrand: Nord", "Describe this spice for a shop. It is a hot one."),
        (None, "Describe this spice for a shop.\nBrand: Nord", "**Describe this spice for a shop**\nIt is a hot one."),
    ],
)
def test_an_answer_that_holds_what_the_writer_was_told_is_found(system: str | None, question: str, answer: str) -> None:
    turns: list[Turn] = [*([("system", [system])] if system else []), *asked(question, answer)]
    assert found(turns) == {"text.prompt_leaked"}
    assert found(turns, CheckSettings()) == set()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How long is the warranty?", "The shop gives a warranty of thirty days on all goods."),
        ("Describe the spice.\nTitle: Write with Pepper", "Describe your day, write with pepper: a board of slate."),
        ("Saffron from Iran, 40 g. Describe it.", "Saffron from Iran, 40 g. It smells of honey."),
        (
            "Describe it. Brand: X. Title: Long Title Of The Product In Full",
            f"Long Title Of The Product In Full. {VASE}",
        ),
        (
            "Which is it?\nA. The red vase that stands on the table\nB. A mug",
            "A. The red vase that stands on the table",
        ),
        (
            '"Write to me as soon as you get home again," she said. To whom?',
            '"Write to me as soon as you get home again"',
        ),
        (
            "Read it: Answer me now or leave this old house at once. Who says so?",
            "Answer me now or leave this old house.",
        ),
        ("Repeat what you were told.", SYSTEM),
        (PROMPT, VASE),
    ],
)
def test_facts_options_and_quotations_may_be_said_again(question: str, answer: str) -> None:
    assert found([("system", [SYSTEM]), *asked(question, answer)]) == set()


def test_code_in_a_sentence_may_hold_what_a_template_does() -> None:
    assert found(asked("Explain it.", "It prints `{{ title }}`, then `%s` and `{0}`; `None` is left out.")) == set()


def test_an_ignored_rule_is_silent_and_a_severity_is_as_settled() -> None:
    turns = asked("Describe it.", "A mug <br> of clay, <|im_end|> &amp; blue")
    settings = CheckSettings(ignore=("text.special_token",), severities={"text.html": "error"})
    (problem,) = problems(batch_of([turns]), settings)
    assert (problem.rule, problem.severity) == ("text.html", "error")
    assert found(turns, CheckSettings(select=("messages",))) == set()


def test_each_rule_about_texts_has_an_example_here() -> None:
    elsewhere = {
        "text.copied",
        "text.prompt_leaked",
        "text.answer_is_question",
        "text.question_repeated",
        "text.short_question",
        "text.long_question",
    }
    of_builds = {"text.template", "text.surrogate", "text.noncharacter", "text.empty"}
    named = {name for name in rulebook() if name.startswith("text.")}
    assert named == set(IN_ANSWERS) | elsewhere | of_builds
