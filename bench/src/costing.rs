//! The command `opcosts`: what operations of the kernel backend cost here, beside a record of it.

use std::process::ExitCode;

use crate::Failure;
use crate::cli::Opcosts;

/// Without the backend there is nothing to measure.
#[cfg(not(feature = "kernel"))]
pub(crate) fn opcosts(_options: &Opcosts) -> Result<ExitCode, Failure> {
    Err(Failure::BadInput(anyhow::anyhow!(
        "this build has no kernel backend: build with `--features kernel` (needs clang and libelf; \
         `make costs` does it, in a virtual machine)"
    )))
}

/// Measures, shows, and holds what is stable to the record.
#[cfg(feature = "kernel")]
pub(crate) fn opcosts(options: &Opcosts) -> Result<ExitCode, Failure> {
    use revenant_bench::cost::{self, Document, FORMAT, Unit};
    use revenant_bench::opcosts;

    let destinations = crate::results::Destinations::new(options.json.as_deref(), None)?;
    let record = options.check.as_deref().map(read_record).transpose()?;
    let plan = opcosts::Plan::of_this_process(options.repetitions as usize);
    let plan = plan.map_err(Failure::bad_input)?;
    if let Some(name) = options.operations.iter().find(|name| !opcosts::is_known(name)) {
        return Err(Failure::BadInput(anyhow::anyhow!(
            "no operation is called `{name}`; without --operations, the table names all"
        )));
    }
    let mut progress = |what: &str| eprintln!("measuring {what}");
    if options.programs {
        let programs = opcosts::profile(&plan, &options.operations, &mut progress);
        show_programs(&programs.map_err(Failure::broken)?);
        return Ok(ExitCode::SUCCESS);
    }
    let machine = revenant_bench::machine::Machine::read();
    let rows = opcosts::measure(&plan, &options.operations, &mut progress);
    let document = Document {
        format: FORMAT,
        command: std::env::args().collect::<Vec<_>>().join(" "),
        kernel: machine.kernel.unwrap_or_default(),
        cpus: machine.cpus_online.unwrap_or_default(),
        unit: if options.icount { Unit::Instructions } else { Unit::Ns },
        rows: rows.map_err(Failure::broken)?,
    };
    print!("{}", cost::render(&document));
    destinations.write_json(&document)?;
    let Some(record) = record else { return Ok(ExitCode::SUCCESS) };
    let changes = cost::changes(&record, &document);
    print!("\n{}", cost::render_changes(&changes));
    if !changes.iter().any(cost::Change::is_worse) {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Broken(anyhow::anyhow!(
        "operations cost over {:.0} % more than the record says: find out why, or renew the record \
         (`make costs`) and say why in the commit",
        cost::RISE_MAX * 100.0
    )))
}

#[cfg(feature = "kernel")]
fn show_programs(programs: &[revenant_bpf::ProgramCost]) {
    println!("{:<16} {:>8} {:>8}", "program", "runs", "each");
    for program in programs {
        println!("{:<16} {:>8} {:>8}", program.name, program.runs, program.time_ns / program.runs);
    }
}

#[cfg(feature = "kernel")]
fn read_record(path: &std::path::Path) -> Result<revenant_bench::cost::Record, Failure> {
    use anyhow::Context as _;

    let read = || {
        let text = std::fs::read_to_string(path)?;
        Ok::<_, anyhow::Error>(serde_json::from_str(&text)?)
    };
    let cure = || format!("{} is no record of costs; `make costs` writes one", path.display());
    read().with_context(cure).map_err(|error| Failure::BadInput(anyhow::anyhow!("{error:#}")))
}
