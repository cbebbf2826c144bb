//! Messages on the stream: bincode where gRPC usually has protobuf.

use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use proto::limits::{FRAME_ITEMS_MAX, MESSAGE_FROM_NODE_BYTES_MAX, MESSAGE_TO_NODE_BYTES_MAX};
use proto::session::{FromNode, ToNode};
use proto::wire::{WireError, decode, encode};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// What one side sends and the other reads.
pub(crate) trait Message: Sized + Send + 'static {
    /// Most bytes of one.
    const BYTES_MAX: usize;

    fn to_bytes(&self) -> Result<Vec<u8>, WireError>;
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError>;
    /// Whether it begins a connection.
    fn is_opening(&self) -> bool;
    /// How many reports or orders it carries.
    fn items(&self) -> usize;
}

impl Message for FromNode {
    const BYTES_MAX: usize = MESSAGE_FROM_NODE_BYTES_MAX;

    fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        encode::<{ Self::BYTES_MAX }>(self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode::<{ Self::BYTES_MAX }, Self>(bytes)
    }

    fn is_opening(&self) -> bool {
        matches!(self, Self::Hello(_))
    }

    fn items(&self) -> usize {
        if let Self::Frame(frame) = self { frame.items.len() } else { 0 }
    }
}

impl Message for ToNode {
    const BYTES_MAX: usize = MESSAGE_TO_NODE_BYTES_MAX;

    fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        encode::<{ Self::BYTES_MAX }>(self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode::<{ Self::BYTES_MAX }, Self>(bytes)
    }

    fn is_opening(&self) -> bool {
        matches!(self, Self::Welcome(_))
    }

    fn items(&self) -> usize {
        if let Self::Frame(frame) = self { frame.items.len() } else { 0 }
    }
}

/// The codec of the side that sends `O` and reads `I`.
pub(crate) struct Exchange<O, I>(PhantomData<(O, I)>);

impl<O, I> Default for Exchange<O, I> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<O: Message + Sync, I: Message + Sync> Codec for Exchange<O, I> {
    type Encode = O;
    type Decode = I;
    type Encoder = Sending<O>;
    type Decoder = Reading<I>;

    fn encoder(&mut self) -> Self::Encoder {
        Sending(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reading { has_begun: false, message: PhantomData }
    }
}

/// Writes messages of one stream.
pub(crate) struct Sending<O>(PhantomData<O>);

impl<O: Message> Encoder for Sending<O> {
    type Item = O;
    type Error = Status;

    fn encode(&mut self, message: O, stream: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = message.to_bytes().map_err(|error| {
            tracing::error!(%error, "a message cannot be sent");
            Status::internal(error.to_string())
        })?;
        stream.put_slice(&bytes);
        Ok(())
    }
}

/// Reads messages of one stream, of which the first, and no other, begins the connection.
pub(crate) struct Reading<I> {
    has_begun: bool,
    message: PhantomData<I>,
}

impl<I: Message> Decoder for Reading<I> {
    type Item = I;
    type Error = Status;

    fn decode(&mut self, stream: &mut DecodeBuf<'_>) -> Result<Option<I>, Status> {
        let bytes = stream.copy_to_bytes(stream.remaining());
        let message = I::from_bytes(&bytes).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if message.is_opening() == self.has_begun {
            let sentence = if self.has_begun { "a second greeting" } else { "a message before the greeting" };
            return Err(Status::invalid_argument(sentence));
        }
        if message.items() > FRAME_ITEMS_MAX {
            let sentence =
                format!("a frame of {} items, above the limit of {FRAME_ITEMS_MAX}", message.items());
            return Err(Status::invalid_argument(sentence));
        }
        self.has_begun = true;
        Ok(Some(message))
    }
}
