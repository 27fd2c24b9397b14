"""Countries of ISO 3166-1 by code and by the names people write: English, and the countries' own languages and scripts.

Facts only: codes are ISO's, names are those in common use. `COUNTRIES` finds an ISO code by `country_key(name)`.
"""

from __future__ import annotations

import unicodedata

_TABLE = """
AD AND Andorra
AE ARE United Arab Emirates|UAE|U.A.E.|Emirates|الإمارات|الإمارات العربية المتحدة|الامارات
  |دولة الإمارات العربية المتحدة
AF AFG Afghanistan|افغانستان|أفغانستان
AG ATG Antigua and Barbuda|Antigua
AI AIA Anguilla
AL ALB Albania|Shqipëria|Shqipëri
AM ARM Armenia|Հայաստան|Hayastan
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentina|República Argentina|Argentinien|Argentine
AS ASM American Samoa
AT AUT Austria|Österreich|Oesterreich|Autriche
AU AUS Australia|Commonwealth of Australia|Australien|Australie
AW ABW Aruba
AX ALA Åland Islands|Åland|Aland
AZ AZE Azerbaijan|Azərbaycan|Aserbaidschan
BA BIH Bosnia and Herzegovina|Bosnia & Herzegovina|Bosnia|Bosna i Hercegovina|Босна и Херцеговина
BB BRB Barbados
BD BGD Bangladesh|বাংলাদেশ
BE BEL Belgium|België|Belgique|Belgien|Belgie
BF BFA Burkina Faso
BG BGR Bulgaria|България|Bulgarien
BH BHR Bahrain|البحرين|مملكة البحرين
BI BDI Burundi
BJ BEN Benin|Bénin
BL BLM Saint Barthélemy|St. Barthélemy|St Barthelemy
BM BMU Bermuda
BN BRN Brunei|Brunei Darussalam
BO BOL Bolivia|Bolivia, Plurinational State of|Plurinational State of Bolivia
BQ BES Bonaire, Sint Eustatius and Saba|Bonaire|Caribbean Netherlands
BR BRA Brazil|Brasil|Brasilien|Brésil
BS BHS Bahamas|The Bahamas
BT BTN Bhutan|འབྲུག
BV BVT Bouvet Island
BW BWA Botswana
BY BLR Belarus|Беларусь|Белоруссия
BZ BLZ Belize
CA CAN Canada|Kanada
CC CCK Cocos (Keeling) Islands|Cocos Islands
CD COD Congo, Democratic Republic of the|Congo, The Democratic Republic of the|Democratic Republic of the Congo
  |Democratic Republic of Congo|DR Congo|DRC|Congo-Kinshasa|République démocratique du Congo
CF CAF Central African Republic|République centrafricaine
CG COG Congo|Republic of the Congo|Congo-Brazzaville|République du Congo
CH CHE Switzerland|Schweiz|Suisse|Svizzera|Svizra|Suiza|die Schweiz
CI CIV Côte d'Ivoire|Cote d'Ivoire|Ivory Coast
CK COK Cook Islands
CL CHL Chile
CM CMR Cameroon|Cameroun
CN CHN China|中国|中國|PRC|P.R. China|P.R.China|PR China|People's Republic of China
  |The People's Republic of China|China, People's Republic of|Mainland China|中华人民共和国|中華人民共和國
  |中国大陆|Zhongguo|Chine
CO COL Colombia|Kolumbien
CR CRI Costa Rica
CU CUB Cuba
CV CPV Cabo Verde|Cape Verde
CW CUW Curaçao
CX CXR Christmas Island
CY CYP Cyprus|Κύπρος|Kıbrıs
CZ CZE Czechia|Czech Republic|Česko|Česká republika|Tschechien
DE DEU Germany|Deutschland|Federal Republic of Germany|Bundesrepublik Deutschland|BRD|Allemagne|Alemania
  |Duitsland|德国|ドイツ|Германия|Đức|Almanya|Niemcy|Germania
DJ DJI Djibouti|جيبوتي
DK DNK Denmark|Danmark|Dänemark
DM DMA Dominica
DO DOM Dominican Republic|República Dominicana
DZ DZA Algeria|الجزائر|Algérie
EC ECU Ecuador
EE EST Estonia|Eesti
EG EGY Egypt|مصر|Arab Republic of Egypt|جمهورية مصر العربية|Ägypten
EH ESH Western Sahara|الصحراء الغربية
ER ERI Eritrea|ኤርትራ
ES ESP Spain|España|Espana|Kingdom of Spain|Reino de España|Espanya|Espainia|Spanien|Espagne|西班牙|スペイン|Испания
ET ETH Ethiopia|ኢትዮጵያ
FI FIN Finland|Suomi|Finnland
FJ FJI Fiji|Viti
FK FLK Falkland Islands|Falkland Islands (Malvinas)|Islas Malvinas
FM FSM Micronesia|Micronesia, Federated States of|Federated States of Micronesia
FO FRO Faroe Islands|Føroyar|Færøerne
FR FRA France|French Republic|République française|Frankreich|Francia|Frankrijk|法国|フランス|Франция|Pháp|Fransa
GA GAB Gabon
GB GBR United Kingdom|UK|U.K.|Great Britain|Britain|England|Scotland|Wales|Northern Ireland
  |United Kingdom of Great Britain and Northern Ireland|Großbritannien|Vereinigtes Königreich|Royaume-Uni
  |Reino Unido|Regno Unito|英国|イギリス|Великобритания|Anh
GD GRD Grenada
GE GEO Georgia|საქართველო|Sakartvelo
GF GUF French Guiana|Guyane
GG GGY Guernsey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Greenland|Kalaallit Nunaat|Grønland
GM GMB Gambia|The Gambia
GN GIN Guinea|Guinée
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea|Guinea Ecuatorial
GR GRC Greece|Ελλάδα|Ελλάς|Hellas|Hellenic Republic|Ellada|Griechenland|Grèce|EL
GS SGS South Georgia and the South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau|Guiné-Bissau
GY GUY Guyana
HK HKG Hong Kong|Hongkong|香港|Hong Kong SAR|Hong Kong SAR China|Hong Kong S.A.R.|中国香港
HM HMD Heard Island and McDonald Islands
HN HND Honduras
HR HRV Croatia|Hrvatska|Kroatien
HT HTI Haiti|Haïti|Ayiti
HU HUN Hungary|Magyarország|Ungarn
ID IDN Indonesia|Republik Indonesia|Indonesien
IE IRL Ireland|Éire|Republic of Ireland|Irland
IL ISR Israel|ישראל|State of Israel|מדינת ישראל|إسرائيل
IM IMN Isle of Man|Ellan Vannin
IN IND India|भारत|Republic of India|Bharat|இந்தியா|భారతదేశం|ভারত|ಭಾರತ|ഇന്ത്യ|ભારત|ਭਾਰਤ|Indien|Inde|印度|インド|Индия
IO IOT British Indian Ocean Territory
IQ IRQ Iraq|العراق|عێراق|Irak
IR IRN Iran|Iran, Islamic Republic of|Islamic Republic of Iran|ایران|إيران|جمهوری اسلامی ایران|Persia|Иран
IS ISL Iceland|Ísland
IT ITA Italy|Italia|Italian Republic|Repubblica Italiana|Italien|Italie|Itália|意大利|義大利|イタリア|Италия
JE JEY Jersey
JM JAM Jamaica
JO JOR Jordan|الأردن|Hashemite Kingdom of Jordan|المملكة الأردنية الهاشمية
JP JPN Japan|日本|日本国|Nippon|Nihon|にほん|にっぽん|ニッポン|Japon|Japón|Япония|일본|Nhật Bản
KE KEN Kenya
KG KGZ Kyrgyzstan|Кыргызстан|Киргизия
KH KHM Cambodia|កម្ពុជា|Kampuchea
KI KIR Kiribati
KM COM Comoros|Comores|جزر القمر
KN KNA Saint Kitts and Nevis|St. Kitts and Nevis|St Kitts and Nevis
KP PRK North Korea|Korea, Democratic People's Republic of|Democratic People's Republic of Korea|DPRK
  |조선민주주의인민공화국|북한
KR KOR South Korea|Korea|Korea, Republic of|Republic of Korea|Korea (South)|Korea South|ROK|S. Korea|대한민국
  |한국|Südkorea|Corée du Sud|Corea del Sur|韩国|韓国|韓國|Hàn Quốc|Южная Корея
KW KWT Kuwait|الكويت|دولة الكويت
KY CYM Cayman Islands
KZ KAZ Kazakhstan|Қазақстан|Казахстан|Qazaqstan
LA LAO Laos|Lao People's Democratic Republic|Lao PDR|ລາວ
LB LBN Lebanon|لبنان|Liban
LC LCA Saint Lucia|St. Lucia|St Lucia
LI LIE Liechtenstein
LK LKA Sri Lanka|ශ්‍රී ලංකාව|இலங்கை
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania|Lietuva|Litauen
LU LUX Luxembourg|Lëtzebuerg|Luxemburg
LV LVA Latvia|Latvija|Lettland
LY LBY Libya|ليبيا
MA MAR Morocco|المغرب|Maroc|المملكة المغربية|Marokko
MC MCO Monaco
MD MDA Moldova|Moldova, Republic of|Republic of Moldova|Republica Moldova
ME MNE Montenegro|Crna Gora|Црна Гора
MF MAF Saint Martin|Saint Martin (French part)|St. Martin
MG MDG Madagascar|Madagasikara
MH MHL Marshall Islands
MK MKD North Macedonia|Macedonia|Северна Македонија|Македонија|FYROM
ML MLI Mali
MM MMR Myanmar|Burma|မြန်မာ|Myanmar (Burma)
MN MNG Mongolia|Монгол|Монгол Улс
MO MAC Macao|Macau|澳门|澳門|Macao SAR|Macao SAR China|中国澳门
MP MNP Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritania|موريتانيا|Mauritanie
MS MSR Montserrat
MT MLT Malta
MU MUS Mauritius|Maurice
MV MDV Maldives|ދިވެހިރާއްޖެ
MW MWI Malawi
MX MEX Mexico|México|Estados Unidos Mexicanos|Méjico|Mexiko|Mexique|墨西哥
MY MYS Malaysia|马来西亚|馬來西亞|மலேசியா
MZ MOZ Mozambique|Moçambique
NA NAM Namibia
NC NCL New Caledonia|Nouvelle-Calédonie
NE NER Niger
NF NFK Norfolk Island
NG NGA Nigeria
NI NIC Nicaragua
NL NLD Netherlands|The Netherlands|Nederland|Holland|Netherlands, The|Kingdom of the Netherlands|Niederlande
  |Pays-Bas|Países Bajos|Paesi Bassi|荷兰|オランダ|Нидерланды
NO NOR Norway|Norge|Noreg|Norwegen
NP NPL Nepal|नेपाल
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand|Aotearoa|Neuseeland
OM OMN Oman|عمان|عُمان|سلطنة عمان|Sultanate of Oman
PA PAN Panama|Panamá
PE PER Peru|Perú|Piruw
PF PYF French Polynesia|Polynésie française
PG PNG Papua New Guinea
PH PHL Philippines|The Philippines|Pilipinas|Republic of the Philippines
PK PAK Pakistan|پاکستان|Islamic Republic of Pakistan
PL POL Poland|Polska|Rzeczpospolita Polska|Republic of Poland|Polen|Pologne|Польша
PM SPM Saint Pierre and Miquelon|St. Pierre and Miquelon
PN PCN Pitcairn
PR PRI Puerto Rico
PS PSE Palestine|Palestine, State of|State of Palestine|Palestinian Territories|فلسطين
PT PRT Portugal|República Portuguesa
PW PLW Palau
PY PRY Paraguay
QA QAT Qatar|قطر|دولة قطر|Katar
RE REU Réunion|La Réunion
RO ROU Romania|România|Rumänien|Roumanie
RS SRB Serbia|Србија|Srbija|Serbien
RU RUS Russia|Russian Federation|Россия|Российская Федерация|РФ|Rossiya|Russland|Rusia|Russie|俄罗斯|ロシア
  |Rusya|Rosja
RW RWA Rwanda
SA SAU Saudi Arabia|Kingdom of Saudi Arabia|KSA|K.S.A.|السعودية|المملكة العربية السعودية|العربية السعودية
  |Saudi-Arabien|Arabie saoudite|沙特阿拉伯
SB SLB Solomon Islands
SC SYC Seychelles
SD SDN Sudan|السودان
SE SWE Sweden|Sverige|Schweden|Kingdom of Sweden|Suède|Suecia|Швеция
SG SGP Singapore|新加坡|Singapura|சிங்கப்பூர்|Singapur
SH SHN Saint Helena, Ascension and Tristan da Cunha|Saint Helena|St. Helena
SI SVN Slovenia|Slovenija|Slowenien
SJ SJM Svalbard and Jan Mayen|Svalbard
SK SVK Slovakia|Slovensko|Slovak Republic|Slovenská republika|Slowakei
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal|Sénégal
SO SOM Somalia|Soomaaliya|الصومال
SR SUR Suriname
SS SSD South Sudan
ST STP São Tomé and Príncipe|Sao Tome and Principe|São Tomé e Príncipe
SV SLV El Salvador
SX SXM Sint Maarten|Sint Maarten (Dutch part)|St. Maarten
SY SYR Syria|Syrian Arab Republic|سوريا|سورية
SZ SWZ Eswatini|Swaziland
TC TCA Turks and Caicos Islands
TD TCD Chad|Tchad|تشاد
TF ATF French Southern Territories
TG TGO Togo
TH THA Thailand|ประเทศไทย|ไทย|Kingdom of Thailand|Thailande|泰国|タイ|Thái Lan
TJ TJK Tajikistan|Тоҷикистон
TK TKL Tokelau
TL TLS Timor-Leste|East Timor|Timor Leste
TM TKM Turkmenistan|Türkmenistan
TN TUN Tunisia|تونس|Tunisie
TO TON Tonga
TR TUR Turkey|Türkiye|Turkiye|Republic of Türkiye|Republic of Turkey|Türkiye Cumhuriyeti|Türkei|Turquie|Turquía
  |土耳其|トルコ|Турция
TT TTO Trinidad and Tobago|Trinidad & Tobago|Trinidad
TV TUV Tuvalu
TW TWN Taiwan|台灣|臺灣|台湾|Taiwan, Province of China|Taiwan (Province of China)|Taiwan, R.O.C.|R.O.C.|中華民國
TZ TZA Tanzania|Tanzania, United Republic of|United Republic of Tanzania
UA UKR Ukraine|Україна|Украина|Ukraina|Ucrania
UG UGA Uganda
UM UMI United States Minor Outlying Islands
US USA United States|United States of America|U.S.A.|U.S.|The United States|The United States of America|America
  |Estados Unidos|EE.UU.|EE. UU.|EEUU|Vereinigte Staaten|Vereinigte Staaten von Amerika|États-Unis|Stati Uniti
  |Verenigde Staten|美国|美國|アメリカ|アメリカ合衆国|미국|США|الولايات المتحدة|Hoa Kỳ|ABD
UY URY Uruguay
UZ UZB Uzbekistan|Oʻzbekiston|O'zbekiston|Ўзбекистон|Узбекистан
VA VAT Holy See|Vatican City|Holy See (Vatican City State)|Città del Vaticano|Vatican
VC VCT Saint Vincent and the Grenadines|St. Vincent and the Grenadines
VE VEN Venezuela|Venezuela, Bolivarian Republic of|Bolivarian Republic of Venezuela
VG VGB British Virgin Islands|Virgin Islands, British
VI VIR U.S. Virgin Islands|Virgin Islands, U.S.|US Virgin Islands
VN VNM Vietnam|Viet Nam|Việt Nam|Việtnam|Socialist Republic of Vietnam|Cộng hòa Xã hội Chủ nghĩa Việt Nam|越南
  |ベトナム|Вьетнам
VU VUT Vanuatu
WF WLF Wallis and Futuna
WS WSM Samoa
YE YEM Yemen|اليمن
YT MYT Mayotte
ZA ZAF South Africa|Suid-Afrika|iNingizimu Afrika|Republic of South Africa|RSA|Südafrika
ZM ZMB Zambia
ZW ZWE Zimbabwe
XK XKX Kosovo|Kosova|Косово
"""

_ARABIC = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ی", "ي": "ی", "ك": "ک", "ة": "ه", "ـ": None, "\u200c": " "}
)


def country_key(name: str) -> str:
    """The form in which two spellings of a country's name are one: no case, accents, dots or vowel marks."""
    if name.isascii():
        folded = name.lower()
    else:
        folded = unicodedata.normalize("NFKC", name).translate(_ARABIC).casefold().replace("đ", "d").replace("ı", "i")
        # Accents only: the marks of Indic, Thai and Lao writing are letters (combining class 0 or 9, or spacing).
        bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not _is_accent(c))
        folded = unicodedata.normalize("NFC", bare)
    for sign in ".,'’ʻ`":
        folded = folded.replace(sign, "")
    return " ".join(folded.replace("&", " and ").replace("-", " ").replace("_", " ").split()).removeprefix("the ")


def _is_accent(sign: str) -> bool:
    return "\u0300" <= sign <= "\u036f" or "\u064b" <= sign <= "\u0652" or sign == "\u0670"


def _read() -> dict[str, str]:
    found: dict[str, str] = {}
    rows = [row.split(" ", 2) for row in _TABLE.strip().replace("\n  |", "|").splitlines()]
    for two, three, _ in rows:
        found |= dict.fromkeys((two, three, two.lower(), three.lower()), two)
    for two, _, names in rows:
        for name in names.split("|"):
            found.setdefault(name, two)  # as written: found without folding
            found.setdefault(country_key(name), two)  # a code is never lost to the folded name of another country
    return found


COUNTRIES: dict[str, str] = _read()
"""ISO 3166-1 alpha-2 by name as commonly written, and by `country_key` of each name and code."""
