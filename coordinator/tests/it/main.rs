//! The planner held against the checker of plans, and the checker against damaged plans.

mod cases;
mod checker;
mod checker_of_work;
mod executed;
mod fleet;
mod many;
mod names;
mod planner;
