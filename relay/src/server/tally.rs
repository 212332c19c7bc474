//! What was asked of this relay, by whom, and how long it took; and the text of `statistics`, in the
//! groups and words that rtpengine has: durations are strings with six decimals, counters are integers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use control_proto::{Command, Dictionary, Value};

use super::BackendChoice;
use super::rates::{Rate, Rates};
use crate::core::{InterfacePorts, Statistics};

/// Hosts whose requests are told apart. Others' count only in the totals.
const MAX_HOSTS: usize = 64;

/// How long one interval of `intervalstatistics` is.
const INTERVAL: Duration = Duration::from_secs(60);

/// Rates are of no use over less than this.
const SAMPLE: Duration = Duration::from_secs(1);

/// The commands that are counted, and what rtpengine calls their counters.
const COUNTED: [(Command, &str); 26] = [
    (Command::Ping, "ping"),
    (Command::Offer, "offer"),
    (Command::Answer, "answer"),
    (Command::Delete, "delete"),
    (Command::Query, "query"),
    (Command::List, "list"),
    (Command::StartRecording, "startrec"),
    (Command::StopRecording, "stoprec"),
    (Command::PauseRecording, "pauserec"),
    (Command::StartForwarding, "startfwd"),
    (Command::StopForwarding, "stopfwd"),
    (Command::BlockDtmf, "blkdtmf"),
    (Command::UnblockDtmf, "unblkdtmf"),
    (Command::BlockMedia, "blkmedia"),
    (Command::UnblockMedia, "unblkmedia"),
    (Command::PlayMedia, "playmedia"),
    (Command::StopMedia, "stopmedia"),
    (Command::PlayDtmf, "playdtmf"),
    (Command::Statistics, "stats"),
    (Command::SilenceMedia, "slnmedia"),
    (Command::UnsilenceMedia, "unslnmedia"),
    (Command::Publish, "pub"),
    (Command::SubscribeRequest, "subreq"),
    (Command::SubscribeAnswer, "subans"),
    (Command::Unsubscribe, "unsub"),
    (Command::Connect, "connect"),
];

/// A request as it is counted: it goes with its job to the shard and comes back with the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) host: IpAddr,
    pub(super) command: Command,
    pub(super) at: Instant,
}

/// Everything counted at the control ports.
pub(super) struct Tally {
    /// Which way media takes.
    backend: BackendChoice,
    started: Instant,
    hosts: HashMap<IpAddr, Host>,
    totals: Host,
    /// Requests that were refused, of all hosts.
    failed: HashMap<Command, u64>,
    /// Delays of the interval under way and of the one before.
    delays: HashMap<Command, Delay>,
    last_delays: HashMap<Command, Delay>,
    rates: Rates,
    last_rates: HashMap<Command, Rate>,
    interval: Instant,
    sample: Sample,
}

/// Requests of one host.
#[derive(Default)]
struct Host {
    commands: HashMap<Command, (u64, Duration)>,
    errors: u64,
}

#[derive(Clone, Copy)]
struct Delay {
    min: Duration,
    max: Duration,
    sum: Duration,
    count: u32,
}

/// What was relayed when rates were last told, and the rates of then.
struct Sample {
    at: Instant,
    /// Packets, bytes, errors.
    relayed: [u64; 3],
    rates: [u64; 3],
}

impl Tally {
    pub(super) fn new(backend: BackendChoice, now: Instant) -> Self {
        Self {
            backend,
            started: now,
            hosts: HashMap::new(),
            totals: Host::default(),
            failed: HashMap::new(),
            delays: HashMap::new(),
            last_delays: HashMap::new(),
            rates: Rates::new(now),
            last_rates: HashMap::new(),
            interval: now,
            sample: Sample {
                at: now,
                relayed: [0; 3],
                rates: [0; 3],
            },
        }
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, asked: Asked, is_error: bool, now: Instant) {
        let took = now.saturating_duration_since(asked.at);
        self.turn(now);
        if is_error {
            let failed = self.failed.entry(asked.command).or_default();
            *failed = failed.saturating_add(1);
        }
        self.rates.count(asked.command, now);
        self.delays
            .entry(asked.command)
            .and_modify(|delay| delay.add(took))
            .or_insert(Delay::of(took));
        for host in [&mut self.totals]
            .into_iter()
            .chain(host(&mut self.hosts, asked.host))
        {
            let (count, duration) = host.commands.entry(asked.command).or_default();
            *count = count.saturating_add(1);
            *duration = duration.saturating_add(took);
            host.errors = host.errors.saturating_add(u64::from(is_error));
        }
    }

    /// Of each command that came: its name, how often, how often it was refused, and how long all together took.
    pub(super) fn commands(&self) -> Vec<(&'static str, u64, u64, Duration)> {
        let commands = COUNTED.iter().filter_map(|(command, _)| {
            let (count, took) = self.totals.of(*command);
            let failed = self.failed.get(command).copied().unwrap_or(0);
            (count > 0).then_some((command.name(), count, failed, took))
        });
        commands.collect()
    }

    /// Which way media takes.
    pub(super) fn backend(&self) -> BackendChoice {
        self.backend
    }

    /// Something came that was no request.
    pub(super) fn refused(&mut self, from: IpAddr) {
        for host in [&mut self.totals]
            .into_iter()
            .chain(host(&mut self.hosts, from))
        {
            host.errors = host.errors.saturating_add(1);
        }
    }

    /// The dictionary that `statistics` answers with.
    pub(super) fn dictionary(&mut self, statistics: &Statistics, now: Instant) -> Dictionary {
        self.turn(now);
        let relayed = [
            statistics.relayed.packets,
            statistics.relayed.bytes,
            statistics.relayed.all_dropped(),
        ];
        let rates = self.sample.rates(relayed, now);
        Dictionary::new()
            .with("currentstatistics", current(statistics, rates))
            .with("totalstatistics", self.total(statistics, relayed, now))
            .with("intervalstatistics", self.interval_told())
            .with("mos", scores(statistics))
            .with("controlstatistics", self.control())
            .with("interfaces", interfaces(statistics))
            // Nothing is transcoded.
            .with("transcoders", Vec::<Value>::new())
            .with("backend", self.backend.to_string())
    }

    /// Begins another interval if it is time.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.interval);
        if age >= INTERVAL {
            let delays = std::mem::take(&mut self.delays);
            let rates = std::mem::replace(&mut self.rates, Rates::new(now)).finish(INTERVAL);
            let is_last = age < INTERVAL.saturating_mul(2);
            (self.last_delays, self.last_rates) = match is_last {
                true => (delays, rates),
                false => (HashMap::new(), HashMap::new()),
            };
            self.interval = now;
        }
    }

    fn total(
        &self,
        statistics: &Statistics,
        [packets, bytes, errors]: [u64; 3],
        now: Instant,
    ) -> Dictionary {
        let took = statistics.duration.as_secs_f64();
        let calls = statistics.ended.max(1) as f64;
        let mean = took / calls;
        let variance = (statistics.squared_duration / calls - mean * mean).max(0.0);
        let mut out = Dictionary::new().with(
            "uptime",
            now.saturating_duration_since(self.started)
                .as_secs()
                .to_string(),
        );
        for (key, count) in [
            ("managedsessions", statistics.ended),
            ("rejectedsessions", statistics.rejected),
            ("timeoutsessions", statistics.silent),
            ("silenttimeoutsessions", statistics.silent_on_hold),
            ("finaltimeoutsessions", statistics.too_long),
            ("offertimeoutsessions", statistics.unanswered),
            ("regularterminatedsessions", statistics.deleted),
            ("forcedterminatedsessions", 0),
            ("relayedpackets_user", packets),
            ("relayedpacketerrors_user", errors),
            ("relayedbytes_user", bytes),
            ("relayedpackets_kernel", 0),
            ("relayedpacketerrors_kernel", 0),
            ("relayedbytes_kernel", 0),
            ("relayedpackets", packets),
            ("relayedpacketerrors", errors),
            ("relayedbytes", bytes),
            ("zerowaystreams", statistics.zero_way),
            ("onewaystreams", statistics.one_way),
        ] {
            out.push(key, integer(count));
        }
        out.with("avgcallduration", decimals(mean))
            .with("totalcallsduration", decimals(took))
            .with("totalcallsduration2", decimals(statistics.squared_duration))
            .with("totalcallsduration_stddev", decimals(variance.sqrt()))
    }

    fn interval_told(&self) -> Dictionary {
        let mut out = Dictionary::new();
        for (command, _) in COUNTED {
            let delay = self.last_delays.get(&command);
            let average = delay.map_or(Duration::ZERO, |delay| {
                delay.sum.checked_div(delay.count).unwrap_or_default()
            });
            for (word, value) in [
                ("min", delay.map_or(Duration::ZERO, |delay| delay.min)),
                ("max", delay.map_or(Duration::ZERO, |delay| delay.max)),
                ("avg", average),
            ] {
                let key = format!("{word}{}delay", command.name());
                out.push(key, decimals(value.as_secs_f64()));
            }
        }
        for (command, _) in COUNTED {
            let rate = self.last_rates.get(&command).copied().unwrap_or_default();
            for (word, value) in [
                ("min", rate.least),
                ("max", rate.most),
                ("avg", rate.average),
            ] {
                let key = format!("{word}{}requestrate", command.name());
                out.push(key, integer(value));
            }
        }
        out
    }

    fn control(&self) -> Dictionary {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_by_key(|(address, _)| **address);
        let proxies: Vec<Value> = hosts
            .into_iter()
            .map(|(address, host)| host.told(*address).into())
            .collect();
        let mut out = Dictionary::new().with("proxies", proxies);
        for (command, name) in COUNTED {
            let (count, _) = self.totals.of(command);
            out.push(format!("total{name}count"), integer(count));
        }
        out
    }
}

impl Host {
    fn of(&self, command: Command) -> (u64, Duration) {
        self.commands.get(&command).copied().unwrap_or_default()
    }

    /// `duration` is what its requests took on average, as with rtpengine.
    fn told(&self, address: IpAddr) -> Dictionary {
        let mut out = Dictionary::new().with("proxy", address.to_string());
        for (command, name) in COUNTED {
            let (count, duration) = self.of(command);
            let average = duration.as_secs_f64() / count.max(1) as f64;
            out.push(format!("{name}count"), integer(count));
            out.push(format!("{name}duration"), decimals(average));
        }
        out.with("errorcount", integer(self.errors))
    }
}

impl Delay {
    fn of(took: Duration) -> Self {
        Self {
            min: took,
            max: took,
            sum: took,
            count: 1,
        }
    }

    fn add(&mut self, took: Duration) {
        self.min = self.min.min(took);
        self.max = self.max.max(took);
        self.sum = self.sum.saturating_add(took);
        self.count = self.count.saturating_add(1);
    }
}

impl Sample {
    /// Per second, since they were asked for last.
    fn rates(&mut self, relayed: [u64; 3], now: Instant) -> [u64; 3] {
        let age = now.saturating_duration_since(self.at);
        if age >= SAMPLE {
            let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let per_second = |new: u64, old: u64| {
                let grown = new.saturating_sub(old).saturating_mul(1000);
                grown.checked_div(millis).unwrap_or(0)
            };
            let [packets, bytes, errors] = relayed;
            let [old_packets, old_bytes, old_errors] = self.relayed;
            self.rates = [
                per_second(packets, old_packets),
                per_second(bytes, old_bytes),
                per_second(errors, old_errors),
            ];
            self.relayed = relayed;
            self.at = now;
        }
        self.rates
    }
}

fn host(hosts: &mut HashMap<IpAddr, Host>, address: IpAddr) -> Option<&mut Host> {
    let address = address.to_canonical();
    if hosts.len() >= MAX_HOSTS && !hosts.contains_key(&address) {
        return None;
    }
    Some(hosts.entry(address).or_default())
}

fn current(statistics: &Statistics, [packets, bytes, errors]: [u64; 3]) -> Dictionary {
    let mut out = Dictionary::new();
    for (key, count) in [
        ("sessionsown", statistics.sessions),
        ("sessionsforeign", 0),
        ("sessionstotal", statistics.sessions),
        ("transcodedmedia", 0),
        ("packetrate_user", packets),
        ("byterate_user", bytes),
        ("errorrate_user", errors),
        ("packetrate_kernel", 0),
        ("byterate_kernel", 0),
        ("errorrate_kernel", 0),
        ("packetrate", packets),
        ("byterate", bytes),
        ("errorrate", errors),
        ("media_userspace", statistics.media),
        ("media_kernel", 0),
        ("media_mixed", 0),
    ] {
        out.push(key, integer(count));
    }
    out
}

/// One for each address of each interface.
fn interfaces(statistics: &Statistics) -> Vec<Value> {
    let told = |one: &InterfacePorts| {
        let total = one.range.len() as u64;
        let free = total.saturating_sub(one.used);
        let percent = one.used as f64 * 100.0 / total.max(1) as f64;
        let ports = Dictionary::new()
            .with("min", i64::from(*one.range.start()))
            .with("max", i64::from(*one.range.end()))
            .with("used", integer(one.used))
            .with("used_pct", format!("{percent:.2}"))
            .with("free", integer(free))
            .with("totals", integer(total));
        Dictionary::new()
            .with("name", one.name.as_str())
            .with("address", one.address.to_string())
            .with("ports", ports)
            .into()
    };
    statistics.interfaces.iter().map(told).collect()
}

fn scores(statistics: &Statistics) -> Dictionary {
    let count = statistics.scores.max(1) as f64;
    let mean = statistics.score_sum / count;
    let variance = (statistics.score_squares / count - mean * mean).max(0.0);
    Dictionary::new()
        .with("mos_total", decimals(statistics.score_sum))
        .with("mos2_total", decimals(statistics.score_squares))
        .with("mos_samples_total", integer(statistics.scores))
        .with("mos_average", decimals(mean))
        .with("mos_stddev", decimals(variance.sqrt()))
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn decimals(seconds: f64) -> String {
    format!("{seconds:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, at: Instant) -> Asked {
        Asked {
            host: host.parse().unwrap(),
            command: Command::Offer,
            at,
        }
    }

    fn text(dictionary: &Dictionary, group: &str, key: &str) -> String {
        let group = dictionary
            .get(group)
            .and_then(Value::as_dictionary)
            .unwrap();
        let value = group.get(key).unwrap();
        value
            .as_str()
            .map_or_else(|| format!("{value:?}"), str::to_owned)
    }

    #[test]
    fn delays_are_those_of_the_last_whole_interval() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(BackendChoice::Auto, start);
        tally.answered(asked("10.0.0.1", at(0)), false, at(10));
        tally.answered(asked("10.0.0.1", at(0)), false, at(30));
        let mut delays = |now| {
            let told = tally.dictionary(&Statistics::default(), now);
            ["minofferdelay", "maxofferdelay", "avgofferdelay"]
                .map(|key| text(&told, "intervalstatistics", key))
        };
        assert_eq!(delays(at(59_000)), ["0.000000"; 3]);
        assert_eq!(delays(at(61_000)), ["0.010000", "0.030000", "0.020000"]);
        assert_eq!(delays(at(121_000)), ["0.000000"; 3]);
    }

    #[test]
    fn request_rates_are_those_of_the_last_whole_interval() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(BackendChoice::Auto, start);
        for request in 0..120 {
            let now = at(if request < 70 { 10 } else { 20_000 + request });
            tally.answered(asked("10.0.0.1", now), false, now);
        }
        let mut rates = |now| {
            let told = tally.dictionary(&Statistics::default(), now);
            let told = told
                .get("intervalstatistics")
                .and_then(Value::as_dictionary);
            ["min", "max", "avg"].map(|word| {
                let key = format!("{word}offerrequestrate");
                told.and_then(|told| told.get(&key))
                    .and_then(Value::as_integer)
                    .unwrap()
            })
        };
        assert_eq!(rates(at(59_000)), [0; 3]);
        assert_eq!(rates(at(60_000)), [0, 70, 2]);
        assert_eq!(rates(at(121_000)), [0; 3]);
    }

    #[test]
    fn hosts_without_number_take_no_memory_without_bound() {
        let now = Instant::now();
        let mut tally = Tally::new(BackendChoice::Auto, now);
        for number in 0..1000_u32 {
            let host = std::net::Ipv4Addr::from_bits(number).to_string();
            tally.answered(asked(&host, now), true, now);
            tally.refused(host.parse().unwrap());
        }
        assert_eq!(tally.hosts.len(), MAX_HOSTS);
        let told = tally.dictionary(&Statistics::default(), now);
        assert_eq!(text(&told, "controlstatistics", "totaloffercount"), "1000");
    }

    #[test]
    fn rates_are_per_second_since_they_were_told_last() {
        let start = Instant::now();
        let mut tally = Tally::new(BackendChoice::Auto, start);
        let mut statistics = Statistics::default();
        let mut rate = |statistics: &Statistics, seconds| {
            let told = tally.dictionary(statistics, start + Duration::from_secs(seconds));
            text(&told, "currentstatistics", "packetrate")
        };
        (0..100).for_each(|_| statistics.relayed.count(172));
        assert_eq!(rate(&statistics, 2), "50");
        assert_eq!(rate(&statistics, 2), "50");
        assert_eq!(rate(&statistics, 4), "0");
    }

    #[test]
    fn averages_and_deviations_are_of_the_calls_that_are_over() {
        let statistics = Statistics {
            ended: 2,
            duration: Duration::from_secs(4),
            squared_duration: 10.0,
            scores: 2,
            score_sum: 8.0,
            score_squares: 32.5,
            ..Statistics::default()
        };
        let now = Instant::now();
        let told = Tally::new(BackendChoice::Auto, now).dictionary(&statistics, now);
        for (group, key, expected) in [
            ("totalstatistics", "avgcallduration", "2.000000"),
            ("totalstatistics", "totalcallsduration_stddev", "1.000000"),
            ("mos", "mos_average", "4.000000"),
            ("mos", "mos_stddev", "0.500000"),
        ] {
            assert_eq!(text(&told, group, key), expected, "{key}");
        }
    }
}
