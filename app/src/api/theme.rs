//! Light, dark, or as the system has it.

use super::Failure;
use leptos::prelude::*;

/// The choices: value and word.
pub const THEMES: [(&str, &str); 3] = [("", "System"), ("light", "Light"), ("dark", "Dark")];

/// Remembers a choice in a cookie of the browser's. Anybody may choose.
///
/// # Errors
/// None of its own.
#[server]
pub async fn choose_theme(theme: String) -> Result<(), Failure> {
    let known = THEMES.iter().find(|(value, _)| *value == theme).map_or("", |(value, _)| value);
    let age = if known.is_empty() { 0 } else { 400 * 24 * 60 * 60 };
    super::visit::set_cookie(&format!("theme={known}; Path=/; SameSite=Lax; Max-Age={age}"));
    Ok(())
}
