//! `driftless trust`: make clients trust the local certificate authority.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, output, project::Project};
use crate::tls;

const NAME: &str = "Driftless local authority";

#[derive(Debug, clap::Args)]
pub(super) struct Trust {
    /// Take the authority out of this machine's stores again
    #[arg(long)]
    remove: bool,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
}

/// A command that changes what this machine trusts.
struct Step {
    what: &'static str,
    command: Vec<String>,
}

impl Trust {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let authority = Project::here().authority();
        if !self.remove {
            authority.server_config(&tls::local_hosts(&[]))?;
        }
        let ca = std::path::absolute(authority.certificate())?;
        let mut failed = false;
        for step in steps(&ca, self.remove) {
            let line = step.command.join(" ");
            if self.dry_run {
                output::say(&format!("{}:\n  {line}", step.what));
            } else if run(&step.command) {
                output::say(&format!("done  {}", step.what));
            } else {
                failed = true;
                output::complain(&format!(
                    "not done: {}. Run it yourself:\n  {line}",
                    step.what
                ));
            }
        }
        if !self.remove {
            output::say(&clients(&ca));
        }
        if failed {
            return Err(Failure::Wrong(String::new()));
        }
        Ok(())
    }
}

/// Runs a step. Where there is no `sudo` (containers, minimal systems) the caller may be root already.
fn run(command: &[String]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    match Command::new(program).args(arguments).status() {
        Err(error) if program == "sudo" && error.kind() == ErrorKind::NotFound => run(arguments),
        status => status.is_ok_and(|status| status.success()),
    }
}

fn step(what: &'static str, command: &[&str]) -> Step {
    Step {
        what,
        command: command.iter().map(|part| (*part).to_owned()).collect(),
    }
}

#[cfg(target_os = "macos")]
fn steps(ca: &Path, remove: bool) -> Vec<Step> {
    let ca = ca.to_string_lossy();
    if remove {
        return vec![step(
            "the login keychain",
            &["security", "delete-certificate", "-c", NAME],
        )];
    }
    vec![step(
        "the login keychain",
        &["security", "add-trusted-cert", "-r", "trustRoot", &ca],
    )]
}

#[cfg(target_os = "windows")]
fn steps(ca: &Path, remove: bool) -> Vec<Step> {
    let ca = ca.to_string_lossy();
    if remove {
        return vec![step(
            "the user's root store",
            &["certutil", "-user", "-delstore", "Root", NAME],
        )];
    }
    vec![step(
        "the user's root store",
        &["certutil", "-user", "-addstore", "Root", &ca],
    )]
}

#[cfg(not(any(target_os = "macos", target_os = "windows")))]
fn steps(ca: &Path, remove: bool) -> Vec<Step> {
    let mut steps = system_store(ca, remove);
    steps.extend(browser_store(ca, remove));
    steps
}

/// Debian and Fedora keep their authorities in different places.
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
fn system_store(ca: &Path, remove: bool) -> Vec<Step> {
    let places = [
        ("/usr/local/share/ca-certificates", "update-ca-certificates"),
        ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ];
    let Some((folder, update)) = places
        .into_iter()
        .find(|(folder, _)| Path::new(folder).is_dir())
    else {
        return Vec::new();
    };
    let target = format!("{folder}/driftless-local.crt");
    let change = if remove {
        step(
            "take the authority out of the system's store",
            &["sudo", "rm", "-f", &target],
        )
    } else {
        step(
            "put the authority into the system's store",
            &["sudo", "cp", &ca.to_string_lossy(), &target],
        )
    };
    vec![
        change,
        step("refresh the system's store", &["sudo", update]),
    ]
}

/// Chrome and other programs with NSS have a store per user.
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
fn browser_store(ca: &Path, remove: bool) -> Option<Step> {
    let store: PathBuf = std::env::home_dir()?.join(".pki/nssdb");
    if !store.is_dir() {
        return None;
    }
    let store = format!("sql:{}", store.display());
    Some(if remove {
        step(
            "take the authority out of the browsers' store",
            &["certutil", "-d", &store, "-D", "-n", NAME],
        )
    } else {
        let ca = ca.to_string_lossy();
        step(
            "put the authority into the browsers' store (needs libnss3-tools)",
            &[
                "certutil", "-d", &store, "-A", "-t", "C,,", "-n", NAME, "-i", &ca,
            ],
        )
    })
}

/// What no command here can do.
fn clients(ca: &Path) -> String {
    let ca = ca.display();
    format!(
        "
Clients that read no system store:
  Node            NODE_EXTRA_CA_CERTS={ca} node app.js
  Firefox         Settings, Certificates, Authorities, Import: {ca}
  iOS simulator   xcrun simctl keychain booted add-root-cert {ca}
  iOS device      send {ca} to the device, install the profile, then
                  Settings, General, About, Certificate Trust Settings: switch it on
  Android         copy {ca} to app/src/debug/res/raw/driftless.pem and name it in
                  app/src/debug/res/xml/network_security_config.xml (android:networkSecurityConfig of the
                  debug manifest):
                    <network-security-config><base-config><trust-anchors>
                      <certificates src=\"@raw/driftless\"/><certificates src=\"system\"/>
                    </trust-anchors></base-config></network-security-config>
  Flutter         in main(), in debug builds, with the file as an asset:
                    final ca = await rootBundle.load('assets/driftless.pem');
                    SecurityContext.defaultContext.setTrustedCertificatesBytes(ca.buffer.asUint8List());"
    )
}
