//! Flags that a strategy plugin brings along: its manifest names them, and each sets one of its settings.
//!
//! Looked for where `--strategy` is typed. Those of a strategy that the configuration names are looked for where a flag is
//! not known, and for the help, so that no other start pays for them.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use trocar::{Config, EngineConfig, manifest::PluginFlag, plugin::PluginSource, source_named};

use super::{configuration, error::CliError, resolve, ui};

/// The verbs that take the flags of a strategy.
const VERBS: [&str; 2] = ["debug", "plan"];

/// The flags of the strategy that a command line chooses; none where it chooses none.
pub(crate) fn typed(words: &[OsString]) -> Result<Vec<PluginFlag>, CliError> {
    match value(words, "--strategy").filter(|_| is_verb(words)) {
        Some(strategy) => of_strategy(&configuration(words)?, &strategy),
        None => Ok(Vec::new()),
    }
}

/// The flags of the strategy that the configuration names; none where the command line chooses one itself.
pub(crate) fn configured(words: &[OsString]) -> Result<Vec<PluginFlag>, CliError> {
    if !is_verb(words) || value(words, "--strategy").is_some() {
        return Ok(Vec::new());
    }
    let config = configuration(words)?;
    match &config.defaults.strategy {
        Some(strategy) => of_strategy(&config, strategy),
        None => Ok(Vec::new()),
    }
}

fn is_verb(words: &[OsString]) -> bool {
    let verb = words.get(1).and_then(|word| word.to_str());
    verb.is_some_and(|word| VERBS.contains(&word))
}

fn configuration(words: &[OsString]) -> Result<Config, CliError> {
    configuration::load(value(words, "--config").map(PathBuf::from).as_deref())
}

fn of_strategy(config: &Config, strategy: &str) -> Result<Vec<PluginFlag>, CliError> {
    let source = source_named(config, strategy);
    let is_default = matches!(source, PluginSource::Default(_));
    let engine = ui::quiet_engine(EngineConfig {
        cache: resolve::cache_folder().filter(|_| !is_default),
        ..EngineConfig::default()
    })?;
    let found = engine.describe(&engine.find(config, &source)?)?;
    Ok(found.manifest().flags.clone())
}

/// The last value of a flag, before the command of the debug container.
pub(crate) fn value(words: &[OsString], flag: &str) -> Option<String> {
    let mut found = None;
    let mut words = words
        .iter()
        // What follows `--` is the command line of the debug container.
        .map_while(|word| word.to_str().filter(|word| *word != "--"));
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => found = words.next().map(str::to_owned),
            Some(value) => found = value.strip_prefix('=').map(str::to_owned).or(found),
            None => {}
        }
    }
    found
}

/// Says whether the program itself has a flag of a name, where those of strategies are offered.
pub(crate) fn is_taken(command: &Command, flag: &str) -> bool {
    let verbs = command.get_subcommands();
    let verbs = verbs.filter(|verb| VERBS.contains(&verb.get_name()));
    let mut arguments = verbs.flat_map(Command::get_arguments);
    arguments.any(|argument| argument.get_long() == Some(flag)) || flag == "help"
}

/// Offers the flags beside those of the program itself, of which none may be taken.
pub(crate) fn offer(command: Command, flags: &[PluginFlag]) -> Result<Command, CliError> {
    if let Some(flag) = flags.iter().find(|flag| is_taken(&command, &flag.name)) {
        return Err(CliError::new(format!(
            "the strategy brings a flag --{}, which trocar has itself",
            flag.name
        ))
        .note("this is the plugin's fault, not trocar's"));
    }
    let arguments: Vec<Arg> = flags
        .iter()
        .map(|flag| {
            Arg::new(id(flag))
                .long(flag.name.clone())
                .help(flag.help.clone())
                .value_name("VALUE")
                .action(ArgAction::Set)
                .help_heading("Strategy")
        })
        .collect();
    Ok(VERBS.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| verb.args(arguments.clone()))
    }))
}

fn id(flag: &PluginFlag) -> String {
    format!("plugin-flag-{}", flag.name)
}

/// What was typed, as `--set` would have it.
pub(crate) fn settings(matches: &ArgMatches, flags: &[PluginFlag]) -> Vec<String> {
    let Some((_, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let typed = flags.iter().filter_map(|flag| {
        let value = matches.get_one::<String>(&id(flag))?;
        Some(format!("{}={value}", flag.setting))
    });
    typed.collect()
}
