//! The program under test in an isolated environment, and its output.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Running, Terminal};

/// A temporary folder as home and working folder, and nothing of the test's own environment.
///
/// ```no_run
/// use trocar_test_support::TestEnv;
/// let env = TestEnv::new(std::env::var_os("CARGO_BIN_EXE_trocar").unwrap());
/// env.write("pod.yaml", "kind: Pod");
/// let output = env.run("plan -f pod.yaml --image=busybox");
/// assert_eq!(output.code, 1, "{output}");
/// ```
pub struct TestEnv {
    folder: TempDir,
    program: PathBuf,
    variables: Vec<(String, String)>,
}

impl TestEnv {
    /// An environment without a kubeconfig.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            folder: TempDir::with_prefix("trocar-test-").expect("there is room for temporary files"),
            program: program.into(),
            variables: Vec::new(),
        }
    }

    /// An environment with a kubeconfig that names a server: context `test`, namespace `default`.
    pub fn with_server(program: impl Into<PathBuf>, server: &str) -> Self {
        let mut env = Self::new(program);
        let config = env.write("kubeconfig", &kubeconfig(server).to_string());
        env.set("KUBECONFIG", &config.display().to_string());
        env
    }

    /// Sets an environment variable for later runs.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The folder: home and working folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder. Returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_bytes(name, text.as_bytes())
    }

    /// Writes a binary file into the folder. Returns its path.
    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, bytes).expect("a temporary file can be written");
        path
    }

    /// The command with arguments, which the test can change and start.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .env("NO_COLOR", "1")
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm");
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// Runs the program with arguments that are separated by spaces, without standard input.
    pub fn run(&self, arguments: &str) -> CommandOutput {
        self.run_with(arguments.split_whitespace())
    }

    /// Runs the program with any arguments, without standard input.
    pub fn run_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> CommandOutput {
        self.start_with(arguments).finish()
    }

    /// Runs the program in a shell after another command, such as `ulimit`.
    pub fn run_limited(&self, limit: &str, arguments: &str) -> CommandOutput {
        let alone = self.command(arguments.split_whitespace());
        let script = format!("{limit}; exec \"$@\"");
        let mut limited = Command::new("/bin/sh");
        limited
            .args(["-c", &script, "sh"])
            .arg(alone.get_program())
            .args(alone.get_args())
            .current_dir(self.folder())
            .env_clear();
        for (name, value) in alone.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        Running::start(limited, self.folder().display().to_string()).finish()
    }

    /// Runs the program with a text as its standard input.
    pub fn run_fed(&self, arguments: &str, stdin: &str) -> CommandOutput {
        let mut running = self.start(arguments);
        running.write(stdin);
        running.finish()
    }

    /// Starts the program, without waiting for its end.
    pub fn start(&self, arguments: &str) -> Running {
        self.start_with(arguments.split_whitespace())
    }

    /// Starts the program with any arguments, without waiting for its end.
    pub fn start_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        Running::start(self.command(arguments), self.folder().display().to_string())
    }

    /// Starts the program in a shell on a terminal. The shell prints the exit code and waits for a line.
    pub fn start_under_shell(&self, arguments: &str) -> Terminal {
        let alone = self.command(arguments.split_whitespace());
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "\"$@\"; echo ended $?; read line", "sh"])
            .arg(alone.get_program())
            .args(alone.get_args())
            .current_dir(self.folder());
        for (name, value) in alone.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        Terminal::start(shell, 80, 24)
    }

    /// Starts the program on a terminal of 80 columns and 24 rows.
    pub fn start_on_terminal(&self, arguments: &str) -> Terminal {
        Terminal::start(self.command(arguments.split_whitespace()), 80, 24)
    }
}

/// The path of an installed program, by the test's search path.
pub fn in_path(program: impl AsRef<Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(&program))
        .find(|file| file.is_file())
}

/// A kubeconfig with one context, `test`.
pub fn kubeconfig(server: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
        "users": [{"name": "test", "user": {}}],
    })
}

/// The output and exit code of a program. The test's folder is replaced by `$HOME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; 128 plus the signal's number if a signal killed it.
    pub code: i32,
}

impl CommandOutput {
    /// Converts the output of a program. Fails if the program panicked, which none under test may do.
    pub(crate) fn new(stdout: &[u8], stderr: &[u8], code: i32, folder: &str) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(folder, "$HOME");
        let output = Self {
            stdout: text(stdout),
            stderr: text(stderr),
            code,
        };
        for sign in ["panicked at", "stack backtrace", "RUST_BACKTRACE"] {
            assert!(!output.stderr.contains(sign), "the program panicked:\n{output}");
        }
        output
    }
}

/// A transcript: stdout, stderr with a heading if not empty, and the exit code if not 0.
impl fmt::Display for CommandOutput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.stdout)?;
        let end = |text: &str| {
            if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "[no line end]\n"
            }
        };
        out.write_str(end(&self.stdout))?;
        if !self.stderr.is_empty() {
            write!(out, "--- stderr ---\n{}{}", self.stderr, end(&self.stderr))?;
        }
        if self.code != 0 {
            writeln!(out, "--- exit code {} ---", self.code)?;
        }
        Ok(())
    }
}
