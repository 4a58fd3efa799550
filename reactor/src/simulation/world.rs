//! [`World`]: one daemon on a simulated disk, with its peers, from a seed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_conf::{Durability, Server};
use skiff_vfs::simulated::{Disk, FileSystem, Random, install, with_disk};
use skiff_vfs::{Limit, Worker};
use tempfile::TempDir;

use super::books::{Books, Found};
use super::daemon::{Daemon, QUOTAS, USERS, settings, told};
use super::peer::Peer;
use super::scene::{Figures, Scene};
use super::socket::Fence;

/// Peers of each user.
const SLOTS: usize = 3;
/// Turns without an event after which nothing happens any more.
const QUIET: usize = 40;

/// How an episode ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// Everything is finished, and the daemon goes on.
    Rest,
    /// The daemon is stopped as by SIGTERM.
    Stop,
    /// As by SIGKILL.
    Kill,
    PowerCut,
}

pub(super) struct World<'a> {
    worker: &'a Worker,
    random: Random,
    folder: TempDir,
    config: Arc<Server>,
    daemon: Option<Daemon>,
    peers: Vec<Peer>,
    books: Vec<Books>,
    next_id: u64,
    faults: bool,
    fence: Fence,
    pub(super) figures: Figures,
}

impl<'a> World<'a> {
    pub(super) fn new(worker: &'a Worker, seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let folder = tempfile::tempdir_in("/dev/shm").map_err(told)?;
        let durability = match random.below(5) {
            0 => Durability::None,
            _ => Durability::Fsync,
        };
        let config = settings(folder.path(), durability)?;
        let kinds = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];
        let kind = kinds[random.below(kinds.len())];
        log::info!("a world with {kind:?} and {durability:?} from the seed {seed}");
        let disk = Disk::new(&config.homes, kind, random.number()).map_err(told)?;
        install(Some(disk));
        let peers = (0..USERS * SLOTS).map(|slot| Peer::new(slot % USERS, slot));
        Ok(Self {
            worker,
            random,
            folder,
            config,
            daemon: None,
            peers: peers.collect(),
            books: (0..USERS).map(|_| Books::default()).collect(),
            next_id: 0,
            faults: false,
            fence: Fence::new().map_err(told)?,
            figures: Figures::default(),
        })
    }

    /// Lives through some episodes, each of which ends with a look at everything.
    pub(super) fn run(&mut self, episodes: usize) -> Result<(), String> {
        for _ in 0..episodes {
            if self.daemon.is_none() {
                self.daemon = Some(self.boot()?);
            }
            let ending = match self.random.below(8) {
                0..2 => Ending::Rest,
                2 => Ending::Stop,
                3..5 => Ending::Kill,
                // Nothing is promised to outlive one without syncs.
                _ if self.config.durability == Durability::None => Ending::Kill,
                _ => Ending::PowerCut,
            };
            log::info!("an episode that ends with {ending:?}");
            self.faults = self.random.one_in(4);
            let fails = match self.faults {
                true => 60,
                false => 0,
            };
            with_disk(|disk| disk.fail_one_in(fails));
            let steps = 50 + self.random.below(1500);
            self.live(steps)?;
            self.end(ending)
                .map_err(|why| format!("after {ending:?}: {why}"))?;
        }
        let count = with_disk(|disk| (disk.calls(), disk.failed()));
        (self.figures.calls, self.figures.failed_calls) = count.unwrap_or_default();
        Ok(())
    }

    fn now(&self) -> Instant {
        with_disk(|disk| disk.now()).unwrap_or_else(Instant::now)
    }

    fn boot(&self) -> Result<Daemon, String> {
        Daemon::start(&self.config).map_err(told)
    }

    fn live(&mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            self.step(true)?;
        }
        Ok(())
    }

    /// One thing happens somewhere.
    fn step(&mut self, cuts: bool) -> Result<bool, String> {
        self.figures.steps += 1;
        let happened = match self.random.below(100) {
            0..45 => {
                let peer = self.random.below(self.peers.len());
                self.act(peer, cuts)?
            }
            45..70 => self.work()?,
            70..98 => self.turn()?,
            _ => {
                self.pass_time();
                true
            }
        };
        self.fence.wait().map_err(told)?;
        self.check_quotas()?;
        Ok(happened)
    }

    fn act(&mut self, peer: usize, cuts: bool) -> Result<bool, String> {
        let Some(daemon) = &self.daemon else {
            return Ok(false);
        };
        let user = self.peers[peer].user();
        let mut scene = Scene {
            random: &mut self.random,
            books: &mut self.books[user],
            next_id: &mut self.next_id,
            figures: &mut self.figures,
            ftp: daemon.ftp,
            native: daemon.native,
            cuts,
            faults: self.faults,
            user,
        };
        self.peers[peer].act(&mut scene)
    }

    /// A worker does an item.
    fn work(&mut self) -> Result<bool, String> {
        let Some(daemon) = &mut self.daemon else {
            return Ok(false);
        };
        let running = daemon.steps.running();
        if running == 0 {
            return self.turn();
        }
        let chosen = self.random.below(running);
        let is_alive = || !with_disk(|disk| disk.is_cut()).unwrap_or(false);
        daemon.steps.run(chosen, self.worker, is_alive);
        daemon.waker.wake().map_err(told)?;
        Ok(true)
    }

    /// Lets the workers do all that they have to do; gives whether anything happened.
    fn work_off(&mut self) -> Result<bool, String> {
        let mut happened = self.turn()?;
        let has_work = |daemon: &mut Daemon| daemon.steps.running() > 0;
        while self.daemon.as_mut().is_some_and(has_work) {
            self.work()?;
            self.turn()?;
            happened = true;
        }
        Ok(happened)
    }

    fn turn(&mut self) -> Result<bool, String> {
        self.fence.wait().map_err(told)?;
        let now = self.now();
        match &mut self.daemon {
            Some(daemon) => daemon
                .reactor
                .turn_once(&mut daemon.events, now)
                .map_err(told),
            None => Ok(false),
        }
    }

    fn pass_time(&mut self) {
        let time = match self.random.below(40) {
            0 => Duration::from_secs(1 + self.random.below(40) as u64),
            1..6 => Duration::from_millis(200 + self.random.below(2000) as u64),
            _ => Duration::from_micros(self.random.below(30_000) as u64),
        };
        with_disk(|disk| disk.advance(time));
    }

    /// Used and reserved bytes are never more than there may be.
    fn check_quotas(&self) -> Result<(), String> {
        let Some(daemon) = &self.daemon else {
            return Ok(());
        };
        for (home, _) in daemon.reactor.shared().open_homes() {
            let usage = home.usage();
            let all = usage.used.plus(usage.reserved);
            if all.bytes > usage.limit.bytes || all.entries > usage.limit.entries {
                return Err(format!("over the quota: {usage:?}"));
            }
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending) -> Result<(), String> {
        match ending {
            Ending::Rest => {
                self.rest()?;
                if self.random.one_in(2) {
                    return self.look();
                }
                self.stop()?;
            }
            Ending::Stop => self.stop()?,
            Ending::Kill => {
                self.figures.kills += 1;
                with_disk(Disk::detach);
                self.lose_all();
                with_disk(Disk::attach);
            }
            Ending::PowerCut => {
                self.figures.power_cuts += 1;
                let calls = self.random.below(60) as u64;
                with_disk(|disk| disk.cut_after(calls));
                for _ in 0..600 {
                    if with_disk(|disk| disk.is_cut()) == Some(true) {
                        break;
                    }
                    self.step(true)?;
                }
                with_disk(Disk::cut);
                with_disk(Disk::detach);
                self.lose_all();
                with_disk(Disk::attach);
                self.tear_snapshots().map_err(told)?;
                with_disk(Disk::restart).unwrap_or(Ok(())).map_err(told)?;
            }
        }
        self.daemon = Some(self.boot()?);
        self.rest()?;
        self.look()
    }

    /// The daemon and all connections are gone at once.
    fn lose_all(&mut self) {
        self.daemon = None;
        self.cut_peers();
    }

    fn cut_peers(&mut self) {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        for peer in &mut self.peers {
            let user = peer.user();
            peer.cut(&mut Scene {
                random: &mut self.random,
                books: &mut self.books[user],
                next_id: &mut self.next_id,
                figures: &mut self.figures,
                ftp: nowhere,
                native: nowhere,
                cuts: false,
                faults: self.faults,
                user,
            });
        }
    }

    /// The daemon stops as by SIGTERM, with time for all that runs.
    fn stop(&mut self) -> Result<(), String> {
        self.figures.restarts += 1;
        with_disk(|disk| disk.fail_one_in(0));
        let now = self.now();
        let Some(daemon) = &mut self.daemon else {
            return Ok(());
        };
        daemon.reactor.begin_drain(now);
        for turn in 0.. {
            self.work_off()?;
            if self
                .daemon
                .as_ref()
                .is_none_or(|daemon| daemon.reactor.is_stopped())
            {
                break;
            }
            with_disk(|disk| disk.advance(Duration::from_millis(100)));
            if turn > 1000 {
                return Err("the daemon does not stop".to_owned());
            }
        }
        if let Some(daemon) = self.daemon.take() {
            let homes = &daemon.reactor.shared().services.homes;
            homes.close(self.worker).map_err(told)?;
        }
        self.cut_peers();
        Ok(())
    }

    /// Lets everything come to its end: no peer vanishes, and time passes where nothing happens.
    fn rest(&mut self) -> Result<(), String> {
        with_disk(|disk| disk.fail_one_in(0));
        self.cut_peers();
        let mut quiet = 0;
        for turn in 0.. {
            let happened = self.work_off()?;
            quiet = if happened { 0 } else { quiet + 1 };
            let connections = self
                .daemon
                .as_ref()
                .map_or(0, |daemon| daemon.reactor.connections());
            if quiet > QUIET && connections == 0 {
                return Ok(());
            }
            if turn > 5000 {
                return Err(format!("{connections} connections do not end"));
            }
            with_disk(|disk| disk.advance(Duration::from_millis(50)));
        }
        Ok(())
    }

    /// Holds everything that is on the disk against the books and the ledgers.
    fn look(&mut self) -> Result<(), String> {
        with_disk(|disk| disk.check()).unwrap_or(Ok(()))?;
        for user in 0..USERS {
            self.look_at(user)
                .map_err(|why| format!("u{user}: {why}"))?;
        }
        Ok(())
    }

    fn look_at(&mut self, user: usize) -> Result<(), String> {
        let Some(daemon) = &self.daemon else {
            return Err("no daemon".to_owned());
        };
        let root = self.config.homes.join(format!("u{user}"));
        let (bytes, entries) = QUOTAS[user];
        let homes = &daemon.reactor.shared().services.homes;
        let limit = Limit::new(bytes, entries);
        let home = homes
            .open(self.worker, &format!("u{user}"), &root, limit)
            .map_err(told)?;
        let counted = home.scan(self.worker).map_err(told)?;
        if counted.before.is_some_and(|before| before != counted.used) && !self.faults {
            return Err(format!("the ledger is not the disk: {counted:?}"));
        }
        let usage = home.usage();
        if !usage.reserved.is_zero() {
            return Err(format!("still reserved while nothing runs: {usage:?}"));
        }
        drop(home);
        let (found, stages) = read_home(&root).map_err(told)?;
        self.books[user].check(&found)?;
        for (name, bytes) in &stages {
            if !self.books[user].is_prefix(bytes) {
                let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
                return Err(format!(
                    "the stage {name} of {} bytes is no beginning of what was sent; \
                     the last {zeros} bytes are zeros",
                    bytes.len()
                ));
            }
        }
        self.figures.stages += stages.len() as u64;
        if stages.is_empty() {
            self.books[user].forget_begun();
        }
        Ok(())
    }

    /// What a power cut may do to snapshots of ledgers that nobody synced.
    fn tear_snapshots(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(&self.config.state)? {
            let path = entry?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != "ledger")
            {
                continue;
            }
            match self.random.below(3) {
                0 => fs::remove_file(&path)?,
                1 => fs::write(&path, b"skiffq01")?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Where it is; for whoever looks for what went wrong.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

type Stages = Vec<(String, Vec<u8>)>;

/// The names of a home with what they lead to, and its stages.
fn read_home(root: &Path) -> io::Result<(BTreeMap<String, Found>, Stages)> {
    let (mut found, mut stages) = (BTreeMap::new(), Vec::new());
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(root.join(&path))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let below = match path.as_str() {
                "" => name.clone(),
                path => format!("{path}/{name}"),
            };
            if below == ".skiff-stage" {
                for stage in fs::read_dir(entry.path())? {
                    let stage = stage?;
                    let name = stage.file_name().to_string_lossy().into_owned();
                    if !name.contains('.') {
                        stages.push((name, fs::read(stage.path())?));
                    }
                }
            } else if entry.file_type()?.is_dir() {
                found.insert(below.clone(), Found::Directory);
                left.push(below);
            } else {
                found.insert(below, Found::File(fs::read(entry.path())?));
            }
        }
    }
    Ok((found, stages))
}
