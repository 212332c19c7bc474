//! The demo's parts: registrar, phone, web client, page.

pub mod page;
