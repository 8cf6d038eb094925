//! The only place that writes to stdout and stderr.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use anstyle::{AnsiColor, Style};
use trocar::{Diagnostic, Engine, EngineConfig, LoadEvent, LogLevel, LogLine, cluster::Stream, text};

use super::{configuration, error::CliError, patient};

/// Writes a command's output, all at once, so that a failure leaves none of it. What is hidden in it is made visible: the
/// last wall before a terminal. Its line ends are ours, as in [`error_lines`].
pub(crate) fn output(text: &str) -> Result<(), CliError> {
    write_output(&text::lines(text))
}

/// Writes one line of output, whatever is in it.
pub(crate) fn output_line(line: &str) -> Result<(), CliError> {
    output(&format!("{}\n", text::plain(line)))
}

/// Writes a diff, in colours where a person looks.
pub(crate) fn diff(text: &str) -> Result<(), CliError> {
    let text = text::lines(text);
    if colours_stdout() {
        write_output(&colour_diff(&text))
    } else {
        write_output(&text)
    }
}

fn write_output(text: &str) -> Result<(), CliError> {
    patient::write_all(&mut io::stdout().lock(), text.as_bytes())
        .map_err(|error| CliError::output(format!("cannot write to stdout: {error}"), &error))
}

/// Writes bytes of a debugged program, right away.
pub(crate) fn program_output(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => patient::write_all(&mut io::stdout().lock(), bytes),
        Stream::Stderr => patient::write_all(&mut io::stderr().lock(), bytes),
    }
}

/// A line that the next one replaces stands on the screen.
static HAS_LIVE_LINE: AtomicBool = AtomicBool::new(false);

/// Shows a line on stderr that the next one replaces; nothing if stderr is not a terminal. Empty to remove it.
pub(crate) fn live_line(shown: &str) {
    if !io::stderr().is_terminal() {
        return;
    }
    let was_there = HAS_LIVE_LINE.swap(!shown.is_empty(), Ordering::Relaxed);
    if !was_there && shown.is_empty() {
        return;
    }
    // A longer line would wrap, and only its last row be replaced.
    let shown: String = shown
        .chars()
        .filter(|letter| !text::is_hidden(*letter))
        .take(columns().saturating_sub(1))
        .collect();
    let start = if was_there { "\r\x1b[K" } else { "" };
    drop(
        io::stderr()
            .lock()
            .write_all(format!("{start}{shown}").as_bytes()),
    );
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col.max(20)))
}

/// Writes one line to a terminal in raw mode, on which a program writes.
pub(crate) fn line_between(line: &str) {
    drop(
        io::stderr()
            .lock()
            .write_all(format!("\r\n{}\r\n", text::plain(line)).as_bytes()),
    );
}

/// Asks the user. Without a terminal the answer is no.
pub(crate) fn confirm(question: &str) -> bool {
    // The question is written to stderr: where no terminal shows it, an answer would be waited for unseen.
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    drop(write!(io::stderr().lock(), "{} [y/N] ", text::plain(question)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Writes one line to stderr, whatever is in it: a line end of others begins no line. That it fails cannot be reported.
pub(crate) fn error_line(line: &str) {
    live_line("");
    write_error(&text::plain(line));
}

/// Writes a line at once: what another program writes to the terminal must not come before its end.
fn write_error(text: &str) {
    drop(patient::write_all(
        &mut io::stderr().lock(),
        format!("{text}\n").as_bytes(),
    ));
}

/// Writes several lines to stderr. Each of them is ours: what others wrote in them has no line ends, or is indented.
pub(crate) fn error_lines(lines: &str) {
    live_line("");
    write_error(&text::lines(lines.trim_end()));
}

/// Writes a warning to stderr.
pub(crate) fn warning(message: &str) {
    error_line(&format!("Warning: {message}"));
}

/// Says whether stdout takes colours.
fn colours_stdout() -> bool {
    // NO_COLOR counts where it is set to anything but the empty text.
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours the lines of a unified diff.
fn colour_diff(diff: &str) -> String {
    let mut coloured = String::with_capacity(diff.len() * 2);
    for line in diff.split_inclusive('\n') {
        let colour = match line.as_bytes().first() {
            Some(b'+') => Some(AnsiColor::Green),
            Some(b'-') => Some(AnsiColor::Red),
            Some(b'@') => Some(AnsiColor::Cyan),
            _ => None,
        };
        match colour {
            Some(colour) => {
                let style = Style::new().fg_color(Some(colour.into()));
                let text = line.trim_end_matches('\n');
                coloured.push_str(&format!("{style}{text}{style:#}\n"));
            }
            None => coloured.push_str(line),
        }
    }
    coloured
}

/// A diagnostic as one line: where, what, what to do.
pub(crate) fn diagnostic_line(found: &Diagnostic) -> String {
    match &found.at {
        Some(at) => format!("{at}: {}", with_help(found)),
        None => with_help(found),
    }
}

/// What a diagnostic says, without its place: for those that explain themselves.
pub(crate) fn with_help(found: &Diagnostic) -> String {
    match &found.help {
        Some(help) => format!("{} ({help})", found.message),
        None => found.message.clone(),
    }
}

/// A table with columns as wide as they need to be.
pub(crate) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    self::rows(&header, rows.map(Vec::from))
}

/// The same, where only the program knows how many columns there are.
pub(crate) fn rows(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().copied().map(str::to_owned).collect();
    let harmless = |row: Vec<String>| row.iter().map(|cell| text::plain(cell)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).map(harmless).collect();
    let columns = rows[0].len();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Shows what a plugin wrote: warnings and errors with `-v`, everything with `-vv`.
pub(crate) fn plugin_log(plugin: &str, log: &[LogLine], verbosity: u8) {
    let least = match verbosity {
        0 => return,
        1 => LogLevel::Info,
        _ => LogLevel::Trace,
    };
    for line in log.iter().filter(|line| line.level >= least) {
        error_line(&format!("{plugin}: {}", line.text));
    }
}

/// Makes an engine; without its cache when that cannot be used, which is only slower.
pub(crate) fn engine(mut config: EngineConfig) -> Result<Engine, CliError> {
    if let Some(folder) = &config.cache
        && let Err(error) = trocar::check_cache(folder)
    {
        warning(&format!(
            "compiled plugins cannot be cached: {}: {error}",
            folder.display()
        ));
        config.cache = None;
    }
    Ok(made(config)?.with_listener(tell_of_loading))
}

/// An engine for a look at plugins that another one will load, which tells what there is to tell.
pub(crate) fn quiet_engine(mut config: EngineConfig) -> Result<Engine, CliError> {
    config
        .cache
        .take_if(|folder| trocar::check_cache(folder).is_err());
    made(config)
}

/// Of a configuration whose cache can be used.
fn made(mut config: EngineConfig) -> Result<Engine, CliError> {
    config.system = configuration::system_files();
    let engine = Engine::new(config).map_err(|error| CliError::new(error.to_string()))?;
    Ok(engine.with_stores(configuration::stores()))
}

fn tell_of_loading(event: &LoadEvent<'_>) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    match event {
        LoadEvent::Compiling { plugin } => {
            error_line(&format!("Compiling plugin {plugin:?}, which is done once ..."));
        }
        LoadEvent::NotSigned { plugin, missing } => warning(&format!("the plugin {plugin}: {missing}")),
        LoadEvent::NotCompiled { plugin } if !IS_TOLD.swap(true, Ordering::Relaxed) => warning(&format!(
            "plugin {plugin:?} of the system's configuration is compiled at each start; as root it is done once: \
             trocar plugin compile --system"
        )),
        _ => {}
    }
}
