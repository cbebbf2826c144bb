//! Lines and pages, without S3.

use super::*;

const ANYTHING: Allowed<'_> = Allowed { within: &[], state: None };

fn manifest() -> Location {
    Location { bucket: "lists".into(), key: "m".into() }
}

fn place(bytes: usize) -> Place {
    Place { at: 0, lines: 0, bytes: bytes as u64, etag: "e/tag".into() }
}

fn line(key: &str) -> String {
    format!("{{\"bucket\":\"photos\",\"key\":\"{key}\"}}\n")
}

fn keys(lines: &[(u64, Named)]) -> Vec<(u64, &str)> {
    lines.iter().map(|(number, named)| (*number, &*named.location.key)).collect()
}

#[test]
fn places_come_back() {
    let place = place(7);
    assert_eq!(Place::parse(&place.to_string()), Some(place));
    for text in ["", "1/2/3", "1/2/x/e"] {
        assert_eq!(Place::parse(text), None, "{text}");
    }
}

#[test]
fn editors_may_leave_their_traces() {
    let text = format!("\u{feff}{}\r\n\n  \n{}", line("a").trim(), line("b").trim());
    let (lines, next) = lines(&manifest(), ANYTHING, place(text.len()), text.as_bytes()).unwrap();
    assert_eq!(keys(&lines), [(1, "a"), (4, "b")]);
    assert_eq!((next.at, next.lines), (text.len() as u64, 4));
}

#[test]
fn a_line_cut_off_by_the_page_is_read_with_the_next() {
    let text = format!("{}{}", line("a"), line("b"));
    let whole = line("a").len();
    let (lines, next) =
        lines(&manifest(), ANYTHING, place(text.len()), &text.as_bytes()[..whole + 5]).unwrap();
    assert_eq!(keys(&lines), [(1, "a")]);
    assert_eq!((next.at, next.lines), (whole as u64, 1));
}

#[test]
fn a_page_ends_after_so_many_lookups() {
    let text: String = (0..2_000).map(|number| line(&format!("{number}"))).collect();
    let (lines, next) = lines(&manifest(), ANYTHING, place(text.len()), text.as_bytes()).unwrap();
    assert_eq!((lines.len(), next.lines), (MANIFEST_LOOKUPS_PER_PAGE, MANIFEST_LOOKUPS_PER_PAGE as u64));
}

#[test]
fn bad_lines_are_named() {
    let long = "x".repeat(MANIFEST_LINE_BYTES_MAX + 1);
    for (bad, kind, words) in [
        ("{\"bucket\": \"photos\"", FailureKind::BadRequest, "EOF while parsing an object, at column 19"),
        ("{\"bucket\":\"photos\",\"key\":\"a\",\"x\\n\":1}", FailureKind::BadRequest, "unknown field `x\\n`"),
        ("{\"bucket\":\"photos\",\"key\":\"a\",\"size\":-1}", FailureKind::BadRequest, "invalid value"),
        ("{\"bucket\":\"photos\",\"key\":\"\"}", FailureKind::BadRequest, "names no object"),
        ("{\"bucket\":\"music\",\"key\":\"a\"}", FailureKind::Denied, "s3://music/a may not be read"),
        ("{\"bucket\":\"photos\",\"key\":\"state/a\"}", FailureKind::Denied, "belongs to the coordinator"),
        ("s3://photos/a", FailureKind::BadRequest, "at column 1"),
        (&long, FailureKind::BadRequest, "longer than 65536 bytes"),
    ] {
        let text = format!("{}{bad}", line("a"));
        let within = ["s3://photos/".to_owned()];
        let state = StateLocation { bucket: "photos".into(), prefix: "state/".into() };
        let allowed = Allowed { within: &within, state: Some(&state) };
        // Whether or not it is known where the line ends.
        for bytes in [text.len(), text.len() + usize::from(bad == long)] {
            let failure = lines(&manifest(), allowed, place(bytes), text.as_bytes()).unwrap_err();
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.message.starts_with("line 2 of the manifest s3://lists/m: "), "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}
