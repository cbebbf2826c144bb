//! Callbacks to receivers on this machine.
