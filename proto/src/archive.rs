//! The bytes of an archive: a STORE-mode ZIP that every reader opens.
//!
//! APPNOTE is PKWARE's .ZIP File Format Specification 6.3.10; section numbers in this module are its.

pub mod name;
pub mod zip;
