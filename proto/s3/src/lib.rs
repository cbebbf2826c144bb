//! The only door to S3: one file for each operation.
//!
//! Every call is exactly one attempt, counted and traced. Whether to try again is decided above, by
//! [`with_retries`] or by whoever knows more about the request; the SDK's own retries are off, because it
//! does not know of parts, hedges and windows.

mod abort_upload;
mod attempt;
mod attributes;
mod classify;
mod complete_upload;
mod connect;
mod connections;
mod copy_part;
mod counts;
mod create_upload;
mod decode;
mod delete_object;
mod distance;
mod error;
mod get;
mod has_parts;
mod head;
mod head_bucket;
mod list_page;
mod list_parts;
mod list_uploads;
mod operation;
mod presign;
mod progress;
mod put_object;
mod retries;
mod upload_part;

pub use attributes::PartCrcs;
pub use connect::{ConnectError, Keys, Options, S3};
pub use copy_part::Copied;
pub use error::Error;
pub use get::Fetched;
pub use head::Head;
pub use list_parts::{PartsPage, UploadedPart};
pub use list_uploads::OpenUpload;
pub use progress::Progress;
pub use retries::with_retries;
