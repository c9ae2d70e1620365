"""Hostile prompts, listed by kind: what strangers wrote, broke, or meant to be run."""

from pathlib import Path

_BASE = "a photo of a zebra on the grass"
_NO_VALUES = ("nan", "NaN", "None", "null", "NULL", "N/A", "undefined", "nil", "<NA>", "#N/A")
_NUMBERS = ("0", "-1", "1e309", "1e5", "3.14", "0x1F", "1,000,000", "Infinity", "-inf", "١٢٣")
_MARKS = {
    "nul": "\0", "bell": "\x07", "escape": "\x1b[31m", "delete": "\x7f", "next line": "\x85",
    "right to left override": "\u202e", "left to right isolate": "\u2066", "pop": "\u202c",
    "zero width space": "\u200b", "zero width joiner": "\u200d", "word joiner": "\u2060",
    "byte order mark": "\ufeff", "soft hyphen": "\u00ad", "replacement": "\ufffd",
    "non-character": "\uffff", "private use": "\ue000", "variation selector": "\ufe0f",
    "tag letter": "\U000e0041", "line separator": "\u2028", "no-break space": "\u00a0",
    "ideographic space": "\u3000", "combining acute": "\u0301", "annotation": "\ufff9",
}  # fmt: skip
_LONE_SURROGATES = ("\ud800", "\udfff", "\udc00", "\ud83e", "\udbff")
_MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "<!-- -->", "<b>",
    "]]>", '"><svg onload=alert(1)>', "javascript:alert(1)", "[link](javascript:alert(1))",
)  # fmt: skip
_SQL = (
    "'; DROP TABLE prompts; --", "' OR 1=1 --", '" OR ""="', "1); DELETE FROM prompts; --",
    "\\'; DROP TABLE prompts; --", "`prompts`", "${spark.sql.x}", "%s %d %n", "a' || 'b",
    "NULL) UNION SELECT 1 --", "/* a */", "@@version", "\\", "'", '"', "`", ";",
)  # fmt: skip
_TEMPLATES = (
    "{0}", "{}", "{self.__class__}", "{{7*7}}", "{% raw %}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "%(name)s", "$name", "{prompt!r}", "}{", "[bold]text[/bold]", "[/]", "\\N{BULLET}",
)  # fmt: skip
_MIXED = (
    "a zebra eine Katze und ein Hund", "a cat 猫が座っている", "собака and a dog", "café crème ☕",
    "ein Zebra steht auf einer grünen Wiese", "un perro en la playa", "قطة على الأريكة",
    "一只猫坐在沙发上", "สุนัขบนหาด", "a ｆｕｌｌ ｗｉｄｔｈ zebra", "ⓐ ⓩⓔⓑⓡⓐ", "𝒶 𝓏𝑒𝒷𝓇𝒶", "а zеbrа",
)  # fmt: skip
_EMOJI = (
    "🦓", "🦓🦓🦓", "👩\u200d🚀", "👨\u200d👩\u200d👧\u200d👦", "🇩🇪", "1️⃣", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "☺", "👍🏽" * 50,
)  # fmt: skip
_WHITE = ("", " ", "\t", "\n", "\r\n", "\u3000", "\u2003 \u2003", "\n" * 500, "\u00a0")
_LONG = {
    "a megabyte of words": "zebra " * 170_000,
    "a megabyte of one letter": "a" * 1_000_000,
    "a megabyte of emoji": "🦓" * 250_000,
    "a combining flood": "a" + "\u0301" * 900,
    "a combining flood of many letters": "".join(c + "\u0300\u0301\u0302" * 20 for c in "zebra"),
    "one long word": "zebra" * 180,
    "commas": "a zebra" + "," * 900,
    "brackets": "(" * 400 + "zebra" + ")" * 400,
    "quotes": "'" * 900,
    "a deep list": "[" * 500,
}


def hostile_texts(made: Path) -> dict[str, list[str]]:
    """List the texts by kind.

    Args:
        made: a file that a text which is run would make.
    """
    commands = (
        f"$(touch {made})", f"`touch {made}`", f"; touch {made} #", f"| touch {made}",
        f"&& touch {made}", f"__import__('os').system('touch {made}')",
        f"{{{{ cycler.__init__.__globals__.os.system('touch {made}') }}}}",
        f"!!python/object/apply:os.system ['touch {made}']", f"cos\nsystem\n(S'touch {made}'\ntR.",
        "${jndi:ldap://127.0.0.1/a}", f"=cmd|'/c touch {made}'!A1", f"file://{made}",
        f"java.lang.Runtime.exec('touch {made}')", "../../../../etc/passwd", f"@{made}",
    )  # fmt: skip
    return {
        "white space": list(_WHITE),
        "no value": [*_NO_VALUES, *(f" {word} " for word in _NO_VALUES)],
        "numbers": list(_NUMBERS),
        "marks": [text for mark in _MARKS.values() for text in _around(mark)],
        "lone surrogates": [text for mark in _LONE_SURROGATES for text in _around(mark)],
        "emoji": list(_EMOJI),
        "markup": [*_MARKUP, *(f"{_BASE} {each}" for each in _MARKUP)],
        "SQL": [*_SQL, *(f"{_BASE} {each}" for each in _SQL)],
        "templates": [*_TEMPLATES, *(f"{_BASE} {each}" for each in _TEMPLATES)],
        "commands": [f"{_BASE} {each}" for each in commands],
        "languages": list(_MIXED),
        "URLs": ["https://a.org/x", "www.a.org", "http://", f"{_BASE} https://a.org/x?y=z#w"],
        "long": list(_LONG.values()),
    }


def _around(mark: str) -> tuple[str, str, str]:
    return mark, f"{_BASE[:7]}{mark}{_BASE[7:]}", f"{mark}{_BASE} {mark}"
