//! A twin on a socket, a client for it, and what tests say again and again.

use std::fmt::Debug;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use simulations_s3::{Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;

/// The bucket of every test.
pub(crate) const BUCKET: &str = "bucket";

/// The smallest part but the last.
pub(crate) const PART: u64 = 5 << 20;

pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) server: Server,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(TwinOptions::default()).await
    }

    pub(crate) async fn with(options: TwinOptions) -> Self {
        let twin = Twin::new(options);
        twin.create_bucket(BUCKET);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = twin.serve(listener).unwrap();
        let client = client(&server, "zipfleet", "zipfleet-secret");
        Self { twin, server, client }
    }

    pub(crate) fn put(&self, key: &str, content: impl Into<Rope>) {
        self.twin.put(BUCKET, key, content.into());
    }

    /// Creates an upload and returns its id.
    pub(crate) async fn create(&self, key: &str, terms: Terms) -> String {
        let create = self.client.create_multipart_upload().bucket(BUCKET).key(key);
        let create = create.set_checksum_algorithm(terms.0).set_checksum_type(terms.1);
        create.send().await.unwrap().upload_id.unwrap()
    }

    /// Uploads a part with a CRC32 and returns what Complete is to be told of it.
    pub(crate) async fn part(&self, key: &str, id: &str, number: i32, content: &Rope) -> CompletedPart {
        self.part_with(key, id, number, content, ChecksumAlgorithm::Crc32).await
    }

    /// Uploads a part with any checksum.
    pub(crate) async fn part_with(
        &self,
        key: &str,
        id: &str,
        number: i32,
        content: &Rope,
        algorithm: ChecksumAlgorithm,
    ) -> CompletedPart {
        let put = self.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
        let put = put.checksum_algorithm(algorithm);
        let put = put.body(content.to_bytes().into()).send().await.unwrap();
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(put.e_tag)
            .set_checksum_crc32(put.checksum_crc32)
            .build()
    }
}

/// Checksum algorithm and type of an upload.
pub(crate) type Terms = (Option<ChecksumAlgorithm>, Option<ChecksumType>);

pub(crate) const UNDECLARED: Terms = (None, None);
pub(crate) const FULL: Terms = (Some(ChecksumAlgorithm::Crc32), Some(ChecksumType::FullObject));
pub(crate) const COMPOSITE: Terms = (Some(ChecksumAlgorithm::Crc32), Some(ChecksumType::Composite));

pub(crate) fn parts(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.into_iter().collect())).build()
}

pub(crate) fn client(server: &Server, key: &str, secret: &str) -> Client {
    client_with(server, key, secret, RequestChecksumCalculation::WhenSupported)
}

/// A client that sends checksums always or only where S3 demands them.
pub(crate) fn client_with(
    server: &Server,
    key: &str,
    secret: &str,
    checksums: RequestChecksumCalculation,
) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(server.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .force_path_style(true)
        .request_checksum_calculation(checksums)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Status and error code of a refusal; the code is empty where there is no body to hold one.
pub(crate) fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    match result {
        Err(SdkError::ServiceError(error)) => {
            let code = error.err().code().unwrap_or_default().to_owned();
            (error.raw().status().as_u16(), code)
        }
        other => panic!("not a refusal: {other:?}"),
    }
}

/// The message of a refusal.
pub(crate) fn message<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> String {
    result.unwrap_err().as_service_error().unwrap().message().unwrap_or_default().to_owned()
}

pub(crate) fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub(crate) async fn bytes(body: ByteStream) -> Bytes {
    body.collect().await.unwrap().into_bytes()
}

/// A CRC-32 as S3 writes it.
pub(crate) fn base64_crc32(content: &Rope) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(content.crc32().to_be_bytes())
}
