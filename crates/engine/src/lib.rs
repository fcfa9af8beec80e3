//! Carries out one run.
