//! A token endpoint of OAuth2 and a service that takes its tokens, in this process: a double of our own, which
//! does of RFC 6749 what client credentials need. It checks what a genuine one checks: grant, client, secret.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::{Condvar, Mutex};

/// What each of its tokens begins with, so that a log can be searched for them.
pub const TOKEN_MARK: &str = "t0ken-";

/// How long a client may take to say what it wants.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of a request's head, and of its body.
const BYTES_MAX: u64 = 64 * 1024;

/// The server; it stops when it is dropped.
///
/// `POST /token` gives a token, and `GET` of any other path answers the id of the client whose token is shown, or
/// 401.
pub struct TokenServer {
    address: SocketAddr,
    state: Arc<State>,
}

/// What it does with requests for a scope.
#[derive(Debug, Clone, Copy)]
pub struct TokenPlan {
    /// How long its tokens are good; it says so.
    pub life: Duration,
    /// How long it takes to answer.
    pub delay: Duration,
    /// Whether it gives none.
    pub refuses: bool,
}

#[derive(Default)]
struct State {
    /// Ids and secrets.
    clients: HashMap<String, String>,
    scopes: Mutex<HashMap<String, Scope>>,
    /// By its text: whose it is, and until when.
    tokens: Mutex<HashMap<String, (String, Instant)>>,
    stops: AtomicBool,
    stopped: (Mutex<()>, Condvar),
}

#[derive(Default)]
struct Scope {
    plan: Option<TokenPlan>,
    given: usize,
}

/// One request, as far as it matters.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    authorization: String,
    body: Vec<u8>,
}

type Answer = (u16, String);

impl TokenServer {
    /// Listens on a free port of this machine, for clients of these ids and secrets.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(clients: &[(&str, &str)]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let clients = clients.iter().copied();
        let state = Arc::new(State {
            clients: clients
                .map(|(id, secret)| (id.into(), secret.into()))
                .collect(),
            ..State::default()
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stops.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), state) = (stream, Arc::clone(&serving)) else {
                    continue;
                };
                thread::spawn(move || state.serve(stream));
            }
        });
        Ok(Self { address, state })
    }

    /// Where tokens are given.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Where they are taken.
    #[must_use]
    pub fn service_url(&self) -> String {
        format!("http://{}/who", self.address)
    }

    /// From now on.
    pub fn plan(&self, scope: &str, plan: TokenPlan) {
        let mut scopes = self.state.scopes.lock();
        scopes.entry(scope.to_owned()).or_default().plan = Some(plan);
    }

    /// How many tokens it has given for a scope.
    #[must_use]
    pub fn given(&self, scope: &str) -> usize {
        self.state.scopes.lock().get(scope).map_or(0, |it| it.given)
    }

    /// Takes none of the tokens any more that it has given.
    pub fn revoke_all(&self) {
        self.state.tokens.lock().clear();
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.state.stops.store(true, Ordering::Release);
        self.state.stopped.1.notify_all();
        // The listener waits for a connection: this is it.
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let Ok(request) = read(&stream) else {
            return;
        };
        let (status, body) = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/token") => self.give(&request),
            _ => self.take(&request),
        };
        let mut stream = stream;
        // Who has left does not hear it.
        let _gone = write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
    }

    fn give(&self, request: &Request) -> Answer {
        let form = form(&request.body);
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let error = |status, code: &str| (status, format!("{{\"error\":\"{code}\"}}"));
        let Some(client) = self.client(request, &form) else {
            return error(401, "invalid_client");
        };
        if field("grant_type") != "client_credentials" {
            return error(400, "unsupported_grant_type");
        }
        let scope = field("scope");
        let plan = self.scopes.lock().get(&scope).and_then(|it| it.plan);
        let plan = plan.unwrap_or_default();
        self.wait(plan.delay);
        if plan.refuses {
            return error(400, "invalid_scope");
        }
        let mut text = TOKEN_MARK.to_owned();
        let mut random = [0; 16];
        if fs_random(&mut random).is_err() {
            return error(500, "server_error");
        }
        for byte in random {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        let ends = Instant::now() + plan.life;
        self.tokens.lock().insert(text.clone(), (client, ends));
        self.scopes.lock().entry(scope).or_default().given += 1;
        let seconds = plan.life.as_secs();
        let body = format!(
            "{{\"token_type\":\"Bearer\",\"expires_in\":{seconds},\"access_token\":\"{text}\"}}"
        );
        (200, body)
    }

    /// Which of its clients asks, if it proves that.
    fn client(&self, request: &Request, form: &HashMap<String, String>) -> Option<String> {
        let (id, secret) = match request.authorization.strip_prefix("Basic ") {
            Some(basic) => {
                let basic = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
                let (id, secret) = basic.split_once(':')?;
                (decoded(id), decoded(secret))
            }
            None => (
                form.get("client_id")?.clone(),
                form.get("client_secret")?.clone(),
            ),
        };
        (self.clients.get(&id) == Some(&secret)).then_some(id)
    }

    fn take(&self, request: &Request) -> Answer {
        let token = request.authorization.strip_prefix("Bearer ");
        let tokens = self.tokens.lock();
        let known = token.and_then(|token| tokens.get(token));
        match known.filter(|(_, ends)| Instant::now() < *ends) {
            Some((client, _)) => (200, client.clone()),
            None => (401, "no such token".to_owned()),
        }
    }

    fn wait(&self, delay: Duration) {
        let mut lock = self.stopped.0.lock();
        let ends = Instant::now() + delay;
        while !self.stops.load(Ordering::Acquire) && Instant::now() < ends {
            self.stopped.1.wait_until(&mut lock, ends);
        }
    }
}

impl Default for TokenPlan {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(3600),
            delay: Duration::ZERO,
            refuses: false,
        }
    }
}

fn fs_random(bytes: &mut [u8]) -> io::Result<()> {
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

fn read(stream: &TcpStream) -> io::Result<Request> {
    stream.set_read_timeout(Some(READ_LIMIT))?;
    let mut reader = BufReader::new(stream.take(2 * BYTES_MAX));
    let (mut request, mut length, mut line) = (Request::default(), 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if request.method.is_empty() {
            let mut words = text.split(' ').map(str::to_owned);
            request.method = words.next().unwrap_or_default();
            request.path = words.next().unwrap_or_default();
            continue;
        }
        let Some((name, value)) = text.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.trim().clone_into(&mut request.authorization),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    reader
        .take(BYTES_MAX.min(length))
        .read_to_end(&mut request.body)?;
    Ok(request)
}

/// `application/x-www-form-urlencoded`.
fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                u8::from_str_radix(digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
