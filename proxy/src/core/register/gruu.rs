//! GRUUs (RFC 5627): names for one device of a user, handed out with its registration. A request to one reaches that
//! device and no other. The public one says who it is; a temporary one does not, and ends with the registration.

use sip::{Message, Uri};

use super::super::Core;
use super::bindings::Binding;

impl Core {
    /// The Contact parameters that give a device its GRUUs, if it asked for them; and the temporary one's serial number.
    pub(super) fn gruus(
        &mut self,
        request: &Message,
        aor: &str,
        binding: &Binding,
    ) -> Option<(String, u64)> {
        let instance = binding.instance.as_deref().and_then(urn)?;
        if !request.lists("Supported", "gruu") {
            return None;
        }
        let (user, serial) = self.names.temporary(binding.client);
        let domain = &self.config.domain;
        let params =
            format!(";pub-gruu=\"sip:{aor};gr={instance}\";temp-gruu=\"sip:{user}@{domain};gr\"");
        Some((params, serial))
    }

    /// The address of record and the device that this URI of our domain names; `None` if it is no GRUU, or none that
    /// is good any more.
    pub(in crate::core) fn device_of(&self, uri: &Uri<'_>) -> Option<(String, String)> {
        let user = uri.decoded_user()?;
        let named = uri.param("gr")?;
        if !named.is_empty() {
            return Some((
                format!("{user}@{}", self.config.domain),
                format!("<{named}>"),
            ));
        }
        let (client, serial) = self.names.temporary_of(&user)?;
        let (aor, binding) = self.bindings.by_client(client)?;
        let good = binding.temporary != 0 && serial >= binding.temporary;
        good.then(|| Some((aor.to_owned(), binding.instance.clone()?)))?
    }
}

/// The URN in `<...>`, if it can stand in a URI as it is. All that devices make themselves can.
fn urn(instance: &str) -> Option<&str> {
    let urn = instance.strip_prefix('<')?.strip_suffix('>')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-._".contains(&byte);
    (!urn.is_empty() && urn.bytes().all(plain)).then_some(urn)
}
