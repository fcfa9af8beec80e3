//! Icons: our own, drawn on a grid of 24 with one stroke.

use leptos::prelude::*;

macro_rules! glyphs {
    ($($(#[$doc:meta])* $name:ident = $path:literal,)*) => {
        /// What an icon shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Glyph { $($(#[$doc])* $name,)* }

        impl Glyph {
            fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

glyphs! {
    /// The mark: one tree with its nests.
    Rookery = "M12 3v6M12 9l-6 6.5M12 9v6.5M12 9l6 6.5M6 20.4a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8zM12 20.4a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8zM18 20.4a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8z",
    /// Overview.
    Home = "M4 11l8-7 8 7v9h-5.5v-6h-5v6H4z",
    /// A server.
    Server = "M5.5 4h13A1.5 1.5 0 0 1 20 5.5v3a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 8.5v-3A1.5 1.5 0 0 1 5.5 4zM5.5 14h13a1.5 1.5 0 0 1 1.5 1.5v3a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5v-3A1.5 1.5 0 0 1 5.5 14zM8 7h.01M8 17h.01",
    /// A database.
    Database = "M20 6c0 1.7-3.6 3-8 3S4 7.7 4 6s3.6-3 8-3 8 1.3 8 3zM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
    /// Backups.
    Backups = "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
    /// Restore.
    Restore = "M4 12a8 8 0 1 0 2.7-6L4 8.3M4 3.5v4.8h4.8",
    /// Runs, a list.
    List = "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
    /// A destination.
    Destination = "M4 13l2.5-8h11l2.5 8M4 13v5.5A1.5 1.5 0 0 0 5.5 20h13a1.5 1.5 0 0 0 1.5-1.5V13M4 13h5l1.5 2.5h3L15 13h5",
    /// A folder.
    Folder = "M4 6.5A1.5 1.5 0 0 1 5.5 5h4l2 2.5h7A1.5 1.5 0 0 1 20 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5z",
    /// Users.
    Users = "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.5-3.7 3-5.5 6.5-5.5s6 1.8 6.5 5.5M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.9c2 .7 3.2 2.4 3.5 5.1",
    /// One user.
    User = "M12 11.5a3.75 3.75 0 1 0 0-7.5 3.75 3.75 0 0 0 0 7.5zM4.5 20.5c.7-4 3.5-5.8 7.5-5.8s6.8 1.8 7.5 5.8",
    /// The audit log.
    Audit = "M6.5 3.5h8L19 8v12.5H6.5A1.5 1.5 0 0 1 5 19V5a1.5 1.5 0 0 1 1.5-1.5zM14 3.5V8.5h5M9 13h6M9 16.5h4",
    /// Settings.
    Settings = "M4 7h9M17 7h3M15 9.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM4 17h3M11 17h9M9 19.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z",
    /// A key.
    Key = "M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 12l8-8M16 7l3 3",
    /// Encrypted.
    Lock = "M6.5 11h11a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 18.5v-6A1.5 1.5 0 0 1 6.5 11zM8 11V8a4 4 0 0 1 8 0v3",
    /// Good.
    Check = "M5 12.5l4.5 4.5L19 7",
    /// Bad.
    Cross = "M6.5 6.5l11 11M17.5 6.5l-11 11",
    /// Needs attention.
    Alert = "M12 7.5v5.5M12 16.5h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
    /// Worth knowing.
    Info = "M12 11.5v5M12 7.7h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
    /// Works.
    Busy = "M12 3.5a8.5 8.5 0 1 0 8.5 8.5",
    /// Waits.
    Clock = "M12 7v5l3.5 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
    /// Not known, or left out.
    Dash = "M6 12h12",
    /// More.
    Plus = "M12 5v14M5 12h14",
    /// Start.
    Play = "M7.5 5v14l11-7z",
    /// Pause.
    Pause = "M8.5 5.5v13M15.5 5.5v13",
    /// Stop.
    Stop = "M7 7h10v10H7z",
    /// Look again.
    Refresh = "M20 11A8 8 0 0 0 5.7 6.7L4 8.5M4 4v4.5h4.5M4 13a8 8 0 0 0 14.3 4.3l1.7-1.8M20 20v-4.5h-4.5",
    /// Change.
    Edit = "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5",
    /// Remove.
    Trash = "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.5 11v5.5M13.5 11v5.5",
    /// Search.
    Search = "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20",
    /// Onwards.
    Right = "M9.5 5.5L16 12l-6.5 6.5",
    /// Back.
    Left = "M14.5 5.5L8 12l6.5 6.5",
    /// Rising.
    Up = "M6 14.5l6-6 6 6",
    /// Falling.
    Down = "M6 9.5l6 6 6-6",
    /// Sign out.
    Leave = "M14 4.5H6.5A1.5 1.5 0 0 0 5 6v12a1.5 1.5 0 0 0 1.5 1.5H14M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5",
    /// Light.
    Sun = "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3L7 7M17 17l1.7 1.7M18.7 5.3L17 7M7 17l-1.7 1.7",
    /// Dark.
    Moon = "M20 14.3A8.3 8.3 0 0 1 9.7 4a8.3 8.3 0 1 0 10.3 10.3z",
    /// As the system has it.
    Screen = "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5V6a1.5 1.5 0 0 1 1.5-1.5zM8.5 20.5h7M12 17v3.5",
    /// A connection.
    Plug = "M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0zM12 17v4",
    /// Saving a file.
    Save = "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
    /// Printing.
    Print = "M7 9V4h10v5M7 17H5.5A1.5 1.5 0 0 1 4 15.5v-5A1.5 1.5 0 0 1 5.5 9h13a1.5 1.5 0 0 1 1.5 1.5v5a1.5 1.5 0 0 1-1.5 1.5H17M7 14h10v6H7z",
    /// A shield: proven.
    Shield = "M12 3l7.5 2.5V11c0 4.8-3 8.2-7.5 10-4.5-1.8-7.5-5.2-7.5-10V5.5zM8.5 11.8l2.5 2.5 4.5-4.6",
}

/// An icon. It says nothing to those who listen: the word stands beside it.
#[component]
pub fn Icon(
    /// What it shows.
    name: Glyph,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=name.path()></path>
        </svg>
    }
}
