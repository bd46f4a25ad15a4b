//! What the contenders of other languages need, installed by their own package managers at the versions that stand beside
//! them; once, into the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Where the contenders are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// What is installed.
pub(crate) struct Toolbox {
    folder: PathBuf,
}

impl Toolbox {
    /// Installs what is not there yet. Takes a minute the first time.
    pub(crate) fn install(folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let toolbox = Self { folder };
        toolbox.once("requirements.txt", |pinned| {
            let environment = toolbox.folder.join("python");
            succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
            let mut pip = Command::new(environment.join("bin/pip"));
            succeed(
                pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(pinned),
            )
        })?;
        toolbox.once("package-lock.json", |_| {
            for file in ["package.json", "package-lock.json"] {
                fs::copy(Path::new(SOURCES).join(file), toolbox.folder.join(file))?;
            }
            let mut npm = Command::new("npm");
            succeed(npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&toolbox.folder))
        })?;
        // Node looks for packages beside the script.
        let script = "node_script.mjs";
        fs::copy(Path::new(SOURCES).join(script), toolbox.folder.join(script))?;
        Ok(toolbox)
    }

    /// Runs what installs the versions that stand in this file, unless they were installed as they stand there now.
    fn once(&self, file: &str, install: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let pinned = Path::new(SOURCES).join(file);
        let wanted = fs::read(&pinned).with_context(|| format!("{} cannot be read", pinned.display()))?;
        let mark = self.folder.join(format!("installed-{file}"));
        if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        install(&pinned)?;
        Ok(fs::write(mark, wanted)?)
    }

    pub(crate) fn python(&self, script: &str) -> Command {
        let mut command = Command::new(self.folder.join("python/bin/python"));
        command.arg(Path::new(SOURCES).join(script));
        command
    }

    pub(crate) fn node(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.folder.join(script));
        command
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().with_context(|| format!("{program} cannot be started; install it first"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
