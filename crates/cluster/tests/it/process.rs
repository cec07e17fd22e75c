//! Schedulers, executors and commands as separate processes: started on free ports, awaited within
//! bounds, always ended.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Timeout of every wait, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(4);

/// A running command and its standard error. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    pub(crate) fn start(name: &str, folder: &Path, arguments: &[&str]) -> Self {
        let said = folder.join(format!("{name}.log"));
        let (out, errors) = (File::create(folder.join(format!("{name}.out"))).unwrap(), File::create(&said).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_sinsang-cluster"))
            .args(arguments)
            .env("SINSANG_USER_KEY", "a secret of the tests")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .unwrap();
        Self { child, said }
    }

    /// Its standard error so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Its standard output.
    pub(crate) fn written(&self) -> String {
        fs::read_to_string(self.said.with_extension("out")).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until its standard error has contained `text` at least `times` times.
    #[track_caller]
    pub(crate) fn wait_until_said(&mut self, text: &str, times: usize) {
        let since = Instant::now();
        while self.said().matches(text).count() < times {
            assert!(
                self.is_running() && since.elapsed() < PATIENCE,
                "never said {text:?} {times} times:\n{}",
                self.said()
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "did not end:\n{}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// Stops it like a hanging machine: its connections stay, but nothing moves.
    pub(crate) fn hang(&self) {
        let stop = Command::new("kill").args(["-STOP", &self.child.id().to_string()]).status().unwrap();
        assert!(stop.success());
    }

    /// Kills it like a power failure: it can't say goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A scheduler and its executors.
pub(crate) struct Cluster {
    pub(crate) url: String,
    pub(crate) executors: Vec<Process>,
    _scheduler: Process,
    folder: TempDir,
}

impl Cluster {
    /// Starts them, and waits until all executors fetch tasks.
    pub(crate) fn start(executors: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["scheduler", "--port", "0", "--executor-timeout", "10"];
        let mut scheduler = Process::start("scheduler", folder.path(), &arguments);
        scheduler.wait_until_said("scheduler at df://", 1);
        let said = scheduler.said();
        let url = said.split("scheduler at ").nth(1).unwrap().lines().next().unwrap().to_owned();
        let mut cluster = Self { url, executors: Vec::new(), _scheduler: scheduler, folder };
        for number in 0..executors {
            let port = free_port().to_string();
            let name = format!("executor-{number}");
            let arguments = ["executor", "--scheduler", &cluster.url, "--port", &port, "--cores", "2"];
            cluster.executors.push(Process::start(&name, cluster.folder.path(), &arguments));
        }
        for executor in &mut cluster.executors {
            executor.wait_until_said("Starting poll work loop", 1);
        }
        cluster
    }
}

/// A port without a listener.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
