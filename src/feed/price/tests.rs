//! Price texts and what they mean.

use super::*;

fn read(text: &str, default: &str) -> Result<String, PriceFault> {
    let default = Currency::parse(default).expect("code");
    parse(text, default).map(|(amount, currency)| format!("{amount} {currency}"))
}

#[test]
fn prices_are_read_as_shops_write_them() {
    let cases = [
        ("159.00 USD", "EUR", "159 USD"),
        ("USD 12.99", "EUR", "12.99 USD"),
        ("12.99usd", "EUR", "12.99 USD"),
        ("9.9  USD", "USD", "9.9 USD"),
        ("109.9900 USD", "USD", "109.99 USD"),
        (".99 USD", "USD", "0.99 USD"),
        ("10,00", "EUR", "10 EUR"),
        ("174.58", "GBP", "174.58 GBP"),
        ("699,00\u{a0}€", "USD", "699 EUR"),
        ("1\u{202f}299,00 €", "USD", "1299 EUR"),
        ("1.299,00 €", "USD", "1299 EUR"),
        ("12 000 €", "USD", "12000 EUR"),
        ("Prix : 12,99 euros", "USD", "12.99 EUR"),
        ("19,- €", "EUR", "19 EUR"),
        ("CHF 1'299.-", "CHF", "1299 CHF"),
        ("1’299.50 CHF", "CHF", "1299.5 CHF"),
        ("$635", "USD", "635 USD"),
        ("$635", "ARS", "635 ARS"),
        ("$635", "CAD", "635 CAD"),
        ("$635", "EUR", "635 USD"),
        ("US$ 1,299.00", "CAD", "1299 USD"),
        ("$12.99 USD", "CAD", "12.99 USD"),
        ("R$ 1.299,90", "BRL", "1299.9 BRL"),
        ("1,299 USD", "USD", "1299 USD"),
        ("1.299 USD", "USD", "1.299 USD"),
        ("1.299 EUR", "EUR", "1299 EUR"),
        ("0.299 EUR", "EUR", "0.299 EUR"),
        ("199.000 ₫", "VND", "199000 VND"),
        ("1.299.000đ", "VND", "1299000 VND"),
        ("12.500 KWD", "KWD", "12.5 KWD"),
        ("₹1,23,456.00", "INR", "123456 INR"),
        ("Rs. 499", "PKR", "499 PKR"),
        ("¥1,299", "JPY", "1299 JPY"),
        ("٣٥٢ د.إ", "USD", "352 AED"),
        ("129 kr", "NOK", "129 NOK"),
        ("0 USD", "USD", "0 USD"),
        ("59500 ARS", "ARS", "59500 ARS"),
    ];
    for (text, default, expected) in cases {
        assert_eq!(read(text, default).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_price_is_refused() {
    let cases = [
        ("", PriceFault::Empty),
        (" \u{a0}", PriceFault::Empty),
        ("USD", PriceFault::NotANumber),
        ("call us", PriceFault::NotANumber),
        ("iPhone 15 128 Go", PriceFault::NotACurrency),
        ("12.99 - 19.99 USD", PriceFault::NotANumber),
        ("12.99.5 USD", PriceFault::NotANumber),
        ("12 99 USD", PriceFault::NotANumber),
        ("1,2,3 USD", PriceFault::NotANumber),
        ("1e5 USD", PriceFault::NotANumber),
        ("12.99 USD EUR", PriceFault::NotACurrency),
        ("EUR 12.99 USD", PriceFault::NotACurrency),
        ("USD 12.99 EUR", PriceFault::NotACurrency),
        ("€12.99 £", PriceFault::NotACurrency),
        ("12.99 XQZ", PriceFault::NotACurrency),
        ("-5 USD", PriceFault::Negative),
        ("$-5", PriceFault::Negative),
        ("1234567890123456 USD", PriceFault::TooLarge),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, "USD"), Err(expected), "{text}");
    }
}
