//! Connections of a node: opened when there are too few, kept while they are used, closed when idle.

/// Connections to one bucket.
#[derive(Debug, Default)]
pub(super) struct Pool {
    open: usize,
    busy: usize,
    used_us: u64,
}

impl Pool {
    /// Connections were opened ahead.
    pub(super) fn opened(&mut self, connections: usize, now_us: u64) {
        self.open = self.open.max(connections);
        self.used_us = now_us;
    }

    /// Takes one; whether it has to be opened.
    pub(super) fn take(&mut self, idle_us: u64, now_us: u64) -> bool {
        if self.busy == 0 && now_us - self.used_us > idle_us {
            self.open = 0;
        }
        self.used_us = now_us;
        self.busy += 1;
        let is_new = self.busy > self.open;
        self.open = self.open.max(self.busy);
        is_new
    }

    pub(super) fn put(&mut self, now_us: u64) {
        self.busy -= 1;
        self.used_us = now_us;
    }
}
