//! The words of a command line, as a shell would have them, as far as documents use its language.

/// The commands of a line, each in its words: those in a pipe, in `$(...)` and `<(...)` count by themselves; a comment
/// ends the line.
pub(super) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '<' | '$') if chars.peek() == Some(&'(') => {}
            (None, '|' | ';' | '&' | '(' | ')') => {
                commands.last_mut().expect("there is one").extend(word.take());
                commands.push(Vec::new());
            }
            (None, _) if c.is_whitespace() => {
                commands.last_mut().expect("there is one").extend(word.take());
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().expect("there is one").extend(word);
    commands.retain(|words| !words.is_empty());
    commands
}

/// The words after the program's name, if the command runs it.
pub(super) fn of_zipfleet(words: &[String]) -> Option<Vec<String>> {
    let is_set = |word: &&String| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=')
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c))
    };
    let words = &words[words.iter().take_while(is_set).count()..];
    let rest = match words {
        [program, rest @ ..] if program == "zipfleet" || program.ends_with("/zipfleet") => rest,
        [cargo, run, release, dashes, rest @ ..]
            if cargo == "cargo" && run == "run" && release == "--release" && dashes == "--" =>
        {
            rest
        }
        _ => return None,
    };
    // Where its output goes is the shell's concern.
    let redirects = |word: &&String| !word.starts_with(['>', '<']) && !word.starts_with("2>");
    let words: Vec<String> = rest.iter().take_while(redirects).cloned().collect();
    (!words.is_empty()).then_some(words)
}

#[test]
fn lines_are_read_as_a_shell_would() {
    for (line, expected) in [
        ("zipfleet zip a 'b c' # not d", &[&["zip", "a", "b c"][..]][..]),
        ("source <(zipfleet completions bash)", &[&["completions", "bash"]]),
        ("AWS_REGION=x zipfleet jobs | head -1", &[&["jobs"]]),
        ("cargo run --release -- demo", &[&["demo"]]),
        (
            "cargo test; zipfleet --json nodes >f && /bin/zipfleet health",
            &[&["--json", "nodes"], &["health"]],
        ),
        ("echo zipfleet", &[]),
    ] {
        let found: Vec<_> = commands(line).iter().filter_map(|words| of_zipfleet(words)).collect();
        assert_eq!(found, expected, "{line}");
    }
}
