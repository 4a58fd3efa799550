//! An FTP server that does nothing but answer: what it reaches is the generator's own ceiling.
//!
//! Files come from memory and go nowhere, listings are made once; a thread serves each session.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection};

use crate::args::{Args, Protection};
use crate::bulk::noise;
use crate::stream::{CHUNK, Stream};
use crate::{Result, tls};

/// Serves `root=`'s sizes and names with the identity in `identity=`; says its port first.
pub(crate) fn serve(args: &Args) -> Result<()> {
    let house = Arc::new(House {
        root: args.path("root")?,
        secret: tls::server(&args.path("identity")?)?,
        noise: noise(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("serving on {}", listener.local_addr()?.port());
    for socket in listener.incoming() {
        let (socket, house) = (socket?, Arc::clone(&house));
        thread::spawn(move || {
            // Whoever hangs up ends a session like one that says QUIT.
            let _ = Visit::new(socket, house).and_then(Visit::serve);
        });
    }
    Ok(())
}

struct House {
    root: PathBuf,
    secret: Arc<ServerConfig>,
    noise: Vec<u8>,
}

struct Visit {
    control: BufReader<Stream>,
    house: Arc<House>,
    directory: String,
    passive: Option<TcpListener>,
    protection: Protection,
    stored: HashMap<String, u64>,
    listings: HashMap<String, Vec<u8>>,
}

impl Visit {
    fn new(socket: TcpStream, house: Arc<House>) -> Result<Self> {
        Ok(Self {
            control: BufReader::with_capacity(1024, Stream::plain(socket)?),
            house,
            directory: String::new(),
            passive: None,
            protection: Protection::Plain,
            stored: HashMap::new(),
            listings: HashMap::new(),
        })
    }

    fn serve(mut self) -> Result<()> {
        self.say("220 ready")?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.control.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let said = line.trim_end();
            let (verb, argument) = match said.split_once(' ') {
                Some(parts) => parts,
                None => (said, ""),
            };
            match verb {
                "AUTH" => self = self.secure()?,
                "EPSV" => self.listen()?,
                "RETR" => self.send_file(argument)?,
                "STOR" => self.take_file(argument)?,
                "LIST" | "MLSD" => self.send_listing()?,
                "QUIT" => return self.say("221 goodbye"),
                verb => self.answer(verb, argument)?,
            }
        }
    }

    /// What needs no data connection.
    fn answer(&mut self, verb: &str, argument: &str) -> Result<()> {
        match verb {
            "USER" => self.say("331 password?"),
            "PASS" => self.say("230 welcome"),
            "PWD" => self.say("257 \"/\""),
            "DELE" => self.say("250 gone"),
            "PROT" => {
                self.protection = Protection::Tls;
                self.say("200 private")
            }
            "CWD" => {
                argument.clone_into(&mut self.directory);
                self.say("250 there")
            }
            "SIZE" => {
                let size = self.size(argument)?;
                self.say(&format!("213 {size}"))
            }
            _ => self.say("200 done"),
        }
    }

    fn secure(mut self) -> Result<Self> {
        self.say("234 begin")?;
        let stream = match self.control.into_inner() {
            Stream::Plain(socket) => accept(socket, &self.house.secret)?,
            secure => secure,
        };
        self.control = BufReader::with_capacity(1024, stream);
        Ok(self)
    }

    fn listen(&mut self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        self.passive = Some(listener);
        self.say(&format!("229 here (|||{port}|)"))
    }

    fn send_file(&mut self, path: &str) -> Result<()> {
        let mut rest = self.size(path)?;
        let mut data = self.data()?;
        while rest > 0 {
            let count = rest.min(CHUNK as u64);
            data.write_all(&self.house.noise[..count as usize])?;
            rest -= count;
        }
        self.end(data)
    }

    fn take_file(&mut self, path: &str) -> Result<()> {
        let mut data = self.data()?;
        data.widen()?;
        let (mut buffer, mut got) = (vec![0; CHUNK], 0);
        loop {
            match data.read(&mut buffer)? {
                0 => break,
                count => got += count as u64,
            }
        }
        self.stored.insert(path.to_owned(), got);
        self.end(data)
    }

    fn send_listing(&mut self) -> Result<()> {
        let mut data = self.data()?;
        let folder = self.house.root.join(self.directory.trim_start_matches('/'));
        if !self.listings.contains_key(&self.directory) {
            let text = listing(&folder)?;
            self.listings.insert(self.directory.clone(), text);
        }
        data.write_all(&self.listings[&self.directory])?;
        self.end(data)
    }

    fn data(&mut self) -> Result<Stream> {
        let listener = self.passive.take();
        let listener = listener.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let (socket, _) = listener.accept()?;
        self.say("150 here it goes")?;
        match self.protection {
            Protection::Plain => Ok(Stream::plain(socket)?),
            Protection::Tls => accept(socket, &self.house.secret),
        }
    }

    fn end(&mut self, mut data: Stream) -> Result<()> {
        // A client that has all it wants may have closed already.
        let _ = data.end();
        drop(data);
        self.say("226 done")
    }

    fn size(&self, path: &str) -> Result<u64> {
        if let Some(&size) = self.stored.get(path) {
            return Ok(size);
        }
        let path = self.house.root.join(path.trim_start_matches('/'));
        Ok(fs::metadata(path)?.len())
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let line = format!("{line}\r\n");
        Ok(self.control.get_mut().write_all(line.as_bytes())?)
    }
}

fn accept(socket: TcpStream, secret: &Arc<ServerConfig>) -> Result<Stream> {
    socket.set_nodelay(true)?;
    Stream::server(socket, ServerConnection::new(Arc::clone(secret))?)
}

fn listing(folder: &Path) -> Result<Vec<u8>> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        // Writing to a String never fails.
        let _ = write!(
            text,
            "-rw-r--r-- 1 ftp ftp 0 Jan 1 00:00 {}\r\n",
            name.display()
        );
    }
    Ok(text.into_bytes())
}
