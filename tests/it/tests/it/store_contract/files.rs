//! Every store of files keeps the same promises.

use super::bench::second_engine;
use bytes::Bytes;
use domain::blobs::{BlobError, BlobKey, BlobLabel, Blobs, Sha256Sum};
use domain::{ConnectionId, PartnerId, Scope};
use secrecy::SecretString;
use std::time::Duration;
use store::{Files, Settings};

fn partner(name: &str) -> PartnerId {
    PartnerId::new(name).unwrap()
}

fn key(partner: &PartnerId, content: &[u8]) -> BlobKey {
    BlobKey::invoice_pdf(partner, &ConnectionId::new("con_1").unwrap(), 6100, Sha256Sum::of(content))
}

async fn keeps_its_promises(files: &dyn Blobs) {
    let (acme, label) = (partner("acme:eu.1"), BlobLabel::pdf("INV-0091"));
    let scope = Scope::Partner(acme.clone());
    let content = Bytes::from_static(b"%PDF-1.4 one");
    let one = key(&acme, &content);
    assert!(matches!(files.get(&scope, &one).await, Err(BlobError::Missing)));
    files.delete(&scope, &one).await.unwrap();
    for _ in 0..2 {
        files.put(&scope, &one, content.clone(), &label).await.unwrap();
        assert_eq!(files.get(&scope, &one).await.unwrap(), content);
    }
    let large = Bytes::from(vec![b'x'; 7_000_000]);
    let other = key(&acme, &large);
    files.put(&scope, &other, large.clone(), &label).await.unwrap();
    assert_eq!(files.get(&scope, &other).await.unwrap(), large);
    assert_eq!(files.get(&scope, &one).await.unwrap(), content);

    let stranger = Scope::Partner(partner("acme"));
    assert!(matches!(files.get(&stranger, &one).await, Err(BlobError::OutOfScope)));
    assert!(matches!(files.put(&stranger, &one, content.clone(), &label).await, Err(BlobError::OutOfScope)));
    assert!(matches!(files.delete(&stranger, &one).await, Err(BlobError::OutOfScope)));
    assert!(matches!(files.link(&stranger, &one, Duration::from_secs(1)).await, Err(BlobError::OutOfScope)));
    assert!(matches!(files.get(&stranger, &key(&partner("acme"), &content)).await, Err(BlobError::Missing)));

    for _ in 0..2 {
        files.delete(&scope, &one).await.unwrap();
        assert!(matches!(files.get(&scope, &one).await, Err(BlobError::Missing)));
    }
    assert_eq!(files.get(&scope, &other).await.unwrap(), large);
}

#[tokio::test]
async fn memory_keeps_its_promises() {
    keeps_its_promises(&Files::memory()).await;
}

#[tokio::test]
async fn a_folder_keeps_its_promises_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("files");
    std::fs::create_dir(&root).unwrap();
    keeps_its_promises(&Files::folder(&root).unwrap()).await;
    let acme = partner("acme");
    let (scope, content) = (Scope::Partner(acme.clone()), Bytes::from_static(b"%PDF-1.4"));
    let kept = key(&acme, &content);
    Files::folder(&root).unwrap().put(&scope, &kept, content.clone(), &BlobLabel::pdf("a")).await.unwrap();
    assert_eq!(Files::folder(&root).unwrap().get(&scope, &kept).await.unwrap(), content);
    assert_eq!(Files::folder(&root).unwrap().link(&scope, &kept, Duration::from_secs(300)).await.unwrap(), None);
    assert!(matches!(Files::folder(&root.join("none")), Err(BlobError::Unavailable(_))));
}

/// On the endpoint that `STORE_TEST_ENDPOINT` names; without it there is no engine that speaks S3's protocol.
#[tokio::test]
async fn a_bucket_keeps_its_promises_and_its_links_can_be_followed() {
    let Some(endpoint) = second_engine() else { return };
    // As `runtime` does at start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let bucket = format!("{endpoint}/it-pdfs");
    assert!(client.put(&bucket).send().await.unwrap().status().is_success());
    let files = Files::s3("it-pdfs", &Settings::local(endpoint)).unwrap();
    keeps_its_promises(&files).await;

    let acme = partner("acme:eu.1");
    let (scope, content) = (Scope::Partner(acme.clone()), Bytes::from_static(b"%PDF-1.4 linked"));
    let kept = key(&acme, &content);
    files.put(&scope, &kept, content.clone(), &BlobLabel::pdf("INV-0091")).await.unwrap();
    let link = files.link(&scope, &kept, Duration::from_secs(300)).await.unwrap().unwrap();
    let answer = client.get(link).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    assert_eq!(answer.headers()["content-disposition"], "inline; filename=\"INV-0091.pdf\"");
    assert_eq!(answer.bytes().await.unwrap(), content);
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("files");
    std::fs::create_dir(&root).unwrap();
    let files = Files::folder(&root).unwrap();
    let content = Bytes::from_static(b"%PDF-1.4");
    // Everything that an identifier may hold, next to what would lead elsewhere if a separator could.
    for name in ["a..", "a.._..", "a:b@c", "a..-..etc", "A", "a"] {
        let partner = partner(name);
        files
            .put(&Scope::Partner(partner.clone()), &key(&partner, &content), content.clone(), &BlobLabel::pdf("../x"))
            .await
            .unwrap();
    }
    let names = |folder: &std::path::Path| -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(folder.path()), ["files"]);
    assert_eq!(names(&root), ["pdf"]);
    assert_eq!(
        names(&root.join("pdf")).len(),
        6,
        "each partner has a folder of its own: {:?}",
        names(&root.join("pdf"))
    );
    for bad in ["..", ".", "a/b", "/a", "../a", "a\\b", "a%2fb", ""] {
        assert!(PartnerId::new(bad).is_err() && ConnectionId::new(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_bucket_gives_a_link_that_ends_and_names_the_file_alone() {
    // As `runtime` does at start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings {
        region: Some("eu-west-1".to_owned()),
        endpoint: None,
        credentials: Some(("AKIAEXAMPLE".to_owned(), SecretString::from("canary-secret-of-the-role"))),
    };
    let files = Files::s3("bucket-of-pdfs", &settings).unwrap();
    let acme = partner("acme");
    let kept = key(&acme, b"%PDF-1.4");
    let link = files.link(&Scope::Partner(acme), &kept, Duration::from_secs(300)).await.unwrap().unwrap();
    assert_eq!(link.scheme(), "https");
    assert!(link.host_str().unwrap().ends_with("eu-west-1.amazonaws.com"), "{link}");
    assert!(link.as_str().contains("bucket-of-pdfs"), "{link}");
    assert!(link.path().ends_with(&format!("/pdf/acme/con_1/6100/{}.pdf", Sha256Sum::of(b"%PDF-1.4"))), "{link}");
    let query = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(query("X-Amz-Expires").as_deref(), Some("300"));
    assert!(query("X-Amz-Signature").is_some_and(|signature| signature.len() == 64));
    assert!(!format!("{link} {files:?}").contains("canary"));
}
