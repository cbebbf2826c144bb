//! Which names every reader can extract, and how to mend the others.

use crate::limits::KEY_BYTES_MAX;

/// Why a name is unsafe to put into an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeName {
    /// Nothing is left of the key.
    #[error("is empty")]
    Empty,
    /// Longer than any S3 key.
    #[error("is longer than 1,024 bytes")]
    TooLong,
    /// Readers refuse the whole archive, or show something else.
    #[error("has a control character")]
    Control,
    /// A separator to some readers, part of the name to others.
    #[error("has a backslash")]
    Backslash,
    /// Explorer shows an archive of such names as empty (4.4.17.1).
    #[error("begins with a slash")]
    Absolute,
    /// `C:` (4.4.17.1).
    #[error("begins with a drive letter")]
    Drive,
    /// Readers fold `//` differently.
    #[error("has an empty component")]
    EmptyComponent,
    /// `.` and `..` reach outside the target folder or make readers refuse the archive.
    #[error("has a `.` or `..` component")]
    DotComponent,
    /// A key that ends in a slash is a directory, and a directory has no bytes.
    #[error("ends in a slash but has data")]
    DirectoryWithData,
}

/// Whether `name`, of an object of `size` bytes, is safe as it is.
///
/// # Errors
/// The first reason why it is not.
pub fn check(name: &str, size: u64) -> Result<(), UnsafeName> {
    if name.is_empty() {
        return Err(UnsafeName::Empty);
    }
    if name.len() > KEY_BYTES_MAX {
        return Err(UnsafeName::TooLong);
    }
    if name.chars().any(is_control) {
        return Err(UnsafeName::Control);
    }
    if name.contains('\\') {
        return Err(UnsafeName::Backslash);
    }
    if name.starts_with('/') {
        return Err(UnsafeName::Absolute);
    }
    if has_drive(name) {
        return Err(UnsafeName::Drive);
    }
    if name.ends_with('/') && size > 0 {
        return Err(UnsafeName::DirectoryWithData);
    }
    for component in name.strip_suffix('/').unwrap_or(name).split('/') {
        match component {
            "" => return Err(UnsafeName::EmptyComponent),
            "." | ".." => return Err(UnsafeName::DotComponent),
            _ => {}
        }
    }
    Ok(())
}

/// The safe name nearest to `name`: leading slashes, empty and `.` components are dropped; backslashes,
/// control characters, `..` and a drive's colon become `_`, and so does the last slash of a directory
/// with data. `None` when nothing is left, or too much.
#[must_use]
pub fn map(name: &str, size: u64) -> Option<String> {
    let is_directory = name.ends_with('/');
    let components: Vec<String> = name
        .split('/')
        .filter(|component| !component.is_empty() && *component != ".")
        .map(|component| match component {
            ".." => "_".to_owned(),
            other => other.chars().map(|c| if is_control(c) || c == '\\' { '_' } else { c }).collect(),
        })
        .collect();
    let mut mapped = components.join("/");
    if has_drive(&mapped) {
        mapped.replace_range(1..2, "_");
    }
    if is_directory && !mapped.is_empty() {
        mapped.push(if size > 0 { '_' } else { '/' });
    }
    check(&mapped, size).is_ok().then_some(mapped)
}

/// U+0000..001F and U+007F: one such name makes some readers refuse the whole archive, and ESC reaches
/// terminals. The C1 controls do too.
fn is_control(c: char) -> bool {
    c.is_control()
}

fn has_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn safe_names() {
        for name in [
            "a",
            "a/b",
            "a/",
            "ä/ö.jpg",
            "a b+c%20",
            ".hidden",
            "...",
            "a/..b",
            "con",
            "1:2",
            "ab:c",
            "\u{202e}x",
        ] {
            assert_eq!(check(name, 0), Ok(()), "{name}");
        }
    }

    #[test]
    fn unsafe_names_their_reasons_and_their_mapping() {
        for (name, size, reason, mapped) in [
            ("", 1, UnsafeName::Empty, None),
            ("/", 0, UnsafeName::Absolute, None),
            ("a\nb", 1, UnsafeName::Control, Some("a_b")),
            ("a\u{7f}b", 1, UnsafeName::Control, Some("a_b")),
            ("xPK\u{6}\u{7}", 1, UnsafeName::Control, Some("xPK__")),
            ("a\\b", 1, UnsafeName::Backslash, Some("a_b")),
            ("/a", 1, UnsafeName::Absolute, Some("a")),
            ("C:a", 1, UnsafeName::Drive, Some("C_a")),
            ("/C:/a", 1, UnsafeName::Absolute, Some("C_/a")),
            ("a//b", 1, UnsafeName::EmptyComponent, Some("a/b")),
            ("a/./b", 1, UnsafeName::DotComponent, Some("a/b")),
            ("../a", 1, UnsafeName::DotComponent, Some("_/a")),
            ("a/..", 1, UnsafeName::DotComponent, Some("a/_")),
            ("a/", 1, UnsafeName::DirectoryWithData, Some("a_")),
            ("a//", 0, UnsafeName::EmptyComponent, Some("a/")),
            (".", 0, UnsafeName::DotComponent, None),
        ] {
            assert_eq!(check(name, size), Err(reason), "{name:?}");
            assert_eq!(map(name, size).as_deref(), mapped, "{name:?}");
        }
        let long = "k".repeat(1_025);
        assert_eq!((check(&long, 1), map(&long, 1)), (Err(UnsafeName::TooLong), None));
    }

    proptest! {
        #[test]
        fn what_is_mapped_is_safe_and_maps_to_itself(name in "(?s)([ab/.:\\\\\\x00-\\x1fC]|\\PC){0,30}", size in 0u64..2) {
            if let Some(mapped) = map(&name, size) {
                prop_assert_eq!(check(&mapped, size), Ok(()));
                prop_assert_eq!(map(&mapped, size), Some(mapped));
            }
            if check(&name, size).is_ok() {
                prop_assert_eq!(map(&name, size), Some(name));
            }
        }
    }
}
