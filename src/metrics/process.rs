//! The process itself, under the names that all of Prometheus's client libraries use.

use std::time::SystemTime;

use ::metrics::Gauge;
use actors::metrics::{Metric, Unit, gauge};

const BUILD_INFO: Metric =
    gauge("campaign_sync_build_info", Unit::Count, &["version"], "Always 1; which version is at work.");
const START_TIME: Metric =
    gauge("process_start_time_seconds", Unit::Seconds, &[], "When the process began to count (Unix time).");
const RESIDENT_MEMORY: Metric =
    gauge("process_resident_memory_bytes", Unit::Bytes, &[], "Memory that the process holds. On Linux only.");
const OPEN_FDS: Metric =
    gauge("process_open_fds", Unit::Count, &[], "File descriptors that are open. On Linux only.");

pub(super) const ALL: [Metric; 4] = [BUILD_INFO, START_TIME, RESIDENT_MEMORY, OPEN_FDS];

pub(super) struct ProcessMetrics {
    _build_info: Gauge,
    _start_time: Gauge,
    resident_memory: Gauge,
    open_fds: Gauge,
}

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        let (build_info, start_time) =
            (BUILD_INFO.gauge([env!("CARGO_PKG_VERSION").into()]), START_TIME.gauge([]));
        build_info.set(1.0);
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        start_time.set(since_epoch.as_secs_f64());
        Self {
            _build_info: build_info,
            _start_time: start_time,
            resident_memory: RESIDENT_MEMORY.gauge([]),
            open_fds: OPEN_FDS.gauge([]),
        }
    }

    /// As it stands. What cannot be read stays as it was.
    #[cfg(target_os = "linux")]
    pub(super) fn measure(&self) {
        let Ok(process) = procfs::process::Process::myself() else { return };
        if let Ok(memory) = process.statm() {
            self.resident_memory.set((memory.resident * procfs::page_size()) as f64);
        }
        if let Ok(open) = process.fd_count() {
            self.open_fds.set(open as f64);
        }
    }

    /// Elsewhere there is nothing to read.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn measure(&self) {
        let _ = (&self.resident_memory, &self.open_fds);
    }
}
