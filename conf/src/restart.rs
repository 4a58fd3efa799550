//! What of changed settings a running daemon takes up, and what needs a restart.

use crate::ftp::Ftp;
use crate::server::{Native, Server, Stages};

impl Server {
    /// Puts back, of settings that were read again, what only a restart changes, from those that are
    /// in use; returns the keys that have changed so.
    ///
    /// Every key is named here: one that is new does not compile until it is decided.
    pub fn keep_until_restart(&mut self, running: &Self) -> Vec<&'static str> {
        let Self {
            file: _,
            native: Native { listen, tls: _ },
            ftp:
                Ftp {
                    listen: ftp_listen,
                    implicit,
                    tls: _,
                    tls_for: _,
                    passive_ports: _,
                    passive_share: _,
                    passive_address: _,
                    passive_address_for: _,
                    data_tls_resumption: _,
                    data_close_notify: _,
                    publish_on_lost_control: _,
                    banner: _,
                    data_timeout: _,
                },
            tls: _,
            proxy_protocol: _,
            homes,
            skeleton: _,
            state,
            users: _,
            authenticator,
            on,
            run_as,
            file_owners,
            walls,
            quota: _,
            rates: _,
            folders: _,
            durability,
            file_mode,
            dir_mode,
            group,
            stages,
            recount,
            limits: _,
            scram_iterations: _,
            log: _,
            metrics,
        } = self;
        let mut kept = Kept(Vec::new());
        kept.keep("native.listen", listen, &running.native.listen);
        kept.keep("ftp.listen", ftp_listen, &running.ftp.listen);
        kept.keep("ftp.implicit", implicit, &running.ftp.implicit);
        kept.keep("homes", homes, &running.homes);
        kept.keep("state", state, &running.state);
        kept.keep("authenticator", authenticator, &running.authenticator);
        kept.keep("on", on, &running.on);
        kept.keep("run_as", run_as, &running.run_as);
        kept.keep("file_owners", file_owners, &running.file_owners);
        kept.keep("walls", walls, &running.walls);
        kept.keep("durability", durability, &running.durability);
        kept.keep("file_mode", file_mode, &running.file_mode);
        kept.keep("dir_mode", dir_mode, &running.dir_mode);
        kept.keep("group", group, &running.group);
        kept.keep_stages(stages, &running.stages);
        kept.keep("recount", recount, &running.recount);
        kept.keep("metrics", metrics, &running.metrics);
        kept.0
    }
}

struct Kept(Vec<&'static str>);

impl Kept {
    fn keep_stages(&mut self, fresh: &mut Stages, running: &Stages) {
        let Stages {
            ttl,
            idle,
            free_space_floor,
        } = fresh;
        self.keep("stage_ttl", ttl, &running.ttl);
        self.keep("stage_idle", idle, &running.idle);
        let floor = &running.free_space_floor;
        self.keep("free_space_floor", free_space_floor, floor);
    }

    fn keep<T: PartialEq + Clone>(&mut self, key: &'static str, fresh: &mut T, running: &T) {
        if fresh != running {
            fresh.clone_from(running);
            self.0.push(key);
        }
    }
}
