//! What is written under a root.
