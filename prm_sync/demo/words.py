"""Words in six languages that the invented company's people, firms and addresses are made of.

All of it is made up. A telephone pattern has `#` for any digit; the numbers are valid by the plan of their country,
and
nobody's on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A country as leads of one language write it: spelling, its cities (city, region, postcode) and telephones."""

    code: str
    written: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]
    mobiles: tuple[str, ...]
    landlines: tuple[str, ...]
    currency: str


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language: names, firms, streets, what leads ask for, and the places where it is spoken."""

    code: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    firms: tuple[str, ...]
    trades: tuple[str, ...]
    firm: str  #: how a firm's name is put together, of {name} and {trade}
    street: str  #: of {n}
    needs: tuple[str, ...]
    titles: tuple[str, ...]
    places: tuple[Place, ...]
    digits: str = "0123456789"  #: in which some people type their telephone number


ZH = Tongue(
    "zh",
    given=("伟", "芳", "秀英", "敏", "静", "丽娜", "强", "磊", "洋", "艳", "勇", "军", "杰", "涛", "明哲", "超",
           "雅婷", "晓东", "欣怡", "建国"),
    family=("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何",
            "欧阳", "司马", "郭"),
    firms=("华星", "东方", "锦程", "瑞丰", "海纳", "天成", "鼎盛", "云帆", "恒远", "博雅", "金桥", "新元", "中科",
           "远航"),
    trades=("科技", "贸易", "医疗器械", "物流", "教育", "能源", "制造", "金融服务", "零售", "工程"),
    firm="{name}{trade}有限公司", street="中山路{n}号",
    needs=("需要报价和演示", "希望下个季度上线", "正在替换旧系统", "咨询本地实施伙伴"),
    titles=("采购经理", "信息总监", "总经理", "运营主管"),
    places=(
        Place("CN", ("中国", "中國", "China", "CN"), (("上海", "上海市", "200040"), ("广州", "广东省", "510030"),
                                                  ("深圳", "广东", "518000"), ("北京", "北京市", "100020")),
              ("138########", "+86 139 #### ####", "0086-186-####-####"), ("021-6### ####", "020-8###-####"), "CNY"),
    ),
)  # fmt: skip
AR = Tongue(
    "ar",
    given=("محمد", "أحمد", "فاطمة", "عائشة", "خالد", "نورة", "سارة", "يوسف", "عبد الله", "ليلى", "حسن", "مريم",
           "عمر", "هدى", "إبراهيم", "زينب"),
    family=("العتيبي", "القحطاني", "الحربي", "المصري", "حسين", "السيد", "الشمري", "عبد الرحمن", "الزهراني", "منصور",
            "الدوسري", "فاروق"),
    firms=("النخيل", "الواحة", "الخليج", "النور", "الأمل", "الصفوة", "الرواد", "المستقبل", "الأهرام", "البحر الأحمر"),
    trades=("للتقنية", "للتجارة", "للمقاولات", "للخدمات الطبية", "للطاقة", "للنقل", "للتعليم", "للصناعة"),
    firm="شركة {name} {trade}", street="شارع الملك فهد، مبنى {n}",
    needs=("نرغب في عرض سعر", "نبحث عن شريك محلي", "نحتاج إلى عرض تجريبي", "استبدال النظام الحالي"),
    titles=("مدير المشتريات", "مدير تقنية المعلومات", "المدير العام"),
    places=(
        Place("SA", ("السعودية", "المملكة العربية السعودية", "Saudi Arabia", "SA"), (("الرياض", "الرياض", "11564"),
            ("جدة", "مكة المكرمة", "21442"), ("الدمام", "الشرقية", "31411")),
              ("055#######", "+966 50 ### ####", "00966 54 #######"), ("011 4######",), "SAR"),
        Place("EG", ("مصر", "Egypt", "EG"), (("القاهرة", "القاهرة", "11511"), ("الإسكندرية", "الإسكندرية", "21500"),
                                             ("الجيزة", "الجيزة", "12511")),
              ("0100#######", "+20 12 2### ####", "0111 ### ####"), ("02 2#######",), "USD"),
    ),
    digits="٠١٢٣٤٥٦٧٨٩",
)  # fmt: skip
VI = Tongue(
    "vi",
    given=("Thị Hồng Nhung", "Văn Đức", "Minh Tuấn", "Thu Hà", "Quốc Bảo", "Ngọc Ánh", "Hữu Phước", "Thanh Thảo",
           "Đình Khôi", "Mỹ Linh", "Gia Huy", "Bích Ngọc"),
    family=("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô"),
    firms=("Hoa Sen", "Đông Á", "Phương Nam", "Sài Gòn Xanh", "Việt Tiến", "Bình Minh", "Trường Sơn", "Cửu Long",
           "An Phát", "Hải Âu"),
    trades=("Công nghệ", "Thương mại", "Xây dựng", "Y tế", "Vận tải", "Giáo dục", "Năng lượng", "Sản xuất"),
    firm="Công ty TNHH {trade} {name}", street="{n} đường Nguyễn Huệ",
    needs=("Cần báo giá trong tuần này", "Muốn xem bản dùng thử", "Đang thay hệ thống cũ",
           "Tìm đối tác triển khai tại chỗ"),
    titles=("Trưởng phòng mua hàng", "Giám đốc công nghệ", "Giám đốc điều hành"),
    places=(
        Place("VN", ("Việt Nam", "Vietnam", "VN"), (("Thành phố Hồ Chí Minh", "TP. Hồ Chí Minh", "700000"),
                                                    ("Hà Nội", "Hà Nội", "100000"), ("Đà Nẵng", "Đà Nẵng", "550000")),
              ("090#######", "+84 98 ### ## ##", "0912.###.###"), ("028 3### ####", "024-3###-####"), "VND"),
    ),
)  # fmt: skip
ES = Tongue(
    "es",
    given=("Lucía", "José María", "Sofía", "Íñigo", "Begoña", "Andrés", "Inés", "Jesús", "Ximena", "Raúl", "Ángeles",
           "Óscar", "Martín", "Nuria"),
    family=("García Núñez", "Muñoz", "Peña Castaño", "Fernández", "Ibáñez", "Rodríguez", "Gómez", "Hernández",
            "Ordóñez", "Sánchez", "Zúñiga", "López"),
    firms=("Sol y Mar", "Peñalara", "La Cañada", "Aguilar", "Montaña Azul", "Sierra Norte", "Tenochtitlán",
           "Ibérica", "El Bajío", "Logroño"),
    trades=("Tecnología", "Distribución", "Construcción", "Sanidad", "Energía", "Logística", "Educación",
            "Ingeniería"),
    firm="{name} {trade} S.L.", street="Calle Mayor, {n}",
    needs=("Necesitamos presupuesto", "Queremos una demostración", "Sustituimos el sistema actual",
           "Buscamos un socio en la región"),
    titles=("Jefa de compras", "Director de sistemas", "Gerente general"),
    places=(
        Place("ES", ("España", "Spain", "ES"), (("Madrid", "Madrid", "28013"), ("Barcelona", "Cataluña", "08002"),
                                                ("A Coruña", "Galicia", "15003")),
              ("612 ### ###", "+34 655 ## ## ##"), ("91 4## ## ##",), "EUR"),
        Place("MX", ("México", "Mexico", "MX"), (("Ciudad de México", "CDMX", "06000"), ("Monterrey", "Nuevo León",
            "64000"), ("Mérida", "Yucatán", "97000")),
              ("55 4### ####", "+52 81 1### ####"), ("33 36## ####",), "USD"),
    ),
)  # fmt: skip
FA = Tongue(
    "fa",
    given=("علی", "زهرا", "رضا", "مینا", "کیوان", "پریسا", "مهدی", "نگار", "سهراب", "شیرین", "آرش", "گلناز", "بهرام",
           "لاله"),
    family=("کریمی", "حسینی", "محمدی", "رضایی", "گلپایگانی", "یزدانی", "تهرانی", "صادقی", "پورمحمد", "کاشانی",
            "شیرازی", "فراهانی"),
    firms=("پارس", "آریا", "سپید", "البرز", "زاگرس", "نوآوران", "کاسپین", "پژوهش", "گلستان", "خاور"),
    trades=("فناوری", "بازرگانی", "ساختمانی", "پزشکی", "انرژی", "ترابری", "آموزشی", "صنعتی"),
    firm="شرکت {trade} {name}", street="خیابان ولیعصر، پلاک {n}",
    needs=("درخواست پیش‌فاکتور", "نیاز به نمایش محصول", "جایگزینی سامانه فعلی", "به دنبال همکار محلی هستیم"),
    titles=("مدیر خرید", "مدیر فناوری اطلاعات", "مدیرعامل"),
    places=(
        Place("IR", ("ایران", "Iran", "IR"), (("تهران", "تهران", "1591634311"), ("شیراز", "فارس", "7134814336"),
                                              ("اصفهان", "اصفهان", "8164776567")),
              ("0912 ### ####", "+98 935 ### ####", "0098912#######"), ("021 88######",), "USD"),
    ),
    digits="۰۱۲۳۴۵۶۷۸۹",
)  # fmt: skip
EN = Tongue(
    "en",
    given=("Olivia", "Noah", "Amelia", "Siobhán", "Ethan", "Zoë", "Marcus", "Priya", "Chloe", "Desmond", "Renée",
           "Tobias", "Harriet", "Malik"),
    family=("Smith", "O'Connor", "Johnson", "MacDonald", "Brown", "Taylor-Reed", "Patel", "Walker", "Nguyen",
            "Brontë", "Wright", "Okafor"),
    firms=("Harbor", "Redwood", "Bluestone", "Kingfisher", "Northgate", "Silverline", "Oakfield", "Meridian",
           "Copperleaf", "Tidewater"),
    trades=("Technologies", "Trading", "Construction", "Healthcare", "Energy", "Logistics", "Learning",
            "Engineering"),
    firm="{name} {trade} Ltd", street="{n} Station Road",
    needs=("Please send a quote", "We would like a demo", "Replacing our current system",
           "Looking for a local partner"),
    titles=("Head of Procurement", "CIO", "Managing Director"),
    places=(
        Place("US", ("United States", "USA", "US"), (("Austin", "Texas", "78701"), ("New York", "NY", "10001"),
                                                     ("San Francisco", "California", "94103")),
              ("(512) 44#-####", "+1 212 66# ####"), ("415.77#.####",), "USD"),
        Place("GB", ("United Kingdom", "UK", "GB"), (("London", "Greater London", "EC1A 1BB"), ("Leeds",
            "West Yorkshire", "LS1 4AP"), ("Glasgow", "Scotland", "G1 1XQ")),
              ("07911 12####", "+44 7911 12####"), ("020 7### ####",), "GBP"),
    ),
)  # fmt: skip

TONGUES = (ZH, AR, VI, ES, FA, EN)
PRODUCTS = ("CRM Cloud", "Analytics", "Payments", "Security", "Field Service", "IoT Gateway")
INDUSTRIES = (
    "Agriculture", "Banking", "Construction", "Education", "Energy", "Engineering", "Finance", "Healthcare",
    "Manufacturing",
    "Retail", "Technology", "Transportation",
)  # fmt: skip
CERTIFICATES = ("Security Specialist", "Payments Expert", "Cloud Architect")
DECLINES = ("no capacity this month", "outside our focus", "existing relationship with a competitor",
            "budget too small")
TROUBLES = {
    "zh": "设备无法启动", "ar": "الجهاز لا يعمل منذ أمس", "vi": "Thiết bị không khởi động được",
    "es": "El equipo se apaga solo", "fa": "دستگاه روشن نمی‌شود", "en": "The unit does not start",
}  # fmt: skip
"""By language what customers write when something is broken."""
