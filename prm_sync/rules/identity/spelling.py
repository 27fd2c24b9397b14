"""One Latin spelling for words of any script, so that two ways of writing the same name can be compared.

Texts become lower-case ASCII letters and digits. Chinese is read as pinyin without tones, Vietnamese and other accents
fall away, Arabic, Persian and Hebrew give their consonants (their vowels are not written): `sound` compares those.
Kanji are read as Chinese, so a Japanese name in kanji and its romaji differ: there the other fields must decide.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

from anyascii import anyascii

from prm_sync.rules.fold import fold

__all__ = ["FREE_MAIL", "company_core", "latin", "mail_local", "number", "root_name", "sound", "words"]


def _each(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_APART = re.compile(r"[^a-z0-9]+")
_LOWER = bytes(range(256)).lower()
_NO_SIGNS = bytes(c for c in range(128) if not chr(c).isalnum())
_NO_LETTERS = bytes(c for c in range(128) if not chr(c).isalpha())
_DOTTED = re.compile(r"(?<=\b\w)[./](?=\w\b|\s|$)")

#: Providers where the part after the @ says nothing about an employer.
FREE_MAIL = _each(
    "gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.co.jp yahoo.com.br yahoo.com.vn ymail.com "
    "outlook.com hotmail.com hotmail.fr hotmail.co.uk live.com msn.com icloud.com me.com mac.com aol.com gmx.de "
    "gmx.net gmx.at gmx.com web.de t-online.de freenet.de mail.ru bk.ru list.ru inbox.ru yandex.ru yandex.com qq.com "
    "163.com 126.com sina.com foxmail.com naver.com daum.net hanmail.net orange.fr wanadoo.fr free.fr laposte.net "
    "sfr.fr libero.it virgilio.it tiscali.it alice.it uol.com.br bol.com.br terra.com.br wp.pl o2.pl onet.pl "
    "interia.pl seznam.cz rediffmail.com proton.me protonmail.com zoho.com mail.com btinternet.com comcast.net "
    "verizon.net att.net ukr.net i.ua abv.bg rambler.ru chmail.ir"
)

#: Legal forms as they read after `words`, where they end a name, and those that may begin one.
_LEGAL = _each(
    "inc incorporated llc corp corporation co company ltd limited plc llp lp gmbh mbh ag kg kgaa ohg gbr ug se ev eg "
    "sa sarl sas sasu eurl snc sca sl slu sau sc de cv srl spa sapa scarl ltda eireli epp bv nv vof cvba bvba sprl "
    "ab aktiebolag hb as asa ans aps oy oyj ky spzoo spk spj sp z oo zoo sro doo dd kft zrt nyrt rt bt ad ood eood "
    "ooo oao zao pao ip tov pat ae epe ike oe kk yk gk godo pvt private pte pty sdn bhd tbk pt jsc jsk tnhh "
    "fze fzco fzllc dmcc wll sti anonim sirketi limitet tic und and y et"
)
_LEGAL_FRONT = _each("pt ooo oao zao pao tov pat ip cv ud cong ty")
_LEGAL_NATIVE = re.compile(
    "株式会社|有限会社|合同会社|合資会社|股份有限公司|有限责任公司|有限責任公司|有限公司|集团|集團|公司|주식회사|유한회사|\\(주\\)|㈜|"
    "公开股份公司|شركة|مؤسسة|ذ\\.?م\\.?م\\.?|ش\\.?م\\.?ع\\.?|شرکت|سهامی خاص|سهامی عام|בע[\"״]מ|จำกัด|\\(มหาชน\\)|บริษัท|"
    "công ty|cổ phần|trách nhiệm hữu hạn|tnhh|ООО|ОАО|ЗАО|ПАО|ТОВ|ПАТ|A\\.Ş\\.|Ltd\\. ?Şti\\.|Α\\.Ε\\.|Ε\\.Π\\.Ε\\.",
    re.IGNORECASE,
)
_SHORT = (
    "alexander: alex sasha sandro alejandro aleksandr alexandre alessandro oleksandr; alexandra: sandra "
    "alessandra aleksandra; andrew: andy drew andreas andre andrea andrei; anthony: tony antonio anton; benjamin: "
    "ben benny; charles: chuck charlie carl karl carlos; christopher: chris kit christoph; christine: christina "
    "tina chrissy; daniel: dan danny; deborah: deb debbie debra; dorothy: dot dottie; edward: ed eddie ted "
    "eduardo; elizabeth: liz beth betty eliza lisa elisabeth; francisco: paco pancho; giuseppe: peppe beppe pino; "
    "gregory: greg; james: jim jimmy jamie; jennifer: jen jenny; jose: pepe; joseph: joe; joshua: josh; john: "
    "jack johnny jon johann; katherine: kate kathy katie catherine kathryn katharina; lawrence: larry; margaret: "
    "peggy maggie meg; matthew: matt; maximilian: max; michael: mike mick mikey michel miguel mikhail; nicholas: "
    "nick nicolas nikolaus klaus; patricia: pat patty trish; patrick: paddy; rebecca: becky becca; richard: dick "
    "rick rich; robert: bob rob bobby robbie; ronald: ron; samuel: sam; stephen: steve steven stefan; susan: sue "
    "susie suzanne; thomas: tom tommy; timothy: tim; william: bill will billy wilhelm; yekaterina: katya; ivan: "
    "vanya; maria: masha marie mary; dmitri: dima; joanna: asia; guadalupe: lupe; manuel: manolo; dolores: lola"
)
_ROOT = {
    short: root.strip()
    for line in _SHORT.split(";")
    for root, _, shorts in [line.partition(":")]
    for short in (root.strip(), *shorts.split())
}
_SOUNDS = (
    ("sch", "s"), ("tch", "c"), ("ch", "c"), ("sh", "s"), ("kh", "k"), ("gh", "g"), ("ph", "f"), ("th", "t"),
    ("zh", "s"), ("dj", "j"), ("ck", "k"),
)  # fmt: skip
_SAME = str.maketrans({"q": "k", "c": "k", "z": "s", "w": "v", "j": "g", **dict.fromkeys("aeiouy")})
_TWICE = re.compile(r"(.)\1+")


def words(text: str) -> list[str]:
    """The words of a text, each in lower-case ASCII letters and digits."""
    plain = text if text.isascii() else anyascii(fold(text))
    return [w for w in _APART.split(plain.lower().replace("'", "")) if w]


def latin(text: str) -> str:
    """`words` in one piece: 'Nguyễn Văn' and 'nguyen van' -> 'nguyenvan', '王伟' -> 'wangwei'."""
    if text.isascii():
        return text.encode().translate(_LOWER, _NO_SIGNS).decode()
    return "".join(words(text))


@lru_cache(maxsize=65_536)
def sound(name: str) -> str:
    """The consonants of a Latin name in one spelling each: 'mohammed' and 'mhmd' -> 'mhmd'; a short name itself."""
    heard = name
    for written, one in _SOUNDS:
        heard = heard.replace(written, one)
    heard = _TWICE.sub(r"\1", heard.translate(_SAME))
    return heard if len(heard) > 1 else name


def root_name(given: str) -> str:
    """The name that a short form stands for: 'bob' -> 'robert'; any other name itself."""
    return _ROOT.get(given, given)


def company_core(name: str) -> str:
    """A company's name without its legal form, in one piece: 'ACME Works GmbH & Co. KG' -> 'acmeworks'."""
    bare = name if name.isascii() else _LEGAL_NATIVE.sub(" ", name)
    found = words(_DOTTED.sub("", bare) if "." in bare or "/" in bare else bare)
    first, last = 0, len(found)
    while last > 1 and found[last - 1] in _LEGAL:
        last -= 1
    while first < last - 1 and found[first] in _LEGAL_FRONT:
        first += 1
    return "".join(found[first:last])


def mail_local(address: str) -> str:
    """The letters before the @, without what follows a +: 'Sara.Lombo83+news@x.it' -> 'saralombo'."""
    before = address.partition("@")[0].partition("+")[0]
    return (before if before.isascii() else anyascii(before)).encode().translate(_LOWER, _NO_LETTERS).decode()


def number(text: str) -> int:
    """A number of 64 bits for a text, the same in every process and on every machine; never 0."""
    data = text.encode("utf-8", "surrogatepass")
    return (zlib.adler32(data) << 32 | zlib.crc32(data)) or 1
