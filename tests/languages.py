"""Small collections of passages in five languages, with the queries that should find each."""

from __future__ import annotations

COLLECTIONS: dict[str, list[tuple[str, str]]] = {
    "zh": [
        (
            "商品可以在14天内退货，须保持未拆封。陶瓷类商品的退货期限为30天。",
            "退货, 陶瓷, １４天",
        ),
        (
            "退款会在一周内退回原支付账户，节假日顺延。",
            "退款 账户",
        ),
        (
            "每周二发货，偏远地区运费另加二十元，满三百元包邮。",
            "运费, 包邮, 什么时候发货",
        ),
        (
            "茶壶自购买之日起保修两年，人为损坏不在保修范围之内。",
            "茶壶保修多久",
        ),
        (
            "会员生日当月可享受九折优惠，积分每年年底清零。",
            "积分",
        ),
        (
            "电子发票在确认收货后自动发送到注册邮箱。",
            "电子发票",
        ),
    ],
    "ja": [
        (
            "商品は未開封であれば１４日以内に返品できます。陶器の返品期限は３０日です。",
            "返品, 陶器の期限, 14日",
        ),
        (
            "返金は一週間以内に元のお支払い方法へ行われます。",
            "返金",
        ),
        (
            "荷物は毎週火曜日に発送します。離島への送料は別途かかります。",
            "火曜日, 離島 送料",
        ),
        (
            "急須は購入日から二年間の保証付きです。落下による破損は対象外です。",
            "急須の保証",
        ),
        (
            "会員様は誕生月に一割引きでｾﾝﾁｬをお求めいただけます。ポイントは年末に失効します。",
            "ポイント, センチャ",
        ),
        (
            "領収書は受け取り確認後に登録メールアドレスへ自動送信されます。",
            "領収書",
        ),
    ],
    "ko": [
        (
            "상품은 개봉하지 않은 경우 14일 이내에 반품할 수 있습니다. 도자기는 30일입니다.",
            "반품, 도자기",
        ),
        (
            "환불금은 일주일 안에 원래 결제 수단으로 돌아갑니다.",
            "환불, 결제",
        ),
        (
            "매주 화요일에 발송하며 제주도는 배송비가 추가됩니다.",
            "화요일, 배송비, 제주도",
        ),
        (
            "찻주전자는 구입일부터 이 년 동안 품질을 보증합니다. 떨어뜨려 깨진 경우는 제외됩니다.",
            "찻주전자 보증",
        ),
        (
            "회원은 생일이 있는 달에 십 퍼센트 할인을 받습니다. 적립금은 연말에 사라집니다.",
            "생일 할인, 적립금",
        ),
        (
            "전자영수증은 수령을 확인하면 등록된 전자우편으로 보내드립니다.",
            "영수증",
        ),
    ],
    "th": [
        (
            "สินค้าที่ยังไม่แกะสามารถคืนได้ภายใน ๑๔ วัน เครื่องปั้นดินเผาคืนได้ภายใน ๓๐ วัน",
            "คืนสินค้า, เครื่องปั้นดินเผา, 14 วัน",
        ),
        (
            "เงินจะถูกโอนกลับเข้าบัญชีเดิมภายในหนึ่งสัปดาห์",
            "โอนกลับ",
        ),
        (
            "พัสดุจัดส่งทุกวันอังคาร พื้นที่ห่างไกลมีค่าขนส่งเพิ่ม",
            "วันอังคาร, ค่าขนส่ง",
        ),
        (
            "กาน้ำชารับประกันสองปีนับจากวันซื้อ ไม่รวมความเสียหายจากการตกแตก",
            "กาน้ำชา",
        ),
        (
            "สมาชิกได้รับส่วนลดในเดือนเกิด คะแนนสะสมหมดอายุสิ้นปี",
            "ส่วนลด, คะแนน",
        ),
        (
            "ใบเสร็จอิเล็กทรอนิกส์จะส่งไปยังอีเมลที่ลงทะเบียนไว้โดยอัตโนมัติ",
            "ใบเสร็จ, อีเมล",
        ),
    ],
    "de": [
        (
            "Ungeöffnete Ware kann innerhalb der Rückgabefrist von 14 Tagen zurückgegeben werden, "
            "Keramik 30 Tage lang.",
            "Frist, Rückgabe",
        ),
        (
            "Der Rechnungsbetrag wird binnen einer Woche auf das ursprüngliche Zahlungsmittel erstattet.",
            "Rechnung, Zahlung",
        ),
        (
            "Pakete verlassen unser Haus dienstags; für Inseln wird eine Versandkostenpauschale erhoben.",
            "Versandkosten, Insel",
        ),
        (
            "Für Teekannen gilt eine Herstellergarantie von zwei Jahren ab Kaufdatum, Sturzschäden ausgenommen.",
            "Garantie, Kanne",
        ),
        (
            "Mitglieder erhalten im Geburtsmonat Geschenkgutscheine; gesammelte Bonuspunkte verfallen zum Jahresende.",
            "Gutschein, Punkte, Geburtstagsgutschein",
        ),
        (
            "Die elektronische Kaufquittung wird nach der Empfangsbestätigung automatisch an die "
            "E-Mail-Adresse geschickt.",
            "Quittung, Empfangsbestaetigung, Adresse",
        ),
    ],
}
"""(passage, queries with commas between them) by language: words as they stand, inflected, in full width, and within
compounds. No title and no file's name helps to find a passage."""
QUERIES = [
    (language, query, number)
    for language, passages in COLLECTIONS.items()
    for number, (_, queries) in enumerate(passages)
    for query in queries.split(", ")
]
