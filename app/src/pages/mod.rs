//! The pages, one module for each area.

pub mod account;
pub mod audit;
pub mod backups;
pub mod destinations;
pub mod keys;
pub mod missing;
pub mod overview;
pub mod restore;
pub mod round;
pub mod run;
pub mod servers;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod task;
pub mod users;
