//! The one test binary of the workspace: black-box and contract tests.

mod cli;
mod http;
mod realtime;
mod api;
mod storage_contract;
mod support;
mod tidy;
