//! coarse
