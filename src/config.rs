//! What advertisers and operators write, checked and made ready for use.

pub mod ad;
