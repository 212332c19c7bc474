//! The WebSocket flows that are open, by the core's number for them.

use std::collections::HashMap;

use net::ws::{self, FlowSender};

use crate::core::{FlowId, Input};

#[derive(Default)]
pub(super) struct Flows(HashMap<FlowId, FlowSender>);

impl Flows {
    pub(super) fn opened(&mut self, opened: ws::Opened) -> Input {
        let flow = FlowId(opened.flow.0);
        tracing::debug!(flow = flow.0, peer = %opened.peer, secure = opened.secure, host = %opened.host, "flow opened");
        self.0.insert(flow, opened.sender);
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
        self.0.remove(&flow);
        Input::FlowClosed { flow }
    }

    /// A flow that cannot take its message is so far behind that only closing it helps: dropping its
    /// sender does that, and the listener then reports it closed.
    pub(super) fn send(&mut self, flow: FlowId, bytes: Vec<u8>) {
        if self.0.get(&flow).is_some_and(|sender| !sender.send(bytes)) {
            tracing::warn!(flow = flow.0, "browser does not read; its flow is closed");
            self.0.remove(&flow);
        }
    }

    pub(super) fn close(&mut self, flow: FlowId, why: &'static str) {
        tracing::info!(flow = flow.0, why, "flow closed by us");
        self.0.remove(&flow);
    }
}
