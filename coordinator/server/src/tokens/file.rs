//! Tokens as they are written down: TOML, and of each secret only its SHA-256.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use proto::limits::{
    SUBMISSIONS_PER_MINUTE_DEFAULT, TOKEN_JOBS_DEFAULT, TOKEN_NAME_CHARS_MAX, TOKENS_FILE_BYTES_MAX,
    TOKENS_MAX,
};
use proto::location::{parse_source, printable};
use proto_session::read_secret;
use serde::{Deserialize, Serialize};

use super::{Token, TokensError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submissions_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    callbacks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_key: Option<String>,
    #[serde(default)]
    operator: bool,
}

pub(super) fn read(path: &Path) -> Result<String, TokensError> {
    let refused = |why| TokensError { path: path.to_owned(), why };
    let unreadable = |error: io::Error| refused(format!("cannot be read: {error}"));
    // Before it is in memory; what is no file is bounded by what an environment can be.
    if fs::metadata(path).is_ok_and(|file| file.len() > TOKENS_FILE_BYTES_MAX) {
        return Err(refused(format!("is longer than {TOKENS_FILE_BYTES_MAX} bytes")));
    }
    let bytes = read_secret(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| refused("is no text".to_owned()))
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Arc<[Arc<Token>]>, TokensError> {
    let refused = |why| TokensError { path: path.to_owned(), why };
    let file: File = toml::from_str(text).map_err(|error: toml::de::Error| {
        // Not the lines themselves: there may be keys in them.
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        refused(format!("line {line}: {}", error.message()))
    })?;
    if file.token.len() > TOKENS_MAX {
        return Err(refused(format!("has more than {TOKENS_MAX} tokens")));
    }
    let (mut names, mut digests) = (BTreeSet::new(), BTreeSet::new());
    let mut tokens = Vec::new();
    for entry in file.token {
        let name = printable(&entry.name);
        let token = entry.token().map_err(|why| refused(format!("token `{name}`: {why}")))?;
        if !names.insert(token.name.clone()) || !digests.insert(token.digest) {
            return Err(refused(format!("token `{name}` is there twice, or its secret is another's")));
        }
        tokens.push(Arc::new(token));
    }
    Ok(tokens.into())
}

impl Entry {
    fn token(self) -> Result<Token, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if !(1..=TOKEN_NAME_CHARS_MAX).contains(&self.name.len()) || !self.name.chars().all(legal) {
            return Err(format!("a name has 1 to {TOKEN_NAME_CHARS_MAX} letters, digits and - _ . @"));
        }
        let submissions_per_minute = self.submissions_per_minute.unwrap_or(SUBMISSIONS_PER_MINUTE_DEFAULT);
        if submissions_per_minute == 0 {
            return Err(
                "`submissions_per_minute` is at least 1; without `write` it may submit nothing".to_owned()
            );
        }
        for url in &self.callbacks {
            let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if authority.and_then(|rest| rest.find('/')).is_none_or(|slash| slash == 0) {
                return Err(format!(
                    "`{}` in `callbacks` is no beginning of URLs: write https://HOST/, with the slash",
                    printable(url)
                ));
            }
        }
        if !self.callbacks.is_empty() && self.callback_key.as_ref().is_none_or(String::is_empty) {
            return Err("`callbacks` need a `callback_key` to be signed with".to_owned());
        }
        Ok(Token {
            digest: digest_from(&self.sha256)?,
            read: prefixes(self.read)?,
            write: prefixes(self.write)?,
            submissions_per_minute,
            jobs_max: self.jobs.unwrap_or(TOKEN_JOBS_DEFAULT),
            callbacks: self.callbacks,
            callback_key: self.callback_key.map(|key| key.into_bytes().into()),
            is_operator: self.operator,
            name: self.name,
        })
    }
}

fn digest_from(hex: &str) -> Result<[u8; 32], String> {
    let wrong = || "`sha256` has 64 hexadecimal digits: the SHA-256 of the token".to_owned();
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

/// What addresses begin with. One that names only a bucket ends where the bucket's name does.
fn prefixes(texts: Vec<String>) -> Result<Vec<String>, String> {
    let prefixes = texts.into_iter().map(|text| match parse_source(&text) {
        Ok(source) if text == format!("s3://{}", source.bucket()) => Ok(format!("{text}/")),
        Ok(_) => Ok(text),
        Err(_) => {
            Err(format!("`{}` is no beginning of addresses: write s3://BUCKET/PREFIX", printable(&text)))
        }
    });
    prefixes.collect()
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is called.
    pub name: String,
    /// What addresses of sources begin with.
    pub read: Vec<String>,
    /// What addresses of destinations begin with.
    pub write: Vec<String>,
    /// Whether it sees all jobs, may have nodes leave, and reads metrics.
    pub is_operator: bool,
}

impl NewToken {
    /// Makes it, and writes its entry to the end of a file, which nobody else may read if it is a new one. Gives the
    /// secret, which is written nowhere.
    ///
    /// # Errors
    /// When the entry makes no sense, there is one of that name, or the file cannot be written.
    pub fn issue(self, path: &Path) -> Result<String, TokensError> {
        let refused = |why| TokensError { path: path.to_owned(), why };
        let secret = format!("zf_{}", hex(&rand::random::<[u8; 32]>()));
        let entry = Entry {
            name: self.name,
            sha256: hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref()),
            read: self.read,
            write: self.write,
            submissions_per_minute: None,
            jobs: None,
            callbacks: Vec::new(),
            callback_key: None,
            operator: self.is_operator,
        };
        let before = if path.exists() { read(path)? } else { String::new() };
        let gap = if before.is_empty() || before.ends_with("\n\n") { "" } else { "\n" };
        let entry =
            toml::to_string(&File { token: vec![entry] }).map_err(|error| refused(error.to_string()))?;
        let added = format!("{gap}{entry}");
        parse(path, &format!("{before}{added}"))?;
        let unwritable = |error: io::Error| refused(format!("cannot be written: {error}"));
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(unwritable)?;
        file.write_all(added.as_bytes()).map_err(unwritable)?;
        Ok(secret)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_is_a_bucket_ends_where_its_name_does() {
        let arn = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine";
        for (text, prefix) in [
            ("s3://photos".to_owned(), "s3://photos/".to_owned()),
            ("s3://photos/".into(), "s3://photos/".into()),
            ("s3://photos/20".into(), "s3://photos/20".into()),
            (arn.into(), format!("{arn}/")),
            (format!("{arn}/2026/"), format!("{arn}/2026/")),
        ] {
            assert_eq!(prefixes(vec![text.clone()]), Ok(vec![prefix]), "{text}");
        }
        for text in ["", "photos/", "s3://", "s3:///photos"] {
            assert!(prefixes(vec![text.into()]).is_err(), "{text}");
        }
    }
}
