//! The WebSocket flows that are open, by the core's number for them.

use net::ws::{self, FlowSender};

use crate::core::numbered::Numbered;
use crate::core::{FlowId, Input};

#[derive(Default)]
pub(super) struct Flows {
    senders: Numbered<FlowId, FlowSender>,
    /// Those that have not reported their end, also if nothing is sent there any more.
    open: usize,
}

impl Flows {
    pub(super) fn opened(&mut self, opened: ws::Opened) -> Input {
        let flow = FlowId(opened.flow.0);
        tracing::debug!(flow = flow.0, peer = %opened.peer, secure = opened.secure, host = %opened.host, "flow opened");
        self.senders.insert(flow, opened.sender);
        self.open = self.open.saturating_add(1);
        Input::FlowOpened {
            flow,
            peer: opened.peer,
            secure: opened.secure,
            host: opened.host,
        }
    }

    pub(super) fn closed(&mut self, flow: ws::FlowId, why: ws::Closing) -> Input {
        let flow = FlowId(flow.0);
        tracing::debug!(flow = flow.0, ?why, "flow closed");
        self.senders.remove(&flow);
        self.open = self.open.saturating_sub(1);
        Input::FlowClosed { flow }
    }

    /// A flow that cannot take its message is so far behind that only closing it helps: dropping its
    /// sender does that, and the listener then reports it closed.
    pub(super) fn send(&mut self, flow: FlowId, bytes: Vec<u8>) {
        if self
            .senders
            .get(&flow)
            .is_some_and(|sender| !sender.send(bytes))
        {
            tracing::warn!(flow = flow.0, "browser does not read; its flow is closed");
            self.senders.remove(&flow);
        }
    }

    /// How many there are, those among them that are about to close.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn close(&mut self, flow: FlowId, why: &'static str) {
        if self.senders.remove(&flow).is_some() {
            tracing::info!(flow = flow.0, why, "flow closed by us");
        }
    }
}
