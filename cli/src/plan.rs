//! Planning without doing: for a dry run, and to know what an archive should hold.

use coordinator::planner::Planner;
use coordinator_server::list_page;
use proto::failure::Failure;
use proto::job::JobSpec;
use proto_s3::S3;

/// Lists all sources of `spec` and plans its archive, as a job would.
///
/// # Errors
/// Those the job itself would end with before it writes anything.
pub(crate) async fn plan(
    s3: &S3,
    spec: &JobSpec,
    part_bytes_cap: u64,
    mut progress: impl FnMut(&Planner),
) -> Result<Planner, Failure> {
    let mut planner = Planner::new(spec, part_bytes_cap)?;
    for (index, source) in (0u16..).zip(&spec.sources) {
        let mut from = None;
        loop {
            let page = list_page(s3, index, source, from.as_deref(), None).await?;
            for object in page.objects {
                planner.add(object)?;
            }
            progress(&planner);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    planner.finish()?;
    Ok(planner)
}
