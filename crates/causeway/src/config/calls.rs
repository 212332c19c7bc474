//! What becomes of calls: the settings under `[calls]`. What the file leaves out stays as the proxy has it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::core;

use super::judge::beside;
use super::key_file::KeyFile;
use super::limits::{drain_timeout, seconds};
use super::{Fault, file};

/// A phone waits in silence as long as this.
const GRACE: RangeInclusive<u64> = 0..=3600;
const LONGEST: RangeInclusive<u64> = 60..=30 * 24 * 3600;

/// The settings that the file gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    grace: Option<Duration>,
    longest: Option<Duration>,
    /// How long they are waited for when the proxy is told to stop.
    pub(crate) drain_timeout: Duration,
    /// The file for call records; `None`: they stand in the log.
    pub(crate) records: Option<PathBuf>,
    /// The key that outlives the process; `None`: one of this start only.
    pub(crate) token_key: Option<KeyFile>,
}

impl Calls {
    /// The settings, if each can be meant.
    pub(super) fn of(calls: &file::Calls, path: &Path) -> Result<Self, Fault> {
        Ok(Self {
            grace: seconds(&calls.grace, "grace", GRACE)?,
            longest: seconds(&calls.longest, "longest", LONGEST)?,
            drain_timeout: drain_timeout(&calls.drain_timeout)?,
            records: calls.records.as_ref().map(|text| beside(text, path)),
            token_key: (calls.token_key.as_ref())
                .map(|text| KeyFile::judge(text, path))
                .transpose()?,
        })
    }

    /// Tells them to the proxy.
    pub(crate) fn apply(&self, core: &mut core::Config) {
        let limits = &mut core.limits;
        limits.grace = self.grace.unwrap_or(limits.grace);
        limits.longest_call = self.longest.unwrap_or(limits.longest_call);
    }
}
