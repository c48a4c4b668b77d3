//! An HTTP server on loopback whose every answer a test writes, including the wrong ones.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use url::Url;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// How many requests came before it.
    pub number: usize,
    pub path: String,
    /// The first byte wanted.
    pub from: Option<usize>,
    pub if_range: Option<String>,
    pub user_agent: Option<String>,
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ranges: Ranges,
    framing: Framing,
    send: usize,
    pace: Option<(usize, Duration)>,
    hang: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ranges {
    Honoured,
    Ignored,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(Option<usize>),
    Chunked,
}

impl Reply {
    /// The file `body`, or the part of it that is asked for.
    pub fn file(body: &[u8]) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_vec(),
            ranges: Ranges::Honoured,
            framing: Framing::Length(None),
            send: usize::MAX,
            pace: None,
            hang: false,
        }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::file(b"sorry") }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn ignoring_range(mut self) -> Self {
        self.ranges = Ranges::Ignored;
        self
    }

    /// The connection breaks after so many bytes of the body.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.send = bytes;
        self
    }

    /// Nothing comes after so many bytes of the body, and the connection stays open.
    pub fn hang_after(mut self, bytes: usize) -> Self {
        self.send = bytes;
        self.hang = true;
        self
    }

    /// Content-Length is a lie.
    pub fn claiming_length(mut self, bytes: usize) -> Self {
        self.framing = Framing::Length(Some(bytes));
        self
    }

    /// Without a Content-Length.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// `bytes` at a time, with a pause after each.
    pub fn dripping(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }
}

/// A running server; it ends with the test program.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (log, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    let Some(mut request) = read_request(&stream) else { return };
                    {
                        let mut log = log.lock().unwrap();
                        request.number = log.len();
                        log.push(request.clone());
                    }
                    // A client that has seen enough closes; that is its right.
                    let _closed_by_client = send(&stream, &request, answer(&request));
                });
            }
        });
        Self { address, requests }
    }

    /// One file for whoever asks.
    pub fn of_file(body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_| Reply::file(&body))
    }

    pub fn url(&self, path: &str) -> Url {
        format!("http://{}/{path}", self.address).parse().unwrap()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first bytes wanted, in order.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().iter().map(|request| request.from).collect()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut request = Request { number: 0, path, from: None, if_range: None, user_agent: None };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "range" => request.from = value.trim_start_matches("bytes=").split('-').next()?.parse().ok(),
            "if-range" => request.if_range = Some(value.to_owned()),
            "user-agent" => request.user_agent = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}

fn send(mut stream: &TcpStream, request: &Request, mut reply: Reply) -> std::io::Result<()> {
    let whole = reply.body.len();
    let etag = reply.headers.iter().find(|(name, _)| name == "ETag").map(|(_, value)| value.clone());
    let unchanged = request.if_range.is_none() || request.if_range == etag;
    if let (200, Ranges::Honoured, Some(from), true) = (reply.status, reply.ranges, request.from, unchanged) {
        if from >= whole {
            reply.status = 416;
            reply = reply.header("Content-Range", &format!("bytes */{whole}"));
            reply.body.clear();
        } else {
            reply.status = 206;
            reply = reply.header("Content-Range", &format!("bytes {from}-{}/{whole}", whole - 1));
            reply.body.drain(..from);
        }
    }
    let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", reply.status);
    match reply.framing {
        Framing::Length(length) => {
            head += &format!("Content-Length: {}\r\n", length.unwrap_or(reply.body.len()));
        }
        Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let body = &reply.body[..reply.send.min(reply.body.len())];
    let (piece, pause) = reply.pace.unwrap_or((usize::MAX, Duration::ZERO));
    for bytes in body.chunks(piece.min(body.len()).max(1)) {
        match reply.framing {
            Framing::Length(_) => stream.write_all(bytes)?,
            Framing::Chunked => {
                write!(stream, "{:x}\r\n", bytes.len())?;
                stream.write_all(bytes)?;
                stream.write_all(b"\r\n")?;
            }
        }
        thread::sleep(pause);
    }
    if reply.hang {
        thread::sleep(Duration::from_secs(600));
    }
    if let (Framing::Chunked, usize::MAX) = (reply.framing, reply.send) {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}
