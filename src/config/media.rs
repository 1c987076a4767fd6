//! What video, audio and native creatives play and are filled with (contract §3 `media`, `duration_s`).
//!
//! Assumes a creative that has been held against its shape; notes the faults that need more than that: a
//! file that a format cannot play, a recording without a length.

use super::ad::{AdSpec, Trackers, compile, hook};
use super::reader::{Object, Reader};
use crate::base::limits::MEDIA_MAX;
use crate::model::advertiser::Size;
use crate::model::native::Native;
use crate::model::spot::{Media, Spot};
use crate::model::targeting::Format;
use crate::openrtb::vast::{elements_of, verifications, viewable};

/// Sizes that players have places of beside them, most often; others get the largest that fits in.
const BESIDE: [Size; 8] = [
    size(300, 250),
    size(728, 90),
    size(320, 50),
    size(300, 60),
    size(160, 600),
    size(300, 600),
    size(970, 250),
    size(320, 480),
];

const fn size(w: u32, h: u32) -> Size {
    Size { w, h }
}

/// `media`; files without a size of their own are taken to have `size`.
pub(super) fn media<'t>(r: &Reader<'t>, o: &Object<'_, 't>, format: Option<Format>, size: Size) -> Vec<Media> {
    let Some(list) = o.get("media").filter(|_| format != Some(Format::Banner)) else {
        return Vec::new();
    };
    if r.items(list).len() > MEDIA_MAX {
        r.fault(list, format!("{} files", r.items(list).len()), format!("at most {MEDIA_MAX}"));
    }
    let files: Vec<Media> = o.objects("media", |r, file| self::file(r, file, format, size));
    let plays_video = format == Some(Format::Native) && files.iter().any(|file| !file.is("image"));
    if plays_video && o.get("duration_s").is_none() {
        r.fault(list, "a video whose length is not said", "give `duration_s`, in seconds");
    }
    files
}

fn file<'t>(r: &Reader<'t>, file: &Object<'_, 't>, format: Option<Format>, of_creative: Size) -> Option<Media> {
    let media = Media {
        url: file.read("url", Reader::plain)?.into(),
        mime: file.read("mime", Reader::plain)?.to_ascii_lowercase().into(),
        bitrate_kbps: file.integer("bitrate_kbps"),
        size: Size {
            w: file.integer("w").unwrap_or(of_creative.w),
            h: file.integer("h").unwrap_or(of_creative.h),
        },
        streaming: file.word("delivery", &[("progressive", false), ("streaming", true)])?,
        codec: file.text("codec").map(Into::into),
    };
    // What streams is described by a manifest of a type of its own: HLS, DASH.
    let (kinds, right) = match format {
        Some(Format::Video) => (&["video", "application"][..], "such as `video/mp4`"),
        Some(Format::Audio) => (&["audio", "application"][..], "such as `audio/mpeg`"),
        Some(Format::Native) => (&["image", "video", "application"][..], "such as `image/jpeg` or `video/mp4`"),
        _ => return Some(media),
    };
    if let Some(mime) = file
        .get("mime")
        .filter(|_| media.mime.contains('/') && !kinds.iter().any(|kind| media.is(kind)))
    {
        r.fault(mime, "not a type of file that this format shows", right);
    }
    Some(media)
}

/// What a video or audio creative plays.
pub(super) fn spot(spec: &AdSpec<'_>, seconds: u32, media: Vec<Media>) -> Spot {
    let beside = spec.untracked();
    Spot {
        seconds,
        media: media.into(),
        companions: BESIDE.iter().map(|size| (*size, compile(&beside, *size))).collect(),
        impressions: elements_of("Impression", spec.trackers.impression).into(),
        clicks: elements_of("ClickTracking", spec.trackers.click).into(),
        viewable: viewable(spec.trackers.viewable).into(),
        verifications: verifications(spec.trackers.verification).into(),
    }
}

/// What a native creative's assets are filled with.
pub(super) fn native(spec: &AdSpec<'_>, seconds: Option<u32>, media: Vec<Media>) -> Native {
    let (pictures, files): (Vec<Media>, Vec<Media>) = media.into_iter().partition(|file| file.is("image"));
    let (headline, call_to_action) = hook(spec);
    // The ad's own trackers tell others that it was shown and seen: once.
    let played = AdSpec {
        trackers: Trackers {
            impression: &[],
            viewable: &[],
            ..spec.trackers
        },
        ..*spec
    };
    Native {
        sponsor: spec.shop.into(),
        domain: spec.domain.into(),
        headline: headline.into(),
        call_to_action: call_to_action.into(),
        promotion: spec.promotion.map(|promotion| (promotion.text.into(), promotion.ends)),
        logo_url: spec.logo_url.map(Into::into),
        pictures: pictures.into(),
        spot: seconds.filter(|_| !files.is_empty()).map(|seconds| spot(&played, seconds, files)),
        privacy_url: spec.ad_choices_url.map(Into::into),
        impression: spec.trackers.impression.into(),
        click: spec.trackers.click.into(),
        viewable: spec.trackers.viewable.into(),
        verification: spec.trackers.verification.into(),
    }
}
