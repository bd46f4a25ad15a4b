//! Where the secrets are planted: a folder with a configuration that finds them in a variable, in a file, in one that is
//! encrypted and in what a command prints; a platform, a database and a collector; and the program among them.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use tempfile::TempDir;

use crate::database::Database;
use crate::evidence::Evidence;
use crate::http::{Reply, serve};
use crate::loopback_server::LoopbackServer;
use crate::planted::{EMAIL, Planted};
use crate::secret::Secret;
use crate::until::until;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_campaign-sync");
pub(crate) const FORMATS: [&str; 2] = ["json", "pretty"];
/// The part of the configuration that names the database.
pub(crate) const DATABASE: &str =
    "database_url = { age = 'database.age' }\nage_identity = { file = 'key.txt' }\n";
/// What the command reads that prints a secret.
const ASKED: &str = "the-operators-token";
/// What it says besides.
const ASIDE: &str = "the-operators-token-aside";
/// What the secrets of the configuration are in.
const KEPT: [&str; 4] = ["key.txt", ASKED, ASIDE, "variables"];

/// See the module.
pub(crate) struct Scene {
    pub(crate) planted: Arc<Planted>,
    pub(crate) database: Database,
    pub(crate) evidence: RefCell<Evidence>,
    folder: TempDir,
    /// The bodies that it was sent; in the heads is its own token.
    traces: Arc<Mutex<Vec<u8>>>,
    collector: LoopbackServer,
}

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    /// With a platform at this address.
    pub(crate) fn new(planted: Arc<Planted>, platform: &str) -> Self {
        let traces = Arc::<Mutex<Vec<u8>>>::default();
        let told = traces.clone();
        let collector = LoopbackServer::start(move |stream| {
            serve(stream, |request| {
                told.lock().unwrap().extend(&request.body);
                Reply::Whole(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())
            });
        });
        let database = Database::start(&planted.database);
        let evidence = RefCell::default();
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { planted, database, evidence, folder, traces, collector };
        scene.write("key.txt", &scene.planted.identity.text);
        scene.write(ASKED, &scene.planted.operator.text);
        scene.write(ASIDE, &scene.planted.aside.text);
        scene.configure(platform);
        let url = scene.database.url(&scene.planted.database);
        let said = scene.given(&url, "pretty", &["secrets", "encrypt", "--output", "database.age"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        scene
    }

    /// From now on with a platform at this address.
    pub(crate) fn configure(&self, platform: &str) {
        self.write("campaign-sync.toml", &(DATABASE.to_owned() + &self.without_database(platform)));
    }

    /// A configuration that names no database.
    pub(crate) fn without_database(&self, platform: &str) -> String {
        format!(
            "api_url = '{platform}'\nemail = '{EMAIL}'\npassword = {{ env = 'CANARY_PASSWORD' }}\n\
             api_token = {{ command = ['sh', '-c', 'cat {ASKED}; cat {ASIDE} >&2'] }}\nlisten = '127.0.0.1:0'\n\
             otlp_endpoint = '{}'\nrate_limit = 'none'\nschedule = '31d'\nmax_wait = '1s'\nmax_attempts = 6\n\
             retry = ['unavailable=6/1ms/1ms', 'connection=6/1ms/1ms', 'unparsable=6/1ms/1ms', 'rejected=5/1ms/1ms']\n\
             \n[[accounts]]\nid = 'acme'\n",
            self.collector.url()
        )
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// The program, told to say all that it can.
    pub(crate) fn command(&self, format: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("CAMPAIGN_SYNC_LOG_FORMAT", format);
        command.env("CANARY_PASSWORD", &self.planted.password.text);
        let token = format!("authorization=Bearer%20{}", self.planted.collector.in_url());
        command.env("OTEL_EXPORTER_OTLP_HEADERS", token);
        command
    }

    /// Runs it, and keeps what it says and what is seen of it meanwhile.
    pub(crate) fn run(&self, format: &str, arguments: &[&str]) -> Said {
        self.finish(arguments.join(" "), self.command(format, arguments))
    }

    /// The same with this on its standard input.
    pub(crate) fn given(&self, input: &str, format: &str, arguments: &[&str]) -> Said {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut command = self.command(format, arguments);
        command.stdin(file);
        self.finish(arguments.join(" "), command)
    }

    /// The same where it may have no more files open than this at once. A shell sees to it, which is given no secret
    /// in its own environment.
    pub(crate) fn with_files(&self, files: usize, format: &str, arguments: &[&str]) -> Said {
        let command = self.command(format, arguments);
        let variables =
            command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
        let exports: String = variables.map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        self.write("variables", &exports);
        let mut shell = Command::new("sh");
        let script = format!(". ./variables; ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, PROGRAM]).args(arguments).current_dir(self.folder.path()).env_clear();
        self.finish(format!("{} with {files} files", arguments.join(" ")), shell)
    }

    /// The same of any command.
    pub(crate) fn finish(&self, name: String, command: Command) -> Said {
        self.start(name, command).end(self)
    }

    /// Starts it, to be looked at while it is at work.
    pub(crate) fn start(&self, name: String, mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = gather(child.stdout.take().unwrap());
        let stderr = gather(child.stderr.take().unwrap());
        Running { name, child, stdout, stderr }
    }

    /// Looks at all processes that there are now.
    pub(crate) fn look_around(&self) {
        self.evidence.borrow_mut().add_processes(&Path::new(PROGRAM).canonicalize().unwrap(), ASKED);
    }

    /// What an exporter of traces would.
    pub(crate) fn tell_the_collector(&self, body: &str) {
        let mut stream = TcpStream::connect(self.collector.url().replace("http://", "")).unwrap();
        write!(stream, "POST /v1/traces HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    }

    /// Every place where a secret can be read, after all that has been done.
    pub(crate) fn leaks<'a>(&self, more: impl IntoIterator<Item = &'a Secret>) -> Vec<String> {
        let mut evidence = self.evidence.borrow_mut();
        self.database.add_to(&mut evidence);
        evidence.add("the traces", &self.traces.lock().unwrap());
        evidence.add_files(self.folder.path(), &KEPT.map(|file| self.path(file)));
        let leaks = evidence.leaks(self.planted.all());
        leaks.into_iter().chain(evidence.leaks(more)).collect()
    }

    /// That there is none.
    pub(crate) fn shows_none<'a>(&self, more: impl IntoIterator<Item = &'a Secret>) {
        let leaks = self.leaks(more);
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }

    /// The same of runs that did something: a search of nothing finds nothing.
    pub(crate) fn keeps_its_secrets<'a>(&self, more: impl IntoIterator<Item = &'a Secret>) {
        self.shows_none(more);
        let evidence = self.evidence.borrow();
        for (place, words) in [
            ("the server's log", "INSERT INTO"),
            ("the database", "COPY public.campaigns"),
            ("standard error", "DEBUG"),
        ] {
            assert!(evidence.has(place, words), "{place}");
        }
    }
}

type Gathered = Arc<Mutex<Vec<u8>>>;

/// A program at work.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdout: (Gathered, JoinHandle<()>),
    stderr: (Gathered, JoinHandle<()>),
}

impl Running {
    /// What it has said on standard error by now.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr.0.lock().unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Waits for its end, and looks around meanwhile.
    pub(crate) fn end(mut self, scene: &Scene) -> Said {
        let status = until(&format!("{} ends", self.name), || {
            scene.look_around();
            self.child.try_wait().unwrap()
        });
        let [stdout, stderr] = [self.stdout, self.stderr].map(|(gathered, thread)| {
            thread.join().unwrap();
            std::mem::take(&mut *gathered.lock().unwrap())
        });
        let mut evidence = scene.evidence.borrow_mut();
        evidence.add(format!("standard output of {}", self.name), &stdout);
        evidence.add(format!("standard error of {}", self.name), &stderr);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

fn gather(mut pipe: impl Read + Send + 'static) -> (Gathered, JoinHandle<()>) {
    let gathered = Gathered::default();
    let shared = gathered.clone();
    let thread = spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            shared.lock().unwrap().extend(&buffer[..read]);
        }
    });
    (gathered, thread)
}
