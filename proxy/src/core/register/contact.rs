//! A client's Contact on its way up and back: what tells devices apart, what lifetime was given, and the value restored
//! byte for byte. It decides on no binding.

use sip::{Error, Message, NameAddr};

use super::Registration;

/// What tells the devices of one user apart: instance and reg-id (RFC 5626), or else the contact's user part, which
/// sip.js draws once and keeps over reconnects.
pub(super) fn device(contact: &NameAddr<'_>) -> Option<String> {
    if let Some(instance) = contact.params().unquoted("+sip.instance") {
        return Some(format!(
            "{instance} {}",
            contact.param("reg-id").unwrap_or_default()
        ));
    }
    let uri = contact.uri().ok()?;
    Some(uri.user().unwrap_or(uri.host()).to_owned())
}

/// The lifetime that the upstream gave to this contact.
pub(super) fn granted(response: &Message, registration: &Registration, bound_as: &str) -> u32 {
    if registration.expires == 0 {
        return 0;
    }
    own_contact(response, bound_as)
        .and_then(|contact| contact.expires())
        .or(response.expires())
        .unwrap_or(registration.expires)
}

/// Our browser's among the contacts of a 2xx: a registrar may have added parameters, but not changed the user part.
fn own_contact<'a>(response: &'a Message, bound_as: &str) -> Option<NameAddr<'a>> {
    let is_own =
        |contact: &NameAddr<'_>| contact.uri().is_ok_and(|uri| uri.user() == Some(bound_as));
    response.contacts().filter_map(Result::ok).find(is_own)
}

/// Leaves exactly the browser's own Contact, byte for byte, with the lifetime granted and the GRUUs if there are any.
/// Other devices' contacts are not for it: clients that match by position or by host trip over them.
pub(super) fn restore_contact(
    response: &mut Message,
    registration: &Registration,
    granted: u32,
    gruus: &str,
) -> Result<(), Error> {
    if granted == 0 {
        return response.remove_all("Contact").map(drop);
    }
    let mut contact = without_expires(&registration.contact);
    contact.extend(format!(";expires={granted}{gruus}").into_bytes());
    response.set("Contact", contact)
}

/// The GRUUs that the registrar has given to our browser, as parameters.
pub(super) fn gruus_of_own(response: &Message, bound_as: &str) -> String {
    let Some(contact) = own_contact(response, bound_as) else {
        return String::new();
    };
    let params = contact.params();
    let of = |name: &str| {
        params
            .get(name)
            .map(|value| format!(";{name}={value}"))
            .unwrap_or_default()
    };
    of("pub-gruu") + &of("temp-gruu")
}

/// The value without its `expires` parameter, and otherwise as it was.
pub(in crate::core) fn without_expires(contact: &[u8]) -> Vec<u8> {
    let Ok(value) = NameAddr::parse(contact) else {
        return contact.to_vec();
    };
    let Some(head) = contact.strip_suffix(value.params().as_str().as_bytes()) else {
        return contact.to_vec();
    };
    let mut kept = Vec::with_capacity(contact.len());
    kept.extend_from_slice(head);
    let params = value.params();
    for (name, value) in params.iter() {
        if name.eq_ignore_ascii_case("expires") {
            continue;
        }
        kept.push(b';');
        kept.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            kept.push(b'=');
            kept.extend_from_slice(value.as_bytes());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::super::names::ClientId;
    use super::*;

    fn registration(contact: &str) -> Registration {
        Registration {
            client: ClientId([1; 8]),
            aor: "alice@example.com".into(),
            contact: contact.into(),
            uri: "sip:k3f9@d8.invalid".into(),
            expires: 600,
            wanted: 600,
        }
    }

    fn restored(contact: &str, headers: &str) -> Vec<String> {
        let text = format!("SIP/2.0 200 OK\r\n{headers}\r\n\r\n");
        let mut response = Message::parse(text.into_bytes()).unwrap();
        let registration = registration(contact);
        let granted = granted(&response, &registration, "TOKEN");
        let gruus = gruus_of_own(&response, "TOKEN");
        restore_contact(&mut response, &registration, granted, &gruus).unwrap();
        response
            .headers("Contact")
            .map(|value| value.into_owned())
            .collect()
    }

    const OURS: &str =
        "<sip:k3f9@d8.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:1>\"";

    #[test]
    fn the_browsers_contact_comes_back_byte_equal_with_the_lifetime_granted() {
        let seen = restored(
            &format!("{OURS};expires=600"),
            "Contact: <sip:other@10.0.0.1>;expires=30, <sip:TOKEN@192.0.2.1:5060>;expires=540;q=0.5",
        );
        assert_eq!(seen, [format!("{OURS};expires=540")]);
    }

    #[test]
    fn a_lifetime_given_only_in_expires_is_taken_from_there() {
        let seen = restored(
            "<sip:k3f9@d8.invalid>",
            "Expires: 120\r\nContact: <sip:TOKEN@192.0.2.1>",
        );
        assert_eq!(seen, ["<sip:k3f9@d8.invalid>;expires=120"]);
        assert_eq!(
            restored("<sip:k3f9@d8.invalid>", "Subject: bare"),
            ["<sip:k3f9@d8.invalid>;expires=600"]
        );
    }

    #[test]
    fn gruus_are_handed_on() {
        let seen = restored(
            "<sip:k3f9@d8.invalid>",
            "Contact: <sip:TOKEN@192.0.2.1>;pub-gruu=\"sip:a@x;gr=1\";expires=60",
        );
        assert_eq!(
            seen,
            ["<sip:k3f9@d8.invalid>;expires=60;pub-gruu=\"sip:a@x;gr=1\""]
        );
    }

    #[test]
    fn devices_are_told_apart_by_instance_or_else_by_contact_user() {
        let of = |text: &str| device(&NameAddr::parse(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(of("<sip:a1@x.invalid>"), of("<sip:a1@y.invalid>"));
        assert_ne!(of("<sip:a1@x.invalid>"), of("<sip:a2@x.invalid>"));
        let instance = ";reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
        assert_eq!(
            of(&format!("<sip:a1@x.invalid>{instance}")),
            of(&format!("<sip:zz@y.invalid>{instance}"))
        );
    }
}
