//! One request, one answer: no more of HTTP than a test has to see.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Bounds a test that fails.
const LIMIT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in small letters; the last one where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What is at the end of the address that it leads to.
    #[track_caller]
    pub fn id(&self) -> String {
        let location = self.header("location").unwrap_or_else(|| panic!("{}", self.text()));
        location.rsplit('/').next().unwrap().to_owned()
    }

    /// How a round or a run that was followed stood when nothing more was to come: it has to have succeeded. What was sent before
    /// tells nothing of that, and nor do the parts of a round: one of them may have succeeded where the round failed.
    #[track_caller]
    pub fn succeeded(&self) -> Value {
        let text = self.text();
        let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let [.., last, "ended"] = data[..] else { panic!("it did not come to its end: {text}") };
        let view: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
        assert_eq!(view["line"]["state"], "succeeded", "{view:#}");
        view
    }

    /// The words of a page, without its marks.
    #[track_caller]
    pub fn words(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let (mut words, mut inside) = (String::new(), false);
        for c in self.text().chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => words.push(c),
                _ => {}
            }
        }
        words.replace("&quot;", "\"").replace("&amp;", "&")
    }
}

/// Fails unless all this is in a page.
#[track_caller]
pub fn holds(page: &str, wanted: &[&str]) {
    for word in wanted {
        assert!(page.contains(word), "{word:?} is not in {page}");
    }
}

/// Asks over any connection and reads to its end.
pub fn exchange(mut connection: impl Read + Write, request: &str) -> Answer {
    connection.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A peer that ends TLS without saying so has sent all that it had.
    let _ = connection.read_to_end(&mut bytes);
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end =
        bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).unwrap();
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &bytes[end + 4..];
    Answer { status, headers, body: if chunked { joined(body) } else { body.to_vec() } }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&chunks[..end]).trim(), 16).unwrap();
        if size == 0 || chunks.len() < end + 2 + size {
            break;
        }
        out.extend_from_slice(&chunks[end + 2..end + 2 + size]);
        chunks = chunks.get(end + 4 + size..).unwrap_or_default();
    }
    out
}

/// A browser, as far as the server can tell.
#[derive(Clone, Debug)]
pub struct Client {
    pub host: String,
    pub cookie: Option<String>,
    /// More headers, each with its line end.
    pub more: String,
}

impl Client {
    pub fn new(host: &str) -> Self {
        Self { host: host.into(), cookie: None, more: String::new() }
    }

    /// The same, sending one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.more += &format!("{name}: {value}\r\n");
        client
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&self.request("GET", path, ""))
    }

    /// Hears all that is told of a round or a run, by its page's path, until nothing more will come.
    pub fn follow(&self, page: &str) -> Answer {
        self.with("Accept", "text/event-stream").get(&format!("/live{page}"))
    }

    /// As scripts of a page do.
    pub fn call(&self, function: &str, fields: &str) -> Answer {
        self.with("Accept", "application/json").post(&format!("/api/{function}"), fields)
    }

    /// As a form without scripts does, from a page.
    pub fn submit(&self, page: &str, function: &str, fields: &str) -> Answer {
        let referer = format!("http://{}{page}", self.host);
        self.with("Accept", "text/html").with("Referer", &referer).post(&format!("/api/{function}"), fields)
    }

    pub fn post(&self, path: &str, fields: &str) -> Answer {
        let request = self.with("Content-Type", "application/x-www-form-urlencoded").request("POST", path, fields);
        self.send(&request)
    }

    pub fn request(&self, method: &str, path: &str, body: &str) -> String {
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        let length = body.len();
        let Self { host, more, .. } = self;
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{cookie}{more}\r\n{body}")
    }

    pub fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(&self.host).unwrap();
        connection.set_read_timeout(Some(LIMIT)).unwrap();
        connection
    }

    fn send(&self, request: &str) -> Answer {
        exchange(self.connect(), request)
    }
}
