//! What is seen while a comparison runs, on stderr: a bar on a terminal, a line a load elsewhere.
//!
//! It is drawn between runs only: a thread that draws during one would be measured with it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The progress of a comparison.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    load: Option<f64>,
    runs: usize,
    ran: usize,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// On stderr, as it suits whoever reads it.
    #[must_use]
    pub fn on_stderr() -> Self {
        let shown = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "{msg:40!} [{bar:30}] {pos}/{len} runs, {elapsed} of about {duration}",
            );
            bar.set_style(style.expect("the template is well-formed").progress_chars("=> "));
            Shown::Bar(bar)
        } else {
            Shown::Lines
        };
        Self { shown, load: None, runs: 0, ran: 0 }
    }

    /// None at all.
    #[must_use]
    pub fn quiet() -> Self {
        Self { shown: Shown::Nothing, load: None, runs: 0, ran: 0 }
    }

    /// So many runs are to come.
    pub fn begin(&mut self, runs: usize) {
        self.runs = runs;
        if let Shown::Bar(bar) = &self.shown {
            bar.set_length(runs as u64);
        }
    }

    /// A run begins.
    pub fn run(&mut self, system: &str, load: f64, seed: u64) {
        match &self.shown {
            Shown::Bar(bar) => bar.set_message(format!("load {load}, seed {seed}: {system}")),
            Shown::Lines if self.load != Some(load) => {
                eprintln!("load {load}: {} of {} runs done", self.ran, self.runs);
            }
            Shown::Lines | Shown::Nothing => {}
        }
        self.load = Some(load);
    }

    /// The run is over, with all its repeats.
    pub fn ran(&mut self) {
        self.ran += 1;
        if let Shown::Bar(bar) = &self.shown {
            bar.inc(1);
        }
    }

    /// All is over: makes room for the results.
    pub fn end(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
