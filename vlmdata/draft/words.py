"""What columns are called, in the languages that catalogs are written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

ID = (
    *("sku", "asin", "id", "uid", "uuid", "productid", "itemid", "artikelid", "artikelnummer", "artikelnr", "artnr"),
    *("itemnumber", "productnumber", "productcode", "itemcode", "code", "codigo", "codice", "kod", "referenz"),
    *("reference", "referencia", "ref", "handle", "key", "number", "nummer", "numero", "nr", "no", "num"),
    *("ean", "gtin", "isbn", "upc", "mpn", "barcode"),
)
"""In order of preference."""

GROUP = (
    *("parent", "group", "gruppe", "groupe", "grupo", "gruppo", "groep", "family", "familie", "famille", "familia"),
    *("famiglia", "master", "model", "modell", "modele", "modelo", "modello", "style", "serie", "series"),
    *("hauptartikel", "vater", "eltern", "pere", "padre", "variantof"),
)
ANSWER = (
    *("description", "desc", "beschreibung", "caption", "descripcion", "descrizione", "descricao", "omschrijving"),
    *("beschrijving", "opis", "beskrivelse", "beskrivning", "kuvaus", "popis", "leiras", "aciklama", "descriere"),
    *("bildunterschrift", "legende", "langtext", "produkttext", "text", "texte", "texto", "testo", "tekst", "body"),
    *("content", "inhalt", "contenu", "copy", "answer", "antwort", "reponse", "respuesta", "response"),
    *("описание", "описи", "опис", "説明", "描述", "描写", "설명"),
)
QUESTION = (
    "question",
    "frage",
    "pregunta",
    "domanda",
    "vraag",
    "instruction",
    "prompt",
    "query",
    "вопрос",
    "問題",
    "质问",
    "问题",
)
TITLE = (
    *("title", "titel", "titre", "titulo", "titolo", "titlu", "name", "nom", "nombre", "nome", "naam", "nazwa", "navn"),
    *("namn", "nazev", "bezeichnung", "designation", "denominazione", "headline", "label", "intitule", "libelle"),
    *("название", "наименование", "商品名", "名称", "标题", "이름"),
)
NO_TITLE = (
    *("brand", "marke", "marque", "marca", "merk", "hersteller", "manufacturer", "fabricant", "vendor", "supplier"),
    *("color", "colour", "farbe", "couleur", "size", "grosse", "material", "file", "datei", "user", "author"),
    *("category", "categorie", "kategorie", "categoria", "designer", "company", "firma", "shop", "store"),
)
"""Whose name it is, in `brand name` or `Herstellername`."""

CATEGORY = (
    *("category", "categorie", "kategorie", "categoria", "kategoria", "kategori", "kategorija", "type", "typ", "tipo"),
    *(
        "kind",
        "art",
        "department",
        "section",
        "rubrik",
        "warengruppe",
        "sortiment",
        "категория",
        "カテゴリ",
        "类别",
        "分类",
    ),
)
INACTIVE = (
    *("sold", "discontinued", "deleted", "hidden", "archived", "disabled", "inactive", "unpublished"),
    *("verkauft", "geloscht", "versteckt", "verborgen", "archiviert", "gesperrt", "inaktiv", "ausverkauft", "vendu"),
    *("supprime", "masque", "archive", "inactif", "vendido", "oculto", "eliminado", "borrado", "inactivo", "venduto"),
    *("nascosto", "eliminato", "inativo", "esgotado", "verkocht", "verwijderd", "sprzedan", "ukryt", "usuniet"),
    *("zarchiwizowan", "nieaktywn", "wycofan", "solgt", "prodano", "skryt", "satildi", "продан", "скрыт", "удален"),
    *("удалён", "архив", "売り切れ", "下架"),
)
"""Whether it no longer does: a no is wanted there."""

ACTIVE = (
    *(
        "active",
        "aktiv",
        "actif",
        "activo",
        "attivo",
        "actief",
        "enabled",
        "published",
        "status",
        "statut",
        "estado",
        "stato",
        "visible",
    ),
    *("sichtbar", "online", "available", "availability", "verfugbar", "lieferbar", "disponible", "veroffentlicht"),
    *("freigegeben", "aktywn", "widoczn", "dostepn", "dostępn", "opublikowan", "publie", "publicado", "pubblicato"),
    *("visibile", "disponibile", "ativo", "visivel", "disponivel", "zichtbaar", "beschikbaar", "gepubliceerd"),
    *("synlig", "tillganglig", "aktivni", "viditeln", "dostupn", "aktif", "gorunur", "активен", "активный", "актив"),
    *("видимый", "виден", "доступен", "доступность", "опубликован", "статус", "公開", "状态", "在售"),
    *INACTIVE,
)
"""Whether a row counts at present; endings that change with the gender are left out."""

IMAGE = (
    *("image", "images", "img", "photo", "photos", "foto", "fotos", "bild", "bilder", "picture", "pictures", "pic"),
    *("imagen", "imagenes", "immagine", "immagini", "imagem", "afbeelding", "zdjecie", "obraz", "gallery", "galerie"),
    *("media", "фото", "изображение", "画像", "图片", "圖片"),
)
THUMBNAIL = (
    "thumb",
    "thumbs",
    "thumbnail",
    "thumbnails",
    "vorschau",
    "vorschaubild",
    "miniature",
    "swatch",
    "icon",
    "preview",
)
NO_ANSWER = (
    "meta",
    "seo",
    "keyword",
    "keywords",
    "internal",
    "intern",
    "interne",
    "note",
    "notes",
    "notiz",
    "url",
    "html",
)
"""What stands in the names of long texts that are not the shop's own description."""

NO_FACT = (
    *("price", "preis", "prix", "precio", "prezzo", "prijs", "cena", "pris", "cost", "kosten", "rrp", "msrp", "uvp"),
    *("stock", "bestand", "lager", "lagerbestand", "inventory", "qty", "quantity", "anzahl", "url", "link", "href"),
    *("slug", "path", "file", "datei", "date", "datum", "fecha", "timestamp", "created", "updated", "modified"),
    *("erstellt", "geandert", "sort", "rank", "views", "rating", "reviews", "tax", "steuer", "vat", "mwst"),
    *("currency", "wahrung", "supplier", "lieferant", "email", "seo", "meta", "keywords", "source", "split", "alt"),
)
"""What changes from week to week, or says nothing of the product itself."""

LANGUAGES = {
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "sv": "Swedish",
}


def tokens(name: str) -> tuple[str, ...]:
    """The words of a column's name: `Produkt-ID 2` and `produktId` are both `produkt`, `id`; accents are left out."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W\d_]+", _folded(apart)))


def rank(name: str, words: Sequence[str]) -> int | None:
    """The place of the first of the words that a column's name holds, as a word of its own or inside a long one."""
    apart = tokens(name)
    joined = "".join(apart)
    for place, word in enumerate(words):
        known = _folded(word)
        inside = (len(known) >= 5 or not known.isascii()) and known in joined
        if known in apart or inside or (len(known) >= 4 and joined.endswith(known)):
            return place
    return None


def named(name: str, words: Sequence[str]) -> bool:
    """Whether a column's name holds one of the words."""
    return rank(name, words) is not None


def language(name: str) -> str:
    """The language that a column's name ends with (`title_de`: `de`), or nothing."""
    apart = tokens(name)
    return apart[-1] if len(apart) > 1 and apart[-1] in LANGUAGES else ""


def stem(name: str) -> str:
    """A column's name without its language."""
    apart = tokens(name)
    return " ".join(apart[:-1] if language(name) else apart)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
