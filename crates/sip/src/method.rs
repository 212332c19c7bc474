//! Request methods. Any token is a method: unknown ones are kept, compared and passed on.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::scan::is_token;

/// A request method. Names are case-sensitive (RFC 3261 7.1): `invite` is [`Method::Other`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each variant is the method of its name.
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Info,
    Message,
    Notify,
    Prack,
    Publish,
    Refer,
    Subscribe,
    Update,
    /// A method that this list does not name; always a token.
    Other(Box<str>),
}

impl Method {
    /// Parses a method name; [`Error::NotAToken`] unless it is a token.
    pub fn parse(name: &[u8]) -> Result<Self, Error> {
        Ok(match name {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"INFO" => Method::Info,
            b"MESSAGE" => Method::Message,
            b"NOTIFY" => Method::Notify,
            b"PRACK" => Method::Prack,
            b"PUBLISH" => Method::Publish,
            b"REFER" => Method::Refer,
            b"SUBSCRIBE" => Method::Subscribe,
            b"UPDATE" => Method::Update,
            other if is_token(other) => Method::Other(
                std::str::from_utf8(other)
                    .map_err(|_| Error::NotAToken)?
                    .into(),
            ),
            _ => return Err(Error::NotAToken),
        })
    }

    /// The name as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Other(name) => name,
            known => known.standard().unwrap_or_default(),
        }
    }

    /// The same of a method that is known here; `None` for [`Method::Other`], whose names are as many as peers like.
    pub fn standard(&self) -> Option<&'static str> {
        Some(match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Info => "INFO",
            Method::Message => "MESSAGE",
            Method::Notify => "NOTIFY",
            Method::Prack => "PRACK",
            Method::Publish => "PUBLISH",
            Method::Refer => "REFER",
            Method::Subscribe => "SUBSCRIBE",
            Method::Update => "UPDATE",
            Method::Other(_) => return None,
        })
    }

    /// Whether this request can begin a dialog, so that Record-Route matters (INVITE, SUBSCRIBE, REFER, NOTIFY).
    pub fn forms_dialog(&self) -> bool {
        matches!(
            self,
            Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Method::parse(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_a_method_and_keeps_its_name() {
        for name in [
            "INVITE",
            "UPDATE",
            "invite",
            "!odd-Method0123456789_*+`.%indeed'~",
        ] {
            assert_eq!(name.parse::<Method>().unwrap().as_str(), name);
        }
        assert_ne!("invite".parse::<Method>().unwrap(), Method::Invite);
        for bad in ["", "IN VITE", "A/B", "Ä"] {
            assert_eq!(bad.parse::<Method>(), Err(Error::NotAToken), "{bad}");
        }
    }
}
