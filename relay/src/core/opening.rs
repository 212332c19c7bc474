//! The ports of a leg: which interface, how many, opened and closed.

use std::time::Instant;

use sdp::Family;

use super::leg::{Component, Leg, Transport};
use super::refused::Refused;
use super::shard::Place;
use super::table::Key;
use super::{Ports, Shard};

impl Shard {
    /// Sees to it that a leg has its ports: one where RTCP is multiplexed, else two. Ports it has, it keeps.
    pub(super) fn open_ports(
        &mut self,
        key: Key<Leg>,
        one: bool,
        facing: (Option<&str>, Option<Family>),
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
            self.interface(facing.0, facing.1)
        };
        let interface = self.config.interfaces.get(index).ok_or(Refused::NoPorts)?;
        let (ip, shown) = (interface.bind.0, interface.advertise.0);
        self.pool.timeout(now);
        let random = self.random_u32();
        let (rtp, rtcp) = match (has_rtp, one) {
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

        for (bound, component) in [(rtp, Component::Rtp), (rtcp, Component::Rtcp)] {
            if let Some(bound) = bound {
                self.set_place(
                    bound.id,
                    Some(Place {
                        leg: key,
                        component,
                    }),
                );
            }
        }
        if let Some(leg) = self.legs.get_mut(key) {
            leg.terms.interface = index;
            leg.terms.shown = shown;
            leg.rtp = leg.rtp.take().or(rtp.map(Transport::new));
            leg.rtcp = leg.rtcp.take().or(rtcp.map(Transport::new));
        }
        Ok(())
    }

    /// Closes the ports of a leg, and ends all that was keyed to them.
    pub(super) fn close_ports(&mut self, key: Key<Leg>, now: Instant, ports: &mut dyn Ports) {
        let Some(leg) = self.legs.get_mut(key) else {
            return;
        };
        self.past.leg_relayed(leg);
        let closed = [leg.rtp.take(), leg.rtcp.take()];
        leg.keys = None;
        leg.terms.sdes.clear();
        leg.terms.dtls = super::leg::DtlsTerms::default();
        leg.terms.mux = super::leg::Mux::default();
        for transport in closed.into_iter().flatten() {
            self.set_place(transport.bound.id, None);
            self.pool.release(transport.bound, now, ports);
        }
        self.arm_leg(key);
    }

    /// The interface of that name, with an address of that family if it has one. A name that nobody configured is the
    /// default interface; `internal` and `external` are then what they are to rtpengine, IPv4 and IPv6.
    fn interface(&self, name: Option<&str>, family: Option<Family>) -> usize {
        let interfaces = &self.config.interfaces;
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

    fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.random)(&mut bytes);
        u32::from_ne_bytes(bytes)
    }
}
