//! From an address and port of ours to the socket's number: one comparison, and one array access.

use std::net::{IpAddr, SocketAddr};

use crate::core::SocketId;

/// Ports of one address, zero among them.
const PORTS: usize = 1 << 16;

/// The open ports of a few addresses, and what each address has besides.
pub(super) struct Directory<T>(Vec<Address<T>>);

struct Address<T> {
    ip: IpAddr,
    has: T,
    /// One more than the number of the port's socket; zero, as an allocator gives it, is none. Memory that no port
    /// was ever entered in takes no room.
    ports: Box<[u32]>,
}

impl<T> Directory<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// A place for this address's ports; its number. `has` is made for an address that was not known.
    pub(super) fn address<E>(
        &mut self,
        ip: IpAddr,
        has: impl FnOnce() -> Result<T, E>,
    ) -> Result<usize, E> {
        if let Some(known) = self.0.iter().position(|address| address.ip == ip) {
            return Ok(known);
        }
        self.0.push(Address {
            ip,
            has: has()?,
            ports: vec![0; PORTS].into(),
        });
        Ok(self.0.len().saturating_sub(1))
    }

    /// What each address has, by its number.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().map(|address| &address.has).enumerate()
    }

    /// A port is open.
    pub(super) fn enter(&mut self, at: SocketAddr, id: SocketId) {
        if let Some(entry) = self.entry(at) {
            *entry = id.0.saturating_add(1);
        }
    }

    /// It is not any more.
    pub(super) fn remove(&mut self, at: SocketAddr) {
        if let Some(entry) = self.entry(at) {
            *entry = 0;
        }
    }

    /// Whose it is.
    pub(super) fn find(&self, at: SocketAddr) -> Option<SocketId> {
        let address = self.0.iter().find(|address| address.ip == at.ip())?;
        let number = *address.ports.get(usize::from(at.port()))?;
        number.checked_sub(1).map(SocketId)
    }

    fn entry(&mut self, at: SocketAddr) -> Option<&mut u32> {
        let of = self.0.iter_mut().find(|address| address.ip == at.ip());
        of.and_then(|address| address.ports.get_mut(usize::from(at.port())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_of_each_address_is_found_until_it_is_removed() {
        let mut directory = Directory::new();
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        for (id, text) in (0..).zip(["192.0.2.1:0", "192.0.2.1:65535", "[::1]:65535"]) {
            assert_eq!(directory.find(at(text)), None);
            let number = directory.address(at(text).ip(), || Ok::<_, ()>(id));
            assert_eq!(number, Ok(usize::from(id == 2)));
            directory.enter(at(text), SocketId(id));
            assert_eq!(directory.find(at(text)), Some(SocketId(id)));
        }
        directory.remove(at("192.0.2.1:65535"));
        assert_eq!(directory.find(at("192.0.2.1:65535")), None);
        assert_eq!(directory.find(at("[::1]:65535")), Some(SocketId(2)));
        let had: Vec<_> = directory.addresses().collect();
        assert_eq!(had, [(0, &0), (1, &2)]);
    }
}
