//! [`FtpPeer`]: an FTP client that does random things, and holds what it is told and sent against
//! the books.

use std::collections::VecDeque;
use std::net::SocketAddr;

use skiff_vfs::simulated::Random;

use super::books::Piece;
use super::errand::{Done, Errand, What};
use super::listed::check_listed;
use super::scene::Scene;
use super::socket::{Got, Socket};

pub(super) struct FtpPeer {
    pub(super) user: usize,
    slot: usize,
    control: Option<Socket>,
    unread: Vec<u8>,
    replies: VecDeque<(u16, String)>,
    data: Option<Socket>,
    errand: Option<Running>,
    /// Final replies that are due.
    due: usize,
    is_in: bool,
}

/// An errand under way.
struct Running {
    errand: Errand,
    steps: VecDeque<Step>,
    /// Bytes that the data connection brought.
    received: Vec<u8>,
    received_all: bool,
    /// All bytes were sent, and the end of them.
    sent_all: bool,
    sent_any: bool,
    passive: Option<SocketAddr>,
    size: Option<usize>,
}

#[derive(Debug)]
enum Step {
    /// Send a line, whose reply must be in the 2yz or 3yz.
    Say(String),
    /// A line whose refusal does not end the errand.
    Ask(String),
    Heed,
    HeedSize,
    Passive,
    Open,
    /// Send a line, and await its mark.
    Begin(String),
    Send {
        piece: Piece,
        at: usize,
    },
    Receive,
    Abort,
    Final,
}

impl FtpPeer {
    pub(super) fn new(user: usize, slot: usize) -> Self {
        Self {
            user,
            slot,
            control: None,
            unread: Vec::new(),
            replies: VecDeque::new(),
            data: None,
            errand: None,
            due: 0,
            is_in: false,
        }
    }

    /// Does one thing; gives whether it could do anything.
    pub(super) fn act(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        if self.control.is_none() {
            return self.connect(scene);
        }
        if scene.cuts && scene.random.one_in(150) {
            self.cut(scene);
            return Ok(true);
        }
        self.listen()?;
        if self.control.is_none() {
            self.lose(scene);
            return Ok(true);
        }
        match self.errand.take() {
            None => self.begin(scene),
            Some(running) => self.go_on(running, scene),
        }
    }

    /// Lets all connections end at once.
    pub(super) fn cut(&mut self, scene: &mut Scene<'_>) {
        let resets = scene.random.one_in(3);
        log::debug!("peer {} is gone", self.slot);
        for socket in [self.data.take(), self.control.take()]
            .into_iter()
            .flatten()
        {
            if resets {
                socket.reset();
            }
        }
        self.lose(scene);
    }

    fn lose(&mut self, scene: &mut Scene<'_>) {
        if let Some(running) = self.errand.take() {
            let done = match running.sent_all {
                true => Done::Unknown,
                false => running.errand.when_lost(),
            };
            if !running.errand.is_unseen() {
                scene.figures.lost += 1;
            }
            running.errand.note(done, scene.books);
        }
        *self = Self::new(self.user, self.slot);
    }

    fn connect(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        let socket = Socket::connect(scene.ftp).map_err(|error| error.to_string())?;
        self.control = Some(socket);
        self.due = 1;
        let login = Errand::plain();
        let steps = [
            Step::Heed,
            Step::Say(format!("USER u{}", self.user)),
            Step::Heed,
            Step::Say("PASS secret".to_owned()),
            Step::Heed,
            Step::Say("TYPE I".to_owned()),
            Step::Heed,
        ];
        self.start(login, steps.into());
        self.is_in = false;
        Ok(true)
    }

    fn start(&mut self, errand: Errand, steps: VecDeque<Step>) {
        self.errand = Some(Running {
            errand,
            steps,
            received: Vec::new(),
            received_all: false,
            sent_all: false,
            sent_any: false,
            passive: None,
            size: None,
        });
    }

    /// Takes in what the server says. Every final reply answers a line.
    fn listen(&mut self) -> Result<(), String> {
        let Some(control) = &mut self.control else {
            return Ok(());
        };
        loop {
            match control.read() {
                Got::Bytes(bytes) => self.unread.extend(bytes),
                Got::Nothing => break,
                Got::End => {
                    self.control = None;
                    break;
                }
            }
        }
        let mut multi: Option<u16> = None;
        let mut start = 0;
        let mut taken = 0;
        while let Some(end) = self.unread[start..]
            .windows(2)
            .position(|two| two == b"\r\n")
        {
            let line = String::from_utf8_lossy(&self.unread[start..start + end]).into_owned();
            start += end + 2;
            let code: Option<u16> = line.get(..3).and_then(|code| code.parse().ok());
            let is_last = line.as_bytes().get(3) == Some(&b' ');
            match (multi, code) {
                (None, Some(code)) if is_last => {
                    self.hear(code, line)?;
                    taken = start;
                }
                (None, Some(code)) => multi = Some(code),
                (Some(first), Some(code)) if first == code && is_last => {
                    multi = None;
                    self.hear(code, line)?;
                    taken = start;
                }
                (Some(_), _) => {}
                (None, None) => return Err(format!("{line:?} is no reply")),
            }
        }
        self.unread.drain(..taken);
        Ok(())
    }

    fn hear(&mut self, code: u16, line: String) -> Result<(), String> {
        if code >= 200 && code != 421 {
            match self.due {
                0 => return Err(format!("{line:?} answers nothing")),
                _ => self.due -= 1,
            }
        }
        log::debug!("peer {} hears {line}", self.slot);
        self.replies.push_back((code, line));
        Ok(())
    }

    fn say(&mut self, line: &str) {
        log::debug!("peer {} says {line}", self.slot);
        self.due += 1;
        if let Some(control) = &mut self.control {
            // A line is short, and none is waiting.
            let _ = control.send(format!("{line}\r\n").as_bytes());
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        if let Some((code, line)) = self.replies.pop_front() {
            return match code {
                421 => Ok(true),
                _ => Err(format!("{line:?} came unasked")),
            };
        }
        self.is_in = true;
        let errand = Errand::random(self.slot, scene.random, scene.books, scene.next_id);
        if errand.is_unseen() {
            return Ok(true);
        }
        let steps = steps_of(&errand, scene.random);
        self.start(errand, steps);
        Ok(true)
    }

    fn go_on(&mut self, mut running: Running, scene: &mut Scene<'_>) -> Result<bool, String> {
        let Some(step) = running.steps.pop_front() else {
            return self.finish(running, scene);
        };
        match step {
            Step::Say(line) => self.say(&line),
            Step::Ask(line) => self.say(&line),
            Step::Heed => return self.heed(running, Step::Heed, scene),
            Step::HeedSize => return self.heed(running, Step::HeedSize, scene),
            Step::Final => return self.heed(running, Step::Final, scene),
            Step::Passive => {
                self.say("PASV");
                running.steps.push_front(Step::Heed);
            }
            Step::Open => {
                if let Some(address) = running.passive {
                    self.data = Socket::connect(address).ok();
                }
            }
            Step::Begin(line) => {
                self.say(&line);
                running.steps.push_front(Step::Heed);
            }
            Step::Send { piece, at } => return self.send(running, piece, at, scene),
            Step::Receive => {
                match self.data.as_mut().map(Socket::read) {
                    Some(Got::Bytes(bytes)) => {
                        running.received.extend(bytes);
                        running.steps.push_front(Step::Receive);
                    }
                    Some(Got::Nothing) => {
                        // The server may have ended it without data.
                        running.steps.push_front(Step::Receive);
                        self.errand = Some(running);
                        return Ok(false);
                    }
                    Some(Got::End) | None => {
                        running.received_all = true;
                        self.data = None;
                    }
                }
            }
            Step::Abort => {
                self.say("ABOR");
                running.errand.told.clear();
                running.steps = [Step::Final, Step::Final].into();
            }
        }
        self.errand = Some(running);
        Ok(true)
    }

    fn send(
        &mut self,
        mut running: Running,
        piece: Piece,
        at: usize,
        scene: &mut Scene<'_>,
    ) -> Result<bool, String> {
        // The moment at which the server has promised to take what has not come.
        if scene.cuts && !running.sent_any && scene.random.one_in(8) {
            self.errand = Some(running);
            self.cut(scene);
            return Ok(true);
        }
        running.sent_any = true;
        if scene.cuts && scene.random.one_in(100) {
            running.steps.push_front(Step::Abort);
            running.errand.is_aborted = true;
            self.errand = Some(running);
            return Ok(true);
        }
        let most = match scene.random.below(4) {
            0 => 1 + scene.random.below(700),
            1 => 4096,
            _ => 64 * 1024,
        };
        let end = piece.len.min(at + most);
        let bytes = piece.bytes(at, end);
        let sent = match (&mut self.data, bytes.is_empty()) {
            (Some(_), true) => Some(0),
            (Some(data), false) => data.send(&bytes),
            (None, _) => None,
        };
        match sent {
            None => {
                self.data = None;
            }
            Some(sent) if at + sent == piece.len => {
                self.data = None;
                running.sent_all = true;
            }
            Some(sent) => {
                running.steps.push_front(Step::Send {
                    piece,
                    at: at + sent,
                });
                self.errand = Some(running);
                return Ok(sent > 0);
            }
        }
        self.errand = Some(running);
        Ok(true)
    }

    /// Awaits a reply.
    fn heed(
        &mut self,
        mut running: Running,
        step: Step,
        scene: &mut Scene<'_>,
    ) -> Result<bool, String> {
        let Some((code, line)) = self.replies.pop_front() else {
            running.steps.push_front(step);
            self.errand = Some(running);
            return Ok(false);
        };
        match (code, &step) {
            (421, _) => {
                self.control = None;
                self.errand = Some(running);
                self.lose(scene);
                return Ok(true);
            }
            (100..=199, Step::Final) => running.steps.push_front(Step::Final),
            (100..=199, _) => running.errand.has_begun = true,
            (227, _) => running.passive = passive(&line),
            (213, Step::HeedSize) => running.size = line[4..].trim().parse().ok(),
            (_, Step::HeedSize) => {}
            (200..=399, _) => {
                running.errand.told.push(code);
            }
            (code, Step::Final) => running.errand.told.push(code),
            (code, _) => {
                running.errand.told.push(code);
                self.data = None;
                running.steps.clear();
            }
        }
        if let Step::HeedSize = step {
            running.steps = steps_after_size(&mut running.errand, running.size, scene);
        }
        self.errand = Some(running);
        Ok(true)
    }

    fn finish(&mut self, running: Running, scene: &mut Scene<'_>) -> Result<bool, String> {
        self.data = None;
        let last = running.errand.told.last().copied().unwrap_or(0);
        if let What::Fetch { name, .. } = &running.errand.what
            && last == 226
        {
            scene.check_fetched(name, &running.received)?;
        }
        if let What::List { folder } = &running.errand.what
            && last == 226
        {
            let text = String::from_utf8_lossy(&running.received);
            let names: Vec<_> = text.lines().map(str::to_owned).collect();
            check_listed(self.slot, folder, &names, scene)?;
        }
        running.errand.finish(scene)?;
        Ok(true)
    }
}

fn passive(line: &str) -> Option<SocketAddr> {
    let inner = line.split_once('(')?.1.split_once(')')?.0;
    let numbers: Vec<u16> = inner.split(',').filter_map(|n| n.parse().ok()).collect();
    let [a, b, c, d, high, low] = *numbers else {
        return None;
    };
    let address = [a, b, c, d].map(|part| part as u8);
    Some((address, high * 256 + low).into())
}

fn steps_of(errand: &Errand, random: &mut Random) -> VecDeque<Step> {
    let line = |line: String| VecDeque::from([Step::Say(line), Step::Final]);
    let download = |line: String| {
        let before = [Step::Passive, Step::Open, Step::Begin(line)];
        let mut steps = VecDeque::from(before);
        steps.extend([Step::Receive, Step::Final]);
        steps
    };
    match &errand.what {
        What::Store { name, piece } => upload(format!("STOR {name}"), *piece, 0, random),
        What::Resume { name, .. } => [Step::Ask(format!("SIZE {name}")), Step::HeedSize].into(),
        What::Append { name, piece } => upload(format!("APPE {name}"), *piece, 0, random),
        What::Fetch { name, .. } => download(format!("RETR {name}")),
        What::List { folder } => download(format!("NLST {folder}").trim_end().to_owned()),
        What::Delete { name } => line(format!("DELE {name}")),
        What::Rename { from, to } => [
            Step::Say(format!("RNFR {from}")),
            Step::Heed,
            Step::Say(format!("RNTO {to}")),
            Step::Final,
        ]
        .into(),
        What::MakeDirectory { name } => line(format!("MKD {name}")),
        What::RemoveDirectory { name } => line(format!("RMD {name}")),
        What::Small(words) => line((*words).to_owned()),
        What::Nothing => VecDeque::new(),
    }
}

fn upload(line: String, piece: Piece, from: usize, random: &mut Random) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    if random.one_in(4) {
        steps.extend([Step::Ask(format!("ALLO {}", piece.len - from)), Step::Heed]);
    }
    steps.extend([Step::Passive, Step::Open]);
    if from > 0 {
        steps.extend([Step::Say(format!("REST {from}")), Step::Heed]);
    }
    steps.push_back(Step::Begin(line));
    steps.push_back(Step::Send { piece, at: from });
    steps.push_back(Step::Final);
    steps
}

/// Goes on with an interrupted upload at the size that was told.
fn steps_after_size(
    errand: &mut Errand,
    size: Option<usize>,
    scene: &mut Scene<'_>,
) -> VecDeque<Step> {
    let What::Resume { name, piece } = &errand.what else {
        return VecDeque::new();
    };
    let from = size.unwrap_or(0);
    if from >= piece.len {
        // It may be there whole; the next look at the disk tells.
        errand.is_given_up = true;
        return VecDeque::new();
    }
    upload(format!("STOR {name}"), *piece, from, scene.random)
}
