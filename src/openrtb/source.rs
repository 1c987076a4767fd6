//! What a bid request is read from, in whatever form: members by their names in JSON, and values of the
//! type that a reader wants. So one reader reads all forms.
//!
//! A value of another type than is asked for reads as absent, and is checked all the same.

use super::json::{List, Scan, Scanner, Text};

/// A request, at a value that is to be read. Every value must be, by exactly one call.
pub trait Source<'b>: Sized {
    /// Calls `visit` with the name of every member of an object, and says whether there was an object;
    /// `visit` must read the value. An array given for an object is read as the objects in it, one after
    /// another.
    fn object(&mut self, visit: impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan<bool>;
    /// Calls `visit` at every object of an array, or at the one object given for it, and says whether there
    /// was any; `visit` must read that object.
    fn objects(&mut self, visit: impl FnMut(&mut Self) -> Scan) -> Scan<bool>;
    /// A text, number or flag as text.
    fn scalar(&mut self) -> Scan<Text<'b>>;
    /// The same, and the first of an array where one is given for a scalar.
    fn text(&mut self) -> Scan<Text<'b>>;
    /// An integer; see [`Text::integer`].
    fn integer(&mut self) -> Scan<Option<i64>>;
    /// Whether a flag is set: any number but zero.
    #[inline]
    fn flag(&mut self) -> Scan<bool> {
        self.integer().map(|number| number.is_some_and(|n| n != 0))
    }
    /// An array, or the scalar given for one.
    fn list(&mut self) -> Scan<List<'b>>;
    /// The value as JSON; `""` for `null`.
    fn raw(&mut self) -> Scan<&'b str>;
    /// Passes over the value.
    fn skip(&mut self) -> Scan;
}

impl<'b> Source<'b> for Scanner<'b> {
    #[inline]
    fn object(&mut self, visit: impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan<bool> {
        Scanner::object(self, visit)
    }

    #[inline]
    fn objects(&mut self, visit: impl FnMut(&mut Self) -> Scan) -> Scan<bool> {
        Scanner::objects(self, visit)
    }

    #[inline]
    fn scalar(&mut self) -> Scan<Text<'b>> {
        Scanner::scalar(self)
    }

    #[inline]
    fn text(&mut self) -> Scan<Text<'b>> {
        Scanner::text(self)
    }

    #[inline]
    fn integer(&mut self) -> Scan<Option<i64>> {
        Scanner::integer(self)
    }

    #[inline]
    fn list(&mut self) -> Scan<List<'b>> {
        Scanner::list(self)
    }

    #[inline]
    fn raw(&mut self) -> Scan<&'b str> {
        Scanner::raw(self)
    }

    #[inline]
    fn skip(&mut self) -> Scan {
        Scanner::skip(self)
    }
}
