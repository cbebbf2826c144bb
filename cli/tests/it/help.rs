//! Goal: shells and readers are told the same as whoever asks for help.
//! Method: the completion is loaded by the shell it is for, and there is a page for every command.

use std::process::Command;

use crate::support::World;

#[test]
fn shells_complete_what_there_is() {
    let world = World::new();
    let script = world.zipfleet(&["completions", "bash"]);
    script.succeeded();
    std::fs::write(world.file("zipfleet.bash"), &script.stdout).expect("there is room");
    let loads = Command::new("bash").arg("-n").arg(world.file("zipfleet.bash")).status();
    assert!(loads.expect("bash is there").success());
    // What bash would offer after `zipfleet submit --ba`.
    let ask = "source \"$0\" && COMP_WORDS=(zipfleet submit --ba) COMP_CWORD=2 && \
               _zipfleet zipfleet --ba submit && echo \"${COMPREPLY[@]}\"";
    let offered = Command::new("bash").arg("-c").arg(ask).arg(world.file("zipfleet.bash")).output();
    let offered = String::from_utf8(offered.expect("bash is there").stdout).expect("UTF-8");
    assert_eq!(offered.trim(), "--batch");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = world.zipfleet(&["completions", shell]);
        script.succeeded();
        assert!(script.stdout.contains("drain"), "{shell}");
    }
    world.zipfleet(&["completions", "tcsh"]).failed(2, &["tcsh", "bash"]);
}

#[test]
fn there_is_a_page_for_every_command() {
    let world = World::new();
    let page = world.zipfleet(&["man"]);
    page.succeeded();
    assert!(page.stdout.contains(".TH zipfleet 1"), "{}", page.stdout);
    world.zipfleet(&["man", "--dir", "pages/man1"]).succeeded();
    for (page, words) in [
        ("zipfleet.1", "zipfleet\\-submit(1)"),
        ("zipfleet-submit.1", "\\-\\-batch"),
        ("zipfleet-certs-issue.1", "\\-\\-role"),
        ("zipfleet-drain.1", "NODE"),
    ] {
        let path = world.file("pages/man1").join(page);
        let text = std::fs::read_to_string(path).expect(page);
        assert!(text.contains(words), "no `{words}` in {page}: {text}");
    }
}
