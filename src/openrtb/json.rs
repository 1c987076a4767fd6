//! Stand-in until the scanner lands.
/// A string of the request, raw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'b>(pub &'b [u8]);
/// A list of the request, raw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List<'b>(pub &'b [u8]);
