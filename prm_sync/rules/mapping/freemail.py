"""Domains of mail providers that anybody can have an address at: no company's own domain."""

from __future__ import annotations

_BRANDS = {
    "gmail": "com", "googlemail": "com de co.uk",
    "yahoo": "com co.uk co.in co.jp co.id co.kr com.br com.mx com.ar com.au com.vn com.sg com.tr com.ph de fr es it ca"
    " in gr",
    "ymail": "com", "rocketmail": "com",
    "hotmail": "com co.uk de fr es it nl be se com.br com.tr com.ar co.jp gr",
    "outlook": "com de fr es it jp com.br com.tr sa in pt be", "live": "com co.uk de fr it nl be se jp com.mx ca cn",
    "msn": "com", "windowslive": "com", "icloud": "com", "me": "com", "mac": "com", "aol": "com co.uk de fr",
    "gmx": "de net com at ch fr es", "web": "de", "t-online": "de", "freenet": "de", "arcor": "de", "posteo": "de",
    "mailbox": "org", "proton": "me", "protonmail": "com ch", "pm": "me", "tutanota": "com de", "tuta": "io com",
    "zoho": "com", "zohomail": "com eu", "fastmail": "com fm", "hushmail": "com", "mail": "com ru", "email": "com",
    "orange": "fr", "wanadoo": "fr", "free": "fr", "laposte": "net", "sfr": "fr", "neuf": "fr", "bbox": "fr",
    "libero": "it", "virgilio": "it", "alice": "it", "tiscali": "it", "tin": "it", "terra": "com.br es",
    "uol": "com.br", "bol": "com.br", "ig": "com.br", "globo": "com", "btinternet": "com", "ntlworld": "com",
    "sky": "com", "talktalk": "net", "virginmedia": "com", "comcast": "net", "verizon": "net", "att": "net",
    "sbcglobal": "net", "bellsouth": "net", "cox": "net", "charter": "net", "earthlink": "net", "shaw": "ca",
    "rogers": "com", "sympatico": "ca", "bigpond": "com", "optusnet": "com.au", "xtra": "co.nz",
    "yandex": "ru com ua kz by", "ya": "ru", "bk": "ru", "list": "ru", "inbox": "ru lv", "rambler": "ru", "ukr": "net",
    "i": "ua", "wp": "pl", "o2": "pl", "onet": "pl eu", "interia": "pl", "op": "pl", "seznam": "cz", "centrum": "cz",
    "abv": "bg", "bluewin": "ch", "ziggo": "nl", "kpnmail": "nl", "telenet": "be", "skynet": "be", "telia": "com",
    "qq": "com", "163": "com", "126": "com", "139": "com", "189": "cn", "yeah": "net", "sina": "com cn", "sohu": "com",
    "foxmail": "com", "aliyun": "com", "21cn": "com", "tom": "com", "naver": "com", "hanmail": "net", "daum": "net",
    "nate": "com", "kakao": "com", "docomo": "ne.jp", "ezweb": "ne.jp", "softbank": "ne.jp", "nifty": "com",
    "rediffmail": "com", "indiatimes": "com", "sify": "com", "walla": "co.il com", "chmail": "ir", "mynet": "com",
    "hinet": "net", "pchome": "com.tw", "singnet": "com.sg", "tm": "net.my", "mailinator": "com", "yopmail": "com",
}  # fmt: skip

FREE_MAIL: frozenset[str] = frozenset(f"{name}.{end}" for name, ends in _BRANDS.items() for end in ends.split())
"""About two hundred domains of providers in all parts of the world."""
