//! The settings of `secrets encrypt`.

use age::Recipient;
use age::x25519;

use super::environment::Environment;
use super::problem::{InvalidConfig, Problem, Refusal};
use super::reader::Reader;
use super::source::Source;
use super::{secret_file, setting, text};
use crate::cli::EncryptArgs;

/// What `secrets encrypt` needs.
pub struct EncryptConfig {
    /// Who can decrypt it, at least one.
    pub recipients: Vec<Box<dyn Recipient + Send>>,
    /// Where it goes; none: to standard output.
    pub output: Option<String>,
}

impl EncryptConfig {
    /// Checks everything, writes nothing. Without recipients it is for the age identity that is set.
    pub fn load(args: &EncryptArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let recipients = match args.recipient.as_slice() {
            [] => of_identity(&mut reader),
            given => given.iter().map(|given| recipient(&mut reader, given)).collect(),
        };
        let config = recipients.map(|recipients| Self { recipients, output: args.output.clone() });
        reader.finish(config)
    }
}

fn recipient(reader: &mut Reader<'_>, given: &str) -> Option<Box<dyn Recipient + Send>> {
    reader.checked("--recipient", given, Source::Flag("--recipient"), |text| {
        let recipient = text.parse::<x25519::Recipient>();
        // Whoever takes the one for the other gives away the identity.
        let refuse = || match text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
            true => Refusal::hidden("the public key (age1…), not the identity"),
            false => Refusal::new("what age-keygen prints as the public key (age1…)"),
        };
        recipient.map(|recipient| Box::new(recipient) as Box<dyn Recipient + Send>).map_err(|_| refuse())
    })
}

fn of_identity(reader: &mut Reader<'_>) -> Option<Vec<Box<dyn Recipient + Send>>> {
    let identity = &setting::AGE_IDENTITY;
    let ways = format!(
        "name who is to decrypt it (--recipient age1…), or set {} to the file that age-keygen has made",
        identity.file_variable
    );
    let Some(found) = reader.optional_secret(identity, None, text::age_identity) else {
        if !reader.has(identity) {
            reader.refuse(Problem::Missing { setting: "--recipient".to_owned(), at: None, ways });
        }
        return None;
    };
    secret_file::identities(&found.newest()).ok()?.to_recipients().ok()
}
