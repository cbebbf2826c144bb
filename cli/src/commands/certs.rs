//! `zipfleet certs`: an authority and certificates for a fleet that has none.

use std::process::ExitCode;

use proto::failure::Failure;

use crate::args::{CertRole, CertsCommand, InitArgs, IssueArgs};
use crate::certs::{CertsError, Made, Use, init, issue};
use crate::failures::usage;
use crate::output::Voice;

pub(super) fn run(command: CertsCommand, voice: Voice) -> Result<ExitCode, Failure> {
    let (made, next) = match command {
        CertsCommand::Init(InitArgs { dir, days }) => {
            let next = format!(
                "keep the key here; next, for the coordinator and each node: zipfleet certs issue --dir {} --name NAME --role coordinator|node",
                dir.display()
            );
            (init(&dir, days).map_err(refused)?, next)
        }
        CertsCommand::Issue(args) => issued(&args)?,
    };
    let Made { cert, key } = &made;
    let text = format!("made {} and {}; {next}", cert.display(), key.display());
    voice.result(&text, &serde_json::json!({ "certificate": cert, "key": key }));
    Ok(ExitCode::SUCCESS)
}

fn issued(args: &IssueArgs) -> Result<(Made, String), Failure> {
    // Nodes on the coordinator's own machine dial these.
    let mut hosts = args.host.clone();
    hosts.extend(["localhost", "127.0.0.1"].map(ToOwned::to_owned));
    let used_as = match args.role {
        CertRole::Coordinator => Use::Coordinator(&hosts),
        CertRole::Node if args.host.is_empty() => Use::Node,
        CertRole::Node => return Err(usage("--host is for --role coordinator: nobody dials a node")),
    };
    let made = issue(&args.dir, &args.name, &used_as, args.days).map_err(refused)?;
    let next = format!(
        "use: --tls-ca {} --tls-cert {} --tls-key {}",
        args.dir.join("ca.pem").display(),
        made.cert.display(),
        made.key.display()
    );
    Ok((made, next))
}

fn refused(error: CertsError) -> Failure {
    usage(error.to_string())
}
