//! The ports of a leg: which interface, how many, opened and closed.

use std::time::Instant;

use sdp::Family;

use super::leg::{Component, Leg, Transport};
use super::ports::Bound;
use super::refused::Refused;
use super::shard::Place;
use super::table::Key;
use super::{Ports, Shard};

/// The ports that a leg is to have.
pub(super) struct Wanted<'a> {
    /// One is enough: RTCP is multiplexed, or there is none.
    pub(super) one: bool,
    /// On every address of the interface, for ICE to choose from.
    pub(super) everywhere: bool,
    /// The shared port will do: its ICE agent tells which packets are the leg's.
    pub(super) shares: bool,
    /// The interface, by name; `None` is the default one.
    pub(super) interface: Option<&'a str>,
    /// The family of the address that the SDP will name.
    pub(super) family: Option<Family>,
}

impl Shard {
    /// Sees to it that a leg has its ports. Ports it has, it keeps.
    pub(super) fn open_ports(
        &mut self,
        key: Key<Leg>,
        wanted: &Wanted<'_>,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        self.open_first(key, wanted, now, ports)?;
        if wanted.everywhere {
            self.open_beside(key, ports);
        }
        Ok(())
    }

    fn open_first(
        &mut self,
        key: Key<Leg>,
        &Wanted {
            one,
            shares,
            interface,
            family,
            ..
        }: &Wanted<'_>,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        let leg = self.legs.get(key).ok_or(Refused::NoPorts)?;
        let (has_rtp, has_rtcp) = (leg.rtp.is_some(), leg.rtcp.is_some());
        if has_rtp && (has_rtcp || one) {
            return Ok(());
        }
        let index = if has_rtp {
            leg.terms.interface
        } else {
            self.interface(interface, family)
        };
        let interface = self.config.interfaces.get(index).ok_or(Refused::NoPorts)?;
        let (ip, shown) = (interface.bind.0, interface.advertise.0);
        self.pool.timeout(now);
        let random = self.random_u32();
        let shared = self.shared_at(ip).filter(|_| shares && one && !has_rtp);
        let (rtp, rtcp) = match (has_rtp, one) {
            (false, true) if shared.is_some() => Some((shared, None)),
            (false, false) => self
                .pool
                .pair(ip, random, ports)
                .map(|(rtp, rtcp)| (Some(rtp), Some(rtcp))),
            (false, true) => self
                .pool
                .single(ip, random, ports)
                .map(|rtp| (Some(rtp), None)),
            (true, _) => self
                .pool
                .single(ip, random, ports)
                .map(|rtcp| (None, Some(rtcp))),
        }
        .ok_or(Refused::NoPorts)?;

        self.set_places(key, [rtp, rtcp]);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.terms.interface = index;
            leg.terms.shown = shown;
            leg.rtp = leg.rtp.take().or(rtp.map(Transport::new));
            leg.rtcp = leg.rtcp.take().or(rtcp.map(Transport::new).map(Box::new));
        }
        Ok(())
    }

    /// What comes to these sockets is the leg's.
    pub(super) fn set_places(&mut self, leg: Key<Leg>, bound: [Option<Bound>; 2]) {
        for (bound, component) in bound.into_iter().zip([Component::Rtp, Component::Rtcp]) {
            if let Some(bound) = bound.filter(|bound| !self.is_shared(bound.id)) {
                self.set_place(bound.id, Some(Place { leg, component }));
            }
        }
    }

    /// Closes the ports of a leg, and ends all that was keyed to them.
    pub(super) fn close_ports(&mut self, key: Key<Leg>, now: Instant, ports: &mut dyn Ports) {
        self.release_ports(key, now, ports);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.terms.sdes.clear();
            *leg.terms.dtls = super::leg::DtlsTerms::default();
            leg.terms.mux = super::leg::Mux::default();
        }
    }

    /// The same, but what was agreed stays: the medium goes on by another's port.
    pub(super) fn release_ports(&mut self, key: Key<Leg>, now: Instant, ports: &mut dyn Ports) {
        let Some(leg) = self.legs.get_mut(key) else {
            return;
        };
        self.past.leg_relayed(leg);
        let mut closed = [leg.rtp.take(), leg.rtcp.take().map(|rtcp| *rtcp)];
        leg.sources = super::sources::Sources::default();
        leg.keys = None;
        leg.passing = None;
        let sockets = closed.iter().flatten().flat_map(Transport::sockets);
        for bound in sockets {
            self.let_go(bound, now, ports);
        }
        for (transport, component) in closed.iter_mut().zip([Component::Rtp, Component::Rtcp]) {
            if let Some(transport) = transport {
                transport.dtls.close();
                let orders = transport.dtls.orders();
                self.order_handshakes(
                    Place {
                        leg: key,
                        component,
                    },
                    orders,
                    now,
                );
            }
        }
        self.shared.forget(key);
        self.arm_leg(key);
    }

    /// Closes a socket, unless it is others' as well.
    pub(super) fn let_go(&mut self, bound: Bound, now: Instant, ports: &mut dyn Ports) {
        if !self.is_shared(bound.id) {
            self.set_place(bound.id, None);
            self.pool.release(bound, now, ports);
        }
    }

    /// The interface of that name, with an address of that family if it has one. A name that nobody configured is the
    /// default interface; `internal` and `external` are then what they are to rtpengine, IPv4 and IPv6.
    fn interface(&self, name: Option<&str>, family: Option<Family>) -> usize {
        let interfaces = &self.config.interfaces;
        let alias = |name: &str| {
            let mut aliases = self.config.aliases.iter();
            aliases.find(|(alias, _)| alias == name).map(|(_, own)| own)
        };
        let name = name.map(|name| alias(name).map_or(name, String::as_str));
        let is_known = |name: &&str| interfaces.iter().any(|interface| interface.name == **name);
        let family = match name.filter(|name| !is_known(name)) {
            Some("internal") => Some(Family::Ip4),
            Some("external") => Some(Family::Ip6),
            _ => family,
        };
        let name = name
            .filter(is_known)
            .or_else(|| interfaces.first().map(|first| first.name.as_str()));
        let named = || {
            interfaces
                .iter()
                .enumerate()
                .filter(|(_, interface)| Some(interface.name.as_str()) == name)
        };
        let of_family = |(_, interface): &(usize, &super::Interface)| match family {
            Some(Family::Ip4) => interface.advertise.0.is_ipv4(),
            Some(Family::Ip6) => interface.advertise.0.is_ipv6(),
            None => true,
        };
        named()
            .find(of_family)
            .or_else(|| named().next())
            .map_or(0, |(index, _)| index)
    }

    pub(super) fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.random)(&mut bytes);
        u32::from_ne_bytes(bytes)
    }
}
