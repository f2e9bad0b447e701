//! Acts on a ZooKeeper behind a client's back: plants, reads and deletes nodes, and asks what the server counts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::wire::{Reader, Writer};
use super::words;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const GET: i32 = 4;
const SET: i32 = 5;
const CHILDREN: i32 = 8;
const AUTH: i32 = 100;
const CLOSE: i32 = -11;
/// What ZooKeeper numbers the packets of authentication with.
const AUTH_XID: i32 = -4;
const EPHEMERAL: i32 = 1;
const ALL_PERMISSIONS: i32 = 31;
const PATIENCE: Duration = Duration::from_secs(10);

/// A node as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it holds.
    pub data: Vec<u8>,
    /// How often its data was changed.
    pub version: i32,
    /// The session that it ends with; 0 where none.
    pub owner: i64,
}

/// Why ZooKeeper did not do it: its own code, as -101 for a node that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub i32);

impl Refusal {
    /// There is no such node.
    pub const NO_NODE: Self = Self(-101);
    /// The right is lacking.
    pub const NO_AUTH: Self = Self(-102);
    /// It stands already.
    pub const NODE_EXISTS: Self = Self(-110);
    /// It has children.
    pub const NOT_EMPTY: Self = Self(-111);
}

/// Acts on a server without a client. Each act has a session of its own, which ends with it.
#[derive(Debug, Clone)]
pub struct Operator {
    address: SocketAddr,
    /// Scheme and credentials.
    auth: Option<(String, String)>,
}

/// A session, for as long as an act takes.
struct Session {
    stream: TcpStream,
    xid: i32,
}

impl Operator {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, auth: None }
    }

    /// The same, as another: `user:password`.
    #[must_use]
    pub fn logged_in(mut self, credentials: &str) -> Self {
        self.auth = Some(("digest".to_owned(), credentials.to_owned()));
        self
    }

    /// Creates a persistent node, and the nodes above it.
    ///
    /// # Panics
    /// When the server does not answer, or refuses.
    pub async fn plant(&self, path: &str, data: &[u8]) {
        for (at, _) in path.match_indices('/').skip(1) {
            match self.create(&path[..at], b"", 0).await {
                Ok(()) | Err(Refusal::NODE_EXISTS) => {}
                Err(refusal) => panic!("{path}: {refusal:?}"),
            }
        }
        match self.create(path, data, 0).await {
            Err(Refusal::NODE_EXISTS) => self.set(path, data).await.expect("it stands"),
            result => result.unwrap_or_else(|refusal| panic!("{path}: {refusal:?}")),
        }
    }

    /// Creates nodes, each persistent, in one session; the node above them stands already.
    ///
    /// # Panics
    /// When the server does not answer, or refuses.
    pub async fn plant_all(&self, nodes: impl Iterator<Item = (String, Vec<u8>)>) {
        let mut session = self.open().await;
        for (path, data) in nodes {
            session.ask(CREATE, |request| creation(request, &path, &data, 0)).await.expect("it can be created");
        }
        session.close().await;
    }

    /// Creates an ephemeral node in a session of its own, which lasts until the answer is dropped, and then for its
    /// timeout: nobody beats for it.
    ///
    /// # Panics
    /// When the server does not answer, or refuses.
    pub async fn plant_ephemeral(&self, path: &str, data: &[u8], timeout: Duration) -> TcpStream {
        let mut session = self.open_for(timeout).await;
        session.ask(CREATE, |request| creation(request, path, data, EPHEMERAL)).await.expect("it can be created");
        session.stream
    }

    async fn create(&self, path: &str, data: &[u8], flags: i32) -> Result<(), Refusal> {
        self.act(CREATE, |request| creation(request, path, data, flags)).await.map(drop)
    }

    /// The node, if it is there.
    ///
    /// # Errors
    /// Any refusal but that it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Node>, Refusal> {
        let mut answer = match self.act(GET, |request| request.bytes(path.as_bytes()).flag(false)).await {
            Err(Refusal::NO_NODE) => return Ok(None),
            answer => answer?,
        };
        let data = answer.bytes();
        for _ in 0..4 {
            answer.long();
        }
        let version = answer.int();
        let (_children, _acl, owner) = (answer.int(), answer.int(), answer.long());
        Ok(Some(Node { data, version, owner }))
    }

    /// Writes a node that is there.
    ///
    /// # Errors
    /// As ZooKeeper refuses it.
    pub async fn set(&self, path: &str, data: &[u8]) -> Result<(), Refusal> {
        self.act(SET, |request| request.bytes(path.as_bytes()).bytes(data).int(-1)).await.map(drop)
    }

    /// Takes a node away, whatever its version.
    ///
    /// # Errors
    /// As ZooKeeper refuses it.
    pub async fn delete(&self, path: &str) -> Result<(), Refusal> {
        self.act(DELETE, |request| request.bytes(path.as_bytes()).int(-1)).await.map(drop)
    }

    /// The names below a node; none when it is not there.
    ///
    /// # Panics
    /// When the server does not answer, or refuses.
    pub async fn children(&self, path: &str) -> Vec<String> {
        let mut answer = match self.act(CHILDREN, |request| request.bytes(path.as_bytes()).flag(false)).await {
            Err(Refusal::NO_NODE) => return Vec::new(),
            answer => answer.expect("it can be listed"),
        };
        let mut names: Vec<_> = (0..answer.int()).map(|_| answer.text()).collect();
        names.sort();
        names
    }

    /// How many sessions watch each path, as the server counts watches on data and whole trees.
    pub async fn watched(&self) -> Vec<(String, usize)> {
        words::watched_paths(&words::ask(self.address, "wchp").await.unwrap_or_default())
    }

    /// How many connections the server counts, this question's own left out.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connections(&self) -> usize {
        let answer = words::ask(self.address, "cons").await.expect("the server answers");
        answer.lines().filter(|line| line.contains("sid=")).count()
    }

    /// A number that the server tells of itself: `zk_watch_count`.
    ///
    /// # Panics
    /// When the server does not answer, or knows no such number.
    pub async fn metric(&self, name: &str) -> f64 {
        let answer = words::ask(self.address, "mntr").await.expect("the server answers");
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} is not in {answer}"))
    }

    pub(super) async fn serves(&self) -> bool {
        words::ask(self.address, "srvr").await.is_some_and(|answer| answer.contains("Mode:"))
    }

    pub(super) async fn leads(&self) -> bool {
        words::ask(self.address, "srvr").await.is_some_and(|answer| answer.contains("Mode: leader"))
    }

    async fn act(&self, operation: i32, body: impl FnOnce(Writer) -> Writer) -> Result<Reader, Refusal> {
        let acted = async {
            let mut session = self.open().await;
            let answer = session.ask(operation, body).await;
            session.close().await;
            answer
        };
        tokio::time::timeout(PATIENCE, acted).await.expect("the server answers in time")
    }

    async fn open(&self) -> Session {
        self.open_for(PATIENCE).await
    }

    async fn open_for(&self, timeout: Duration) -> Session {
        let mut stream = TcpStream::connect(self.address).await.expect("the server is there");
        let timeout = i32::try_from(timeout.as_millis()).expect("a short session");
        let connect = Writer::new().int(0).long(0).int(timeout).long(0).bytes(&[0; 16]).flag(false);
        connect.send(&mut stream).await.expect("it can be sent");
        Reader::receive(&mut stream).await.expect("the server gives a session");
        if let Some((scheme, credentials)) = &self.auth {
            let auth = Writer::request(AUTH_XID, AUTH).int(0).bytes(scheme.as_bytes()).bytes(credentials.as_bytes());
            auth.send(&mut stream).await.expect("it can be sent");
            Reader::receive(&mut stream).await.expect("the server takes the credentials");
        }
        Session { stream, xid: 0 }
    }
}

impl Session {
    async fn ask(&mut self, operation: i32, body: impl FnOnce(Writer) -> Writer) -> Result<Reader, Refusal> {
        self.xid += 1;
        let request = body(Writer::request(self.xid, operation));
        request.send(&mut self.stream).await.expect("it can be sent");
        let mut answer = Reader::receive(&mut self.stream).await.expect("the server answers");
        let (_xid, _zxid, code) = (answer.int(), answer.long(), answer.int());
        if code == 0 { Ok(answer) } else { Err(Refusal(code)) }
    }

    async fn close(mut self) {
        // Answered or not: the connection's end ends the session soon, too.
        drop(self.ask(CLOSE, |request| request).await);
    }
}

fn creation(request: Writer, path: &str, data: &[u8], flags: i32) -> Writer {
    let request = request.bytes(path.as_bytes()).bytes(data);
    request.int(1).int(ALL_PERMISSIONS).bytes(b"world").bytes(b"anyone").int(flags)
}
