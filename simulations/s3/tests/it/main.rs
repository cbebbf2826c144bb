//! The twin as its clients see it: the SDK over a socket, one small test for each rule of S3.

#![cfg(test)]

mod access;
mod complete;
mod copy;
mod faults;
mod listing;
mod pace;
mod read;
mod rope;
mod throttle;
mod upload;
mod wire;
mod world;
mod write;
