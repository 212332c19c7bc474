// What the panel shows of a call, taken from RTCPeerConnection.getStats().

/** Figures of a call; all `undefined` until known. Times in ms, loss in percent. */
export async function figures(media) {
  const report = await media.getStats();
  const all = [...report.values()];
  const of = (type) => all.find((it) => it.type === type && (it.kind ?? 'audio') === 'audio');
  const inbound = of('inbound-rtp');
  const outbound = of('outbound-rtp');
  const heard = of('remote-inbound-rtp');
  const source = of('media-source');
  const transport = all.find((it) => it.type === 'transport');
  const pair = report.get(transport?.selectedCandidatePairId)
    ?? all.find((it) => it.type === 'candidate-pair' && (it.selected || (it.nominated && it.state === 'succeeded')));
  const remote = report.get(pair?.remoteCandidateId);
  const codec = report.get(outbound?.codecId) ?? report.get(inbound?.codecId);
  const lost = inbound?.packetsLost ?? 0;
  const received = inbound?.packetsReceived ?? 0;
  return {
    ice: media.ice,
    dtls: media.dtls,
    codec: codec?.mimeType?.replace('audio/', ''),
    clock: codec?.clockRate,
    cipher: transport?.srtpCipher,
    relay: remote && `${remote.address ?? remote.ip ?? '?'}:${remote.port}`,
    sent: outbound?.packetsSent ?? 0,
    received,
    lost,
    loss: received + lost > 0 ? (100 * Math.max(lost, 0)) / (received + lost) : undefined,
    lossThere: heard?.fractionLost === undefined ? undefined : 100 * heard.fractionLost,
    jitter: milliseconds(inbound?.jitter),
    levelSent: loudness(source?.audioLevel),
    levelReceived: loudness(inbound?.audioLevel),
    roundTrip: milliseconds(pair?.currentRoundTripTime ?? heard?.roundTripTime),
  };
}

/** As `levelOf` measures it: 0 at -60 dB, 1 at full level. */
const loudness = (amplitude) => (amplitude > 0 ? Math.min(Math.max(1 + Math.log10(amplitude) / 3, 0), 1) : 0);

const milliseconds = (seconds) => (seconds === undefined ? undefined : 1000 * seconds);
