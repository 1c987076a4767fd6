//! A video or audio ad as its creative has it: files, length, and what goes with it.
//!
//! Built by `config` when a creative is loaded; what is XML here is escaped already. Which of the files an
//! imp takes, and what document carries them, is for `openrtb`.

use crate::model::advertiser::Size;
use crate::model::template::Template;

/// Files of one recording, and what is shown and called beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spot {
    /// `duration_s`.
    pub seconds: u32,
    /// `media`: the same recording in several files.
    pub media: Box<[Media]>,
    /// What stands beside the player, by size: ads of the creative's template.
    pub companions: Box<[(Size, Template)]>,
    /// `trackers.impression` as VAST's `Impression` elements.
    pub impressions: Box<str>,
    /// `trackers.click` as VAST's `ClickTracking` elements.
    pub clicks: Box<str>,
    /// `trackers.viewable` as VAST's `ViewableImpression`; empty where there is none.
    pub viewable: Box<str>,
    /// `verification` as VAST's `AdVerifications`, likewise.
    pub verifications: Box<str>,
}

/// `verification[]`: somebody's measurement by Open Measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Whose.
    pub vendor: Box<str>,
    /// The script's address, https.
    pub url: Box<str>,
    /// What it is told.
    pub parameters: Option<Box<str>>,
}

/// `media[]`: a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `url`, https.
    pub url: Box<str>,
    /// `mime`, lower case.
    pub mime: Box<str>,
    /// `bitrate_kbps`, where it is said.
    pub bitrate_kbps: Option<u32>,
    /// `w` and `h`, else the creative's; zero where neither says.
    pub size: Size,
    /// `delivery` is streaming and not progressive.
    pub streaming: bool,
    /// `codec`, where it is said.
    pub codec: Option<Box<str>>,
}

impl Media {
    /// Whether it is of a kind: `image`, `video`, `audio`.
    pub fn is(&self, kind: &str) -> bool {
        self.mime.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'))
    }
}
