//! The command `enclave ls`.

use revenant::backend::kernel::enclaves;
use serde_json::json;

use super::columns::{align, time};
use super::record::EnclaveRow;
use super::session;
use crate::failure::Failure;

/// Lists the enclaves; without a scheduler there are none.
pub(crate) fn list(json: bool) -> Result<u8, Failure> {
    let rows = match session::open_if_loaded()? {
        Some(scheduler) => {
            let all = enclaves::list(&scheduler).into_iter();
            all.map(|enclave| EnclaveRow::read(&scheduler, enclave)).collect()
        }
        None => Vec::new(),
    };
    if rows.is_empty() && !json {
        eprintln!("revenant: there are no enclaves; `revenant enclave create` makes one");
    } else {
        print(&rows, json);
    }
    Ok(0)
}

/// Prints enclaves.
pub(crate) fn print(rows: &[EnclaveRow], json: bool) {
    if json {
        println!("{}", json!({ "enclaves": rows }));
    } else {
        print!("{}", text(rows));
    }
}

fn text(rows: &[EnclaveRow]) -> String {
    let header = ["NAME", "CPUS", "POLICY", "STATE", "AGENT", "PID", "THREADS", "AGE"];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let pid = row.agent.pid.map_or("-".to_owned(), |pid| pid.to_string());
        vec![
            row.name.clone(),
            row.cpus.clone(),
            row.policy.clone(),
            row.state.to_owned(),
            row.agent.kind.to_owned(),
            pid,
            row.threads.to_string(),
            time(row.age_ns),
        ]
    }));
    align(&lines)
}
