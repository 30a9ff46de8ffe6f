//! The one test binary of the workspace: black-box and contract tests.

mod anomalies;
mod api;
mod auth;
mod backlog;
mod cli;
mod converge;
mod crash;
mod handover;
mod http;
mod migrations;
mod native;
mod nodes;
mod overload;
mod plans;
mod plugins;
mod realtime;
mod rules;
mod simulation;
mod storage_contract;
mod support;
mod tidy;
