//! The flags of `secrets`.

use clap::{Args, Subcommand, ValueHint};

use super::FileArgs;

/// What to do with secrets.
#[derive(Subcommand)]
pub enum SecretsCommand {
    /// Encrypt a secret for { age = "FILE" }: it is read from standard input, or asked for on a terminal
    Encrypt(EncryptArgs),
}

/// Flags of `secrets encrypt`.
#[derive(Args, Default)]
pub struct EncryptArgs {
    /// Who can decrypt it: what age-keygen prints as the public key; repeatable [default: the age identity that is set]
    #[arg(long, value_name = "age1…")]
    pub recipient: Vec<String>,
    /// File to write; nobody else can read it, and one that is there is replaced [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
}
