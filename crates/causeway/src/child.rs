//! The relay of our own beside the proxy: a separate process of the same binary, which shares nothing
//! with it but the ng protocol. It is started again when it dies, and dies with us.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// What the child prints before the address of its control port.
pub(crate) const READY: &str = "ready ";
/// A relay that has not bound its ports by then never will.
const START: Duration = Duration::from_secs(10);
/// Between a relay's death and the next start: long enough not to spin on a broken one, short enough
/// that a proxy's control request, which is sent again for five seconds, still finds it.
const RESTART: Duration = Duration::from_millis(500);

/// A relay process that is kept running until this is dropped.
pub(crate) struct OwnRelay {
    control: SocketAddr,
    keeper: tokio::task::JoinHandle<()>,
}

impl OwnRelay {
    /// Starts `causeway relay FILE` and waits until it takes commands.
    pub(crate) async fn start(file: &Path) -> Result<Self, String> {
        let file = file.to_owned();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, control) = spawn(&file, any).await?;
        let keeper = tokio::spawn(keep(process, file, control));
        Ok(Self { control, keeper })
    }

    /// Where it takes commands; stays the same when it is started again.
    pub(crate) fn control(&self) -> SocketAddr {
        self.control
    }
}

impl Drop for OwnRelay {
    fn drop(&mut self) {
        // The child is killed with the task that owns it.
        self.keeper.abort();
    }
}

/// A running relay process. It ends when its standard input does, so that one whose proxy was killed
/// does not stay behind.
struct Process {
    child: Child,
    _input: ChildStdin,
}

async fn keep(mut process: Process, file: PathBuf, control: SocketAddr) {
    loop {
        let status = process.child.wait().await;
        tracing::error!(
            ?status,
            "the relay ended; calls in progress are lost; starting another"
        );
        process = loop {
            tokio::time::sleep(RESTART).await;
            match spawn(&file, control).await {
                Ok((process, _)) => break process,
                Err(error) => tracing::error!("{error}"),
            }
        };
    }
}

async fn spawn(file: &Path, control: SocketAddr) -> Result<(Process, SocketAddr), String> {
    let program = std::env::current_exe()
        .map_err(|e| format!("the path of this program is unknown ({e})"))?;
    let mut child = Command::new(program)
        .arg("relay")
        .arg(file)
        .arg(format!("--control={control}"))
        .arg("--child")
        .arg(format!("--log={}", crate::logging::filter()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C in the terminal is for us: the relay ends when we do, and not before.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("the relay process cannot be started ({e})"))?;
    // Taken out of the child, since waiting for it would close it.
    let input = child.stdin.take().ok_or("the relay process has no input")?;
    let output = child
        .stdout
        .take()
        .ok_or("the relay process has no output")?;
    let mut line = String::new();
    let mut output = BufReader::new(output);
    match tokio::time::timeout(START, output.read_line(&mut line)).await {
        Ok(Ok(_)) => {}
        _ => return Err("the relay process did not get ready; its own line above says why".into()),
    }
    let address = line.trim().strip_prefix(READY).and_then(|a| a.parse().ok());
    match address {
        Some(address) => Ok((
            Process {
                child,
                _input: input,
            },
            address,
        )),
        None => Err("the relay could not start; its own line above says why".into()),
    }
}
