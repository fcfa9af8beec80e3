//! Servers: the list, and Manage Server with its tabs.

mod databases;
mod form;
mod head;
mod list;
mod manage;
mod new;
mod probe;
mod rounds;
mod settings;
mod slot;
mod slots;
mod task_card;

pub use databases::ServerDatabases;
pub use list::Servers;
pub use manage::ServerPage;
pub use new::ServerNew;
pub use rounds::ServerRounds;
pub use settings::ServerSettings;
pub use slot::SlotPage;
pub use slots::ServerSlots;
