//! The shell's timer: one that stays, and is set anew only when it does not fit what is due.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What is due within this time after the alarm has gone off waits for that, so that all of it is done at one waking.
/// The shortest time that anybody waits for is a retransmission's, hundreds of milliseconds.
const TOGETHER: Duration = Duration::from_millis(20);

/// For so long what is due waits for something else to wake the shell, which does it along: to sleep and wake costs more
/// than most of what is done.
const ALONG: Duration = Duration::from_millis(20);

pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Not again before.
    rests_until: Instant,
}

impl Alarm {
    /// Needs a runtime with time.
    pub(super) fn new() -> Self {
        let rests_until = Instant::now();
        let sleep = Box::pin(sleep_until(rests_until));
        Self { sleep, rests_until }
    }

    /// Done when it is time, and that at once where this is asked after it; never without one.
    pub(super) async fn until(&mut self, deadline: Option<std::time::Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        let due = Instant::from_std(deadline).max(self.rests_until);
        if due > Instant::now() {
            let latest = due.checked_add(ALONG).unwrap_or(due);
            if !(due..=latest).contains(&self.sleep.deadline()) {
                self.sleep.as_mut().reset(latest);
            }
            self.sleep.as_mut().await;
        }
        let now = Instant::now();
        self.rests_until = now.checked_add(TOGETHER).unwrap_or(now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    async fn rings_after(alarm: &mut Alarm, deadline: u64) -> u128 {
        let now = Instant::now();
        let deadline = now + Duration::from_millis(deadline);
        alarm.until(Some(deadline.into_std())).await;
        now.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_shortly_after_an_alarm_waits_for_the_next() {
        let mut alarm = Alarm::new();
        assert_eq!(rings_after(&mut alarm, 5).await, 25);
        assert_eq!(rings_after(&mut alarm, 1).await, 40);
        assert_eq!(rings_after(&mut alarm, 30).await, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_done_as_soon_as_somebody_is_awake() {
        let mut alarm = Alarm::new();
        let deadline = Some((Instant::now() + Duration::from_millis(5)).into_std());
        let short = Duration::from_millis(4);
        assert!(timeout(short, alarm.until(deadline)).await.is_err());
        advance(Duration::from_millis(1)).await;
        assert!(timeout(Duration::ZERO, alarm.until(deadline)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_first_goes_off_first() {
        let mut alarm = Alarm::new();
        let short = Duration::from_millis(1);
        assert!(timeout(short, rings_after(&mut alarm, 50)).await.is_err());
        assert!(timeout(short, alarm.until(None)).await.is_err());
        assert_eq!(rings_after(&mut alarm, 4).await, 24);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_fits_is_not_set_again() {
        let mut alarm = Alarm::new();
        let short = Duration::from_millis(1);
        assert!(timeout(short, rings_after(&mut alarm, 50)).await.is_err());
        let set = alarm.sleep.deadline();
        for deadline in [55, 60] {
            assert!(
                timeout(short, rings_after(&mut alarm, deadline))
                    .await
                    .is_err()
            );
            assert_eq!(alarm.sleep.deadline(), set, "{deadline}");
        }
    }
}
