//! What a class of requests is promised, and how much of it is let in.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::{Span, Text};
use crate::command::CommandClass;

/// Choices for one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClassOptions {
    /// The latency that is promised for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<Text<Span>>,
    /// When an answer is worthless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Text<Span>>,
    /// How long its requests may wait for a CPU before fewer are let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Text<Span>>,
    /// How many may be under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<usize>,
}

impl ClassOptions {
    /// These, and `other`'s where there is none.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            slo: self.slo.or(other.slo),
            deadline: self.deadline.or(other.deadline),
            wait: self.wait.or(other.wait),
            in_flight: self.in_flight.or(other.in_flight),
        }
    }

    /// What is wrong with those of `class`.
    pub(super) fn faults(&self, class: CommandClass) -> Vec<String> {
        let name = class.name();
        let is_zero = |span: &Option<Text<Span>>| span.as_ref().is_some_and(|s| s.0.is_zero());
        let mut faults = Vec::new();
        for (field, span) in [("slo", &self.slo), ("deadline", &self.deadline)] {
            if is_zero(span) {
                faults
                    .push(format!("class.{name}.{field}: must not be zero; leave it out instead"));
            }
        }
        if !(1..=IN_FLIGHT_MAX).contains(&self.in_flight.unwrap_or(1)) {
            faults.push(format!("class.{name}.in-flight: must be 1 to {IN_FLIGHT_MAX}"));
        }
        faults
    }
}

/// Requests of a class under way: a place for one is about 600 bytes, used or not.
const IN_FLIGHT_MAX: usize = 1 << 20;

/// `NAME:slo=TIME,deadline=TIME,wait=TIME,in-flight=N` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFlag {
    /// Which.
    pub class: CommandClass,
    /// What is chosen for it.
    pub options: ClassOptions,
}

/// The class of that name.
pub(super) fn by_name(name: &str) -> Result<CommandClass, String> {
    let found = CommandClass::ALL.into_iter().find(|class| class.name() == name);
    found.ok_or_else(|| {
        let known = CommandClass::ALL.map(CommandClass::name).join(", ");
        format!("there is no class called `{name}`: they are {known}")
    })
}

impl FromStr for ClassFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, settings) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}`: write CLASS:slo=200us,in-flight=100"))?;
        let mut options = ClassOptions::default();
        for setting in settings.split(',') {
            let (field, value) =
                setting.split_once('=').ok_or_else(|| format!("`{setting}`: write FIELD=VALUE"))?;
            match field {
                "slo" => options.slo = Some(value.parse()?),
                "deadline" => options.deadline = Some(value.parse()?),
                "wait" => options.wait = Some(value.parse()?),
                "in-flight" => {
                    let number = value.parse().map_err(|_| format!("`{value}` is no number"))?;
                    options.in_flight = Some(number);
                }
                _ => {
                    let known = "slo, deadline, wait, in-flight";
                    return Err(format!("a class has no `{field}`: it has {known}"));
                }
            }
        }
        Ok(Self { class: by_name(name)?, options })
    }
}
