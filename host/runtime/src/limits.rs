//! The limits of guests: their defaults, and their names and units on the command line.

use std::{fmt, time::Duration};

use super::error::WasmError;

/// The limits of a guest. Set by the host, never by a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Wall time of one call, instantiation included.
    pub time: Duration,
    /// Bytes of memory, summed over all memories of the instance.
    pub memory: u64,
    /// Table elements, summed over all tables of the instance.
    pub table_elements: u64,
    /// Calls from the guest into the host, per call.
    pub host_calls: u64,
    /// Bytes that a guest passes to the host in one call.
    pub data: u64,
    /// Bytes of all objects and strings in an answer.
    pub result: u64,
    /// Bytes of log that are kept per call; the rest is dropped and counted.
    pub log: u64,
    /// Bytes of a component's file.
    pub component: u64,
    /// CPU time of compiling a component, summed over the compiler's threads.
    pub compile_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory: 64 << 20,
            table_elements: 20_000,
            host_calls: 10_000,
            data: 16 << 20,
            result: 4 << 20,
            log: 64 << 10,
            // Components in Python have 18 to 19 MB.
            component: 32 << 20,
            // Components in Python or on StarlingMonkey take 23 to 26 s of CPU time.
            compile_time: Duration::from_secs(60),
        }
    }
}

/// The name of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::time`].
    Time,
    /// [`Limits::memory`].
    Memory,
    /// [`Limits::table_elements`].
    TableElements,
    /// The guest's stack, in bytes. Fixed, since it is part of the compiled code.
    Stack,
    /// The memories, tables or instances that a component is linked from. Fixed, since it sizes the pool.
    Parts,
    /// [`Limits::host_calls`].
    HostCalls,
    /// [`Limits::data`].
    Data,
    /// [`Limits::result`].
    Result,
    /// [`Limits::log`].
    Log,
    /// [`Limits::component`].
    Component,
    /// [`Limits::compile_time`].
    CompileTime,
}

impl Limit {
    /// The limits that can be set, in the order in which they are listed.
    pub const SETTABLE: [Self; 9] = [
        Self::Time,
        Self::Memory,
        Self::TableElements,
        Self::HostCalls,
        Self::Data,
        Self::Result,
        Self::Log,
        Self::Component,
        Self::CompileTime,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
            Self::TableElements => "table-elements",
            Self::Stack => "stack",
            Self::Parts => "parts",
            Self::HostCalls => "host-calls",
            Self::Data => "data",
            Self::Result => "result",
            Self::Log => "log",
            Self::Component => "component",
            Self::CompileTime => "compile-time",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Time | Self::CompileTime => Unit::Milliseconds,
            Self::TableElements | Self::HostCalls | Self::Parts => Unit::Count,
            _ => Unit::Bytes,
        }
    }

    /// Formats an amount as it would be typed, such as `64Mi`.
    pub fn amount(self, amount: u64) -> impl fmt::Display {
        Amount(amount, self.unit())
    }
}

/// Why a limit cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimitError(String);

impl Limits {
    /// The value of one limit: milliseconds, bytes or a count.
    pub fn get(&self, limit: Limit) -> u64 {
        match limit {
            Limit::Time => milliseconds(self.time),
            Limit::Memory => self.memory,
            Limit::TableElements => self.table_elements,
            Limit::Stack => super::config::GUEST_STACK as u64,
            Limit::Parts => super::state::MAX_INSTANCES as u64,
            Limit::HostCalls => self.host_calls,
            Limit::Data => self.data,
            Limit::Result => self.result,
            Limit::Log => self.log,
            Limit::Component => self.component,
            Limit::CompileTime => milliseconds(self.compile_time),
        }
    }

    /// Fails when `asked` exceeds the limit.
    pub(super) fn allow(&self, limit: Limit, asked: u64) -> Result<(), WasmError> {
        let allowed = self.get(limit);
        if asked <= allowed {
            return Ok(());
        }
        Err(WasmError::Limit {
            limit,
            allowed,
            asked: Some(asked),
        })
    }

    /// Sets one limit from `NAME=VALUE`, for example `time=5s`, `memory=128Mi` or `host-calls=500`.
    ///
    /// # Errors
    /// Fails with the valid names or units in the message.
    pub fn set(&mut self, typed: &str) -> Result<(), LimitError> {
        self.set_typed(typed).map_err(LimitError)
    }

    fn set_typed(&mut self, typed: &str) -> Result<(), String> {
        let (name, value) = typed
            .split_once('=')
            .ok_or_else(|| format!("{typed:?} must be formatted as NAME=VALUE"))?;
        let limit = Limit::SETTABLE
            .into_iter()
            .find(|limit| limit.name() == name)
            .ok_or_else(|| {
                let known = Limit::SETTABLE.map(Limit::name).join(", ");
                format!("unknown limit {name:?}; the limits are {known}")
            })?;
        let value = limit.unit().parse(value)?;
        match limit {
            Limit::Time => self.time = Duration::from_millis(value),
            Limit::CompileTime => self.compile_time = Duration::from_millis(value),
            Limit::Memory => self.memory = value,
            Limit::TableElements => self.table_elements = value,
            Limit::HostCalls => self.host_calls = value,
            Limit::Data => self.data = value,
            Limit::Result => self.result = value,
            Limit::Log => self.log = value,
            Limit::Component => self.component = value,
            Limit::Stack | Limit::Parts => {}
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Bytes,
    Count,
}

impl Unit {
    fn factors(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Milliseconds => &[("ms", 1), ("s", 1000), ("m", 60_000)],
            Self::Bytes => &[("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)],
            Self::Count => &[],
        }
    }

    fn parse(self, typed: &str) -> Result<u64, String> {
        let digits = typed.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let suffix = &typed[digits.len()..];
        let factor = match (self, suffix) {
            (Self::Bytes | Self::Count, "") => Some(1),
            _ => self
                .factors()
                .iter()
                .find(|(unit, _)| *unit == suffix)
                .map(|(_, factor)| *factor),
        };
        let number = digits.parse::<u64>().ok();
        match (number, factor) {
            (Some(number), Some(factor)) if number > 0 => number
                .checked_mul(factor)
                .ok_or_else(|| format!("{typed:?} is too large")),
            _ => Err(format!(
                "{typed:?} must be a positive whole number{}",
                match self {
                    Self::Milliseconds => " with a unit: ms, s or m",
                    Self::Bytes => ", optionally with a unit: Ki, Mi or Gi",
                    Self::Count => "",
                }
            )),
        }
    }
}

struct Amount(u64, Unit);

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self
            .1
            .factors()
            .iter()
            .rev()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match exact {
            Some((unit, factor)) => write!(out, "{}{unit}", self.0 / factor),
            None => write!(out, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_round_trip() {
        let mut limits = Limits::default();
        for limit in Limit::SETTABLE {
            let value = limits.get(limit);
            limits
                .set(&format!("{}={}", limit.name(), limit.amount(value)))
                .unwrap();
            assert_eq!(limits.get(limit), value, "{}", limit.name());
        }
    }

    #[test]
    fn errors_name_what_is_valid() {
        let mut limits = Limits::default();
        for (typed, wanted) in [
            ("time", "NAME=VALUE"),
            ("tiem=1s", "the limits are time, memory"),
            ("time=5", "ms, s or m"),
            ("memory=1kb", "Ki, Mi or Gi"),
            ("host-calls=0", "positive"),
            ("memory=99999999999999999999", "positive"),
            ("memory=18446744073709551615Gi", "too large"),
        ] {
            let message = limits.set(typed).unwrap_err().to_string();
            assert!(message.contains(wanted), "{typed}: {message}");
        }
    }
}
