//! What the privacy signals of a request, an event or a sync allow.
//!
//! [`signals`] gathers what is said, [`tcf`], [`gpp`] and [`us`] read the strings it is said in, [`permission`] is
//! what they add up to, [`grant`] what is kept of that, [`recall`] a core's memory of strings. Decides before any id is
//! read; never looks at an id. Nothing here allocates but the reading of the vendor list at start, that memory once, and
//! the writing of what is kept.

pub mod bits;
pub mod gpp;
pub mod grant;
pub mod permission;
pub mod recall;
pub mod signals;
pub mod tcf;
pub mod us;
pub mod vendor;
