//! Tests of the whole program: what several test files share.
