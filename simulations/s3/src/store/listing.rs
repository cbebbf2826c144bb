//! ListObjectsV2: pages of keys and common prefixes in the order of their UTF-8 bytes.

use std::ops::Bound;
use std::sync::Arc;

use super::{Bucket, Object};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// Where the page begins.
    pub(crate) from: Bound<String>,
    /// The most entries of the page.
    pub(crate) max: usize,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct ListingPage {
    pub(crate) found: Vec<Found>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Bound<String>>,
}

/// An entry of a page.
#[derive(Debug)]
pub(crate) enum Found {
    Object(String, Arc<Object>),
    CommonPrefix(String),
}

impl Bucket {
    /// One page of a listing.
    pub(crate) fn list(&self, listing: &Listing<'_>) -> ListingPage {
        let mut page = ListingPage::default();
        let mut from = later(&listing.from, listing.prefix);
        while let Some((key, object)) =
            self.objects.range::<String, _>((from.as_ref(), Bound::Unbounded)).next()
            && key.starts_with(listing.prefix)
        {
            if page.found.len() == listing.max {
                page.next = (listing.max > 0).then_some(from);
                return page;
            }
            match listing.common_prefix(key) {
                None => {
                    from = Bound::Excluded(key.clone());
                    page.found.push(Found::Object(key.clone(), object.clone()));
                }
                Some(common) => {
                    page.found.push(Found::CommonPrefix(common.to_owned()));
                    let Some(end) = after(common) else { return page };
                    from = Bound::Included(end);
                }
            }
        }
        page
    }
}

impl Listing<'_> {
    /// The key up to the first delimiter after the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = &key[self.prefix.len()..];
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(&key[..end])
    }
}

/// Whichever bound is later: where the page begins, or where keys with the prefix do.
fn later(from: &Bound<String>, prefix: &str) -> Bound<String> {
    match from {
        Bound::Included(key) | Bound::Excluded(key) if key.as_str() >= prefix => from.clone(),
        _ => Bound::Included(prefix.to_owned()),
    }
}

/// The first text after all that begin with `prefix`, if there is one.
fn after(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The range skips the surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_prefix() {
        let cases = [
            ("a/", Some("a0")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ];
        for (prefix, expected) in cases {
            assert_eq!(after(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
