//! Where a side without ICE wants its packets: what its SDP says, as far as we are willing to send there.

use std::net::{IpAddr, SocketAddr};

use ::ice::AddressPolicy;
use sdp::Media;

use super::{Component, Leg, Transport};
use crate::core::ports::Bound;

impl Leg {
    /// Takes the addresses of this side's SDP. `own` are ports of this very call: a peer that names one of them would
    /// have us talk to ourselves for ever.
    pub(super) fn take_addresses(&mut self, media: &Media, own: &[SocketAddr]) {
        if self.has_ice() || self.terms.held {
            return;
        }
        let learning = self.terms.learning;
        for (component, transport) in self.transports_mut() {
            let address = match component {
                Component::Rtp => media.rtp_address(),
                Component::Rtcp => rtcp_beside(media),
            };
            let policy = policy_for(transport.bound.at.ip());
            let usable =
                |address: &SocketAddr| policy.check(*address).is_ok() && !own.contains(address);
            transport.peer.obey(learning);
            transport.peer.signal(address.filter(usable));
        }
    }

    /// What the peer was told of the address that packets leave from.
    pub(crate) fn shown_at(&self, transport: &Transport) -> IpAddr {
        let mut beside = transport.beside.iter();
        beside
            .find(|one| one.bound.id == transport.out)
            .map_or(self.terms.shown, |one| one.shown)
    }

    /// The addresses of this leg, as bound and as told.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let shown = self.terms.shown;
        self.transports().flat_map(move |(_, transport)| {
            let first = std::iter::once((transport.bound, shown));
            let beside = transport.beside.iter().map(|one| (one.bound, one.shown));
            let told = |(bound, shown): (Bound, IpAddr)| {
                [bound.at, SocketAddr::new(shown, bound.at.port())]
            };
            first.chain(beside).flat_map(told)
        })
    }
}

/// Peers on this machine or this link are only for those who are bound there themselves.
fn policy_for(bound: IpAddr) -> AddressPolicy {
    let link_local = match bound {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    AddressPolicy {
        loopback: bound.is_loopback(),
        link_local,
    }
}

/// Where RTCP goes when it has a port of its own, whatever the medium says about multiplexing.
fn rtcp_beside(media: &Media) -> Option<SocketAddr> {
    let rtp = media.rtp_address()?;
    match &media.rtcp {
        Some(rtcp) => {
            let ip = rtcp
                .connection
                .as_ref()
                .and_then(sdp::Connection::ip)
                .unwrap_or(rtp.ip());
            (rtcp.port != 0 && !ip.is_unspecified()).then(|| (ip, rtcp.port).into())
        }
        None => Some((rtp.ip(), rtp.port().checked_add(1)?).into()),
    }
}
