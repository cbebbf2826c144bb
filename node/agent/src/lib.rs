//! The node's actor and its transfers
