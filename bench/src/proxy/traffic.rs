//! Connected clients that register or call at a rate: the edge's CPU time for each.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use peers::clock::microseconds;
use peers::histogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::failure::Tally;
use super::{PATIENCE, Traffic, What};
use crate::figures::Figures;

/// What the clients have done so far.
struct Done {
    tally: Tally,
    latency: Histogram,
}

pub(crate) async fn run(arguments: &Traffic, figures: &mut Figures) -> Result<(), String> {
    let (target, edge) = arguments.to.ready().await?;
    let count = arguments.clients as usize;
    let mut clients = Vec::new();
    for number in 1..=count {
        let connected = Client::connect(&target, number, PATIENCE).await;
        let mut client = connected.map_err(|failure| failure.to_string())?;
        client.register().await.map_err(|f| f.to_string())?;
        clients.push(client);
    }
    let done = Rc::new(RefCell::new(Done {
        tally: Tally::default(),
        latency: Histogram::new(),
    }));
    let began = Instant::now();
    let window = began + Duration::from_secs_f64(arguments.warmup);
    let end = window + Duration::from_secs_f64(arguments.seconds);
    let between = Duration::from_secs_f64(count as f64 / arguments.rate);
    let mut tasks = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let first = began + Duration::from_secs_f64(number as f64 / arguments.rate);
        let done = Rc::clone(&done);
        tasks.spawn_local(work(client, arguments.what, first, between, end, done));
    }
    sleep_until(window).await;
    let (before, cpu) = (done.borrow().tally.done, edge.seconds());
    sleep_until(end).await;
    let (after, cpu) = (done.borrow().tally.done, edge.seconds() - cpu);
    while tasks.join_next().await.is_some() {}

    let done = done.borrow();
    let each = cpu * 1e3 / (after - before).max(1) as f64;
    let (lost, name) = (done.tally.failed(), arguments.what);
    let latency = |percent| microseconds(done.latency.percentile(percent)) / 1e3;
    println!(
        "{name:?}: {} measured, {each:.3} ms of CPU each, {:.2}/{:.2} ms (median, p99), {lost} failed{}",
        after - before,
        latency(50.0),
        latency(99.0),
        done.tally.report()
    );
    figures.put("cpu_ms", each);
    figures.put("measured", (after - before) as f64);
    figures.put("failed", lost as f64);
    figures.put("latency_ms_p50", latency(50.0));
    figures.put("latency_ms_p99", latency(99.0));
    Ok(())
}

/// One client's part of the traffic: at `first` and then every so often. A failure may be the end of its connection,
/// so it does no more then.
async fn work(
    mut client: Client,
    what: What,
    first: Instant,
    between: Duration,
    end: Instant,
    done: Rc<RefCell<Done>>,
) {
    let mut due = first;
    while due < end {
        sleep_until(due).await;
        let began = Instant::now();
        let result = match what {
            What::Registrations => client.register().await,
            What::Calls => client.call().await,
        };
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut done = done.borrow_mut();
        if done.tally.add(result).is_none() {
            return;
        }
        done.latency.add(took);
        due += between;
    }
    client.leave().await;
}
