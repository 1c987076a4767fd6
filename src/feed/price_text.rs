//! Prices as people of a language write them: symbol, its place, separators and digits from CLDR.
//!
//! Digits after the point are CLDR's for the currency: those of ISO 4217 but where nobody writes them
//! (forint, rupiah). An unknown language is written as English.

use fixed_decimal::Decimal;
use icu_decimal::DecimalFormatter;
use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::CurrencyFormatter;
use icu_locale_core::{Locale, locale};

use crate::base::money::{Currency, Money};

/// Writes prices of one currency in one language.
pub(super) struct PriceWriter {
    formatter: Option<CurrencyFormatter<DecimalFormatter>>,
    currency: Currency,
}

impl PriceWriter {
    /// Looks the language up, which costs much more than a price.
    pub fn new(currency: Currency, language: &str) -> PriceWriter {
        let locale = language.replace('_', "-").parse::<Locale>().unwrap_or(locale!("en"));
        let formatter = currency
            .as_str()
            .parse::<CurrencyType>()
            .ok()
            .and_then(|code| CurrencyFormatter::try_new_symbol((&locale).into(), code, Default::default()).ok());
        PriceWriter { formatter, currency }
    }

    /// The text of an amount.
    pub fn write(&self, amount: Money) -> String {
        match (&self.formatter, amount.to_string().parse::<Decimal>()) {
            (Some(formatter), Ok(decimal)) => formatter.format_fixed_decimal(&decimal).to_string(),
            _ => format!("{amount} {}", self.currency),
        }
    }
}

/// An amount as people of `language` (BCP 47) write it, currency included: `$1,299.00`, `1.299,00 €`.
/// For one price; a feed builds its writer once.
pub fn price_text(amount: Money, currency: Currency, language: &str) -> String {
    PriceWriter::new(currency, language).write(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_as_the_language_does() {
        let cases = [
            ("en", "USD", "1299", "$1,299.00"),
            ("en_US", "USD", "0.5", "$0.50"),
            ("de", "EUR", "1299", "1.299,00\u{a0}€"),
            ("vi", "VND", "1299000", "1.299.000\u{a0}₫"),
            ("ja", "JPY", "1299", "￥1,299"),
            ("fr", "EUR", "1299", "1\u{202f}299,00\u{a0}€"),
            ("ar", "SAR", "1299", "\u{200f}1,299.00\u{a0}ر.س.\u{200f}"),
            ("en", "KWD", "1.234", "KWD\u{a0}1.234"),
            ("pt-BR", "BRL", "1299.9", "R$\u{a0}1.299,90"),
            ("en-IN", "INR", "123456", "₹1,23,456.00"),
            ("es", "ARS", "59500", "59.500,00\u{a0}ARS"),
            ("not a language", "USD", "12.345", "$12.35"),
        ];
        for (language, code, amount, expected) in cases {
            let amount = Money::parse(amount).expect("amount");
            let currency = Currency::parse(code).expect("code");
            assert_eq!(price_text(amount, currency, language), expected, "{language} {code}");
        }
    }
}
