//! Why a body is no bid request.

use crate::base::limits::JSON_DEPTH_MAX;
use crate::model::outcome::NoBid;

/// Why a body is no bid request: the answer is 400 with nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No JSON, no UTF-8, or more than one document.
    #[error("the body is not one JSON document: fault at byte {offset}")]
    NotJson {
        /// The byte at which reading ended.
        offset: usize,
    },
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("the body nests deeper than {JSON_DEPTH_MAX} levels at byte {offset}")]
    TooDeep {
        /// The byte at which reading ended.
        offset: usize,
    },
    /// JSON of another type.
    #[error("the body is JSON but not an object")]
    NotAnObject,
    /// `id` is missing, `null`, empty, or no scalar.
    #[error("`id` is missing, empty or not a text")]
    NoId,
    /// `imp` is missing or empty, or no impression in it has an id.
    #[error("`imp` holds no impression with an id")]
    NoImp,
    /// A key, a varint or a length that leads nowhere, or text that is no UTF-8.
    #[error("the body is not one protobuf message")]
    NotProtobuf,
    /// More JSON in protobuf than a body may have.
    #[error("the body comes to more than {most} bytes of JSON")]
    TooLarge {
        /// So many at most.
        most: usize,
    },
}

impl Unreadable {
    /// The name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Unreadable::NotJson { .. } => "not_json",
            Unreadable::TooDeep { .. } => "too_deep",
            Unreadable::NotAnObject => "not_an_object",
            Unreadable::NoId => "no_id",
            Unreadable::NoImp => "no_imp",
            Unreadable::NotProtobuf => "not_protobuf",
            Unreadable::TooLarge { .. } => "too_large",
        }
    }

    /// The reason that a no-bid gives.
    pub fn no_bid(self) -> NoBid {
        match self {
            Unreadable::TooLarge { .. } => NoBid::TooLarge,
            _ => NoBid::Malformed,
        }
    }
}
