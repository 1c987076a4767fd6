//! What an ad says where its advertiser says nothing, in the languages of most shops.
//!
//! Short, as a button and a strip of 320x50 allow, and polite where the language asks for it. A new
//! language is one line.

/// The texts of a language.
pub struct Texts {
    /// BCP 47; a longer tag stands before the shorter one it begins with.
    pub language: &'static str,
    /// Where `headline` is not given.
    pub headline: &'static str,
    /// Where `call_to_action` is not given.
    pub call_to_action: &'static str,
    /// On the picture while a sale is on.
    pub sale: &'static str,
}

const fn t(language: &'static str, headline: &'static str, call_to_action: &'static str, sale: &'static str) -> Texts {
    Texts {
        language,
        headline,
        call_to_action,
        sale,
    }
}

const ENGLISH: Texts = t("en", "Still thinking it over?", "Shop now", "Sale");

const TEXTS: [Texts; 23] = [
    t("ar", "ما زلت تفكّر في الأمر؟", "تسوّق الآن", "تخفيضات"),
    t("de", "Noch am Überlegen?", "Jetzt ansehen", "Sale"),
    t("es", "¿Aún te lo estás pensando?", "Comprar ahora", "Oferta"),
    t("fa", "هنوز در حال فکر کردن هستید؟", "خرید کنید", "حراج"),
    t("fr", "Vous hésitez encore ?", "Voir l’offre", "Promo"),
    t("he", "עדיין מתלבטים?", "לקנייה", "מבצע"),
    t("id", "Masih mempertimbangkannya?", "Beli sekarang", "Promo"),
    t("it", "Ci stai ancora pensando?", "Acquista ora", "Offerta"),
    t("ja", "まだお悩みですか？", "今すぐ見る", "セール"),
    t("ko", "아직 고민 중이신가요?", "지금 구매하기", "세일"),
    t("nl", "Twijfel je nog?", "Bekijk nu", "Sale"),
    t("pl", "Wciąż się zastanawiasz?", "Kup teraz", "Promocja"),
    t("pt", "Ainda está pensando?", "Comprar agora", "Oferta"),
    t("ru", "Всё ещё думаете?", "Купить", "Скидка"),
    t("th", "ยังลังเลอยู่ไหม?", "ซื้อเลย", "ลดราคา"),
    t("tr", "Hâlâ düşünüyor musunuz?", "Hemen incele", "İndirim"),
    t("ur", "ابھی تک سوچ رہے ہیں؟", "ابھی خریدیں", "سیل"),
    t("vi", "Bạn vẫn đang cân nhắc?", "Mua ngay", "Giảm giá"),
    t("zh-Hant", "還在考慮嗎？", "立即購買", "特價"),
    t("zh-HK", "還在考慮嗎？", "立即購買", "特價"),
    t("zh-MO", "還在考慮嗎？", "立即購買", "特價"),
    t("zh-TW", "還在考慮嗎？", "立即購買", "特價"),
    t("zh", "还在考虑吗？", "立即购买", "特价"),
];

/// The texts of a language, or the English ones.
pub fn of(language: &str) -> &'static Texts {
    TEXTS.iter().find(|texts| begins(language, texts.language)).unwrap_or(&ENGLISH)
}

/// Whether a tag is `prefix` or goes on after it with a further subtag.
fn begins(language: &str, prefix: &str) -> bool {
    let head = language.get(..prefix.len()).unwrap_or_default();
    head.eq_ignore_ascii_case(prefix) && matches!(language.as_bytes().get(prefix.len()), None | Some(b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_tag_wins_and_english_is_the_rest() {
        assert_eq!(of("zh-TW").call_to_action, "立即購買");
        assert_eq!(of("zh-Hans-CN").call_to_action, "立即购买");
        assert_eq!(of("pt_BR").call_to_action, "Comprar agora");
        assert_eq!(of("VI").language, "vi");
        assert_eq!((of("tlh").language, of("").language, of("i").language), ("en", "en", "en"));
    }
}
