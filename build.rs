//! Rebuilds when a migration is added: the macro that embeds them sees only the files that it saw before.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
