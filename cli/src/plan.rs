//! Planning without doing: for a dry run, and to know what an archive should hold.

use coordinator::planner::{Means, Planner};
use coordinator_server::list_page;
use proto::failure::Failure;
use proto::job::JobSpec;
use proto::requests::RequestCounts;
use proto_s3::S3;

/// Lists all sources of `spec` and plans its archive as a job would, with each of these means; also what listing each
/// source took.
///
/// # Errors
/// Those the job itself would end with before it writes anything.
pub(crate) async fn plan<const N: usize>(
    s3: &S3,
    spec: &JobSpec,
    means: [Means; N],
    mut progress: impl FnMut(&Planner),
) -> Result<([Planner; N], Vec<RequestCounts>), Failure> {
    let mut planners = Vec::with_capacity(N);
    let mut listing = Vec::with_capacity(spec.sources.len());
    for means in means {
        planners.push(Planner::new(spec, means)?);
    }
    for (index, source) in (0u16..).zip(&spec.sources) {
        let mut from = None;
        let before = s3.requests();
        loop {
            let page = list_page(s3, index, source, from.as_deref(), None).await?;
            from.clone_from(&page.next);
            planners.iter_mut().try_for_each(|planner| planner.add_page(page.clone()))?;
            progress(&planners[0]);
            if from.is_none() {
                break;
            }
        }
        listing.push(s3.requests().since(&before));
    }
    planners.iter_mut().try_for_each(Planner::finish)?;
    Ok((planners.try_into().expect("there are as many as means"), listing))
}
