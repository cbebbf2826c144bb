//! How a part is assembled and paid for
