//! Plans carried out to the last byte: what nodes would upload is the archive the format asks for.

use super::cases::{Case, Segments, SplitMix64, object, objects, segment};
use coordinator::ledger::Ledger;
use coordinator::planner::{Copying, Means};
use coordinator::work::part_work;
use proto::archive::zip::{EndRecords, central_header, end_records, local_header};
use proto::batch::AttemptId;
use proto::crc::Crc;
use proto::job::JobId;
use proto::limits::MIB;
use proto::part::{Effort, PartDone};
use proto::plan::{Entry, Part, PartNumber, PartWork, Piece, Plan, Way};

/// The bytes of a listed object: made of its key, so that no two are alike, and repeating at a length
/// that no border is a multiple of.
fn content(key: &str, bytes: u64) -> Vec<u8> {
    let mut rng = SplitMix64(u64::from(Crc::of(key.as_bytes()).value));
    let block: Vec<u8> = (0..4_093).map(|_| rng.next() as u8).collect();
    let mut content = block.repeat(bytes as usize / block.len() + 1);
    content.truncate(bytes as usize);
    content
}

/// What a node does, or S3: fetches or copies, hashes, fills in. Returns the part and the CRC of each body.
fn assemble(work: &PartWork) -> (Vec<u8>, Vec<Crc>) {
    let mut crcs = vec![Crc::EMPTY; work.bodies.len()];
    for piece in &work.pieces {
        if let Piece::Fetch { body, range } | Piece::Copy { body, range } = piece {
            let source = &work.bodies[*body as usize];
            let object = content(&source.key, source.object_bytes);
            let crc = &mut crcs[*body as usize];
            *crc = crc.then(Crc::of(&object[range.start as usize..range.end as usize]));
        }
    }
    for (crc, body) in crcs.iter_mut().zip(&work.bodies) {
        *crc = crc.then(body.rest);
    }
    let mut part = Vec::new();
    for piece in &work.pieces {
        match piece {
            Piece::Literal { bytes, slots } => {
                let start = part.len();
                part.extend_from_slice(bytes);
                for slot in slots {
                    let at = start + slot.at as usize;
                    part[at..at + 4].copy_from_slice(&crcs[slot.body as usize].value.to_le_bytes());
                }
            }
            Piece::Fetch { body, range } | Piece::Copy { body, range } => {
                let source = &work.bodies[*body as usize];
                let object = content(&source.key, source.object_bytes);
                part.extend_from_slice(&object[range.start as usize..range.end as usize]);
            }
        }
    }
    (part, crcs)
}

/// The archive, in one piece and with every CRC known beforehand.
fn archive(plan: &Plan) -> Vec<u8> {
    let bytes = |entry: &Entry| content(&entry.object.key, entry.object.size);
    let crcs: Vec<u32> = plan.entries.iter().map(|entry| Crc::of(&bytes(entry)).value).collect();
    let mut archive = Vec::new();
    for (entry, crc) in plan.entries.iter().zip(&crcs) {
        archive.extend(local_header(&entry.header(*crc)));
        archive.extend(bytes(entry));
    }
    let directory_offset = archive.len() as u64;
    for (entry, crc) in plan.entries.iter().zip(&crcs) {
        archive.extend(central_header(&entry.header(*crc)));
    }
    archive.extend(end_records(&EndRecords {
        entries: plan.entries.len() as u64,
        directory_offset,
        directory_bytes: archive.len() as u64 - directory_offset,
        last: plan.entries.last().map(|last| last.header(0)),
    }));
    archive
}

/// Has every part made; the archive is what the parts of its own upload are one after the other.
fn execute(case: &Case) -> Plan {
    let plan = case.plan().expect("it can be planned");
    let mut ledger = Ledger::default();
    ledger.grow(&plan);
    let mut segments = Segments::default();
    let mut parts = vec![Vec::new(); plan.parts.len()];
    segments.tend(&mut ledger);
    while let Some(index) = segments.next_ready(&plan, &mut ledger) {
        let attempt = ledger.grant(index).expect("it is ready");
        let work = part_work(&plan, &ledger, index, segment);
        let below = (plan.parts[index].way == Way::Composed).then(|| "beside".to_owned());
        let cost_bytes = PartWork { below, ..work.clone() }.cost_bytes();
        assert_eq!(plan.cost_bytes(index), cost_bytes, "what is reserved for it is what it takes");
        let (part, bodies) = match plan.parts[index].way {
            Way::Joined(_) => {
                let leaves = parts[plan.leaves(index)].concat();
                let crc = Crc::of(&leaves);
                (leaves, vec![crc])
            }
            Way::Streamed | Way::Composed | Way::Copied => assemble(&work),
        };
        let id = AttemptId { job: JobId(1), part: PartNumber::from_index(index), attempt };
        let done =
            PartDone { id, etag: "etag".into(), crc: Crc::of(&part), bodies, effort: Effort::default() };
        ledger.record(&plan, &done).expect("the report is true to the plan");
        parts[index] = part;
        for joined in segments.tend(&mut ledger) {
            let leaves = plan.leaves(joined);
            let (_, _, whole) = ledger.completed(&plan, leaves.clone());
            assert_eq!(whole, Crc::of(&parts[leaves].concat()));
        }
    }
    let own: Vec<usize> = (0..parts.len()).filter(|index| plan.parts[*index].within.is_none()).collect();
    let made: Vec<u8> = own.iter().flat_map(|index| &parts[*index]).copied().collect();
    // Not `assert_eq`, which would print both.
    assert!(made == archive(&plan), "the archive of {:?} has other bytes", case.objects);
    let (completed, _, whole) = ledger.completed(&plan, own.into_iter());
    assert_eq!(whole, Crc::of(&made));
    assert!(completed.iter().zip(1..).all(|(part, number)| part.number.0 == number));
    plan
}

#[test]
fn what_nodes_upload_is_the_archive() {
    let part = 5 * MIB;
    let listings: [&[u64]; 6] = [
        &[0],
        &[1, 0, 2],
        &[part - 44, part - 43, 12],
        // The header of the second ends with its part.
        &[part - 44 - 44, 11 * MIB, 0, 3],
        &[MIB, 17 * MIB, 100, 11 * MIB],
        &[300_000; 40],
    ];
    for sizes in listings {
        let objects = sizes.iter().enumerate().map(|(index, size)| object(&format!("{index:05}"), *size));
        let streamed = Case::new(Some(part), objects.collect());
        let means = Means { copying: Copying::WhereverItCan, ..streamed.means };
        let copied = Case { means, ..streamed.clone() };
        execute(&streamed);
        execute(&copied);
    }
}

#[test]
fn what_is_made_by_way_of_segments_is_the_archive() {
    let part = 5 * MIB;
    let listings: [&[u64]; 3] = [&[MIB, 31 * MIB, 100, 11 * MIB], &[part - 44; 5], &[300_000; 60]];
    for sizes in listings {
        for segment in [6 * MIB, 15 * MIB] {
            let case = Case::new(Some(segment), objects(sizes));
            for copying in [Copying::Never, Copying::WhereverItCan] {
                let means = Means { part_bytes_cap: part, copying, ..case.means };
                let plan = execute(&Case { means, ..case.clone() });
                assert!(plan.parts.iter().any(|part| matches!(part.way, Way::Joined(_))));
            }
        }
    }
}

#[test]
fn of_large_objects_only_the_heads_go_through_nodes() {
    let sizes = [30 * MIB, 12 * MIB, 100, 11 * MIB, 9 * MIB];
    let means = Means { copying: Copying::WhereverItCan, ..Case::new(None, Vec::new()).means };
    let composing = Case { means, ..Case::new(None, objects(&sizes)) };
    let case = Case { means: Means { composes: false, ..means }, ..composing.clone() };
    let plan = case.plan_and_work(&mut SplitMix64(1)).expect("it can be planned");
    let streamed: u64 = plan.parts.iter().filter(|part| part.way == Way::Streamed).map(Part::size).sum();
    // A head each of the first three, and the last, which has no 5 MiB left beyond its head.
    assert!(streamed > 24 * MIB && streamed < 24 * MIB + 2_000, "{streamed}");
    execute(&case);
    let plan = composing.plan_and_work(&mut SplitMix64(1)).expect("it can be planned");
    let streamed: u64 = plan.parts.iter().filter(|part| part.way == Way::Streamed).map(Part::size).sum();
    assert!(streamed < 1_000, "nothing but the directory: {streamed}");
    execute(&composing);
}
