//! webrtc-rs as a browser: one audio track of G.711, host candidates on loopback.

use std::sync::Arc;

use async_trait::async_trait;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_PCMU;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry,
    SettingEngineBuilder, register_default_interceptors,
};

use crate::parts::phone::PATIENCE;

/// Of the sound it sends.
pub(crate) const SSRC: u32 = 0x5eed_5eed;

pub(crate) struct WebrtcPeer {
    connection: Box<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    gathered: watch::Receiver<bool>,
    state: watch::Receiver<RTCPeerConnectionState>,
    payloads: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl WebrtcPeer {
    /// `setup` is its DTLS role when it answers.
    pub(crate) async fn new(setup: Option<&str>) -> Self {
        let (gathering, gathered) = watch::channel(false);
        let (states, state) = watch::channel(RTCPeerConnectionState::New);
        let (heard, payloads) = mpsc::unbounded_channel();
        let mut engine = MediaEngine::default();
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec(),
            payload_type: 0,
        };
        engine
            .register_codec(parameters, RtpCodecKind::Audio)
            .unwrap();
        let interceptors = register_default_interceptors(Registry::new(), &mut engine).unwrap();
        let mut settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled);
        settings = match setup {
            Some("active") => settings.with_answering_dtls_role(RTCDtlsRole::Client),
            Some(_) => settings.with_answering_dtls_role(RTCDtlsRole::Server),
            None => settings,
        };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings.build())
            .with_handler(Arc::new(Ears {
                gathering,
                states,
                heard,
            }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .unwrap();
        let track = Arc::new(TrackLocalStaticRTP::new(track()));
        connection.add_track(track.clone()).await.unwrap();
        Self {
            connection: Box::new(connection),
            track,
            gathered,
            state,
            payloads,
        }
    }

    pub(crate) async fn offer(&mut self) -> String {
        let offer = self.connection.create_offer(None).await.unwrap();
        self.connection.set_local_description(offer).await.unwrap();
        self.description().await
    }

    pub(crate) async fn take_answer(&self, sdp: String) {
        let answer = RTCSessionDescription::answer(sdp).unwrap();
        self.connection
            .set_remote_description(answer)
            .await
            .unwrap();
    }

    pub(crate) async fn answer(&mut self, sdp: String) -> String {
        let offer = RTCSessionDescription::offer(sdp).unwrap();
        self.connection.set_remote_description(offer).await.unwrap();
        let answer = self.connection.create_answer(None).await.unwrap();
        self.connection.set_local_description(answer).await.unwrap();
        self.description().await
    }

    /// Waits until ICE and DTLS are through.
    pub(crate) async fn connected(&mut self) {
        let connected = |it: &RTCPeerConnectionState| *it == RTCPeerConnectionState::Connected;
        let waited = timeout(PATIENCE, self.state.wait_for(connected)).await;
        waited.expect("webrtc-rs does not connect").unwrap();
    }

    pub(crate) async fn send(&self, sequence: u16, payload: Vec<u8>) {
        let header = Header {
            version: 2,
            sequence_number: sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: SSRC,
            ..Default::default()
        };
        let payload = payload.into();
        self.track
            .write_rtp(Packet { header, payload })
            .await
            .unwrap();
    }

    /// The payload of the next packet that came.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        let heard = timeout(PATIENCE, self.payloads.recv()).await;
        heard.expect("webrtc-rs hears nothing").unwrap()
    }

    async fn description(&mut self) -> String {
        let waited = timeout(PATIENCE, self.gathered.wait_for(|it| *it)).await;
        waited.expect("webrtc-rs gathers no candidates").unwrap();
        self.connection.local_description().await.unwrap().sdp
    }
}

/// What webrtc-rs tells of itself.
struct Ears {
    gathering: watch::Sender<bool>,
    states: watch::Sender<RTCPeerConnectionState>,
    heard: mpsc::UnboundedSender<Vec<u8>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Ears {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathering.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.states.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let heard = self.heard.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    _ = heard.send(packet.payload.to_vec());
                }
            }
        });
    }
}

fn codec() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_PCMU.to_owned(),
        clock_rate: 8000,
        channels: 1,
        ..Default::default()
    }
}

fn track() -> MediaStreamTrack {
    let coding = RTCRtpCodingParameters {
        ssrc: Some(SSRC),
        ..Default::default()
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        codec: codec(),
        ..Default::default()
    };
    let name = || "sound".to_owned();
    MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding])
}
