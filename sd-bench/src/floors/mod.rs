//! Floors: the least that the work can cost, written for one purpose and offering nothing else.

pub mod call;
pub mod choose;
pub mod chunked;
pub mod grpc;
pub mod parked;
pub mod tail;
