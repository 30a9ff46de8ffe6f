//! Certificates: a local authority with a leaf for this machine, or the operator's own files.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::files;

/// Apple's clients refuse longer lives of a leaf whose authority a person has installed: 825 days.
const LEAF_DAYS: i64 = 397;
/// A leaf is made anew when it is this old.
const LEAF_RENEWAL_DAYS: i64 = 300;
const AUTHORITY_DAYS: i64 = 3_650;

/// A local certificate authority in a folder, and the leaf it signs.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// The authority kept in `folder`; nothing is made yet.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Authority {
            folder: folder.to_owned(),
        }
    }

    /// The certificate to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's configuration with a leaf for these hosts; makes the authority and the leaf where they are missing,
    /// and a new leaf when the hosts have changed or it grows old.
    pub fn server_config(&self, hosts: &BTreeSet<String>) -> Result<Arc<rustls::ServerConfig>> {
        let today = today();
        let issuer = self.issuer(today)?;
        let stamp = self.folder.join("leaf.txt");
        let wanted = hosts
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        let fresh =
            std::fs::read_to_string(&stamp).is_ok_and(|text| still_good(&text, &wanted, today));
        if !fresh {
            self.issue(&issuer, hosts, today)?;
            files::write_private(&stamp, &format!("{today}\n{wanted}"))?;
        }
        from_files(&self.folder.join("leaf.pem"), &self.folder.join("leaf.key"))
    }

    /// The authority's key and name. Both files exist afterwards.
    fn issuer(&self, today: jiff::civil::Date) -> Result<Issuer<'static, KeyPair>> {
        let path = self.folder.join("ca.key");
        let params = authority_params(today)?;
        if let Ok(pem) = std::fs::read_to_string(&path)
            && self.certificate().exists()
        {
            let key = KeyPair::from_pem(&pem).with_context(|| {
                format!(
                    "{} is no private key; delete it to start over",
                    path.display()
                )
            })?;
            return Ok(Issuer::new(params, key));
        }
        let key = KeyPair::generate()?;
        files::write_private(&path, &key.serialize_pem())?;
        files::write(&self.certificate(), &params.self_signed(&key)?.pem())?;
        // A leaf of an earlier authority is worth nothing any more.
        let _ = std::fs::remove_file(self.folder.join("leaf.txt"));
        Ok(Issuer::new(params, key))
    }

    fn issue(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        hosts: &BTreeSet<String>,
        today: jiff::civil::Date,
    ) -> Result<()> {
        let mut params = CertificateParams::new(hosts.iter().cloned().collect::<Vec<_>>())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Driftless local server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, today, LEAF_DAYS)?;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, issuer)?;
        files::write_private(&self.folder.join("leaf.key"), &key.serialize_pem())?;
        files::write(&self.folder.join("leaf.pem"), &leaf.pem())
    }
}

fn authority_params(today: jiff::civil::Date) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Driftless");
    params
        .distinguished_name
        .push(DnType::CommonName, "Driftless local authority");
    validity(&mut params, today, AUTHORITY_DAYS)?;
    Ok(params)
}

fn validity(params: &mut CertificateParams, today: jiff::civil::Date, days: i64) -> Result<()> {
    let from = today.checked_sub(jiff::Span::new().days(1))?;
    let to = today.checked_add(jiff::Span::new().days(days))?;
    let parts = |date: jiff::civil::Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        (i32::from(date.year()), month, day)
    };
    let ((year, month, day), last) = (parts(from), parts(to));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    params.not_after = rcgen::date_time_ymd(last.0, last.1, last.2);
    Ok(())
}

fn today() -> jiff::civil::Date {
    jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}

/// Whether a stamp (day of issue, then the hosts) still fits.
fn still_good(stamp: &str, wanted: &str, today: jiff::civil::Date) -> bool {
    let Some((day, hosts)) = stamp.split_once('\n') else {
        return false;
    };
    let Ok(day) = day.parse::<jiff::civil::Date>() else {
        return false;
    };
    let age = today.since(day).map_or(i32::MAX, |span| span.get_days());
    hosts == wanted && (0..LEAF_RENEWAL_DAYS).contains(&i64::from(age))
}

/// The configuration for a certificate chain and its key, both PEM. Only HTTP/1.1 is offered: the WebSocket upgrade
/// needs it (`realtime.md` 1).
pub fn from_files(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>> {
    let (chain, private) = own(certificate, key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| strangers(certificate, key))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A certificate chain and its key.
fn own(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the private key {}", key.display()))?;
    Ok((chain, private))
}

fn strangers(certificate: &Path, key: &Path) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    format!("{certificate} and {key} do not go together")
}

/// Whether a certificate chain and its key, both PEM, can be shown to servers that ask for them.
pub fn check_own(certificate: &Path, key: &Path) -> Result<()> {
    let (chain, private) = own(certificate, key)?;
    if chain.is_empty() {
        bail!("{} holds no certificate in PEM form", certificate.display());
    }
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, private, &provider)
        .map(drop)
        .with_context(|| strangers(certificate, key))
}

/// The certificates of a PEM file that holds authorities to trust; at least one.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if certificates.is_empty() {
        bail!("{} holds no certificate in PEM form", path.display());
    }
    Ok(certificates)
}

/// The names and addresses under which this machine is reached in development (`dx.md` 2).
#[must_use]
pub fn local_hosts(more: &[String]) -> BTreeSet<String> {
    let fixed = [
        "localhost",
        "127.0.0.1",
        "::1",
        // The Android emulator's name for the host, and Docker's.
        "10.0.2.2",
        "host.docker.internal",
    ];
    let mut hosts: BTreeSet<String> = fixed.into_iter().map(str::to_owned).collect();
    hosts.extend(lan_address().map(|address| address.to_string()));
    hosts.extend(more.iter().cloned());
    hosts
}

/// The address other machines of the local network reach this one at. Nothing is sent: connecting a datagram socket
/// only asks the routing table.
#[must_use]
pub fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).expect("a file")
    }

    #[test]
    fn a_second_start_keeps_authority_and_leaf() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::at(folder.path());
        let hosts = local_hosts(&[]);
        authority.server_config(&hosts).expect("certificates");
        let before = (
            read(folder.path(), "ca.pem"),
            read(folder.path(), "leaf.pem"),
        );
        authority.server_config(&hosts).expect("certificates");
        assert_eq!(
            before,
            (
                read(folder.path(), "ca.pem"),
                read(folder.path(), "leaf.pem")
            )
        );
    }

    #[test]
    fn another_host_gets_a_new_leaf_from_the_same_authority() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::at(folder.path());
        authority
            .server_config(&local_hosts(&[]))
            .expect("certificates");
        let before = (
            read(folder.path(), "ca.pem"),
            read(folder.path(), "leaf.pem"),
        );
        let more = local_hosts(&["sync.example".to_owned()]);
        authority.server_config(&more).expect("certificates");
        assert_eq!(before.0, read(folder.path(), "ca.pem"));
        assert_ne!(before.1, read(folder.path(), "leaf.pem"));
    }

    #[test]
    fn an_old_leaf_is_not_good_any_more() {
        let day = |text: &str| text.parse::<jiff::civil::Date>().expect("a date");
        assert!(still_good(
            "2026-01-01\nlocalhost",
            "localhost",
            day("2026-06-01")
        ));
        assert!(!still_good(
            "2026-01-01\nlocalhost",
            "localhost",
            day("2026-12-01")
        ));
        assert!(!still_good(
            "2026-01-01\nlocalhost",
            "other",
            day("2026-06-01")
        ));
        assert!(!still_good("", "localhost", day("2026-06-01")));
    }

    #[cfg(unix)]
    #[test]
    fn private_keys_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        Authority::at(folder.path())
            .server_config(&local_hosts(&[]))
            .expect("certificates");
        for name in ["ca.key", "leaf.key"] {
            let mode = std::fs::metadata(folder.path().join(name))
                .expect("a file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
