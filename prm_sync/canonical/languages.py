"""Languages of ISO 639-1 by code (two letters), by three-letter code and by name."""

from __future__ import annotations

_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es
et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki
kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no
nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te
tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""

CODES = frozenset(_CODES.split())

_NAMES = """
am amh Amharic|አማርኛ
ar ara Arabic|العربية|عربي|Arabisch
az aze Azerbaijani|Azərbaycan dili|Azərbaycanca
be bel Belarusian|беларуская
bg bul Bulgarian|български
bn ben Bengali|Bangla|বাংলা
bs bos Bosnian|bosanski
ca cat Catalan|català
cs ces/cze Czech|čeština|česky
da dan Danish|dansk
de deu/ger German|Deutsch|Alemán|Allemand|德语|ドイツ語
el ell/gre Greek|Ελληνικά
en eng English|Englisch|Inglés|Anglais|Inglese|英语|英語|Tiếng Anh
es spa Spanish|Español|Castellano|Spanisch|Espagnol|西班牙语
et est Estonian|eesti
eu eus/baq Basque|euskara
fa fas/per Persian|Farsi|فارسی
fi fin Finnish|suomi
fr fra/fre French|Français|Francais|Französisch|法语|フランス語
ga gle Irish|Gaeilge
gl glg Galician|galego
gu guj Gujarati|ગુજરાતી
he heb Hebrew|עברית|iw
hi hin Hindi|हिन्दी|हिंदी
hr hrv Croatian|hrvatski
hu hun Hungarian|magyar
hy hye/arm Armenian|հայերեն
id ind Indonesian|Bahasa Indonesia|in_ID
is isl/ice Icelandic|íslenska
it ita Italian|Italiano|Italienisch
ja jpn Japanese|日本語|Japanisch|日语
ka kat/geo Georgian|ქართული
kk kaz Kazakh|қазақ тілі|қазақша
km khm Khmer|ភាសាខ្មែរ
kn kan Kannada|ಕನ್ನಡ
ko kor Korean|한국어|Koreanisch
ku kur Kurdish|Kurdî|کوردی
lo lao Lao|ລາວ
lt lit Lithuanian|lietuvių
lv lav Latvian|latviešu
mk mkd/mac Macedonian|македонски
ml mal Malayalam|മലയാളം
mn mon Mongolian|монгол
mr mar Marathi|मराठी
ms msa/may Malay|Bahasa Melayu|Bahasa Malaysia
mt mlt Maltese|Malti
my mya/bur Burmese|မြန်မာ
nb nob Norwegian Bokmål|bokmål
ne nep Nepali|नेपाली
nl nld/dut Dutch|Nederlands|Niederländisch|Flemish|Vlaams
nn nno Norwegian Nynorsk|nynorsk
no nor Norwegian|norsk
pa pan Punjabi|ਪੰਜਾਬੀ
pl pol Polish|polski|Polnisch
ps pus Pashto|پښتو
pt por Portuguese|Português|Portugiesisch|葡萄牙语
ro ron/rum Romanian|română
ru rus Russian|русский|Russisch|俄语
si sin Sinhala|සිංහල
sk slk/slo Slovak|slovenčina
sl slv Slovenian|Slovene|slovenščina
sq sqi/alb Albanian|shqip
sr srp Serbian|српски|srpski
sv swe Swedish|svenska
sw swa Swahili|Kiswahili
ta tam Tamil|தமிழ்
te tel Telugu|తెలుగు
th tha Thai|ไทย|ภาษาไทย
tl tgl Tagalog|Filipino
tr tur Turkish|Türkçe|Türkisch
uk ukr Ukrainian|українська
ur urd Urdu|اردو
uz uzb Uzbek|oʻzbek|o'zbek
vi vie Vietnamese|Tiếng Việt
zh zho/chi Chinese|中文|汉语|漢語|普通话|Mandarin|Simplified Chinese|Traditional Chinese|简体中文|繁體中文|中国語
"""


def _read() -> dict[str, str]:
    found: dict[str, str] = {}
    for row in _NAMES.strip().splitlines():
        two, three, names = row.split(" ", 2)
        for name in (two, *three.split("/"), *names.split("|")):
            found[name.casefold()] = two
    return found


LANGUAGE_NAMES: dict[str, str] = _read()
"""ISO 639-1 by case-folded code (also ISO 639-2) and name, in English and in the language itself."""
