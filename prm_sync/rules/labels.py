"""What people call the columns of a lead, account, contact, partner, opportunity or target list, in eight languages.

A meaning and its labels, between bars, in English, Spanish, Vietnamese, Chinese, Arabic, Persian, German and French.
A meaning that is named like a canonical field is that field; `MEANS` has the others, and where a field differs.
"""

from __future__ import annotations

LABELS: dict[str, str] = {
    "first_name": (
        "first name|given name|forename|nombre|nombre de pila|tên|tên đệm và tên|名|名字|الاسم الأول|نام کوچک|"
        "Vorname|prénom"
    ),
    "last_name": (
        "last name|family name|surname|apellido|apellidos|họ|姓|姓氏|اسم العائلة|اللقب|نام خانوادگی|فامیلی|"
        "Nachname|Familienname|nom de famille"
    ),
    "full_name": (
        "full name|contact name|lead name|contact|contact person|nombre completo|nombre y apellidos|contacto|"
        "persona de contacto|họ tên|họ và tên|tên liên hệ|người liên hệ|姓名|联系人|联系人姓名|الاسم الكامل|"
        "جهة الاتصال|اسم جهة الاتصال|نام و نام خانوادگی|نام کامل|رابط|Ansprechpartner|Kontakt|Vor- und Nachname|"
        "nom complet|nom et prénom|interlocuteur"
    ),
    "name": "name|nombre|tên|名称|الاسم|اسم|نام|Name|Bezeichnung|nom",
    "company": (
        "company|company name|organisation|organization|organisation name|organization name|account|account name|"
        "customer|customer name|client|employer|business name|empresa|compañía|razón social|nombre de la empresa|"
        "nombre de empresa|cliente|nombre del cliente|organización|công ty|tên công ty|doanh nghiệp|"
        "tên doanh nghiệp|khách hàng|tên khách hàng|tổ chức|公司|公司名称|企业|企业名称|客户|客户名称|单位|"
        "单位名称|الشركة|اسم الشركة|المؤسسة|العميل|اسم العميل|المنظمة|شرکت|نام شرکت|سازمان|مشتری|نام مشتری|Firma|"
        "Firmenname|Unternehmen|Kunde|Kundenname|Organisation|entreprise|société|nom de la société|"
        "nom de l'entreprise|raison sociale|nom du client"
    ),
    "partner": (
        "partner|partner name|reseller|reseller name|distributor|distributor name|dealer|dealer name|agent|"
        "agent name|socio|nombre del socio|distribuidor|nombre del distribuidor|revendedor|đối tác|tên đối tác|"
        "đại lý|tên đại lý|nhà phân phối|合作伙伴|合作伙伴名称|伙伴|伙伴名称|经销商|经销商名称|代理商|代理商名称|"
        "渠道商|الشريك|اسم الشريك|الموزع|الوكيل|شریک|نام شریک|نماینده|نام نماینده|نمایندگی|توزیع کننده|"
        "Partnername|Händler|Händlername|Vertriebspartner|Wiederverkäufer|partenaire|nom du partenaire|revendeur|"
        "distributeur"
    ),
    "deal": (
        "deal|deal name|opportunity|opportunity name|oportunidad|nombre de la oportunidad|negocio|"
        "nombre del negocio|cơ hội|tên cơ hội|thương vụ|商机|商机名称|交易名称|الفرصة|اسم الفرصة|الصفقة|"
        "اسم الصفقة|فرصت|نام فرصت|معامله|Verkaufschance|Chance|Geschäft|opportunité|nom de l'opportunité|affaire"
    ),
    "title": (
        "title|job title|position|role|function|cargo|puesto|chức vụ|chức danh|vị trí|职位|职务|头衔|"
        "المسمى الوظيفي|المنصب|الوظيفة|سمت|عنوان شغلی|Position|Funktion|Titel|Berufsbezeichnung|poste|fonction|"
        "titre"
    ),
    "email": (
        "email|e-mail|mail|email address|e-mail address|work email|business email|contact email|correo|"
        "correo electrónico|dirección de correo|email khách hàng|thư điện tử|địa chỉ email|hộp thư|邮箱|邮件|"
        "电子邮件|电子邮箱|邮箱地址|البريد الإلكتروني|البريد|الايميل|ایمیل|پست الکترونیک|رایانامه|E-Mail-Adresse|"
        "Mailadresse|courriel|adresse e-mail|adresse mail|adresse électronique|mél"
    ),
    "phone": (
        "phone|phone number|telephone|telephone number|tel|work phone|business phone|office phone|contact phone|"
        "teléfono|número de teléfono|teléfono fijo|tfno|điện thoại|số điện thoại|sđt|điện thoại bàn|电话|"
        "电话号码|联系电话|固定电话|座机|الهاتف|رقم الهاتف|هاتف|تلفن|شماره تلفن|تلفن ثابت|شماره تماس|Telefon|"
        "Telefonnummer|Tel.|Festnetz|Rufnummer|téléphone|numéro de téléphone|tél|téléphone fixe"
    ),
    "mobile": (
        "mobile|mobile phone|mobile number|cell|cell phone|cellphone|móvil|teléfono móvil|celular|di động|"
        "điện thoại di động|số di động|手机|手机号|手机号码|移动电话|الجوال|رقم الجوال|الموبايل|المحمول|موبایل|"
        "تلفن همراه|شماره موبایل|همراه|Handy|Mobil|Mobiltelefon|Mobilnummer|Handynummer|portable|"
        "téléphone portable|mobile|téléphone mobile"
    ),
    "domain": (
        "website|web site|web|url|domain|homepage|home page|company website|web page|sitio web|página web|"
        "dominio|trang web|tên miền|网站|网址|官网|公司网站|域名|الموقع الإلكتروني|الموقع|النطاق|وب سایت|وبسایت|"
        "سایت|تارنما|دامنه|Webseite|Internetseite|Domäne|site web|site internet|site|domaine"
    ),
    "street": (
        "street|address|street address|address line 1|address 1|dirección|domicilio|calle|địa chỉ|đường|地址|"
        "详细地址|街道|العنوان|الشارع|آدرس|نشانی|خیابان|Straße|Strasse|Adresse|Anschrift|Straße und Hausnummer|"
        "rue|adresse"
    ),
    "city": (
        "city|town|ciudad|población|localidad|municipio|thành phố|tỉnh/thành phố|tỉnh thành|城市|市|المدينة|شهر|"
        "Stadt|Ort|Wohnort|ville|commune"
    ),
    "region": (
        "state|province|region|state/province|county|provincia|estado/provincia|comunidad autónoma|región|tỉnh|"
        "khu vực|vùng|省|省份|地区|区域|المحافظة|المنطقة|الولاية|استان|منطقه|Bundesland|Region|Land/Region|"
        "région|département|province"
    ),
    "postcode": (
        "postcode|postal code|zip|zip code|post code|código postal|cp|mã bưu chính|mã bưu điện|邮编|邮政编码|"
        "الرمز البريدي|کد پستی|PLZ|Postleitzahl|code postal"
    ),
    "country": (
        "country|country code|nation|país|quốc gia|nước|国家|国别|国家/地区|البلد|الدولة|کشور|Land|Staat|pays"
    ),
    "industry": (
        "industry|sector|vertical|line of business|industria|sector de actividad|ngành|ngành nghề|lĩnh vực|行业|"
        "所属行业|القطاع|الصناعة|صنعت|حوزه فعالیت|Branche|Industrie|secteur|secteur d'activité|industrie"
    ),
    "product": (
        "product|product interest|product of interest|interested in|products|producto|producto de interés|"
        "sản phẩm|sản phẩm quan tâm|产品|意向产品|产品名称|المنتج|المنتجات|محصول|محصول مورد علاقه|Produkt|"
        "Produktinteresse|produit|produit d'intérêt"
    ),
    "segment": (
        "segment|company size|size|customer segment|segmento|tamaño de empresa|phân khúc|quy mô|客户级别|规模|"
        "公司规模|الشريحة|حجم الشركة|بخش|اندازه شرکت|Segment|Unternehmensgröße|taille|taille de l'entreprise"
    ),
    "language": "language|preferred language|idioma|lengua|ngôn ngữ|语言|اللغة|زبان|Sprache|langue",
    "employees": (
        "employees|number of employees|no. of employees|headcount|staff|empleados|número de empleados|"
        "số nhân viên|số lượng nhân viên|员工数|员工人数|عدد الموظفين|تعداد کارکنان|تعداد پرسنل|Mitarbeiter|"
        "Mitarbeiterzahl|Anzahl Mitarbeiter|effectif|nombre d'employés|salariés"
    ),
    "annual_revenue": (
        "annual revenue|yearly revenue|turnover|facturación|facturación anual|ingresos anuales|doanh thu năm|"
        "doanh thu hàng năm|年收入|年营业额|الإيرادات السنوية|درآمد سالانه|Jahresumsatz|chiffre d'affaires|"
        "ca annuel"
    ),
    "amount": (
        "amount|value|deal value|deal amount|deal size|price|total amount|target amount|target value|importe|"
        "monto|valor|cantidad objetivo|giá trị|số tiền|金额|预计金额|成交金额|目标金额|القيمة|المبلغ|مبلغ|ارزش|"
        "Betrag|Wert|Summe|Zielbetrag|Volumen|montant|valeur|objectif"
    ),
    "budget": "budget|presupuesto|ngân sách|预算|الميزانية|بودجه|Budget|budget prévu",
    "currency": (
        "currency|currency code|moneda|divisa|tiền tệ|loại tiền|币种|货币|العملة|ارز|واحد پول|Währung|devise|"
        "monnaie"
    ),
    "need": (
        "need|message|comments|comment|notes|description|requirements|enquiry|inquiry|necesidad|mensaje|"
        "comentarios|notas|descripción|observaciones|nhu cầu|ghi chú|mô tả|nội dung|需求|备注|描述|留言|الاحتياج|"
        "ملاحظات|الوصف|الرسالة|نیاز|توضیحات|یادداشت|Bedarf|Nachricht|Bemerkung|Bemerkungen|Notizen|Beschreibung|"
        "Anfrage|besoin|message|commentaires|remarques|description"
    ),
    "source": (
        "source|lead source|origin|campaign|origen|fuente|origen del lead|campaña|nguồn|nguồn khách hàng|"
        "nguồn lead|来源|线索来源|客户来源|المصدر|مصدر العميل|منبع|نحوه آشنایی|Quelle|Lead-Quelle|Herkunft|"
        "source du lead|origine|provenance"
    ),
    "status": (
        "status|lead status|partner status|state of lead|estado|estatus|estado del lead|trạng thái|tình trạng|"
        "状态|线索状态|الحالة|حالة العميل|وضعیت|Status|Zustand|Lead-Status|statut|état"
    ),
    "rating": (
        "rating|temperature|priority rating|calificación|xếp hạng|mức độ tiềm năng|评级|热度|التقييم|رتبه|"
        "Bewertung|évaluation"
    ),
    "score": (
        "score|lead score|points|puntuación|điểm|điểm số|评分|得分|النقاط|الدرجة|امتیاز|Punkte|Punktzahl|points|"
        "note"
    ),
    "owner": (
        "owner|lead owner|account owner|sales rep|salesperson|assigned to|responsible|comercial|responsable|"
        "propietario|vendedor|người phụ trách|nhân viên phụ trách|nhân viên kinh doanh|负责人|销售|业务员|"
        "المسؤول|المالك|مندوب المبيعات|کارشناس|مسئول|مسئول فروش|Inhaber|Besitzer|Zuständig|Verantwortlicher|"
        "Bearbeiter|Vertriebsmitarbeiter|propriétaire|responsable|commercial"
    ),
    "no_email": (
        "no email|do not email|email opt out|opt out|unsubscribed|no enviar correo|baja de correo|"
        "không gửi email|拒收邮件|退订|إلغاء الاشتراك|لغو اشتراک|keine E-Mails|abgemeldet|désabonné|"
        "ne pas envoyer d'e-mail"
    ),
    "required_certification": (
        "required certification|required certificate|certificación requerida|所需认证|Zertifikat erforderlich"
    ),
    "created_at": (
        "created|created at|created date|creation date|created on|date created|date added|fecha de creación|"
        "fecha de alta|creado|ngày tạo|创建时间|创建日期|录入时间|تاريخ الإنشاء|تاریخ ثبت|تاریخ ایجاد|Erstellt|"
        "Erstellt am|Erstelldatum|Anlagedatum|angelegt am|créé le|date de création"
    ),
    "is_test": "test|is test|test record|prueba|测试|Testdatensatz",
    "code": (
        "code|number|no.|key|account number|customer number|customer code|account code|partner code|partner key|"
        "partner id|partner number|reseller id|código|código de cliente|código de socio|número de cliente|mã|"
        "mã khách hàng|mã đối tác|mã đại lý|编号|客户编号|伙伴编号|经销商编号|رقم العميل|رمز العميل|رقم الشريك|"
        "رمز الشريك|کد|کد مشتری|کد نماینده|کد شریک|Kundennummer|Partnernummer|Kennung|numéro client|code client|"
        "code partenaire"
    ),
    "tax_id": (
        "tax id|tax number|vat|vat number|vat id|nif|cif|rfc|mã số thuế|mst|统一社会信用代码|税号|الرقم الضريبي|"
        "شناسه ملی|کد اقتصادی|Steuernummer|USt-IdNr.|Umsatzsteuer-ID|numéro de tva|siret|siren"
    ),
    "type": (
        "type|partner type|tipo|tipo de socio|loại|loại đối tác|类型|伙伴类型|النوع|نوع الشريك|نوع|Typ|Art|"
        "Partnertyp|type de partenaire"
    ),
    "tier": (
        "tier|level|partner level|partner tier|nivel|cấp|hạng|cấp độ|级别|等级|伙伴级别|المستوى|الفئة|سطح|Stufe|"
        "Ebene|Partnerstufe|niveau"
    ),
    "group_name": (
        "group|programme|program|partner program|grupo|programa|nhóm|chương trình|分组|组|المجموعة|البرنامج|گروه|"
        "برنامه|Gruppe|Programm|groupe"
    ),
    "territories": (
        "territory|territories|sales territory|countries|regions|territorio|territorios|zona|khu vực bán hàng|"
        "địa bàn|销售区域|区域范围|المناطق|مناطق البيع|منطقه فروش|Gebiet|Gebiete|Vertriebsgebiet|territoire|"
        "territoires|zone"
    ),
    "products": (
        "products sold|product lines|products|productos|các sản phẩm|经销产品|المنتجات المباعة|محصولات|Produkte|"
        "produits"
    ),
    "industries": "industries|sectors|verticals|sectores|các ngành|行业范围|القطاعات|صنایع|Branchen|secteurs",
    "languages": "languages|spoken languages|idiomas|các ngôn ngữ|语种|اللغات|زبان ها|Sprachen|langues",
    "certifications": (
        "certifications|certificates|certificaciones|chứng chỉ|认证|证书|الشهادات|گواهینامه ها|Zertifikate|"
        "Zertifizierungen|certifications"
    ),
    "weekly_capacity": (
        "weekly capacity|capacity|leads per week|capacidad semanal|năng lực tuần|每周容量|السعة الأسبوعية|"
        "ظرفیت هفتگی|Kapazität pro Woche|capacité hebdomadaire"
    ),
    "time_zone": "time zone|timezone|zona horaria|múi giờ|时区|المنطقة الزمنية|منطقه زمانی|Zeitzone|fuseau horaire",
    "manager": (
        "manager|channel manager|partner manager|account manager|gerente|gestor de canal|quản lý kênh|渠道经理|"
        "مدير القناة|مدیر کانال|Kanalmanager|Partnermanager|responsable partenaire"
    ),
    "joined_at": (
        "joined|joined at|joined on|partner since|member since|fecha de ingreso|ngày tham gia|加入时间|加入日期|"
        "تاريخ الانضمام|تاریخ عضویت|Partner seit|Beitrittsdatum|date d'adhésion"
    ),
    "stage": (
        "stage|sales stage|deal stage|pipeline stage|etapa|fase|giai đoạn|阶段|销售阶段|المرحلة|مرحله|Phase|"
        "Verkaufsphase|étape|phase"
    ),
    "close_date": (
        "close date|closing date|expected close|expected close date|fecha de cierre|fecha prevista de cierre|"
        "ngày đóng|ngày dự kiến|预计成交日期|成交日期|结单日期|تاريخ الإغلاق|تاریخ بستن|تاریخ بسته شدن|"
        "Abschlussdatum|Schlusstermin|date de clôture|date de fermeture"
    ),
    "probability": (
        "probability|win probability|probabilidad|xác suất|概率|赢单率|الاحتمالية|احتمال|Wahrscheinlichkeit|"
        "probabilité"
    ),
    "lost_reason": (
        "lost reason|loss reason|reason lost|motivo de pérdida|lý do thất bại|输单原因|سبب الخسارة|دلیل شکست|"
        "Verlustgrund|raison de la perte"
    ),
    "competitor": "competitor|competitors|competidor|đối thủ|竞争对手|المنافس|رقیب|Wettbewerber|concurrent",
    "metric": (
        "metric|kpi|measure|indicator|métrica|indicador|chỉ tiêu|chỉ số|指标|考核指标|المؤشر|شاخص|Kennzahl|"
        "indicateur|métrique"
    ),
    "quantity": (
        "quantity|count|target quantity|units|cantidad|unidades|số lượng|数量|目标数量|الكمية|تعداد|Menge|Anzahl|"
        "quantité|nombre"
    ),
    "period_start": (
        "period start|start|start date|from|from date|valid from|inicio|fecha de inicio|desde|ngày bắt đầu|"
        "từ ngày|开始日期|起始日期|تاريخ البدء|من تاريخ|تاریخ شروع|از تاریخ|Beginn|Startdatum|von|gültig ab|"
        "début|date de début"
    ),
    "period_end": (
        "period end|end|end date|to|to date|valid to|valid until|fin|fecha de fin|hasta|ngày kết thúc|đến ngày|"
        "结束日期|截止日期|تاريخ الانتهاء|إلى تاريخ|تاریخ پایان|تا تاریخ|Ende|Enddatum|bis|gültig bis|date de fin"
    ),
    "channel": (
        "channel|sales channel|canal|canal de venta|kênh|kênh bán hàng|渠道|القناة|کانال|Kanal|Vertriebskanal|"
        "canal de vente"
    ),
    "account_name": (
        "end customer|end customer name|cliente final|khách hàng cuối|最终客户|العميل النهائي|مشتری نهایی|"
        "Endkunde|client final"
    ),
}  # fmt: skip

MEANS: dict[str, dict[str, tuple[str, ...]]] = {
    "lead": {"full_name": ("first_name", "last_name"), "name": ("first_name", "last_name"), "amount": ("budget",)},
    "contact": {"full_name": ("first_name", "last_name"), "name": ("first_name", "last_name")},
    "account": {"company": ("name",), "code": ("account_number",)},
    "partner": {
        "partner": ("name",), "company": ("name",), "code": ("partner_key",), "product": ("products",),
        "industry": ("industries",), "language": ("languages",), "owner": ("manager",),
    },
    "opportunity": {"deal": ("name",), "status": ("stage",)},
    "target": {"code": ("partner_key",), "partner": ("partner_key",)},
}  # fmt: skip
"""What a meaning is in one entity, where it is not the field of its own name."""

CHOICES: dict[str, str] = {
    "new": (
        "open - not contacted|not contacted|untouched|nuevo|nueva|mới|新|新建|新线索|جديد|جدید|neu|nouveau|"
        "nouvelle"
    ),
    "working": (
        "contacted|working - contacted|in progress|open|en curso|đang xử lý|跟进中|قيد العمل|در حال پیگیری|"
        "in Bearbeitung|en cours"
    ),
    "qualified": "mql|sql|qualification|calificado|đủ điều kiện|已确认|مؤهل|واجد شرایط|qualifiziert|qualifié",
    "converted": "closed - converted|convertido|đã chuyển đổi|已转化|تم التحويل|تبدیل شده|konvertiert|converti",
    "disqualified": (
        "unqualified|closed - not converted|junk|bad fit|descartado|không đạt|无效|غير مؤهل|رد شده|"
        "disqualifiziert|non qualifié"
    ),
    "won": "closed won|closed - won|ganado|ganada|thắng|赢单|成交|مكسب|برنده|gewonnen|gagné",
    "lost": "closed lost|closed - lost|perdido|perdida|thua|输单|丢单|خسارة|باخته|verloren|perdu",
    "prospect": "prospecting|prospecto|tiềm năng|潜在|محتمل|بالقوه|Interessent",
    "solution": "needs analysis|value proposition|solución|giải pháp|方案|الحل|راهکار|Lösung",
    "proposal": (
        "proposal/price quote|quote|quotation|propuesta|báo giá|报价|العرض|پیشنهاد|Angebot|proposition|devis"
    ),
    "commit": "negotiation|negotiation/review|negociación|đàm phán|谈判|تفاوض|مذاکره|Verhandlung|négociation",
    "active": "live|activo|activa|hoạt động|đang hoạt động|有效|合作中|启用|نشط|فعال|aktiv|actif",
    "suspended": "on hold|paused|suspendido|tạm ngưng|暂停|معلق|تعلیق|ausgesetzt|suspendu",
    "terminated": "ended|closed|former|terminado|chấm dứt|终止|已终止|منتهي|خاتمه یافته|beendet|gekündigt|résilié",
    "approved": "accepted|aprobado|đã duyệt|已批准|موافق عليه|تایید شده|genehmigt|approuvé",
    "rejected": "declined|rechazado|từ chối|已拒绝|مرفوض|رد شده|abgelehnt|rejeté",
    "hot": "caliente|nóng|热|ساخن|داغ|heiß|chaud",
    "warm": "tibio|ấm|温|دافئ|گرم|lauwarm|tiède",
    "cold": "frío|lạnh|冷|بارد|سرد|kalt|froid",
    "reseller": "revendedor|đại lý|经销商|代理商|موزع معتمد|نماینده|Wiederverkäufer|Händler|revendeur",
    "distributor": "distribuidor|nhà phân phối|分销商|موزع|توزیع کننده|Distributor|distributeur",
    "integrator": (
        "system integrator|si|integrador|nhà tích hợp|集成商|系统集成商|Systemintegrator|Systemhaus|intégrateur"
    ),
    "referral": "referral partner|affiliate|referidor|推荐|Empfehlungspartner",
    "consultant": "consulting|consultor|tư vấn|顾问|咨询|مستشار|مشاور|Berater|Beratung",
    "service": "service provider|msp|servicio|dịch vụ|服务商|خدمات|Dienstleister|Service|service",
    "revenue": (
        "sales|turnover|ingresos|ventas|doanh thu|doanh số|收入|销售额|الإيرادات|المبيعات|درآمد|فروش|Umsatz|"
        "chiffre d'affaires|revenu"
    ),
    "leads": "lead count|new leads|số lead|线索|线索数|العملاء المحتملون|سرنخ|Leads",
    "deals": (
        "deal count|opportunities|won deals|operaciones|cơ hội|商机|商机数|الصفقات|معاملات|Abschlüsse|affaires"
    ),
    "certifications": "certificates|certificaciones|chứng chỉ|认证|الشهادات|گواهینامه|Zertifikate",
    "company": (
        "business|corporate|b2b|organisation|organization|empresa|công ty|doanh nghiệp|企业|公司|شركة|شرکت|Firma|"
        "entreprise"
    ),
    "person": "individual|private|consumer|b2c|particular|persona|cá nhân|个人|فرد|شخص|Privatperson|particulier",
}  # fmt: skip
"""What people write for a choice: canonical choice -> spellings. What the field does not have is passed over."""
