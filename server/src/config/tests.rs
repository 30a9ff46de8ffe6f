use super::*;

pub(super) fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("driftless.toml");
    std::fs::write(&path, file).expect("a file");
    let flags = Flags {
        file: Some(path),
        ..Flags::default()
    };
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::production().overlaid(&flags, variables)
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "schema = \"a.graphql\"\n[database]\nurl = \"sqlite:a.db\"\n";
    let config = load(file, &[("DRIFTLESS_DATABASE_URL", "sqlite:b.db")]).expect("a configuration");
    assert_eq!(config.schema, SchemaSource::File("a.graphql".into()));
    assert_eq!(config.database, Database("sqlite:b.db".to_owned()));
}

#[test]
fn flags_win_over_everything() {
    let flags = Flags {
        database: Some("sqlite:c.db".to_owned()),
        ..Flags::default()
    };
    let variables = [(
        "DRIFTLESS_DATABASE_URL".to_owned(),
        "sqlite:b.db".to_owned(),
    )];
    let config = Config::production()
        .overlaid(&flags, variables)
        .expect("a configuration");
    assert_eq!(config.database, Database("sqlite:c.db".to_owned()));
}

#[test]
fn an_unknown_variable_names_the_nearest_known_one() {
    let error = load("", &[("DRIFTLESS_DATABSE_URL", "x")]).expect_err("a typing error");
    assert!(error.0.contains("DRIFTLESS_DATABASE_URL"), "{error}");
}

#[test]
fn a_feed_is_a_list_of_nats_servers_beside_a_postgres() {
    let postgres = ("DRIFTLESS_DATABASE_URL", "postgres://h/d");
    let two = "nats://u:secret@a:4222, tls://b";
    let config = load("", &[postgres, ("DRIFTLESS_FEED_URL", two)]).expect("a configuration");
    assert_eq!(config.feed, Some(NatsPlace::at(two)));
    assert_eq!(format!("{:?}", config.feed), "Some(nats://a:4222,tls://b)");
    let error = load("[feed]\nurl = \"redis://a\"\n", &[postgres]).expect_err("no NATS");
    assert!(error.0.contains("feed.url"), "{error}");
    let error = load("[feed]\nurl = \"nats://a\"\n", &[]).expect_err("no Postgres");
    assert!(error.0.contains("Postgres"), "{error}");
}

#[test]
fn the_authority_of_a_feed_is_a_file_with_certificates() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_string_lossy();
    let loaded = |url: &str, ca: &str| {
        let variables = [
            ("DRIFTLESS_DATABASE_URL", "postgres://h/d"),
            ("DRIFTLESS_FEED_URL", url),
            ("DRIFTLESS_FEED_CA", ca),
        ];
        load("", &variables).map(|config| config.feed)
    };
    let told = |url, ca| loaded(url, ca).expect_err("no authority").0;
    let secret = "tls://u:secret@a";
    assert!(told("", &path).contains("feed.url"));
    assert!(told(secret, &path).contains("holds no certificate"));
    assert!(told(secret, "/nowhere/ca.pem").contains("feed.ca: cannot read /nowhere/ca.pem"));
    assert!(!told(secret, &path).contains("secret"));

    let folder = tempfile::tempdir().expect("a folder");
    let authority = tls::Authority::at(folder.path());
    let made = authority.server_config(&tls::local_hosts(&[]));
    made.expect("an authority");
    let ca = authority.certificate();
    let feed = loaded(secret, &ca.to_string_lossy()).expect("a configuration");
    assert_eq!(feed.and_then(|feed| feed.ca), Some(ca));
}

#[test]
fn the_login_and_the_certificate_of_a_node_for_nats_are_files_that_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let made = |name: &str| {
        let authority = tls::Authority::at(&folder.path().join(name));
        let made = authority.server_config(&tls::local_hosts(&[]));
        made.expect("a certificate");
        let leaf = |file: &str| folder.path().join(name).join(file).display().to_string();
        (leaf("leaf.pem"), leaf("leaf.key"))
    };
    let ((cert, key), (other, _)) = (made("one"), made("other"));
    let seed = nkeys::KeyPair::new_user().seed().expect("a key pair");
    let good = file("user.nk", &seed);
    let empty = file("empty.creds", "");
    let loaded = |url: &str, settings: &[(&str, &str)]| {
        let always = [
            ("DRIFTLESS_DATABASE_URL", "postgres://h/d"),
            ("DRIFTLESS_FEED_URL", url),
        ];
        load("", &[&always, settings].concat()).map(|config| config.feed)
    };
    let (credentials, cert_key, key_key) = (
        "DRIFTLESS_FEED_CREDENTIALS",
        "DRIFTLESS_FEED_CERT",
        "DRIFTLESS_FEED_KEY",
    );
    for (url, settings, expected) in [
        (
            "tls://a",
            vec![(credentials, "/nowhere/a.creds")],
            "feed.credentials: cannot read /nowhere/a.creds",
        ),
        (
            "tls://a",
            vec![(credentials, empty.as_str())],
            "empty.creds is neither a .creds file",
        ),
        (
            "tls://u:secret@a",
            vec![(credentials, good.as_str())],
            "a login stands in feed.url and another in feed.credentials",
        ),
        (
            "",
            vec![(credentials, good.as_str())],
            "feed.credentials is for the NATS servers of feed.url",
        ),
        (
            "tls://a",
            vec![(cert_key, cert.as_str())],
            "feed.cert needs feed.key",
        ),
        (
            "tls://a",
            vec![(key_key, key.as_str())],
            "feed.key needs feed.cert",
        ),
        (
            "tls://a",
            vec![(cert_key, empty.as_str()), (key_key, key.as_str())],
            "feed.cert: ",
        ),
        (
            "tls://a",
            vec![(cert_key, other.as_str()), (key_key, key.as_str())],
            "do not go together",
        ),
        (
            "tls://a",
            vec![(cert_key, cert.as_str()), (key_key, "/nowhere/key")],
            "feed.cert: cannot read the private key /nowhere/key",
        ),
    ] {
        let told = loaded(url, &settings).expect_err(expected).0;
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("secret") && !told.contains(&seed), "{told}");
    }
    let all = [
        (credentials, good.as_str()),
        (cert_key, cert.as_str()),
        (key_key, key.as_str()),
    ];
    let feed = loaded("tls://a", &all).expect("a configuration");
    let feed = feed.expect("a feed");
    assert_eq!(feed.credentials, Some(good.into()));
    assert!(feed.certificate.is_some());
    assert!(!format!("{feed:?}").contains(&seed), "{feed:?}");
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_not_ours() {
    let variables = [
        ("DRIFTLESS_SERVICE_HOST", "10.0.0.1"),
        ("DRIFTLESS_PORT_8080_TCP", "tcp://"),
    ];
    assert!(load("", &variables).is_ok());
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_place() {
    let error = load("[listen]\nadress = \"x\"\n", &[]).expect_err("a typing error");
    assert!(
        error.0.contains("adress") && error.0.contains("address"),
        "{error}"
    );
}

#[test]
fn secrets_may_lie_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("url");
    std::fs::write(&path, "postgres://u:p@h/d\n").expect("a file");
    let path = path.to_string_lossy();
    let config = load("", &[("DRIFTLESS_DATABASE_URL_FILE", &path)]).expect("a configuration");
    assert_eq!(config.database, Database("postgres://u:p@h/d".to_owned()));
}

#[test]
fn keys_conflicts_and_certificates_are_read() {
    let file = r#"
        [listen]
        address = "127.0.0.1:9000"
        public_hosts = ["sync.example.org"]
        tls = { cert = "c.pem", key = "k.pem" }
        [conflict]
        default = "optimistic"
        [conflict.models]
        Post = "automerge"
        [auth.providers.keys]
        type = "api_key"
        keys = ["da2-abcdefghijklmnopqrstuvwxyz"]
    "#;
    let config = load(file, &[]).expect("a configuration");
    assert_eq!(config.listen.address.port(), 9000);
    assert_eq!(config.conflict.models["Post"], Strategy::Automerge.into());
    assert_eq!(config.conflict.default, Strategy::Optimistic.into());
    assert_eq!(config.auth.api_keys.map(|keys| keys.len()), Some(1));
    assert!(matches!(config.listen.tls, TlsMode::Files { .. }));
}

/// `errata.md` rows 30 and 32.
#[test]
fn tombstones_last_thirty_days_and_deltas_for_ever_unless_told_otherwise() {
    let ttls = |file: &str, variables: &[(&str, &str)]| {
        let engine = load(file, variables).expect("a configuration").engine;
        (engine.delta_window, engine.tombstone_ttl)
    };
    assert_eq!(ttls("", &[]), (None, Some(30 * 24 * 3_600_000)));
    let file = "[sync]\ndelta_ttl = 30\ntombstone_ttl = 0\n";
    assert_eq!(ttls(file, &[]), (Some(1_800_000), Some(0)));
    let variables = [
        ("DRIFTLESS_SYNC_DELTA_TTL", "60"),
        ("DRIFTLESS_SYNC_TOMBSTONE_TTL", "never"),
    ];
    assert_eq!(ttls(file, &variables), (Some(3_600_000), None));
    let never = "[sync]\ntombstone_ttl = \"never\"\n";
    assert_eq!(ttls(never, &[]), (None, None));
}

#[test]
fn the_log_is_kept_for_thirty_days_unless_told_otherwise() {
    let kept = |file: &str, variables: &[(&str, &str)]| {
        let config = load(file, variables).expect("a configuration");
        config.place().log_ttl.map(|ttl| ttl / 60_000)
    };
    assert_eq!(kept("", &[]), Some(30 * 24 * 60));
    let (file, never) = ("[sync]\nlog_ttl = 90\n", "[sync]\nlog_ttl = \"never\"\n");
    assert_eq!((kept(file, &[]), kept(never, &[])), (Some(90), None));
    let variable = |value| [("DRIFTLESS_SYNC_LOG_TTL", value)];
    assert_eq!(kept(file, &variable("120")), Some(120));
    assert_eq!(kept(file, &variable("never")), None);
}

#[test]
fn a_time_that_makes_no_sense_is_named_with_its_place() {
    for (line, key) in [
        ("delta_ttl = -1", "delta_ttl"),
        ("delta_ttl = \"never\"", "delta_ttl"),
        ("tombstone_ttl = \"soon\"", "tombstone_ttl"),
        ("tombstone_ttl = 1.5", "tombstone_ttl"),
        ("tombstone_ttl = -1", "tombstone_ttl"),
        ("log_ttl = -1", "log_ttl"),
        ("log_ttl = \"always\"", "log_ttl"),
    ] {
        let error = load(&format!("[sync]\n{line}\n"), &[]).expect_err(line);
        let told = error.0.contains("driftless.toml") && error.0.contains(key);
        assert!(told, "{error}");
    }
    for name in [
        "DRIFTLESS_SYNC_DELTA_TTL",
        "DRIFTLESS_SYNC_TOMBSTONE_TTL",
        "DRIFTLESS_SYNC_LOG_TTL",
    ] {
        let error = load("", &[(name, "-1")]).expect_err(name);
        assert!(error.0.contains(name), "{error}");
    }
}

#[test]
fn the_switches_of_syncs_are_off_unless_told_otherwise() {
    let switches = |file: &str, variables: &[(&str, &str)]| {
        let engine = load(file, variables).expect("a configuration").engine;
        (engine.revive, engine.create_replay, engine.hide_tombstones)
    };
    assert_eq!(switches("", &[]), (false, true, false));
    let file =
        "[sync]\ncreate_on_tombstone = \"revive\"\ncreate_replay = false\nhide_tombstones = true\n";
    assert_eq!(switches(file, &[]), (true, false, true));
    let variables = [
        ("DRIFTLESS_SYNC_CREATE_ON_TOMBSTONE", "error"),
        ("DRIFTLESS_SYNC_CREATE_REPLAY", "true"),
        ("DRIFTLESS_SYNC_HIDE_TOMBSTONES", "false"),
    ];
    assert_eq!(switches(file, &variables), (false, true, false));
    let error = load("[sync]\ncreate_on_tombstone = \"undelete\"\n", &[]).expect_err("a word");
    assert!(
        error.0.contains("undelete") && error.0.contains("revive"),
        "{error}"
    );
}

#[test]
fn the_profile_of_appsync_gives_way_to_what_is_said_beside_it() {
    let plain = load("compat = \"appsync\"\n", &[]).expect("a configuration");
    assert_eq!(plain.engine.delta_window, Some(1_800_000));
    assert!(!plain.engine.create_replay && !plain.realtime.repairs && !plain.engine.slow_loops);
    assert_eq!(plain.realtime.subscriptions, 100);
    let file = "compat = \"appsync\"\n[sync]\ndelta_ttl = 60\n[realtime]\nrepairs = true\n";
    let own = load(file, &[]).expect("a configuration");
    assert_eq!(own.engine.delta_window, Some(3_600_000));
    assert!(own.realtime.repairs && !own.engine.create_replay);
    let variable = load("", &[("DRIFTLESS_COMPAT", "appsync")]).expect("a configuration");
    assert!(!variable.engine.create_replay);
}
