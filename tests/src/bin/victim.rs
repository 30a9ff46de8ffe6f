//! A server that stands still at a moment of its writes, so that a test can end it, or what it stands on, exactly then.
//!
//!     victim [--feed NATS [--feed-ca FILE]] SCHEMA DATABASE ADDRESS [MOMENT SKIPPED]
//!
//! `SKIPPED` batches pass the moment first. It says `listening ADDRESS` and `ready`, `held` when it stands still, takes `go` to go on and
//! `stop` to end in order.

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless::app::App;
use driftless::auth::KeySetting;
use driftless::config::{Config, Database, SchemaSource, TlsMode};
use driftless::storage::moment::{Moment, Moments, Witness};
use driftless::storage::{Certificate, NatsPlace};
use driftless::telemetry;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

/// The key that it takes.
const KEY: &str = "da2-victimvictimvictimvictimvi";

/// Holds one moment from its n-th time on, until it is told to go.
struct Holder {
    moment: Moment,
    skipped: usize,
    seen: AtomicUsize,
    go: watch::Receiver<bool>,
}

impl Witness for Holder {
    fn at(&self, moment: Moment) -> BoxFuture<'_, ()> {
        async move {
            if moment != self.moment || self.seen.fetch_add(1, Ordering::SeqCst) < self.skipped {
                return;
            }
            let mut go = self.go.clone();
            if !*go.borrow() {
                say("held");
            }
            // The sender lives as long as the process.
            let _ = go.wait_for(|go| *go).await;
        }
        .boxed()
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Whoever does not read any more has seen enough.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn moment(name: &str) -> Moment {
    match name {
        "taken" => Moment::Taken,
        "written" => Moment::Written,
        "committed" => Moment::Committed,
        "told" => Moment::Told,
        "prepared" => Moment::Prepared,
        other => panic!("there is no moment {other}"),
    }
}

fn config(mut arguments: &[String], go: watch::Receiver<bool>) -> Config {
    let (mut feed, mut chain, mut key) = (NatsPlace::at(""), None, None);
    while let [flag, value, rest @ ..] = arguments
        && let Some(flag) = flag.strip_prefix("--")
    {
        match flag {
            "feed" => feed.url.clone_from(value),
            "feed-ca" => feed.ca = Some(value.into()),
            "feed-credentials" => feed.credentials = Some(value.into()),
            "feed-cert" => chain = Some(value.into()),
            "feed-key" => key = Some(value.into()),
            other => panic!("there is no flag {other}"),
        }
        arguments = rest;
    }
    let [schema, database, address, hold @ ..] = arguments else {
        panic!("usage: victim SCHEMA DATABASE ADDRESS [MOMENT SKIPPED]");
    };
    let mut config = Config::development(".".as_ref());
    config.schema = SchemaSource::File(schema.into());
    config.database = Database(database.clone());
    config.listen.address = address.parse().expect("an address");
    config.listen.tls = TlsMode::Off;
    config.listen.also_443 = false;
    config
        .auth
        .add_key(KeySetting::plain(KEY).expect("a good key"));
    config.drain = Duration::ZERO;
    feed.certificate = chain
        .zip(key)
        .map(|(chain, key)| Certificate { chain, key });
    config.feed = Some(feed).filter(|feed| !feed.url.is_empty());
    if let [name, skipped] = hold {
        config.moments = Moments::seen_by(Arc::new(Holder {
            moment: moment(name),
            skipped: skipped.parse().expect("a number"),
            seen: AtomicUsize::new(0),
            go,
        }));
    }
    config
}

/// What is said on standard input, line by line.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (sender, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    orders
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (go, going) = watch::channel(false);
    let config = config(&arguments, going);
    telemetry::start(&config.log);
    let mut app = App::start(config).await.expect("it starts");
    say(&format!("listening {}", app.address()));
    let mut orders = orders();
    let mut ready = false;
    loop {
        let order = tokio::select! {
            opened = app.ready(), if !ready => {
                opened.expect("the store opens");
                ready = true;
                say("ready");
                continue;
            }
            order = orders.recv() => order,
        };
        match order.as_deref() {
            Some("go") => drop(go.send_replace(true)),
            _ => return app.stop().await,
        }
    }
}
