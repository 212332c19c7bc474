//! The demo's parts: registrar, phone, web client, page.

mod exchange;
mod names;
pub mod page;
pub mod phone;
pub mod registrar;
mod reports;
pub mod webphone;
