//! What a coordinator decides: layout, grants, completion
