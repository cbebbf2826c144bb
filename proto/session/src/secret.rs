//! What is trusted or secret: in files, or handed over in the environment.

use std::io;
use std::path::Path;
use std::{env, fs};

/// What a path begins with that names an environment variable.
const VARIABLE: &str = "env:";

/// The content of a file; of a path `env:NAME`, of the environment variable NAME, because that is how ECS hands out
/// secrets, and there is no shell in an image that would write them to files.
///
/// # Errors
/// When it cannot be read, or there is no such variable.
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix(VARIABLE)) else {
        return fs::read(path);
    };
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such environment variable");
    let value = env::var_os(name).ok_or_else(missing)?;
    Ok(value.into_encoded_bytes())
}
