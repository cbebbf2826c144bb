//! The rivals: public programs that make one archive in S3 of many objects in S3.

use super::model::Outcome;
use super::population::Population;
use super::published::Published;
use super::{copying, fleets, streaming};

/// One of them.
pub(super) struct Rival {
    pub(super) name: &'static str,
    /// Counts what its plan takes.
    pub(super) takes: fn(&Population) -> Outcome,
    /// Its counts at the headline population, where known.
    pub(super) published: Option<Published>,
    /// Its authors' times, by number of objects.
    pub(super) times: &'static [(u64, &'static str)],
}

/// All that are compared: of RustyServerless/demo-s3-archiving, but for the last four, which are
/// psantus/on-demand-archive-on-s3 and awslabs/amazon-s3-tar-tool.
pub(super) const RIVALS: [Rival; 14] = [
    Rival {
        name: "jrodon v1",
        takes: streaming::jrodon,
        published: Some(Published::streamed(1_498, 0.0087)),
        times: &[(3_000, "211-212")],
    },
    Rival {
        name: "jrodon v2",
        takes: copying::jrodon_v2,
        published: Some(JRODON_DUOS),
        times: &[(3_000, "105-106")],
    },
    Rival { name: "jrodon v3", takes: copying::jrodon_v3, published: Some(JRODON_DUOS), times: &[] },
    Rival {
        name: "figment",
        takes: copying::figment,
        published: Some(Published {
            head: 3_000,
            get: 2_970,
            copy: 1_458,
            received_bytes: 7.95e9,
            copied_bytes: 7.8e9,
            ..Published::streamed(1_508, 0.0172)
        }),
        times: &[(3_000, "111-119")],
    },
    Rival {
        name: "figment-chain",
        takes: copying::figment_chain,
        published: Some(Published {
            head: 3_000,
            get: 1,
            copy: 7_494,
            create_and_complete: 8_990,
            received_bytes: 5_242_880.0,
            copied_bytes: 56e9,
            ..Published::streamed(3_001, 0.0986)
        }),
        times: &[(3_000, "11")],
    },
    Rival {
        name: "sebsto, C",
        takes: streaming::sebsto_c,
        published: Some(Published::streamed(1_873, 0.0106)),
        times: &[(3_000, "212")],
    },
    Rival {
        name: "sebsto, TypeScript",
        takes: streaming::sebsto_typescript,
        published: Some(Published::streamed(1_498, 0.0087)),
        times: &[(3_000, "230")],
    },
    Rival {
        name: "sebsto, Swift",
        takes: streaming::sebsto_swift,
        published: Some(Published::streamed(1_498, 0.0087)),
        times: &[(3_000, "231-235")],
    },
    Rival {
        name: "sebsto, Python",
        takes: streaming::sebsto_python,
        published: Some(Published::streamed(1_873, 0.0106)),
        times: &[(3_000, "243")],
    },
    Rival {
        name: "j-nicholson98, Python",
        takes: streaming::nicholson_python,
        published: Some(Published::streamed(2_995, 0.0162)),
        times: &[],
    },
    Rival {
        name: "psantus, orchestrator",
        takes: fleets::psantus_orchestrator,
        published: Some(Published { put: 1_997, ..Published::streamed(1_998, 0.0212) }),
        times: &[(3_000, "6")],
    },
    Rival {
        name: "psantus, Step Functions",
        takes: fleets::psantus_step_functions,
        published: Some(Published {
            list: 5,
            head: 1_126,
            get: 3_001,
            copy: 1_126,
            put: 1_129,
            received_bytes: 8.65e9,
            copied_bytes: 7.1e9,
            ..Published::streamed(1_128, 0.0186)
        }),
        times: &[(3_000, "41")],
    },
    Rival {
        name: "awslabs tar tool",
        takes: fleets::tar_tool,
        published: Some(Published {
            get: 0,
            copy: 15_070,
            create_and_complete: 16_030,
            put: 1,
            received_bytes: 0.0,
            copied_bytes: 103e9,
            ..Published::streamed(3_002, 0.17)
        }),
        times: &[(1_000_000, "about 3 h")],
    },
    Rival {
        name: "awslabs tar tool, in memory",
        takes: fleets::tar_tool_in_memory,
        published: None,
        times: &[(1_000_000, "about 6 min")],
    },
];

/// Of jrodon v2 and v3.
const JRODON_DUOS: Published = Published {
    head: 1_480,
    get: 2_950,
    copy: 1_482,
    received_bytes: 7.83e9,
    copied_bytes: 7.9e9,
    ..Published::streamed(1_483, 0.0166)
};
