// The media of one call: one RTCPeerConnection with one audio track each way.

/** Longest wait for candidates of our own, ms. The relay learns our address from our
 * checks in any case, so a slow interface must not hold the call up. */
const GATHERING = 500;

export class Media {
  remote = new MediaStream();
  #peer;
  #queue = Promise.resolve();

  /**
   * `stream` has the microphone's track. `on` has `changed()`, called on any change of
   * state, and `track(track, stream)` for what the other side sends.
   */
  constructor(stream, on) {
    this.local = stream;
    // No iceServers: the relay has a public address, and nothing has to be asked first.
    // No max-bundle: Chromium then refuses offers made from a phone's, which have no BUNDLE group.
    this.#peer = new RTCPeerConnection({ rtcpMuxPolicy: 'require' });
    for (const track of stream.getAudioTracks()) this.#peer.addTrack(track, stream);
    this.#peer.ontrack = ({ track }) => {
      if (this.remote.getTracks().includes(track)) return;
      this.remote.addTrack(track);
      on.track(track, this.remote);
    };
    for (const event of ['iceconnectionstatechange', 'connectionstatechange']) {
      this.#peer.addEventListener(event, () => on.changed());
    }
  }

  get ice() {
    return this.#peer.iceConnectionState;
  }

  get dtls() {
    return this.#sender?.transport?.state ?? 'new';
  }

  get failed() {
    return this.#peer.connectionState === 'failed';
  }

  /** Whether the other side takes nothing from us: it holds. */
  get heldByThem() {
    return ['recvonly', 'inactive'].includes(this.#transceiver?.currentDirection);
  }

  get onHold() {
    return this.#transceiver?.direction === 'sendonly';
  }

  /** Asks to hold, or to go on; the next offer says so. */
  set onHold(hold) {
    this.#transceiver.direction = hold ? 'sendonly' : 'sendrecv';
    for (const track of this.local.getAudioTracks()) track.enabled = !hold;
  }

  /** An offer of ours, with our candidates. */
  offer() {
    return this.#inTurn(async () => {
      await this.#peer.setLocalDescription();
      return this.#localDescription();
    });
  }

  /** Our answer to an offer. */
  answer(offer) {
    return this.#inTurn(async () => {
      await this.#peer.setRemoteDescription({ type: 'offer', sdp: offer });
      await this.#peer.setLocalDescription();
      return this.#localDescription();
    });
  }

  /** Takes the answer to our offer: `pranswer` for early media, `answer` in the end. */
  accept(answer, type) {
    return this.#inTurn(() => this.#peer.setRemoteDescription({ type, sdp: answer }));
  }

  /** Forgets an offer that was refused. */
  rollback() {
    return this.#inTurn(async () => {
      if (this.#peer.signalingState === 'have-local-offer') await this.#peer.setLocalDescription({ type: 'rollback' });
    });
  }

  /** Sends a digit as RFC 4733 event; says whether the other side takes such events. */
  digit(digit) {
    const dtmf = this.#sender?.dtmf;
    if (!dtmf?.canInsertDTMF) return false;
    dtmf.insertDTMF(dtmf.toneBuffer + digit, 100, 70);
    return true;
  }

  close() {
    this.#peer.close();
    for (const track of this.local.getTracks()) track.stop();
  }

  getStats() {
    return this.#peer.getStats();
  }

  get #transceiver() {
    return this.#peer.getTransceivers()[0];
  }

  get #sender() {
    return this.#peer.getSenders()[0];
  }

  /** Descriptions are set one after the other, also when messages come quickly. */
  #inTurn(step) {
    const result = this.#queue.then(step);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #localDescription() {
    const peer = this.#peer;
    if (peer.iceGatheringState !== 'complete') {
      await new Promise((done) => {
        setTimeout(done, GATHERING);
        peer.addEventListener('icegatheringstatechange', () => peer.iceGatheringState === 'complete' && done());
      });
    }
    return peer.localDescription.sdp;
  }
}
