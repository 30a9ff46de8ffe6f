//! Handlers of the user's, with every call counted and timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless_conflict_handlers::{Conflict, External, Fault, Handler, Needs, Resolution};
use driftless_resolvers::engine::Strategies;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::metrics::Metrics;

/// The same strategies, counted in these metrics.
#[must_use]
pub fn measured(strategies: Strategies, metrics: &Arc<Metrics>) -> Strategies {
    let measure = |handler| match handler {
        Handler::Builtin(strategy) => Handler::Builtin(strategy),
        Handler::External(inner) => Handler::external(Measured {
            inner,
            metrics: Arc::clone(metrics),
        }),
    };
    Strategies {
        default: measure(strategies.default),
        models: strategies
            .models
            .into_iter()
            .map(|(model, handler)| (model, measure(handler)))
            .collect(),
    }
}

struct Measured {
    inner: Arc<dyn External>,
    metrics: Arc<Metrics>,
}

impl External for Measured {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn needs(&self) -> Needs {
        self.inner.needs()
    }

    fn resolve<'a>(
        &'a self,
        conflict: &'a Conflict<'a>,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>> {
        async move {
            let call = Call {
                handler: self,
                begun: Instant::now(),
                result: "too_slow",
            };
            let answer = self.inner.resolve(conflict, patience).await;
            call.ended(&answer);
            answer
        }
        .boxed()
    }
}

/// A call that is counted when it ends, given up or not.
struct Call<'a> {
    handler: &'a Measured,
    begun: Instant,
    result: &'static str,
}

impl Call<'_> {
    fn ended(mut self, answer: &Result<Resolution, Fault>) {
        self.result = match answer {
            Ok(_) => "answered",
            Err(Fault::TooSlow(_)) => "too_slow",
            Err(Fault::TooMuchMemory(_)) => "too_much_memory",
            Err(Fault::TooMuchOutput(_)) => "too_much_output",
            Err(Fault::Broken(_)) => "broken",
            Err(Fault::Malformed(_)) => "malformed",
            Err(Fault::Unreachable(_)) => "unreachable",
        };
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Measured { inner, metrics } = self.handler;
        let name = inner.name();
        metrics.handler_calls.add(&[name, self.result], 1);
        metrics
            .handler_seconds
            .observe(&[name], self.begun.elapsed());
    }
}
