#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use super::*;

/// A server that hands each connection to `serve` and counts them.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/canary?user=canary", listener.local_addr().unwrap())).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            serve(stream.unwrap());
        }
    });
    (url, connections)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.ends_with(b"{}") {
        let n = stream.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        seen.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8(seen).unwrap()
}

fn answering(answer: &'static str) -> impl Fn(TcpStream) + Send {
    move |mut stream| {
        read_request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

async fn post(url: Url) -> Result<Response, TransportError> {
    let headers = vec![crate::Header::sensitive("Secret", "canary".into())];
    let body = Some(Bytes::from_static(b"{}"));
    let request = Request { method: Method::Post, url, headers, body, timeout: Duration::from_millis(1_500) };
    HttpTransport::new().unwrap().send(request).await
}

fn printed(error: &TransportError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner}"));
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn a_whole_answer_is_given_back_whatever_its_status() {
    let (url, connections) = server(answering("HTTP/1.1 500 x\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbody"));
    for _ in 0..2 {
        let response = post(url.clone()).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (500, &b"body"[..]));
        assert_eq!(response.header("RETRY-AFTER"), Some("3"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2, "a fresh connection for each request");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, asked) = server(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let answer: &'static str =
        Box::leak(format!("HTTP/1.1 307 x\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n").into_boxed_str());
    let (url, _) = server(answering(answer));
    assert_eq!(post(url).await.unwrap().status, 307);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_never_left_is_told_from_what_may_have_arrived() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = post(Url::parse(&format!("http://{free}/canary")).unwrap()).await.unwrap_err();
    assert!(matches!(refused, TransportError::NotSent { .. }), "{refused:?}");

    // Something that speaks no TLS: the handshake fails before a byte of the request is sent.
    let (mut url, _) = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 x\r\n\r\n");
    });
    url.set_scheme("https").unwrap();
    let no_tls = post(url).await.unwrap_err();
    assert!(matches!(no_tls, TransportError::NotSent { .. }), "{no_tls:?}");

    let (url, connections) = server(|mut stream| {
        read_request(&mut stream);
    });
    let reset = post(url).await.unwrap_err();
    assert!(matches!(reset, TransportError::Unknown { .. }), "{reset:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "sent once");

    let (url, _) = server(answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"));
    let cut = post(url).await.unwrap_err();
    assert!(matches!(cut, TransportError::Unknown { .. }), "{cut:?}");

    let held = std::sync::Mutex::new(Vec::new());
    let (url, _) = server(move |stream| held.lock().unwrap().push(stream));
    let late = post(url).await.unwrap_err();
    assert!(matches!(late, TransportError::Unknown { .. }), "{late:?}");

    for error in [refused, no_tls, reset, cut, late] {
        let text = printed(&error);
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_as_an_error() {
    let (url, _) = server(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let chunk = vec![b' '; 1024 * 1024];
        while stream.write_all(&chunk).is_ok() {}
    });
    let error = post(url).await.unwrap_err();
    assert!(matches!(error, TransportError::Unknown { .. }), "{error:?}");
    assert!(printed(&error).contains("larger than"), "{}", printed(&error));
}
