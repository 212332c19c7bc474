//! What stands when a test begins: registrations, and calls up to their ACK.

use sip::Message;

use super::super::*;
use super::bench::*;

/// An established call, by the message with which each side knows it.
pub(super) struct Call {
    pub(super) at_phone: Message,
    pub(super) at_browser: Message,
}

impl Bench {
    /// Registers and gives back the URI under which the registrar knows the browser.
    pub(super) fn register_without_path(&mut self, flow: FlowId, user: &str) -> String {
        self.browser_sends(flow, register(user, 1));
        let request = self.upstream_gets();
        let uri = request
            .contacts()
            .next()
            .expect("a Contact")
            .expect("good")
            .uri_text()
            .to_owned();
        self.upstream_sends(reply(
            &request,
            200,
            &[("Contact", &format!("<{uri}>;expires=60"))],
            "",
        ));
        assert_eq!(self.browser_gets(flow).status(), Some(200));
        uri
    }

    /// Registers and gives back the Path value that the upstream would use as Route.
    pub(super) fn register(&mut self, flow: FlowId, user: &str) -> String {
        self.browser_sends(flow, register(user, 1));
        let request = self.upstream_gets();
        let path = request.header("Path").expect("a Path").into_owned();
        let contact = request.header("Contact").expect("a Contact").into_owned();
        self.upstream_sends(reply(
            &request,
            200,
            &[("Contact", &contact), ("Expires", "600")],
            "",
        ));
        assert_eq!(self.browser_gets(flow).status(), Some(200));
        path
    }

    /// A call from this browser to a phone, up to its 2xx and ACK.
    pub(super) fn call_phone(&mut self, flow: FlowId, call: &str) -> Call {
        self.browser_sends(flow, invite(call, "alice", "1", "", BROWSER_SDP));
        assert_eq!(self.browser_gets(flow).status(), Some(100));
        let at_phone = self.upstream_gets();
        self.upstream_sends(reply(
            &at_phone,
            200,
            &[("Contact", "<sip:bob@10.0.0.9>")],
            PHONE_SDP,
        ));
        let at_browser = self.browser_gets(flow);
        assert_eq!(at_browser.status(), Some(200));
        self.browser_sends(flow, in_dialog("ACK", &at_browser, 1, "", "ack"));
        assert!(self.upstream_gets().is(&sip::Method::Ack));
        Call {
            at_phone,
            at_browser,
        }
    }

    /// A call from a phone to the browser that `path` leads to, up to its 2xx and ACK.
    pub(super) fn call_browser(&mut self, flow: FlowId, path: &str, call: &str) -> Call {
        self.upstream_sends(incoming(call, "alice", path, PHONE_SDP));
        assert_eq!(self.upstream_gets().status(), Some(100));
        let at_browser = self.browser_gets(flow);
        self.browser_sends(
            flow,
            reply(
                &at_browser,
                200,
                &[("Contact", &contact("alice"))],
                BROWSER_SDP,
            ),
        );
        let at_phone = self.upstream_gets();
        assert_eq!(at_phone.status(), Some(200));
        self.upstream_sends(to_browser("ACK", &at_phone, 1, "", "ack"));
        assert!(self.browser_gets(flow).is(&sip::Method::Ack));
        Call {
            at_phone,
            at_browser,
        }
    }
}
