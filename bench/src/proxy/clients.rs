//! Clients that connect and register as fast as they can, so many at once; what each costs the edge, what it holds of
//! them while they are idle, and what it gives back when they have left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::Client;
use super::failure::{Failure, Tally};
use super::socket::Target;
use super::{Clients, PATIENCE};
use crate::figures::Figures;

/// How long is waited for memory to have its size.
const SETTLING: Duration = Duration::from_secs(30);

/// Those that came, and those that go.
struct Crowd {
    target: Target,
    count: usize,
    /// The number of the next one.
    next: Cell<usize>,
    tally: RefCell<Tally>,
    /// The connected ones; each ends when it has left.
    there: RefCell<JoinSet<Result<(), Failure>>>,
    leave: watch::Receiver<bool>,
}

pub(crate) async fn run(arguments: &Clients, figures: &mut Figures) -> Result<(), String> {
    let (target, edge) = arguments.to.ready().await?;
    let (leave, leaving) = watch::channel(false);
    let crowd = Rc::new(Crowd {
        target,
        count: arguments.clients as usize,
        next: Cell::new(1),
        tally: RefCell::default(),
        there: RefCell::default(),
        leave: leaving,
    });
    let before = edge.resident();
    let (began, cpu) = (Instant::now(), edge.seconds());
    let mut arriving = JoinSet::new();
    for _ in 0..arguments.at_once {
        arriving.spawn_local(arrive(Rc::clone(&crowd)));
    }
    while arriving.join_next().await.is_some() {}
    let (took, cpu) = (began.elapsed().as_secs_f64(), edge.seconds() - cpu);
    let (registered, most) = (crowd.tally.borrow().done, edge.resident());
    let held = edge.settled(SETTLING).await;

    // Leaving ends each task; whose connection was gone before says so.
    _ = leave.send(true);
    let mut there = crowd.there.take();
    let mut gone = Tally::default();
    while let Some(left) = there.join_next().await {
        gone.add(left.unwrap_or(Err(Failure::Closed("it left".to_owned()))));
    }
    let after = edge.settled(SETTLING).await;
    if !edge.is_there() {
        return Err(format!("the edge has ended; {registered} were registered"));
    }

    let tally = crowd.tally.borrow();
    let failed = tally.failed() + gone.failed();
    let per_client = |kib: u64| kib.saturating_sub(before) as f64 / registered.max(1) as f64;
    let cpu_each = cpu * 1e3 / registered.max(1) as f64;
    println!(
        "{registered} of {} registered in {took:.2} s, {cpu_each:.3} ms of CPU each; {failed} failed{}{}",
        crowd.count,
        tally.report(),
        gone.report()
    );
    println!(
        "  memory: {before} KiB before, {most} at the last registration, {held} with all idle ({:.1} each), {after} after",
        per_client(held)
    );
    figures.put("cpu_ms", cpu_each);
    figures.put("registered", registered as f64);
    figures.put("failed", failed as f64);
    figures.put("seconds", took);
    figures.put("kib_per_client", per_client(held));
    figures.put("kib_per_client_at_most", per_client(most.max(held)));
    figures.put("mib_before", before as f64 / 1024.0);
    figures.put("mib_held", held as f64 / 1024.0);
    figures.put("mib_after", after as f64 / 1024.0);
    Ok(())
}

/// One client after the other, as long as there are some to come.
async fn arrive(crowd: Rc<Crowd>) {
    while crowd.next.get() <= crowd.count {
        let number = crowd.next.replace(crowd.next.get() + 1);
        let arrived = async {
            let mut client = Client::connect(&crowd.target, number, PATIENCE).await?;
            client.register().await?;
            Ok(client)
        };
        let arrived = arrived.await;
        if let Some(client) = crowd.tally.borrow_mut().add(arrived) {
            let mut leave = crowd.leave.clone();
            let until = async move { _ = leave.wait_for(|leave| *leave).await };
            crowd.there.borrow_mut().spawn_local(client.stay(until));
        }
    }
}
