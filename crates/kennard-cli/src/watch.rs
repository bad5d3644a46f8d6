//! The page of a run, served while the run goes on. It only reads.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use kennard::report::{self, Report};
use serde_json::json;
use tiny_http::{Header, Method, Request, Response, Server};

use crate::{Done, Outcome, setup};

#[derive(clap::Args)]
pub struct Args {
    /// The directory of the run; it may begin later
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Where to listen, ADDRESS or ADDRESS:PORT; other machines see the page if it is not a loopback address
    /// [default: 127.0.0.1:7927, or another port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
}

const PORT: u16 = 7927;

pub fn run(args: &Args) -> Outcome {
    let server = listen(args.bind.as_deref())?;
    let address = server.server_addr().to_ip().ok_or("the server has no address")?;
    let stop = setup::stop_on_interrupt()?;
    note!("http://{address}/ shows {}; ctrl-C ends it, not the run", args.run.display());
    if !address.ip().is_loopback() {
        warn!("warning (bind): whoever reaches {} can see the page", address.ip());
    }
    while !stop.load(Ordering::Relaxed) {
        if let Some(request) = server.recv_timeout(Duration::from_millis(200))? {
            // Whoever went away in the meantime needs no answer.
            let _ = answer(request, &args.run, address.port());
        }
    }
    Ok(Done::Fully)
}

fn listen(bind: Option<&str>) -> Result<Server, String> {
    let open =
        |address: SocketAddr| Server::http(address).map_err(|e| format!("cannot listen at {address}: {e}"));
    let Some(bind) = bind else {
        let local = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        return open(local(PORT)).or_else(|_| open(local(0)));
    };
    let address =
        bind.parse::<SocketAddr>().or_else(|_| bind.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)));
    open(address.map_err(|_| format!("--bind {bind}: write an address, 127.0.0.1 or 127.0.0.1:8080 say"))?)
}

fn answer(request: Request, directory: &Path, port: u16) -> std::io::Result<()> {
    let refuse = |request: Request, status: u16, text: &str| {
        request.respond(Response::from_string(format!("{text}\n")).with_status_code(status))
    };
    let value = |name: &'static str| {
        let header = request.headers().iter().find(|header| header.field.equiv(name));
        header.map(|header| header.value.to_string())
    };
    if !value("Host").is_some_and(|host| is_ours(&host, port)) {
        return refuse(request, 403, "this page is served under its address alone");
    }
    if *request.method() != Method::Get {
        return refuse(request, 405, "there is nothing here to change");
    }
    let path = request.url().split('?').next().unwrap_or_default();
    let (kind, etag, body) = match path {
        "/" => {
            let page = Report::read(&[directory.into()]).and_then(|report| report.live_html());
            // A directory that cannot be read now may be readable when the page asks for news.
            let page = page.or_else(|_| report::waiting_html());
            ("text/html; charset=utf-8", String::new(), page.unwrap_or_else(|error| error.to_string()))
        }
        "/data" => {
            let etag = format!("\"{:016x}\"", stamp(directory));
            if value("If-None-Match").is_some_and(|known| known == etag) {
                return request.respond(Response::empty(304));
            }
            let news = Report::read(&[directory.into()]).and_then(|report| report.json());
            let news = news.unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
            ("application/json", etag, news)
        }
        _ => return refuse(request, 404, "there is no such page"),
    };
    let headers = [
        ("Content-Type", kind),
        ("ETag", etag.as_str()),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Content-Security-Policy", "frame-ancestors 'none'"),
    ];
    let mut response = Response::from_string(body);
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// Whether a request is for an address or for localhost. Another name may be one that a foreign page has
/// pointed here to read what it must not (DNS rebinding).
fn is_ours(host: &str, port: u16) -> bool {
    let address = |text: &str| text == "localhost" || text.parse::<IpAddr>().is_ok();
    let host = host.to_ascii_lowercase();
    let Some(name) = host.strip_suffix(&format!(":{port}")) else {
        return port == 80 && address(host.trim_matches(['[', ']']));
    };
    address(name.trim_matches(['[', ']']))
}

/// Changes whenever a file of the run does.
fn stamp(directory: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in ["manifest.json", "journal.jsonl", "log.jsonl", "samples.parquet", "summary.json"] {
        let file = std::fs::metadata(directory.join(name)).ok();
        file.map(|file| (file.len(), file.modified().ok())).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_refused() {
        for host in ["127.0.0.1:7927", "localhost:7927", "LOCALHOST:7927", "[::1]:7927", "192.168.1.4:7927"] {
            assert!(is_ours(host, 7927), "{host}");
        }
        for host in
            ["evil.example:7927", "127.0.0.1.evil.example:7927", "127.0.0.1:80", "127.0.0.1", "localhost", ""]
        {
            assert!(!is_ours(host, 7927), "{host}");
        }
        assert!(is_ours("127.0.0.1", 80));
    }

    #[test]
    fn addresses_are_read() {
        assert!(listen(Some("example.org")).err().unwrap().contains("--bind example.org"));
        let server = listen(Some("127.0.0.1:0")).unwrap();
        assert!(server.server_addr().to_ip().unwrap().ip().is_loopback());
    }
}
