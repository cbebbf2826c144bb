//! A load on a cluster: when jobs arrive and of which kind, what came of them, and what that says. None of it touches
//! the world: clocks, chance and the cluster are in `commands::load`.

pub(crate) mod arrivals;
pub(crate) mod compare;
pub(crate) mod fairness;
pub(crate) mod figures;
pub(crate) mod metrics;
pub(crate) mod mix;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod series;
pub(crate) mod taken;
pub(crate) mod unit;
