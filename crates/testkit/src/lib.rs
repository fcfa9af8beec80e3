//! Real servers and hostile data for tests.
