//! A secret that may be replaced where it came from while the program runs: who finds it refused has it read again.
//! Promises that it is never printed, that all clones have the newest one, and that each is wiped when nobody has it any more.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

/// A program that prints it has 10 seconds; a file on a server that is away has none to itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads it where it came from; it may take as long as a program that prints it. The error says in words why it cannot.
type Read = dyn Fn() -> Result<SecretString, String> + Send + Sync;

/// See the module. A clone is the same secret.
#[derive(Clone)]
pub struct RotatingSecret {
    newest: Arc<RwLock<SecretString>>,
    read: Option<Arc<Read>>,
    /// Whose turn it is to read.
    turn: Arc<Mutex<()>>,
}

impl RotatingSecret {
    /// One that is read again with this.
    pub fn new(
        now: SecretString,
        read: impl Fn() -> Result<SecretString, String> + Send + Sync + 'static,
    ) -> Self {
        Self { newest: Arc::new(RwLock::new(now)), read: Some(Arc::new(read)), turn: Arc::default() }
    }

    /// As it was read last.
    pub fn newest(&self) -> SecretString {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it is this one, for all clones.
    pub fn replace(&self, new: SecretString) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// The one that has taken the place of this one, where there is another by now. The error says in words why the source
    /// cannot be read.
    pub async fn after(&self, refused: &SecretString) -> Result<Option<SecretString>, String> {
        let Some(read) = self.read.clone() else { return Ok(None) };
        let _turn = self.turn.lock().await;
        let is_another = |now: &SecretString| now.expose_secret() != refused.expose_secret();
        // Another one has read it meanwhile.
        if let Some(now) = Some(self.newest()).filter(is_another) {
            return Ok(Some(now));
        }
        let now = read_in_time(read).await?;
        self.replace(now.clone());
        Ok(Some(now).filter(is_another))
    }
}

/// On a thread of its own: one that never ends, at a pipe that nobody writes to, keeps the program from nothing.
async fn read_in_time(read: Arc<Read>) -> Result<SecretString, String> {
    let (reply, answer) = oneshot::channel();
    let reading = std::thread::Builder::new().name("secret".to_owned()).spawn(move || {
        // Whoever has waited long enough is gone.
        let _ = reply.send(read());
    });
    reading.map_err(|error| format!("no thread can be had to read it: {error}"))?;
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|_| "what reads it has failed".to_owned())?,
        Err(_) => Err(format!("it was not read within {} s", PATIENCE.as_secs())),
    }
}

/// One that stays as it is, such as a variable of the environment.
impl From<SecretString> for RotatingSecret {
    fn from(secret: SecretString) -> Self {
        Self { newest: Arc::new(RwLock::new(secret)), read: None, turn: Arc::default() }
    }
}

impl From<&str> for RotatingSecret {
    fn from(secret: &str) -> Self {
        SecretString::from(secret).into()
    }
}

impl fmt::Debug for RotatingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &Arc<std::sync::Mutex<Result<&'static str, &'static str>>>) -> RotatingSecret {
        let source = source.clone();
        RotatingSecret::new("old".into(), move || {
            source.lock().expect("nobody panics").map(SecretString::from).map_err(str::to_owned)
        })
    }

    async fn after(secret: &RotatingSecret, refused: &str) -> Result<Option<String>, String> {
        let new = secret.after(&refused.into()).await?;
        Ok(new.map(|new| new.expose_secret().to_owned()))
    }

    #[tokio::test]
    async fn one_that_has_changed_at_its_source_is_had_by_every_clone() {
        let source = Arc::new(std::sync::Mutex::new(Ok("old")));
        let secret = of(&source);
        let clone = secret.clone();
        assert_eq!(after(&secret, "old").await, Ok(None));
        *source.lock().expect("nobody panics") = Ok("new");
        assert_eq!(after(&secret, "old").await, Ok(Some("new".to_owned())));
        assert_eq!(clone.newest().expose_secret(), "new");
    }

    #[tokio::test]
    async fn who_was_refused_with_an_older_one_gets_the_one_that_another_has_read_already() {
        let source = Arc::new(std::sync::Mutex::new(Ok("new")));
        let secret = of(&source);
        let _ = after(&secret, "old").await;
        *source.lock().expect("nobody panics") = Err("it is not read for that");
        assert_eq!(after(&secret, "old").await, Ok(Some("new".to_owned())));
        *source.lock().expect("nobody panics") = Ok("new");
        assert_eq!(after(&secret, "new").await, Ok(None));
    }

    #[tokio::test]
    async fn a_source_that_cannot_be_read_says_why_and_changes_nothing() {
        let source = Arc::new(std::sync::Mutex::new(Err("it is gone")));
        let secret = of(&source);
        assert_eq!(after(&secret, "old").await, Err("it is gone".to_owned()));
        assert_eq!(secret.newest().expose_secret(), "old");
    }

    #[tokio::test]
    async fn one_without_a_source_stays() {
        assert_eq!(after(&"old".into(), "old").await, Ok(None));
    }

    #[test]
    fn it_is_not_printed() {
        assert!(!format!("{:?}", of(&Arc::new(std::sync::Mutex::new(Ok("old"))))).contains("old"));
    }
}
