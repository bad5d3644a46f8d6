//! The page of a run, served while the run goes on. It only reads.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use kennard::report::{self, Report};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::{Done, Ended, setup};

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
/// At most this many connections at a time; further ones wait.
const CONNECTIONS: usize = 256;
/// At most this many requests are answered at a time.
const ANSWERS: usize = 4;
/// The most headers of a request, and bytes of them.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;
/// A client that takes longer to send its headers is left.
const SLOW_HEADERS: Duration = Duration::from_secs(5);
/// A client that takes longer for a request and its answer is left.
const SLOW_CLIENT: Duration = Duration::from_secs(60);
/// How often the server looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);

pub fn run(args: &Args) -> Ended {
    let listener = listen(args.bind.as_deref())?;
    let address = listener.local_addr()?;
    let stop = setup::stop_quietly()?;
    warn!("http://{address}/ shows {}; ctrl-C ends it, not the run", args.run.display());
    if !address.ip().is_loopback() {
        warn!("warning (bind): whoever reaches {} can see the page", address.ip());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(ANSWERS).build()?;
    let served = runtime.block_on(serve(listener, args.run.as_path().into(), address.port(), &stop));
    // An answer that is still being made is for nobody now.
    runtime.shutdown_background();
    served?;
    Ok(Done::Fully)
}

fn listen(bind: Option<&str>) -> Result<TcpListener, String> {
    let open = |address: SocketAddr| {
        TcpListener::bind(address).map_err(|e| format!("cannot listen at {address}: {e}"))
    };
    let Some(bind) = bind else {
        let local = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        return open(local(PORT)).or_else(|_| open(local(0)));
    };
    let address =
        bind.parse::<SocketAddr>().or_else(|_| bind.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)));
    open(
        address.map_err(|_| {
            format!("--bind {bind}: write an address, for example 127.0.0.1 or 127.0.0.1:8080")
        })?,
    )
}

/// Answers whoever connects, each for itself, until `stop` is set.
async fn serve(listener: TcpListener, run: Arc<Path>, port: u16, stop: &AtomicBool) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while !stop.load(Ordering::Relaxed) {
        let Ok(Ok(place)) = timeout(TICK, places.clone().acquire_owned()).await else { continue };
        let stream = match timeout(TICK, listener.accept()).await {
            Ok(Ok((stream, _))) => stream,
            // Too many open files, or a client that is gone already: others may do better.
            Ok(Err(_)) => {
                sleep(TICK).await;
                continue;
            }
            Err(_) => continue,
        };
        let run = run.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| respond(request, run.clone(), port));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(SLOW_HEADERS)
                .max_headers(HEADERS)
                .max_buf_size(HEADER_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            // Whoever is slow or went away in the meantime needs no answer.
            let _ = timeout(SLOW_CLIENT, connection).await;
            drop(place);
        });
    }
    Ok(())
}

type Answer = Response<Full<Bytes>>;

async fn respond(
    request: Request<Incoming>,
    run: Arc<Path>,
    port: u16,
) -> Result<Answer, tokio::task::JoinError> {
    if request.body().size_hint().exact() != Some(0) {
        return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "a request here has no body"));
    }
    let (head, _) = request.into_parts();
    // Reading a run takes its time, in which others are served.
    tokio::task::spawn_blocking(move || answer(&head.method, head.uri.path(), &head.headers, &run, port))
        .await
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, directory: &Path, port: u16) -> Answer {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let alone = headers.get_all(header::HOST).iter().count() == 1;
    if !alone || !value(header::HOST).is_some_and(|host| is_ours(host, port)) {
        return refusal(StatusCode::FORBIDDEN, "this page is served under its address alone");
    }
    if method != Method::GET {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "there is nothing here to change");
    }
    let (kind, etag, body) = match path {
        "/" => {
            let page = Report::read(&[directory.into()]).and_then(|report| report.live_html());
            // A directory that cannot be read now may be readable when the page asks for news.
            let page = page.or_else(|_| report::waiting_html());
            ("text/html; charset=utf-8", None, page.unwrap_or_else(|error| error.to_string()))
        }
        "/data" => {
            let etag = format!("\"{:016x}\"", stamp(directory));
            if value(header::IF_NONE_MATCH).is_some_and(|known| known == etag) {
                return reply(StatusCode::NOT_MODIFIED, String::new());
            }
            let news = Report::read(&[directory.into()]).and_then(|report| report.json());
            let news = news.unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
            ("application/json", Some(etag), news)
        }
        _ => return refusal(StatusCode::NOT_FOUND, "there is no such page"),
    };
    let mut answer = reply(StatusCode::OK, body);
    let given = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
    ];
    answer.headers_mut().extend(given.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let etag = etag.and_then(|etag| HeaderValue::from_str(&etag).ok());
    answer.headers_mut().extend(etag.map(|etag| (header::ETAG, etag)));
    answer
}

fn refusal(status: StatusCode, text: &str) -> Answer {
    let mut answer = reply(status, format!("{text}\n"));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}

fn reply(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer
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
        assert!(server.local_addr().unwrap().ip().is_loopback());
    }
}
