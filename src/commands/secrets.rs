//! `secrets encrypt`: a secret, from standard input, as a file that only the holder of an age identity can read. Promises
//! that the secret is neither shown nor left in a file, and that the file is whole or not there.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use age::armor::{ArmoredWriter, Format};
use age::{Encryptor, Recipient};
use anyhow::{Context, ensure};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use crate::config::{EncryptConfig, MAX_SECRET_BYTES};

/// Exit code 0 once it is written.
pub fn encrypt(config: EncryptConfig) -> anyhow::Result<ExitCode> {
    let secret = read()?;
    let encrypted = encrypted(&config.recipients, &secret).context("the secret cannot be encrypted")?;
    match &config.output {
        None => {
            io::stdout().write_all(&encrypted).context("the secret cannot be written to standard output")?
        }
        Some(path) => {
            write(Path::new(path), &encrypted).with_context(|| format!("{path:?} cannot be written"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read() -> anyhow::Result<SecretString> {
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("The secret (it is not shown): ");
        return given(&Zeroizing::new(typed.context("the secret cannot be read from the terminal")?));
    }
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(MAX_SECRET_BYTES + 1).read_to_string(&mut text);
    read.context("the secret cannot be read from standard input")?;
    given(&text)
}

/// Without the newline at its end.
fn given(text: &str) -> anyhow::Result<SecretString> {
    ensure!(text.len() as u64 <= MAX_SECRET_BYTES, "the secret is larger than 64 KiB");
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(!line.is_empty(), "there is no secret: write it to standard input");
    Ok(SecretString::from(line))
}

fn encrypted(recipients: &[Box<dyn Recipient + Send>], secret: &SecretString) -> anyhow::Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|one| &**one as &dyn Recipient))?;
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armored)?;
    writer.write_all(secret.expose_secret().as_bytes())?;
    Ok(writer.finish()?.finish()?)
}

/// Beside it first, so that whoever reads it meanwhile reads the old one or the new one. The library's files are their
/// owner's alone.
fn write(path: &Path, encrypted: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut beside = NamedTempFile::new_in(folder)?;
    beside.write_all(encrypted)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}
