//! The authorities of one's own: where they are given, and what is wrong with their file.

use super::file::Written;
use super::*;

fn path_of(file: &Written) -> String {
    file.folder().join("ca.pem").display().to_string()
}

#[test]
fn authorities_are_read_from_the_file_of_the_flag_the_variable_or_beside_the_configuration_file() {
    let file = Written::new("ca_file = 'ca.pem'\n");
    let of_file = file.run("", &REQUIRED).unwrap().authorities;
    assert_ne!(of_file, Authorities::default());
    let path = path_of(&file);
    assert_eq!(run(&format!("--ca-file {path}"), &[], "").unwrap().authorities, of_file);
    assert_eq!(run("", &[("AD_PLATFORM_CA_FILE", &path)], "").unwrap().authorities, of_file);
    assert_eq!(run("", &[], "").unwrap().authorities, Authorities::default());
}

#[test]
fn every_command_that_asks_a_platform_reads_the_authorities() {
    let file = Written::new("ca_file = 'ca.pem'\n");
    let wanted = file.run("", &REQUIRED).unwrap().authorities;
    let environment = environment(&REQUIRED, "");
    let config = file.path().display().to_string();
    use crate::cli::DeadLettersCommand::Replay;
    for line in ["run", "serve", "check", "plan", "dead-letters replay"] {
        let found = match command(&format!("{line} --config {config}")) {
            Command::Run(args) => RunConfig::load(&args, &environment).map(|config| config.authorities),
            Command::Serve(args) => ServeConfig::load(&args, &environment).map(|config| config.authorities),
            Command::Check(args) => CheckConfig::load(&args, &environment).map(|config| config.authorities),
            Command::Plan(args) => PlanConfig::load(&args, &environment).map(|config| config.authorities),
            Command::DeadLetters(Replay(args)) => {
                RunConfig::for_replay(&args, &environment).map(|config| config.authorities)
            }
            _ => panic!("{line}"),
        };
        assert_eq!(found.unwrap(), wanted, "{line}");
    }
}

#[test]
fn a_file_that_holds_no_authority_is_named_with_its_source_and_what_is_wrong() {
    let file = Written::new("ca_file = 'ca.pem'\n");
    let path = path_of(&file);
    std::fs::write(&path, "hunter2").unwrap();
    let wrong = "must be the path of a PEM file with one or more certificates of authorities (this one is not PEM), not";
    assert_eq!(
        file.run("", &REQUIRED).unwrap_err(),
        [format!("ca_file {wrong} {path:?} (c.toml line 1, column 11)")]
    );
    assert_eq!(
        run(&format!("--ca-file {path}"), &[], "").unwrap_err(),
        [format!("--ca-file {wrong} {path:?} (flag --ca-file)")]
    );
    std::fs::remove_file(&path).unwrap();
    let problems = run("", &[("AD_PLATFORM_CA_FILE", &path)], "").unwrap_err();
    assert!(problems[0].contains("(this one cannot be read: No such file"), "{problems:?}");
    assert!(problems[0].ends_with("(environment variable AD_PLATFORM_CA_FILE)"), "{problems:?}");
}
