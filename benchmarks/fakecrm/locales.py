# ruff: noqa: E501, SIM905 - word lists: wide scripts, and words are better read without quotes
"""Name, address and phone material for the fake CRM generator.

Everything here is hand-written word lists and patterns.  A name part is either
"Native" (Latin script; the ASCII form is derived) or "native|roman".
Family names are composed as stem x ending, so a few short lists give
thousands of surnames per locale.
"""

import unicodedata

_SPECIAL = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "ı": "i",
        "æ": "ae",
        "Æ": "Ae",
        "đ": "d",
        "Đ": "D",
        "œ": "oe",
        "’": "'",
    }
)


def ascii_fold(s: str) -> str:
    """Latin text without diacritics (Müller -> Muller)."""
    s = s.translate(_SPECIAL)
    return "".join(c for c in unicodedata.normalize("NFKD", s) if not unicodedata.combining(c))


def _pairs(words):
    out = []
    for w in words.split():
        native, _, roman = w.partition("|")
        out.append((native, roman or ascii_fold(native)))
    return out


def _compose(stems, endings, sep=""):
    out = []
    for s_native, s_roman in _pairs(stems):
        for e_native, e_roman in _pairs(endings):
            e_native = "" if e_native == "-" else e_native
            e_roman = "" if e_roman == "-" else e_roman
            out.append((s_native + sep + e_native, s_roman + sep + e_roman))
    return out


class Locale:
    __slots__ = (
        "cities",
        "code",
        "countries",
        "dial",
        "family",
        "family_first",
        "given",
        "land",
        "mobile",
        "street",
        "suffixes",
        "tld",
        "trunk",
        "weight",
        "zip_digits",
    )

    def __init__(
        self,
        code,
        weight,
        countries,
        dial,
        trunk,
        mobile,
        land,
        given,
        family,
        cities,
        street,
        suffixes,
        tld,
        family_first=False,
        zip_digits=5,
    ):
        self.code, self.weight, self.countries = code, weight, countries
        self.dial, self.trunk, self.mobile, self.land = dial, trunk, mobile, land
        self.given, self.family = _pairs(given), family
        self.cities = [tuple(c.split("/")) for c in cities]
        self.street, self.suffixes, self.tld = street, suffixes, tld
        self.family_first, self.zip_digits = family_first, zip_digits


_EN_GIVEN = (
    "James Mary Robert Patricia John Jennifer Michael Linda William Elizabeth David Barbara Richard Susan "
    "Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Margaret "
    "Mark Sandra Donald Ashley Steven Kimberly Paul Emily Andrew Donna Joshua Michelle Kenneth Carol Kevin "
    "Amanda Brian Dorothy George Melissa Edward Deborah Ronald Stephanie Timothy Rebecca Jason Sharon "
    "Jeffrey Laura Ryan Cynthia Jacob Kathleen Gary Amy Nicholas Angela Eric Shirley Jonathan Anna Stephen "
    "Brenda Larry Pamela Justin Emma Scott Nicole Brandon Helen Benjamin Samantha Samuel Katherine Gregory "
    "Christine Alexander Debra Patrick Rachel Frank Carolyn Raymond Janet Jack Maria Dennis Olivia Jerry"
)
_EN_FAMILY = _compose(
    "Ash Brad Carl Dal El Fair Gar Hart Ing Jack Kel Lang Mar Nor Oak Pres Quin Rad Stan Thorn "
    "Under Ver Wal York Zel Black Brook Clay Dun Ever Ford Green Hal Hol John Kings Lin Mid New "
    "Park Rich Sher Ster Tem Wash West White Win Wood Wil",
    "ton ley son ford man well field wood worth den more by ham bury land ridge stone er s dale "
    "house gate ington combe shaw",
)
_DE_FAMILY = _compose(
    "Müll Schneid Fisch Web Meyer Wagn Beck Schulz Hoff Schäf Koch Bau Richt Klein Wolf Schröd "
    "Neu Schwarz Zimmer Braun Krüg Hart Lang Schmidt Kraus Lehm Köhl Herr König Walt May Hub Kais "
    "Fuchs Peters Scholz Möll Weiß Jung Hahn Vogel Friedr Keller Günth Frank Berg Winkl Roth",
    "er mann bauer berger ke el ich hofer meier - stein feld hardt inger thal",
)
_FR_FAMILY = _compose(
    "Mart Bern Dub Thom Rob Rich Pet Dur Ler Mor Sim Laur Lefèv Mich Garc Dav Bert Roux Vinc "
    "Fourn Gir Bonn Dup Lamb Font Rouss Blanch Guér Mull Faur André Merc Legr Chev Bois Clém",
    "in ard ois as ert et and oy eau on ent re el ier aud elle ot anger eux",
)
_ES_FAMILY = _compose(
    "Garc Rodr Gonz Fern Lóp Mart Sánch Pér Góm Mor Jim Ru Hern Díaz Álvar Muñ Rom Alons Gutiérr "
    "Navarr Torr Domíngu Vázqu Ram Gil Serr Blanc Molin Suár Ortég Delg Castr Ort Rubi Marín",
    "ía íguez ález ández ez ín o eno énez iz os ero era ado ano illa",
)
_IT_FAMILY = _compose(
    "Ross Russ Ferr Espos Bianch Rom Colomb Ricc Mar Grec Brun Gall Cont De Cost Giord Manc Rizz "
    "Lomb Mor Barb Font Sant Marin Caru Fer Vital Pell Cattan Leon",
    "i o ari ito ini ano etti ella one accio ucci aro eri",
)
_PT_FAMILY = _compose(
    "Silv Sant Oliv Souz Rodrig Ferr Alv Per Lim Gom Cost Ribeir Mart Carv Almeid Lop Soar Fern "
    "Vieir Barb Roch Di Nasc Araúj Mel Andrad Card Teix Mour Cavalc",
    "a os eira ues es as ho al imento antes o eiro",
)
_NL_FAMILY = _compose(
    "Jans Vries Bakk Vis Smit Meij Boer Muld Groot Bos Vos Peters Hendriks Dekk Brouw Dijk Linden Leeuw Koning Huism",
    "en er se man stra ker ma veld - ing",
)
_SE_FAMILY = _compose(
    "Anders Johan Karl Nil Eriks Lar Ols Pers Svens Gustafs Lind Berg Ek Sjö Hol Nord Sand Ström Wall Åker",
    "son ström berg qvist gren man lund blad holm dahl",
)
_PL_FAMILY = _compose(
    "Kowal Wiśniew Wójc Kamiń Lewandow Zieliń Szymań Woźni Dąbrow Kozłow Mazur Krawcz Grabow "
    "Paw Król Wieczor Jabłoń Nowak Majew Olszew",
    "ski czyk ik ak owicz iec a ek - kowski",
)
_TR_FAMILY = _compose(
    "Yıl Kay Demir Çel Şah Yıldır Öz Aydın Ars Doğ Kılıç Asl Çet Kar Koç Kurt Özd Şim Pol Taş",
    "maz a an ik in ım türk oğlu er dem şek at soy ç",
)
_RU_FAMILY = _compose(
    "Иван|Ivan Смирн|Smirn Кузнец|Kuznets Поп|Pop Васил|Vasil Петр|Petr Сокол|Sokol Михайл|Mikhail "
    "Новик|Novik Фёдор|Fedor Мороз|Moroz Волк|Volk Алексе|Alekse Лебед|Lebed Семён|Semen Егор|Egor "
    "Павл|Pavl Козл|Kozl Степан|Stepan Никола|Nikola Орл|Orl Андре|Andre Макар|Makar Никит|Nikit "
    "Захар|Zakhar",
    "ов|ov ев|ev ин|in ский|skiy енко|enko ова|ova ева|eva ина|ina ович|ovich",
)
_GR_FAMILY = _compose(
    "Παπαδ|Papad Γεωργι|Georgi Δημητρ|Dimitr Νικολ|Nikol Κωνσταντ|Konstant Βασιλ|Vasil Αντων|Anton "
    "Μακρ|Makr Οικονόμ|Ikonom Πετρ|Petr",
    "όπουλος|opoulos ίδης|idis άκης|akis ου|ou άτος|atos",
)
_JA_FAMILY = _compose(
    "佐|Sa 鈴|Suzu 高|Taka 田|Ta 渡|Wata 伊|I 山|Yama 中|Naka 小|Ko 加|Ka 吉|Yoshi 松|Matsu 井|I "
    "木|Ki 林|Hayashi 清|Shi 斎|Sai 前|Mae 藤|Fuji 岡|Oka 長|Naga 村|Mura 石|Ishi 後|Go 坂|Saka",
    "藤|to 木|ki 橋|hashi 中|naka 辺|nabe 本|moto 村|mura 林|bayashi 田|da 山|yama 崎|zaki 上|gami "
    "口|guchi 川|kawa 野|no 原|hara 島|shima",
)
_JA_GIVEN = (
    "翔太|Shota 蓮|Ren 大翔|Hiroto 陽菜|Hina 結衣|Yui 美咲|Misaki 健太|Kenta 直樹|Naoki 愛|Ai 拓也|Takuya 誠|Makoto "
    "恵|Megumi 優子|Yuko 智子|Tomoko 健一|Kenichi 浩|Hiroshi 明美|Akemi 真由美|Mayumi 裕子|Hiroko 達也|Tatsuya "
    "さくら|Sakura 葵|Aoi 悠真|Yuma 陽翔|Haruto 莉子|Riko 和也|Kazuya 隆|Takashi 剛|Tsuyoshi 香織|Kaori 由美子|Yumiko"
)
_ZH_FAMILY = _pairs(
    "王|Wang 李|Li 张|Zhang 刘|Liu 陈|Chen 杨|Yang 赵|Zhao 黄|Huang 周|Zhou 吴|Wu 徐|Xu 孙|Sun 胡|Hu 朱|Zhu "
    "高|Gao 林|Lin 何|He 郭|Guo 马|Ma 罗|Luo 梁|Liang 宋|Song 郑|Zheng 谢|Xie 韩|Han 唐|Tang 冯|Feng 于|Yu "
    "董|Dong 萧|Xiao 程|Cheng 曹|Cao 袁|Yuan 邓|Deng 许|Xu 傅|Fu 沈|Shen 曾|Zeng 彭|Peng 吕|Lü"
)
_ZH_G1 = (
    "伟|Wei 芳|Fang 娜|Na 秀|Xiu 敏|Min 静|Jing 丽|Li 强|Qiang 磊|Lei 军|Jun 洋|Yang 勇|Yong 艳|Yan 杰|Jie 娟|Juan "
    "涛|Tao 明|Ming 超|Chao 霞|Xia 平|Ping 刚|Gang 桂|Gui 文|Wen 志|Zhi 建|Jian 国|Guo 海|Hai 晓|Xiao 雪|Xue 玉|Yu"
)
_ZH_G2 = (
    "-|- 英|ying 兰|lan 华|hua 红|hong 东|dong 峰|feng 辉|hui 宇|yu 龙|long 琳|lin 婷|ting 鑫|xin 波|bo 斌|bin 凯|kai"
)
_KO_FAMILY = _pairs(
    "김|Kim 이|Lee 박|Park 최|Choi 정|Jung 강|Kang 조|Cho 윤|Yoon 장|Jang 임|Lim 한|Han 오|Oh 서|Seo 신|Shin "
    "권|Kwon 황|Hwang 안|Ahn 송|Song 류|Ryu 전|Jeon 홍|Hong 고|Ko 문|Moon 양|Yang 손|Son 배|Bae"
)
_KO_G1 = (
    "민|Min 서|Seo 지|Ji 현|Hyun 수|Soo 예|Ye 도|Do 하|Ha 주|Joo 은|Eun 영|Young 성|Sung 준|Jun 유|Yoo 승|Seung 정|Jung "
    "태|Tae 혜|Hye 동|Dong 재|Jae"
)
_KO_G2 = "준|jun 연|yeon 우|woo 윤|yoon 희|hee 원|won 아|ah 진|jin 호|ho 빈|bin 영|young 훈|hoon 미|mi 경|kyung 석|seok 은|eun"
_HI_FAMILY = _compose(
    "शर्|Shar वर्|Var गुप्|Gup सिं|Sin कुमा|Kuma पटे|Pate रेड्|Red जो|Jo अग्रवा|Agrawa मेह|Meh चौ|Chau मल्होत्|Malhot",
    "मा|ma ता|ta ह|gh र|r ल|l डी|dy शी|shi रा|ra धरी|dhari णा|na",
)
_HI_GIVEN = (
    "आरव|Aarav विवान|Vivaan आदित्य|Aditya अर्जुन|Arjun साई|Sai रोहन|Rohan प्रिया|Priya अनन्या|Ananya दिया|Diya काव्या|Kavya "
    "नेहा|Neha राहुल|Rahul अमित|Amit संजय|Sanjay सुनीता|Sunita अंजलि|Anjali विक्रम|Vikram दीपक|Deepak पूजा|Pooja मीरा|Meera"
)
_AR_FAMILY = _compose(
    "ال|Al-",
    "حربي|Harbi غامدي|Ghamdi قحطاني|Qahtani عتيبي|Otaibi زهراني|Zahrani شمري|Shammari دوسري|Dossari "
    "مطيري|Mutairi عنزي|Anazi شهري|Shehri سبيعي|Subaie مالكي|Malki خالدي|Khaldi هاشمي|Hashmi نجار|Najjar "
    "مصري|Masri حداد|Haddad خطيب|Khatib صالح|Saleh عمري|Omari",
)
_AR_GIVEN = (
    "محمد|Mohammed أحمد|Ahmed علي|Ali خالد|Khalid عبدالله|Abdullah فهد|Fahad سعود|Saud يوسف|Yousef فاطمة|Fatima نورة|Noura "
    "سارة|Sara مريم|Maryam عائشة|Aisha ليلى|Layla هند|Hind ريم|Reem عمر|Omar حسن|Hassan طارق|Tariq زينب|Zainab"
)
_HE_FAMILY = _compose(
    "כה|Coh לו|Lev מזר|Mizr פר|Per ביט|Bit דה|Dah אבר|Avr פריד|Fried מל|Mal אז|Az",
    "ן|en י|i חי|ahi ץ|etz ון|on ן|an הם|aham מן|man כה|ka ולאי|oulay",
)
_TH_FAMILY = _compose(
    "ศรี|Sri วงศ์|Wong สุข|Suk ทอง|Thong บุญ|Boon ชัย|Chai พงษ์|Phong รัตน|Rattana จันทร์|Chan แก้ว|Kaew",
    "สุข|suk ทอง|thong วัฒน์|wat เดช|det มณี|manee ศิริ|siri ชาติ|chart พร|phon",
)

LOCALES = [
    Locale(
        "US",
        30,
        ["United States", "USA", "US", "U.S.A.", "United States of America", "usa"],
        "1",
        "",
        ["212#######", "415#######", "646#######", "303#######", "512#######", "617#######"],
        ["206#######", "312#######", "404#######", "713#######", "305#######", "602#######", "503#######"],
        _EN_GIVEN,
        _EN_FAMILY,
        [
            "New York/NY",
            "San Francisco/CA",
            "Austin/TX",
            "Denver/CO",
            "Boston/MA",
            "Seattle/WA",
            "Chicago/IL",
            "Atlanta/GA",
            "Houston/TX",
            "Miami/FL",
            "Phoenix/AZ",
            "Portland/OR",
        ],
        "{n} {w} St",
        ["Inc", "Inc.", "LLC", "Corp", "Corporation", "Co."],
        "com",
    ),
    Locale(
        "GB",
        8,
        ["United Kingdom", "UK", "GB", "Great Britain", "England"],
        "44",
        "0",
        ["74########", "75########", "77########", "78########"],
        ["207#######", "161#######", "121#######"],
        _EN_GIVEN,
        _EN_FAMILY,
        [
            "London/England",
            "Manchester/England",
            "Birmingham/England",
            "Leeds/England",
            "Glasgow/Scotland",
            "Cardiff/Wales",
        ],
        "{n} {w} Road",
        ["Ltd", "Limited", "plc", "LLP"],
        "co.uk",
    ),
    Locale(
        "CA",
        4,
        ["Canada", "CA", "CAN"],
        "1",
        "",
        ["416#######", "604#######"],
        ["514#######", "403#######"],
        _EN_GIVEN,
        _EN_FAMILY,
        ["Toronto/ON", "Vancouver/BC", "Montréal/QC", "Calgary/AB"],
        "{n} {w} Ave",
        ["Inc.", "Ltd.", "Corp."],
        "ca",
    ),
    Locale(
        "DE",
        8,
        ["Germany", "Deutschland", "DE", "DEU", "germany"],
        "49",
        "0",
        ["151########", "160########", "170#######", "176########"],
        ["30########", "89########", "40########"],
        "Lukas Anna Felix Lena Maximilian Laura Paul Julia Jonas Sarah Leon Lisa Tim Katharina Jürgen Sabine "
        "Klaus Petra Wolfgang Monika Stefan Claudia Andreas Birgit Matthias Ursula Jörg Heike Björn Käthe Günther",
        _DE_FAMILY,
        [
            "Berlin/Berlin",
            "München/Bayern",
            "Hamburg/Hamburg",
            "Köln/NRW",
            "Düsseldorf/NRW",
            "Frankfurt am Main/Hessen",
            "Stuttgart/BW",
        ],
        "{w}straße {n}",
        ["GmbH", "AG", "GmbH & Co. KG", "KG", "SE"],
        "de",
    ),
    Locale(
        "FR",
        6,
        ["France", "FR", "FRA", "france"],
        "33",
        "0",
        ["6########", "7########"],
        ["1########", "4########", "5########"],
        "Jean Marie Pierre Camille Louis Léa François Chloé Nicolas Manon Julien Élodie Théo Zoé Rémi Hélène Noël "
        "Céline Benoît Aurélie Gaël Inès Mathieu Anaïs",
        _FR_FAMILY,
        ["Paris/Île-de-France", "Lyon/Rhône", "Marseille/PACA", "Toulouse/Occitanie", "Nantes/Loire"],
        "{n} rue {w}",
        ["SA", "SARL", "SAS", "S.A."],
        "fr",
    ),
    Locale(
        "ES",
        4,
        ["Spain", "España", "ES", "ESP"],
        "34",
        "",
        ["6########"],
        ["91#######", "93#######"],
        "Antonio María José Carmen Manuel Ana Francisco Isabel David Laura Javier Lucía Jesús Pilar Ángel Sofía "
        "Andrés Begoña Íñigo Núria",
        _ES_FAMILY,
        ["Madrid/Madrid", "Barcelona/Cataluña", "Valencia/Valencia", "Sevilla/Andalucía"],
        "Calle {w} {n}",
        ["S.L.", "SL", "S.A.", "SA"],
        "es",
    ),
    Locale(
        "MX",
        3,
        ["Mexico", "México", "MX"],
        "52",
        "",
        ["55########", "33########"],
        ["81########"],
        "José María Juan Guadalupe Luis Verónica Miguel Alejandra Carlos Gabriela Jorge Fernanda Raúl Ximena",
        _ES_FAMILY,
        ["Ciudad de México/CDMX", "Guadalajara/Jalisco", "Monterrey/Nuevo León"],
        "Av. {w} {n}",
        ["S.A. de C.V.", "SA de CV"],
        "com.mx",
    ),
    Locale(
        "IT",
        4,
        ["Italy", "Italia", "IT", "ITA"],
        "39",
        "",
        ["347#######", "333#######", "320#######"],
        ["02########", "06########"],
        "Giuseppe Maria Marco Giulia Francesco Chiara Alessandro Francesca Luca Elena Matteo Sara Davide Niccolò",
        _IT_FAMILY,
        ["Milano/MI", "Roma/RM", "Torino/TO", "Napoli/NA"],
        "Via {w} {n}",
        ["S.p.A.", "S.r.l.", "SpA", "Srl"],
        "it",
    ),
    Locale(
        "BR",
        6,
        ["Brazil", "Brasil", "BR", "BRA"],
        "55",
        "0",
        ["119########", "219########"],
        ["113#######", "213#######"],
        "João Maria José Ana Antônio Francisca Carlos Adriana Paulo Juliana Lucas Márcia Luiz Fernanda Gabriel Patrícia",
        _PT_FAMILY,
        ["São Paulo/SP", "Rio de Janeiro/RJ", "Belo Horizonte/MG", "Curitiba/PR"],
        "Rua {w}, {n}",
        ["Ltda", "Ltda.", "S.A.", "S/A"],
        "com.br",
    ),
    Locale(
        "NL",
        2,
        ["Netherlands", "Nederland", "NL", "The Netherlands", "Holland"],
        "31",
        "0",
        ["6########"],
        ["20#######", "10#######"],
        "Daan Emma Sem Julia Lucas Sophie Levi Tess Finn Zoë Bram Lotte Jeroen Anouk",
        _NL_FAMILY,
        ["Amsterdam/NH", "Rotterdam/ZH", "Utrecht/UT"],
        "{w}straat {n}",
        ["B.V.", "BV", "N.V."],
        "nl",
    ),
    Locale(
        "SE",
        2,
        ["Sweden", "Sverige", "SE", "SWE"],
        "46",
        "0",
        ["70#######", "73#######"],
        ["8#######"],
        "Erik Anna Lars Maria Karl Eva Anders Kristina Per Karin Åsa Björn Märta Håkan",
        _SE_FAMILY,
        ["Stockholm/Stockholm", "Göteborg/VG", "Malmö/Skåne"],
        "{w}gatan {n}",
        ["AB", "Aktiebolag"],
        "se",
    ),
    Locale(
        "PL",
        2,
        ["Poland", "Polska", "PL", "POL"],
        "48",
        "",
        ["501######", "602######"],
        ["22#######", "12#######"],
        "Jan Anna Piotr Katarzyna Krzysztof Małgorzata Andrzej Agnieszka Tomasz Łukasz Paweł Żaneta",
        _PL_FAMILY,
        ["Warszawa/Mazowieckie", "Kraków/Małopolskie", "Łódź/Łódzkie"],
        "ul. {w} {n}",
        ["Sp. z o.o.", "S.A."],
        "pl",
    ),
    Locale(
        "TR",
        2,
        ["Turkey", "Türkiye", "TR", "Turkiye"],
        "90",
        "0",
        ["532#######", "542#######"],
        ["212#######"],
        "Mehmet Fatma Mustafa Ayşe Ahmet Emine Ali Hatice Hüseyin Zeynep Çağla Öznur İbrahim Gülşen",
        _TR_FAMILY,
        ["İstanbul/İstanbul", "Ankara/Ankara", "İzmir/İzmir"],
        "{w} Cad. {n}",
        ["A.Ş.", "Ltd. Şti."],
        "com.tr",
    ),
    Locale(
        "RU",
        2,
        ["Russia", "Россия", "RU", "Russian Federation"],
        "7",
        "8",
        ["916#######", "926#######"],
        ["495#######", "812#######"],
        "Александр|Aleksandr Елена|Elena Сергей|Sergey Ольга|Olga Дмитрий|Dmitriy Наталья|Natalya Андрей|Andrey "
        "Анна|Anna Алексей|Aleksey Татьяна|Tatyana Иван|Ivan Мария|Maria Юрий|Yuriy Юлия|Yulia",
        _RU_FAMILY,
        ["Москва/Москва", "Санкт-Петербург/СПб", "Новосибирск/НСО"],
        "ул. {w}, {n}",
        ["ООО", "ОАО", "ЗАО"],
        "ru",
        zip_digits=6,
    ),
    Locale(
        "UA",
        1,
        ["Ukraine", "Україна", "UA"],
        "380",
        "0",
        ["50#######", "67#######"],
        ["44#######"],
        "Олександр|Oleksandr Олена|Olena Сергій|Serhiy Наталія|Nataliya Андрій|Andriy Ірина|Iryna Юрій|Yuriy "
        "Марія|Mariya",
        _RU_FAMILY,
        ["Київ/Київ", "Львів/Львів", "Одеса/Одеса"],
        "вул. {w}, {n}",
        ["ТОВ", "ПАТ"],
        "ua",
    ),
    Locale(
        "GR",
        1,
        ["Greece", "Ελλάδα", "GR", "Hellas"],
        "30",
        "",
        ["694#######", "697#######"],
        ["210#######"],
        "Γιώργος|Giorgos Μαρία|Maria Δημήτρης|Dimitris Ελένη|Eleni Κώστας|Kostas Κατερίνα|Katerina Νίκος|Nikos "
        "Βασιλική|Vasiliki",
        _GR_FAMILY,
        ["Αθήνα/Αττική", "Θεσσαλονίκη/Μακεδονία"],
        "{w} {n}",
        ["Α.Ε.", "Ε.Π.Ε."],
        "gr",
    ),
    Locale(
        "JP",
        5,
        ["Japan", "日本", "JP", "JPN"],
        "81",
        "0",
        ["90########", "80########"],
        ["3########", "6########"],
        _JA_GIVEN,
        _JA_FAMILY,
        ["東京/東京都", "大阪/大阪府", "横浜/神奈川県", "名古屋/愛知県"],
        "{w}{n}丁目",
        ["株式会社", "有限会社"],
        "co.jp",
        family_first=True,
        zip_digits=7,
    ),
    Locale(
        "CN",
        6,
        ["China", "中国", "CN", "PRC", "P.R. China"],
        "86",
        "0",
        ["138########", "139########", "186########"],
        ["10########", "21########"],
        "王|Wang",
        _ZH_FAMILY,
        ["北京/北京", "上海/上海", "深圳/广东", "广州/广东", "杭州/浙江"],
        "{w}路{n}号",
        ["有限公司", "股份有限公司", "集团"],
        "cn",
        family_first=True,
        zip_digits=6,
    ),
    Locale(
        "KR",
        3,
        ["South Korea", "대한민국", "KR", "Korea, Republic of", "Korea"],
        "82",
        "0",
        ["10########"],
        ["2########"],
        "김|Kim",
        _KO_FAMILY,
        ["서울/서울", "부산/부산", "인천/인천"],
        "{w}로 {n}",
        ["주식회사", "(주)"],
        "co.kr",
        family_first=True,
    ),
    Locale(
        "IN",
        5,
        ["India", "भारत", "IN", "IND"],
        "91",
        "0",
        ["98########", "99########", "70########"],
        ["22########", "11########"],
        _HI_GIVEN,
        _HI_FAMILY,
        ["Mumbai/Maharashtra", "Delhi/Delhi", "Bengaluru/Karnataka", "Hyderabad/Telangana", "चेन्नई/Tamil Nadu"],
        "{n}, {w} Marg",
        ["Pvt Ltd", "Private Limited", "Ltd."],
        "in",
        zip_digits=6,
    ),
    Locale(
        "SA",
        2,
        ["Saudi Arabia", "السعودية", "SA", "KSA"],
        "966",
        "0",
        ["50#######", "55#######"],
        ["112######"],
        _AR_GIVEN,
        _AR_FAMILY,
        ["الرياض/الرياض", "جدة/مكة", "الدمام/الشرقية"],
        "شارع {w} {n}",
        ["شركة", "ذ.م.م"],
        "sa",
    ),
    Locale(
        "AE",
        1,
        ["United Arab Emirates", "UAE", "AE", "الإمارات"],
        "971",
        "0",
        ["50#######", "52#######"],
        ["4#######"],
        _AR_GIVEN,
        _AR_FAMILY,
        ["دبي/دبي", "أبوظبي/أبوظبي"],
        "شارع {w} {n}",
        ["LLC", "ذ.م.م", "FZE"],
        "ae",
    ),
    Locale(
        "IL",
        1,
        ["Israel", "ישראל", "IL"],
        "972",
        "0",
        ["50#######", "54#######"],
        ["3#######"],
        "דוד|David שרה|Sara משה|Moshe רחל|Rachel יוסף|Yosef מרים|Miriam אברהם|Avraham לאה|Leah נועם|Noam תמר|Tamar",
        _HE_FAMILY,
        ["תל אביב/מרכז", "ירושלים/ירושלים", "חיפה/צפון"],
        "רחוב {w} {n}",
        ['בע"מ'],
        "co.il",
        zip_digits=7,
    ),
    Locale(
        "TH",
        1,
        ["Thailand", "ประเทศไทย", "TH"],
        "66",
        "0",
        ["81#######", "89#######"],
        ["2#######"],
        "สมชาย|Somchai สมหญิง|Somying นภา|Napa วิชัย|Wichai อรุณ|Arun มาลี|Malee ประเสริฐ|Prasert กมล|Kamon",
        _TH_FAMILY,
        ["กรุงเทพฯ/กรุงเทพฯ", "เชียงใหม่/เชียงใหม่"],
        "ถนน{w} {n}",
        ["จำกัด", "จำกัด (มหาชน)"],
        "co.th",
    ),
]
_by = {loc.code: loc for loc in LOCALES}
_by["CN"].given = [
    (a + (b if b != "-" else ""), ra + (rb if rb != "-" else ""))
    for a, ra in _pairs(_ZH_G1)
    for b, rb in _pairs(_ZH_G2)
]
_by["KR"].given = [(a + b, ra + "-" + rb) for a, ra in _pairs(_KO_G1) for b, rb in _pairs(_KO_G2)]
_by["UA"].given = _by["UA"].given + [p for p in _by["RU"].given if p[1] in ("Ivan", "Maria")]
BY_CODE = _by

NICK = {
    "Robert": "Bob",
    "William": "Bill",
    "Richard": "Dick",
    "James": "Jim",
    "Michael": "Mike",
    "Thomas": "Tom",
    "Elizabeth": "Liz",
    "Jennifer": "Jen",
    "Patricia": "Pat",
    "Katherine": "Kate",
    "Christopher": "Chris",
    "Daniel": "Dan",
    "Matthew": "Matt",
    "Anthony": "Tony",
    "Joseph": "Joe",
    "Charles": "Chuck",
    "Steven": "Steve",
    "Edward": "Ed",
    "Benjamin": "Ben",
    "Samuel": "Sam",
    "Alexander": "Alex",
    "Nicholas": "Nick",
    "Andrew": "Andy",
    "Joshua": "Josh",
    "Margaret": "Peggy",
    "Susan": "Sue",
    "Deborah": "Deb",
    "Rebecca": "Becky",
    "Gregory": "Greg",
    "Francisco": "Paco",
    "José": "Pepe",
    "Giuseppe": "Peppe",
    "Aleksandr": "Sasha",
    "Maximilian": "Max",
}

COMPANY_A = (
    "Acme Apex Atlas Aurora Beacon Blue Bright Cedar Cobalt Core Crest Delta Digi Eagle Echo Ever Falcon Flux "
    "Fusion Global Granite Harbor Helio Horizon Hyper Infra Iron Jade Kinetic Lake Lumen Macro Maple Meridian "
    "Metro Micro Nexus Nimbus North Nova Omni Orbit Pacific Peak Pioneer Pixel Prime Quantum Quest Rapid Red "
    "River Sage Sigma Silver Solar Stellar Summit Terra Titan Trans Tri Ultra Union Vector Velo Vertex Vista "
    "Volt West Wild Zen Zephyr"
).split()
COMPANY_B = (
    "wave works tech soft net data logic labs link mart media mind path point port scape shift side sphere "
    "stack stream sys tron trust vault ware world yard forge field dyne craft cast bridge base"
).split()
COMPANY_C = [
    "",
    "",
    "",
    "Group",
    "Systems",
    "Solutions",
    "Industries",
    "Partners",
    "Technologies",
    "Logistics",
    "Energy",
    "Foods",
    "Health",
    "Consulting",
    "Engineering",
    "Retail",
    "Capital",
    "Automation",
    "Analytics",
    "Pharma",
]
INDUSTRIES = [
    "Agriculture",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Finance",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
]
PRODUCTS = [
    "Endpoint Security",
    "Cloud Backup",
    "ERP Core",
    "CRM Suite",
    "Analytics Pro",
    "Data Lake",
    "IoT Gateway",
    "Network Edge",
    "Identity Hub",
    "Payments",
    "Field Service",
    "Commerce",
]
TIERS = ["Registered", "Silver", "Gold", "Platinum"]
CERTS = ["None", "Security Specialist", "Cloud Architect", "Data Engineer", "ERP Consultant", "Network Expert"]
SOURCES = ["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Trade Show", "Webinar", "Other"]
STATUSES = ["Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted", "Nurturing"]
TITLES = [
    "CEO",
    "CTO",
    "CFO",
    "VP Sales",
    "VP Marketing",
    "IT Manager",
    "Head of Procurement",
    "Software Engineer",
    "Account Manager",
    "Operations Director",
    "Consultant",
    "Analyst",
    "Purchasing Agent",
    "Marketing Manager",
    "Geschäftsführer",
    "Directeur commercial",
    "部長",
    "经理",
    "Gerente",
    "Менеджер",
]
STREET_WORDS = (
    "Main Park Oak Pine Maple Cedar Elm Lake Hill River Church Mill High Station Market Victoria Garden Queen "
    "King Union Spring North South West Sunset"
).split()
