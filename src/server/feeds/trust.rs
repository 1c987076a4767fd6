//! Whose certificates are believed: the authorities that browsers trust, as Mozilla lists them, and one's own.
//!
//! The list comes with the binary, so that it works on a machine that has none.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How TLS is spoken by whoever fetches. `own` is a file of authorities as PEM.
pub(super) fn config(own: Option<&Path>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for authority in own.map(authorities).transpose()?.unwrap_or_default() {
        roots.add(authority).map_err(io::Error::other)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a PEM file, one at least.
pub fn authorities(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let problem = |fault| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {fault}", file.display()));
    let text = std::fs::read(file).map_err(|error| io::Error::new(error.kind(), problem(error.to_string())))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(problem("no certificate: give authorities as PEM".to_owned())),
        Ok(found) => Ok(found),
        Err(fault) => Err(problem(fault.to_string())),
    }
}
