//! Goal: settings that templates write for instances are settings that the program takes.
//! Method: every such file in `deploy/cloudformation`, shown to `zipfleet config` for each role it has a table for.

use std::fs;
use std::path::Path;

use crate::support::World;

const BEGIN: &str = "cat > /etc/zipfleet/zipfleet.toml <<'END'\n";

/// The file a template writes, with something in the place of each of its references.
fn written(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.trim() != "END");
    let mut file = lines.map(str::trim).collect::<Vec<_>>().join("\n");
    while let Some(begin) = file.find("${") {
        let end = begin + file[begin..].find('}').expect("a reference ends");
        file.replace_range(begin..=end, "given");
    }
    file
}

#[test]
fn settings_that_templates_write_are_taken() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/cloudformation");
    let (world, mut roles_seen) = (World::new(), Vec::new());
    for template in fs::read_dir(templates).expect("there are templates") {
        let path = template.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("a template is text");
        for (_, rest) in text.match_indices(BEGIN).map(|(at, _)| text.split_at(at + BEGIN.len())) {
            let file = written(rest);
            fs::write(world.file("zipfleet.toml"), &file).expect("it can be written");
            for role in ["coordinator", "node"].into_iter().filter(|role| file.contains(&format!("[{role}]")))
            {
                let ended = world.zipfleet(&["config", role, "--config", "zipfleet.toml"]);
                assert_eq!(ended.code, 0, "{}: {ended:#?}\n{file}", path.display());
                roles_seen.push(role);
            }
        }
    }
    roles_seen.sort_unstable();
    assert_eq!(roles_seen, ["coordinator", "coordinator", "node", "node"], "all of them were found");
}
