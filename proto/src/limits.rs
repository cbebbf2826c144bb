//! Every limit in one place: S3's, the format's and our own.

/// One mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;
/// One gibibyte, in bytes.
pub const GIB: u64 = 1 << 30;

/// Longest stretch of an object that one request copies, in bytes (S3: "Copying objects"): as much as a part may have.
pub const COPY_BYTES_MAX: u64 = PART_BYTES_MAX;
/// Size aimed at for a copied part for speed, in bytes: S3 copies 75-80 MB/s per request, as many as there are
/// (facts of awslabs/aws-c-s3#288), and smaller ones no longer end sooner.
pub const COPY_BYTES_DEFAULT: u64 = 128 * MIB;
/// What a copy costs a node, in bytes: a request in flight without a body.
pub const COPY_COST_BYTES: u64 = 256 << 10;
/// Copies a node has in flight at a time: they take none of its bandwidth, only S3's time.
pub const COPIES_AT_ONCE: usize = 128;
/// Requests of one composed part in flight at a time.
pub const COMPOSING_AT_ONCE: usize = 32;
/// Jobs for which a node remembers where it has put padding.
pub const PADDINGS_REMEMBERED: usize = 64;
/// Smallest size of any part but the last, in bytes (S3: "Multipart upload limits").
pub const PART_BYTES_MIN: u64 = 5 * MIB;
/// Largest size of a part, in bytes (S3: "Multipart upload limits").
pub const PART_BYTES_MAX: u64 = 5 * GIB;
/// Largest size to aim at for a part, in bytes: it may be exceeded by S3's minimum and a header.
pub const PART_BYTES_AIM_MAX: u64 = PART_BYTES_MAX - 2 * PART_BYTES_MIN;
/// Most parts of one upload, and the highest part number (S3: "Multipart upload limits").
pub const PARTS_MAX: u32 = 10_000;
/// Largest archive, in bytes: all parts of one upload, each as large as can be.
pub const ARCHIVE_BYTES_MAX: u64 = PARTS_MAX as u64 * PART_BYTES_MAX;
/// Segments of one job whose uploads are open at a time: more would be created, and each is a request, long before
/// anyone gets to fill them when a listing runs far ahead.
pub const SEGMENTS_OPEN_MAX: usize = 256;
/// Uploads and objects of a job that are removed side by side when it ends.
pub const REMOVALS_AT_ONCE: usize = 32;
/// Longest key, in bytes of UTF-8 (S3: "Creating object key names").
pub const KEY_BYTES_MAX: usize = 1_024;

/// Part size aimed at for speed, in bytes: large enough that the ~100 ms fixed cost of an upload is a
/// minor share, small enough that a few hundred MiB of memory keep a dozen in flight.
pub const PART_BYTES_DEFAULT: u64 = 16 * MIB;
/// After this many parts the size aimed at doubles, so that 10,000 parts reach terabytes although
/// planning starts before the total is known.
pub const PARTS_PER_DOUBLING: u32 = 1_000;
/// So many parts of an archive are no segments, unless a size was asked for: those that have grown to what a node can
/// hold stay as they are for a while, because segments are copied once more and have to be deleted.
pub const PARTS_WITHOUT_SEGMENTS: u32 = 5_000;
/// Bytes that parts of growing sizes hold, whatever a node does: 10,000 of them end a little beyond. An archive that is
/// known to be larger when its listing begins gets larger parts from then on.
pub const GROWN_PARTS_REACH: u64 = 20 << 40;
/// Beyond the size a node can hold, the size aimed at doubles after this many parts of the archive, each of them a
/// segment: seven doublings, from what small nodes hold to 5 GiB, take few of the 10,000.
pub const SEGMENTS_PER_DOUBLING: u32 = 60;
/// Most bodies aimed at in one part: each costs a request of its own, so a part of many small objects
/// is closed early to keep it from outlasting all others.
pub const BODIES_PER_PART: usize = 128;
/// Size of one ranged GET, in bytes: S3 gives ~80-90 MB/s per request, so large ranges are split to be
/// fetched side by side; 8-16 MiB is where the request overhead no longer shows.
pub const FETCH_BYTES: u64 = 8 * MIB;
/// Size aimed at for parts that hold only the directory, in bytes.
pub const DIRECTORY_PART_BYTES: u64 = 8 * MIB;

/// Most sources in one job.
pub const SOURCES_MAX: usize = 1_000;
/// Most buckets from which one job takes objects.
pub const BUCKETS_MAX: usize = 1_000;
/// Longest line of a manifest, in bytes: many times what the longest key takes with all its escapes.
pub const MANIFEST_LINE_BYTES_MAX: usize = 64 << 10;
/// What is read of a manifest at a time, in bytes: one request, about 10,000 lines.
pub const MANIFEST_PAGE_BYTES: u64 = MIB;
/// Objects of a manifest looked up in S3 before what is known so far is planned: a page of a listing has as many.
pub const MANIFEST_LOOKUPS_PER_PAGE: usize = 1_000;
/// Objects of a manifest looked up at the same time.
pub const MANIFEST_LOOKUPS_AT_ONCE: usize = 64;
/// Longest ETag taken from a manifest, in bytes: S3's have up to 38.
pub const ETAG_BYTES_MAX: usize = 1_024;
/// Most entries in one job: positions are held in 32 bits.
pub const ENTRIES_MAX: u32 = u32::MAX - 1;
/// Most names or objects quoted in one error message; the rest is counted.
pub const EXAMPLES_MAX: usize = 20;
/// Most objects left out for their names that a job's report lists; the rest is counted.
pub const SKIPPED_MAX: usize = 10_000;
/// Most parts granted to one node in one batch.
pub const BATCH_PARTS_MAX: usize = 64;
/// Different nodes at which a part may fail before its job does; as many attempts, where there are fewer nodes.
pub const PART_ATTEMPTS_MAX: u32 = 3;
/// Attempts at one part that may fail at all before its job does.
pub const PART_FAILURES_MAX: u32 = 12;

/// Memory a node may use for a job's bytes and its connections unless told otherwise, in bytes.
pub const NODE_MEMORY_DEFAULT: u64 = 256 * MIB;
/// Least memory a node works with, in bytes: two parts of the smallest kind and its connections.
pub const NODE_MEMORY_MIN: u64 = 64 * MIB;
/// What a node's network is taken to carry each way where nobody said, in bytes a second: 10 Gbit/s, as machines for
/// such work have.
pub const NETWORK_BYTES_PER_S_DEFAULT: u64 = 1_250_000_000;
/// The same of a machine that is far from S3: 100 Mbit/s.
pub const FAR_BYTES_PER_S_DEFAULT: u64 = 12_500_000;
/// Time to open a connection above which S3 is far away, in milliseconds: within a region it takes one or two.
pub const FAR_CONNECT_MS: u64 = 10;
/// Requests a node keeps in flight unless told otherwise.
pub const NODE_CONCURRENCY_DEFAULT: usize = 32;
/// Most requests a node may be told to keep in flight.
pub const NODE_CONCURRENCY_MAX: usize = 4_096;
/// Memory set aside for one request in flight, in bytes: the HTTP client's read buffer grows to about
/// 400 KiB, what it has yet to send of an upload takes about as much, TLS and the SDK take the rest.
pub const REQUEST_OVERHEAD_BYTES: u64 = MIB;
/// Memory that one body of a part takes beside its bytes while the part is planned, granted and made, in
/// bytes: key, ETag, pieces and hashers. It counts when objects are tiny.
pub const BODY_OVERHEAD_BYTES: u64 = 1_024;
/// Memory set aside for the process itself (code, runtime, client, what the allocator keeps), in bytes.
pub const PROCESS_OVERHEAD_BYTES: u64 = 40 * MIB;

/// Bounded depth of the channel between a node and its coordinator, in messages.
pub const SESSION_QUEUE_MESSAGES: usize = 64;
/// Size aimed at for one frame of a session, in bytes: larger ones would hold up what comes behind them.
pub const FRAME_BYTES_AIM: usize = 256 * 1_024;
/// Most items in one frame of a session.
pub const FRAME_ITEMS_MAX: usize = 256;
/// Longest message to a node, in bytes. It holds at least one part's literal bytes, of which there are at most
/// `LITERAL_BYTES_AIM` and an entry's headers more, and as many objects as fit 5 MiB when each is tiny.
pub const MESSAGE_TO_NODE_BYTES_MAX: usize = 64 << 20;
/// Longest message from a node, in bytes. It holds at least one part's CRCs, at most 16 bytes for each object.
pub const MESSAGE_FROM_NODE_BYTES_MAX: usize = 4 << 20;
/// After this many literal bytes a part is closed, once S3 allows, because they travel to the node.
pub const LITERAL_BYTES_AIM: u64 = 8 * MIB;
/// Longest name of a node, in bytes: that of a DNS name, because certificates carry it.
pub const NODE_NAME_BYTES_MAX: usize = 253;

/// Time between two reports of a node that has nothing to say, in milliseconds.
pub const HEARTBEAT_MS: u64 = 500;
/// Silence after which a node is given nothing more and its queue goes to others, in milliseconds.
pub const SUSPECT_MS: u64 = 2_500;
/// Silence after which a node is lost and its attempts are made by others, in milliseconds.
pub const SILENCE_MS: u64 = 8_000;

/// Nodes a coordinator takes unless told otherwise.
pub const NODES_MAX_DEFAULT: usize = 2_000;
/// Jobs in progress at a time unless told otherwise: each holds its plan, about 150 bytes an entry.
pub const JOBS_RUNNING_DEFAULT: usize = 16;
/// Jobs waiting to begin unless told otherwise.
pub const JOBS_WAITING_DEFAULT: usize = 1_000;
/// Ended jobs that are remembered. Their reports are kept in S3, however many.
pub const JOBS_REMEMBERED: usize = 1_000;
/// Idempotency keys that are known, whether or not their jobs are still remembered.
pub const KEYS_REMEMBERED: usize = 100_000;
/// Decisions kept of one job for its report, and as many that mended problems; the rest is counted.
pub const DECISIONS_MAX: usize = 500;
/// Attempts kept of one job for its timeline; the rest is counted.
pub const BARS_MAX: usize = 20_000;
/// Attempts kept for the timelines of all ended jobs together; those that ended long ago lose theirs first.
pub const BARS_REMEMBERED: usize = 200_000;
/// Time a node that is told to leave has to finish what it has begun, in milliseconds.
pub const LEAVE_WITHIN_MS: u64 = 600_000;
/// Attempts at one part that may be lost with their nodes before its job fails: a part that ends every node
/// it meets must not end them all.
pub const PART_LOSSES_MAX: u32 = 8;

/// Time to reach a coordinator, its address looked up included, in milliseconds.
pub const CONNECT_DEADLINE_MS: u64 = 3_000;
/// Time from being connected to a valid Hello at the coordinator, and to its answer at the node, in milliseconds.
pub const HELLO_DEADLINE_MS: u64 = 5_000;
/// Most a connection may send before its Hello is found valid, TLS included, in bytes: certificates and a Hello
/// take less than a tenth.
pub const GREETING_BYTES_MAX: usize = 64 << 10;
/// Connections without a valid Hello at a time unless told otherwise.
pub const UNGREETED_MAX_DEFAULT: usize = 1_024;
/// When there are that many, time after which one that has sent nothing makes room for a new one, in
/// milliseconds: a node speaks as soon as it is connected.
pub const SILENT_GRACE_MS: u64 = 250;
/// Likewise for one that has sent something, in milliseconds.
pub const SLOW_GRACE_MS: u64 = 1_000;
/// Longest headers of a request, in bytes.
pub const HEADER_BYTES_MAX: u32 = 8 << 10;
/// Quiet time after which a connection is asked whether it is alive, in milliseconds.
pub const KEEPALIVE_MS: u64 = 3_000;
/// Time it has to answer, in milliseconds.
pub const KEEPALIVE_TIMEOUT_MS: u64 = 4_000;
/// Time a closed connection has to bring out what was sent before, in milliseconds.
pub const LINGER_MS: u64 = 1_000;
/// Bytes the other side may send ahead of what was read.
pub const WINDOW_BYTES: u32 = 2 << 20;
/// Messages waiting to be sent on one connection.
pub const OUTGOING_MESSAGES: usize = 8;

/// Orders that may wait for one node, sent or not, before it is given up: it has not taken any for long.
pub const ORDERS_PENDING_MAX: usize = 10_000;
/// Connections to the job API at a time; more wait in the system's queue. All watchers, and others beside them.
pub const API_CONNECTIONS_MAX: usize = 2_300;
/// Time a connection to the job API has to say anything, in milliseconds: there is room for more of them than a machine
/// opens in that time by mistake.
pub const API_SILENCE_MS: u64 = 3_000;
/// Time the headers of a request to the job API have to come, from when they could, in milliseconds.
pub const API_HEADERS_MS: u64 = 10_000;
/// Time the body of such a request has to come, in milliseconds.
pub const API_BODY_MS: u64 = 10_000;
/// Time the answer to such a request may take, in milliseconds: a coordinator that sorts a million names answers late.
pub const API_ANSWER_MS: u64 = 30_000;
/// Time for which a job that is cancelled is waited for, in milliseconds: less than an answer may take.
pub const API_CANCEL_MS: u64 = 25_000;
/// Watchers of jobs at a time: each holds a connection and what was last seen of its job.
pub const WATCHERS_MAX: usize = 2_000;
/// Of them, those of one token: half, so that it cannot shut out all others.
pub const TOKEN_WATCHERS_MAX: usize = WATCHERS_MAX / 2;
/// Most a connection to the job API buffers of what was sent ahead, in bytes: it bounds a request's headers.
pub const API_BUFFER_BYTES: usize = 16 << 10;
/// Longest body of a request to the job API, in bytes: a thousand sources with the longest keys.
pub const API_BODY_BYTES_MAX: usize = 1 << 20;
/// Bodies of requests that are being read or worked on, in bytes together; those beyond are turned away.
pub const API_BODIES_BYTES_MAX: usize = 64 << 20;
/// Jobs on a page of the job API unless told otherwise.
pub const PAGE_JOBS_DEFAULT: usize = 100;
/// Most jobs on a page of the job API.
pub const PAGE_JOBS_MAX: usize = 1_000;
/// Longest time a download URL is good for, in seconds (S3: seven days).
pub const URL_SECONDS_MAX: u64 = 604_800;
/// Longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 200;
/// Longest detail of a problem, in characters: it may quote what was sent.
pub const PROBLEM_CHARS_MAX: usize = 4_000;
/// Submissions a token may make a minute unless its entry says otherwise.
pub const SUBMISSIONS_PER_MINUTE_DEFAULT: u32 = 600;
/// Jobs of a token that have not ended at a time, unless its entry says otherwise.
pub const TOKEN_JOBS_DEFAULT: usize = 100;
/// Longest name of a token, in characters.
pub const TOKEN_NAME_CHARS_MAX: usize = 64;
/// Longest file of tokens, in bytes.
pub const TOKENS_FILE_BYTES_MAX: u64 = 4 << 20;
/// Tokens at a time: each request is compared with all of them.
pub const TOKENS_MAX: usize = 1_000;
/// Longest body of a request that brings the sources of a job in lines, in bytes: some 20 million of them.
pub const MANIFEST_BYTES_MAX: u64 = 2 * GIB;
/// Requests that bring sources in lines at a time: each holds a part of `STATE_PART_BYTES`.
pub const SPOOLS_MAX: usize = 8;
/// Of them, those of one token: half, so that it cannot shut out all others.
pub const TOKEN_SPOOLS_MAX: usize = SPOOLS_MAX / 2;
/// Silence after which a request that brings sources in lines is given up, in milliseconds.
pub const SPOOL_SILENCE_MS: u64 = 30_000;
/// Time the first of the lines has to come, in milliseconds: whoever trickles must not keep others out.
pub const SPOOL_FIRST_LINE_MS: u64 = 10_000;
/// Time all others have to come, in milliseconds: 2 GiB at little more than 1 MB/s.
pub const SPOOL_LINES_MS: u64 = 1_800_000;
/// Size of the parts in which large objects of a coordinator's state are written, in bytes.
pub const STATE_PART_BYTES: usize = 8 << 20;
/// Reports of jobs written to a coordinator's state at a time: each holds such a part.
pub const REPORTS_AT_ONCE: usize = 8;
/// Entries, skipped objects and decisions in reports that are yet to be written, about 150 bytes each; beyond that no
/// new jobs are taken. As many as the largest job that comes in lines brings: such a one must not wait for another.
pub const REPORT_ITEMS_PENDING_MAX: u64 = 20_000_000;
/// Most bytes of a report that are looked at for the job it is of: its destination, outcome and warnings.
pub const REPORT_HEAD_BYTES_MAX: usize = 1 << 20;
/// Attempts to deliver one callback: with the waits between them, about four minutes.
pub const CALLBACK_ATTEMPTS_MAX: u32 = 8;
/// Longest wait before the second of them, in milliseconds; each further one may wait twice as long.
pub const CALLBACK_BACKOFF_MS: u64 = 2_000;
/// Time a receiver has to answer a callback, in milliseconds.
pub const CALLBACK_ANSWER_MS: u64 = 10_000;
/// Time from a job's end in which its callback is delivered or given up, all waiting included, in milliseconds.
pub const CALLBACK_WITHIN_MS: u64 = 900_000;
/// Callbacks not yet delivered, and as many owed by coordinators before this one; those beyond are left to the next.
pub const CALLBACKS_PENDING_MAX: usize = 10_000;
/// Callbacks on their way at the same time, a connection each: it takes 64 hosts that never answer to hold up others.
pub const CALLBACKS_AT_ONCE: usize = 256;
/// Callbacks on their way to one host: who never answers must not hold up those for others.
pub const CALLBACKS_AT_ONCE_PER_HOST: usize = 4;
/// Records of callbacks read or written at a time, and so submissions that wait for theirs.
pub const CALLBACK_RECORDS_AT_ONCE: usize = 64;
/// Longest record of a callback in a coordinator's state, in bytes: what a report begins with, and an address.
pub const CALLBACK_RECORD_BYTES_MAX: u64 = 2 * REPORT_HEAD_BYTES_MAX as u64;
/// Longest address of a callback, in bytes.
pub const CALLBACK_URL_BYTES_MAX: usize = 2_048;
/// Time for which a cluster's answer, or the next piece of it, is waited for, in milliseconds: longer than
/// `API_ANSWER_MS`, so that the cluster says what is late.
pub const CLUSTER_ANSWER_MS: u64 = 60_000;
/// Longest answer of a cluster that is read as a whole, in bytes: of reports without their entries, with every name
/// that was left out.
pub const CLUSTER_ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest event of a cluster, in bytes: one that tells how a job ended, with everything that went wrong.
pub const CLUSTER_EVENT_BYTES_MAX: usize = 4 << 20;
/// Jobs of a batch at a time unless told otherwise.
pub const BATCH_JOBS_DEFAULT: u64 = 8;
/// Most jobs of a batch at a time: each is watched on a connection of its own.
pub const BATCH_JOBS_MAX: u64 = 1_000;
/// Longest line of a batch, in bytes: as long as the job API takes.
pub const BATCH_LINE_BYTES_MAX: usize = API_BODY_BYTES_MAX;
/// Longest line of a batch's results, in bytes: with every example and warning there may be.
pub const BATCH_RESULT_BYTES_MAX: u64 = 4 << 20;
/// Time a cluster may stay away before a batch stops, in milliseconds.
pub const BATCH_AWAY_MS: u64 = 60_000;
/// Longest pause for which a cluster may ask between two tries to submit a job of a batch, in milliseconds.
pub const BATCH_PAUSE_MS: u64 = 120_000;
/// Times a job of a batch is submitted again that its coordinator lost because it was started again.
pub const BATCH_LOSSES_MAX: u32 = 3;
/// Jobs of a load in flight at a time: each is watched on a connection of its own, of which a process may have 1,024
/// unless its system was told otherwise. Beyond that arrivals are not sent, and counted as that.
pub const LOAD_IN_FLIGHT_MAX: usize = 800;
/// Most arrivals of a load: what is kept of each takes about 100 bytes.
pub const LOAD_ARRIVALS_MAX: u64 = 1_000_000;
/// Most arrivals a second of a load.
pub const LOAD_RATE_MAX: f64 = 10_000.0;
/// Most populations of a load's mix.
pub const LOAD_POPULATIONS_MAX: usize = 100;
/// Rounds in which the highest load is looked for: some to find a rate that is too high, and seven that halve what
/// lies between.
pub const LOAD_ROUNDS_MAX: usize = 12;
/// Points of each line in a load's report: with more of them, each would be of too few jobs to say something.
pub const LOAD_POINTS_MAX: usize = 100;
/// Looks at a cluster that a load keeps: it may go on for as long as its last job does.
pub const LOAD_LOOKS_MAX: usize = 400;
/// Longest file that a load is described in, or was written to, in bytes.
pub const LOAD_FILE_BYTES_MAX: u64 = 64 << 20;
/// Entries of an archive that are shown of a report to people.
pub const REPORT_ENTRIES_SHOWN: usize = 10;
/// Longest record of an upload in a coordinator's state, in bytes.
pub const JOURNAL_RECORD_BYTES_MAX: u64 = 64 << 10;
/// Most records of uploads that are looked at when a coordinator starts: it leaves one for each job in progress.
pub const JOURNAL_RECORDS_MAX: usize = 10_000;
/// Time after a coordinator's start when it looks once more for what nodes have begun for one that died, in milliseconds:
/// they go on until they have heard nothing for `SILENCE_MS`, and S3 may still be at work on what they asked last.
pub const LATE_SWEEP_MS: u64 = SILENCE_MS + 22_000;

const _: () = assert!(PART_BYTES_MIN <= PART_BYTES_DEFAULT && PART_BYTES_DEFAULT <= PART_BYTES_MAX);
const _: () = assert!(DIRECTORY_PART_BYTES >= PART_BYTES_MIN);
// So a segment never has too many leaves.
const _: () = assert!(PART_BYTES_MAX / PART_BYTES_MIN < PARTS_MAX as u64);
const _: () = assert!(NODE_MEMORY_MIN <= NODE_MEMORY_DEFAULT);

/// Bytes of part bodies a node may hold, given its memory and its requests in flight.
#[must_use]
pub fn body_budget_bytes(memory_bytes: u64, concurrency: usize) -> u64 {
    memory_bytes
        .saturating_sub(PROCESS_OVERHEAD_BYTES + REQUEST_OVERHEAD_BYTES * concurrency as u64)
        .max(2 * PART_BYTES_MIN)
}

/// Memory a part of `bytes` bytes with so many bodies takes on a node, in bytes.
#[must_use]
pub fn part_cost_bytes(bytes: u64, bodies: usize) -> u64 {
    bytes + BODY_OVERHEAD_BYTES * bodies as u64
}

/// Memory a part of so many literal bytes and bodies takes on a node that has S3 compose it, in bytes: one request is in
/// flight for each body, or has been.
#[must_use]
pub fn composed_cost_bytes(literal_bytes: u64, bodies: usize) -> u64 {
    literal_bytes + COPY_COST_BYTES + BODY_OVERHEAD_BYTES * bodies as u64
}

/// Largest size to aim at for a part on nodes with this body budget: two must fit, or a node would
/// upload only while it does not fetch. A part may exceed its aim by up to `PART_BYTES_MIN` and headers.
#[must_use]
pub fn part_bytes_cap(body_budget_bytes: u64) -> u64 {
    (body_budget_bytes / 2).saturating_sub(PART_BYTES_MIN + MIB).clamp(PART_BYTES_MIN, PART_BYTES_AIM_MAX)
}
